//! Ruby SDK 7 and later.
//!
//! ```text
//! base64( 0x01 · nonce 12 · tag 16 · ciphertext )      standard alphabet, padded
//! ```
//!
//! AES-256-GCM without associated data, key = SHA-256(password), password >= 32 bytes, snake_case JSON.
//! Rack unescapes cookies, so `+` is written as `%2B`.
//!
//! Source: workos-ruby 10.2.1 `lib/workos/encryptors/aes_gcm.rb`.

use base64::Engine as _;

use crate::seal::{
    SealError, armor,
    gcm::{GcmKey, NONCE_LEN, TAG_LEN},
};

const VERSION: u8 = 1;
const HEAD_LEN: usize = 1 + NONCE_LEN + TAG_LEN;

/// Tells by its first byte; one in 256 values of the formats without a version looks the same.
pub(super) fn is_shaped(sealed: &[u8]) -> bool {
    sealed.len() >= HEAD_LEN && sealed[0] == VERSION
}

/// Makes plaintext of `sealed`, which has to be [shaped](is_shaped), or leaves it as it was.
pub(super) fn open(key: &GcmKey, sealed: &mut Vec<u8>) -> Result<(), SealError> {
    let (head, text) = sealed.split_at_mut(HEAD_LEN);
    let nonce = head[1..][..NONCE_LEN].try_into().expect("the head has a nonce");
    let tag = head[1 + NONCE_LEN..].try_into().expect("the head has a tag");
    key.open(nonce, b"", text, tag)?;
    sealed.drain(..HEAD_LEN);
    Ok(())
}

pub(super) fn seal(key: &GcmKey, nonce: [u8; NONCE_LEN], plaintext: &[u8]) -> String {
    let mut sealed = Vec::with_capacity(HEAD_LEN + plaintext.len());
    sealed.push(VERSION);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(&[0; TAG_LEN]);
    sealed.extend_from_slice(plaintext);
    let (head, text) = sealed.split_at_mut(HEAD_LEN);
    let tag = key.seal(nonce, b"", text);
    head[1 + NONCE_LEN..].copy_from_slice(&tag);
    armor::for_rack(&armor::STANDARD.encode(&sealed))
}
