//! Go SDK and Rust SDK, which read each other.
//!
//! ```text
//! base64( nonce 12 · ciphertext · tag 16 )      standard alphabet, padded
//! ```
//!
//! AES-256-GCM without associated data, snake_case JSON. Key = the 32 bytes that 64 hexadecimal characters spell; Go
//! takes SHA-256(password) of any other password, Rust refuses it.
//!
//! Sources: workos-go 10.1.1 `session.go`, workos 3.5.0 `src/helpers/session.rs`.

use base64::Engine as _;
use zeroize::Zeroizing;

use crate::{
    codec,
    seal::{
        SealError,
        gcm::{GcmKey, KEY_LEN, NONCE_LEN, TAG_LEN},
    },
};

/// The key that `password` spells, if it is 64 hexadecimal characters.
pub(super) fn hex_key(password: &str) -> Option<GcmKey> {
    let digits: &[u8; 2 * KEY_LEN] = password.as_bytes().try_into().ok()?;
    let mut key = Zeroizing::new([0; KEY_LEN]);
    for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(GcmKey::new(&key))
}

pub(super) fn is_shaped(sealed: &[u8]) -> bool {
    sealed.len() >= NONCE_LEN + TAG_LEN
}

/// Decrypts `sealed`, which must be [shaped](is_shaped), in place, or leaves it as it was.
pub(super) fn open(key: &GcmKey, aad: &[u8], sealed: &mut Vec<u8>) -> Result<(), SealError> {
    let (nonce, rest) = sealed.split_first_chunk_mut().ok_or(SealError::Malformed)?;
    let (text, tag) = rest.split_last_chunk_mut().ok_or(SealError::Malformed)?;
    key.open(*nonce, aad, text, *tag)?;
    sealed.truncate(sealed.len() - TAG_LEN);
    sealed.drain(..NONCE_LEN);
    Ok(())
}

pub(super) fn seal(key: &GcmKey, nonce: [u8; NONCE_LEN], plaintext: &[u8]) -> String {
    codec::STANDARD.encode(seal_bytes(key, nonce, b"", plaintext))
}

/// The layout before base64: Ruby 6 and what is sealed for a purpose have it too.
pub(super) fn seal_bytes(
    key: &GcmKey,
    nonce: [u8; NONCE_LEN],
    aad: &[u8],
    plaintext: &[u8],
) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(NONCE_LEN + plaintext.len() + TAG_LEN);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plaintext);
    let tag = key.seal(nonce, aad, &mut sealed[NONCE_LEN..]);
    sealed.extend_from_slice(&tag);
    sealed
}

/// The value of a hexadecimal digit.
fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAINTEXT: &str = r#"{"access_token":"at_1","refresh_token":"rt_1","user":{"id":"user_1","email":"a@example.com"}}"#;
    const NONCE: [u8; NONCE_LEN] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

    #[test]
    fn seals_what_the_go_sdk_seals() {
        let key = GcmKey::from_sha256(b"0123456789abcdefghijklmnopqrstuv");

        assert_eq!(
            seal(&key, NONCE, PLAINTEXT.as_bytes()),
            "AAECAwQFBgcICQoLN2WqkTOTB0ECoYBVo3UoXUj55jzsZtAWnDfx0lEnUcf9L5QxzQFEphYId5wReaR5hYLxlwK+Qa9wE6Rv8wQZR1w+\
             yW3AJtU6gEM+Fs8IzKrN1C45g8KVhFP/tgi+CS0IkSTV4mkqgYsnqHbvag=="
        );
    }

    #[test]
    fn seals_what_the_rust_sdk_seals() {
        let key = hex_key(&"0123456789abcdef".repeat(4)).unwrap();

        assert_eq!(
            seal(&key, NONCE, PLAINTEXT.as_bytes()),
            "AAECAwQFBgcICQoL+ib7fmWCUXvFv6Z4EtGA+mqtYOHq0gY/2r/hvzigEV43pOIDGJrVv2k1mY1/MHWTcSNciFcvgNSPHCUCP1wvpmv9\
             EKIMihwz8RZOKbLNfry6cwzqAZ83U4SKjwRGDpGbvFH6oiVWvE+IcT8Q/w=="
        );
    }

    #[test]
    fn a_digit_counts_as_much_in_capitals() {
        for byte in 0..=u8::MAX {
            let expected = char::from(byte).to_digit(16);
            assert_eq!(nibble(byte).map(u32::from), expected, "{byte}");
        }
    }

    #[test]
    fn key_is_64_hexadecimal_characters() {
        let cases = [
            ("64 digits", "0123456789abcdef".repeat(4), true),
            ("capitals", "0123456789ABCDEF".repeat(4), true),
            ("62 digits", "0123456789abcdef".repeat(4)[2..].to_owned(), false),
            ("not a digit", format!("g{}", &"0123456789abcdef".repeat(4)[1..]), false),
            ("a sign", format!("+{}", &"0123456789abcdef".repeat(4)[1..]), false),
            ("two bytes", "ä".repeat(32), false),
        ];

        for (name, password, accepted) in cases {
            assert_eq!(hex_key(&password).is_some(), accepted, "{name}");
        }
    }
}
