//! A seeds file of the emulator, in YAML or JSON: it is read, or it is said what is wrong with it.

use authkit_emulator::Seed;

pub(super) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(error) = text.parse::<Seed>() {
        assert!(!error.to_string().is_empty());
    }
}
