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

use crate::seal::{
    SealError, armor,
    gcm::{GcmKey, KEY_LEN, NONCE_LEN, TAG_LEN},
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

/// Makes plaintext of `sealed`, which has to be [shaped](is_shaped), or leaves it as it was.
pub(super) fn open(key: &GcmKey, aad: &[u8], sealed: &mut Vec<u8>) -> Result<(), SealError> {
    let (nonce, rest) = sealed.split_first_chunk_mut().ok_or(SealError::Malformed)?;
    let (text, tag) = rest.split_last_chunk_mut().ok_or(SealError::Malformed)?;
    key.open(*nonce, aad, text, *tag)?;
    sealed.truncate(sealed.len() - TAG_LEN);
    sealed.drain(..NONCE_LEN);
    Ok(())
}

pub(super) fn seal(key: &GcmKey, nonce: [u8; NONCE_LEN], plaintext: &[u8]) -> String {
    armor::STANDARD.encode(seal_bytes(key, nonce, b"", plaintext))
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

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
