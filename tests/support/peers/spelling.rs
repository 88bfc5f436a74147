//! Explains why one side opens a cookie that the other does not. Each explanation is a row of the table in
//! `docs/proof.md`.

use authkit_session::SealFormat;
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::{Peer, sharing::format};

/// Why the SDK opens `value`, which was made from the sealed `original`, and we do not.
pub(super) fn read_there(peer: Peer, original: &str, value: &str) -> Option<&'static str> {
    if value == original {
        return None;
    }
    match format(peer) {
        SealFormat::Node => {
            let (seal, suffix) = value.split_once('~')?;
            let is_two = suffix.trim_start().trim_start_matches('+').trim_start_matches('0');
            let (signed, mac) = seal.rsplit_once('*')?;
            let (all_signed, original_mac) = original.strip_suffix("~2")?.rsplit_once('*')?;
            if signed != all_signed || leniently(mac)? != leniently(original_mac)? {
                None
            } else if mac != original_mac {
                Some(
                    "the SDK decodes the MAC leniently: unused bits, another alphabet, other characters",
                )
            } else if is_two.starts_with('2') {
                Some("the SDK reads the suffix as `parseInt` does, and ignores what follows")
            } else {
                (peer == Peer::Node).then_some("`@workos-inc/node` opens a seal with any suffix")
            }
        }
        SealFormat::Python => {
            let is_base64 = |c: &char| c.is_ascii_alphanumeric() || "+/-_".contains(*c);
            let (text, ending) = value.split_at(value.trim_end_matches('=').len());
            let (written, _) = original.split_at(original.trim_end_matches('=').len());
            if leniently(value)? != leniently(original)? {
                None
            } else if text.chars().any(|c| !is_base64(&c)) {
                Some(
                    "Python drops characters that are not of base64, padding in the middle, and what follows it",
                )
            } else if text.contains(['+', '/']) {
                Some("Python reads both alphabets in one value")
            } else if text != written {
                Some("Python ignores the bits of the last character that spell no byte")
            } else if ending.len() > original.len() - written.len() {
                Some("Python ignores padding beyond what is needed")
            } else {
                None
            }
        }
        _ => None,
    }
}

/// Why we open `value`, which was made from the sealed `original`, and the SDK does not.
pub(super) fn read_here(peer: Peer, original: &str, value: &str) -> Option<&'static str> {
    if value == original {
        return None;
    }
    let plain = without_escapes(value);
    let (bare, written) = (plain.trim_end_matches('='), original.trim_end_matches('='));
    let is_iron = format(peer) == SealFormat::Node;
    if plain == original {
        return Some(
            "white space and percent-encoding, which frameworks and proxies add, are undone here",
        );
    }
    if !is_iron && bare == written {
        return Some("padding may be missing here");
    }
    let seal = original.strip_suffix("~2").filter(|_| is_iron);
    if let Some(seal) = seal {
        if plain == seal {
            return Some("a seal without a suffix is read here: the Kotlin SDK's");
        }
        if plain.strip_suffix("~1") == Some(seal) {
            return Some("the suffix `~1` is read here: iron-session's until version 6");
        }
    }
    // Values of the Ruby SDK begin with its version byte.
    plain.starts_with('A').then_some("the cookie of another SDK")
}

/// Whether `value` is a spelling of the base64 value `original` that we read: with escapes, with white space, or without its
/// padding.
pub(super) fn is_alike(original: &str, value: &str) -> bool {
    let (plain, written) = (without_escapes(value), without_escapes(original));
    plain.trim_end_matches('=') == written.trim_end_matches('=')
}

/// Decodes a value like Python, which drops unknown characters.
fn leniently(value: &str) -> Option<Vec<u8>> {
    let (mut text, mut padding) = (String::new(), 0);
    for character in value.chars() {
        match character {
            // The value ends where the padding is complete.
            '=' if text.len() % 4 >= 2 => {
                padding += 1;
                if text.len() % 4 + padding >= 4 {
                    break;
                }
                continue;
            }
            '-' => text.push('+'),
            '_' => text.push('/'),
            other if other.is_ascii_alphanumeric() || "+/".contains(other) => text.push(other),
            _ => continue,
        }
        padding = 0;
    }
    LENIENT.decode(text).ok()
}

/// Decodes `%XX`, then drops white space.
fn without_escapes(value: &str) -> String {
    let mut plain = String::new();
    let mut rest = value;
    while let Some(character) = rest.chars().next() {
        let escape = rest.get(1..3).filter(|_| character == '%');
        match escape.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                plain.push(char::from(byte));
                rest = &rest[3..];
            }
            None => {
                plain.push(character);
                rest = &rest[character.len_utf8()..];
            }
        }
    }
    plain.retain(|character| !character.is_ascii_whitespace());
    plain
}

static LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nothing_explains_is_not_explained() {
        let iron = "Fe26.2*1*aa*bb*cc**dd*ee~2";
        let fernet = "gAAAAABlU_EAAAECAwQFBg==";
        for peer in Peer::INSTALLED {
            let original = if format(peer) == SealFormat::Node { iron } else { fernet };
            for changed in [original.replacen(['a', 'A'], "B", 1) + "x", format!("x{original}")] {
                assert_eq!(read_there(peer, original, &changed), None, "{peer:?}: {changed}");
                assert_eq!(read_here(peer, original, &changed), None, "{peer:?}: {changed}");
            }
            assert_eq!(read_there(peer, original, original), None, "{peer:?}");
        }
        assert!(read_there(Peer::Node, iron, &iron.replace("~2", "~2x")).is_some());
        assert!(read_there(Peer::Python, fernet, &fernet.replace('_', "/")).is_some());
        assert!(read_there(Peer::Python, fernet, &fernet.replace('U', "!U")).is_some());
        assert!(read_here(Peer::Python, fernet, &fernet.replace('=', "%3D")).is_some());
    }
}
