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

use crate::{
    codec,
    seal::{
        SealError, armor,
        gcm::{GcmKey, NONCE_LEN, TAG_LEN},
    },
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
    armor::for_rack(&codec::STANDARD.encode(&sealed))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAINTEXT: &str = r#"{"access_token":"at_1","refresh_token":"rt_1","user":{"id":"user_1","email":"a@example.com"}}"#;
    const NONCE: [u8; NONCE_LEN] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

    #[test]
    fn seals_what_the_ruby_sdk_seals() {
        let key = GcmKey::from_sha256(b"0123456789abcdefghijklmnopqrstuv");
        let sealed = seal(&key, NONCE, PLAINTEXT.as_bytes());

        assert_eq!(
            sealed.replace("%2B", "+"),
            "AQABAgMEBQYHCAkKCwktCJEk1eJpKoGLJ6h272o3ZaqRM5MHQQKhgFWjdShdSPnmPOxm0BacN/HSUSdRx/0vlDHNAUSmFgh3nBF5pHmF\
             gvGXAr5Br3ATpG/zBBlHXD7JbcAm1TqAQz4WzwjMqs3ULjmDwpWEU/+2CL4="
        );
        assert!(!sealed.contains('+'), "Rack reads + as a space");
    }
}
