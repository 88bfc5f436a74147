//! A seed file of the emulator, in YAML or JSON: it is read, or refused with an error, without a panic.

use authkit_emulator::Seed;

pub(super) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(error) = text.parse::<Seed>() {
        assert!(!error.to_string().is_empty());
    }
}
