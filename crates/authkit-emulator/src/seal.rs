use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest::{SHA256, digest},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use crate::ids;

/// Seals `payload` into a value for the session cookie, in the format of the official Ruby SDK (7 and later).
///
/// Layout: base64 of `0x01 | iv (12) | tag (16) | ciphertext`, AES-256-GCM under the SHA-256 of the
/// password, no associated data. [`TestSession::cookie`](crate::TestSession::cookie) seals a session that the emulator
/// knows; this function seals any payload.
///
/// # Examples
///
/// ```
/// let payload = serde_json::json!({ "access_token": "forged", "refresh_token": "forged" });
/// let cookie = authkit_emulator::seal(&payload, "a-cookie-password-of-32-characters");
/// assert!(cookie.starts_with('A'));
/// ```
pub fn seal(payload: &Value, password: &str) -> String {
    seal_with(payload.to_string().as_bytes(), password, ids::random_bytes())
}

fn seal_with(plaintext: &[u8], password: &str, iv: [u8; NONCE_LEN]) -> String {
    let key = UnboundKey::new(&AES_256_GCM, digest(&SHA256, password.as_bytes()).as_ref())
        .map(LessSafeKey::new)
        .expect("a SHA-256 digest is a 256-bit key");
    let mut ciphertext = plaintext.to_vec();
    let tag = key
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(iv), Aad::empty(), &mut ciphertext)
        .expect("a cookie is far below AES-GCM's length limit");
    STANDARD.encode([&[VERSION], iv.as_slice(), tag.as_ref(), &ciphertext].concat())
}

const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_the_ruby_sdks() {
        // Sealed by an independent implementation with the iv 00 01 .. 0b.
        let vector = "AQABAgMEBQYHCAkKCwktCJEk1eJpKoGLJ6h272o3ZaqRM5MHQQKhgFWjdShdSPnmPOxm0BacN/HSUSdRx/0vlDHNAUSmFgh3nBF5\
                      pHmFgvGXAr5Br3ATpG/zBBlHXD7JbcAm1TqAQz4WzwjMqs3ULjmDwpWEU/+2CL4=";
        let payload = r#"{"access_token":"at_1","refresh_token":"rt_1","user":{"id":"user_1","email":"a@example.com"}}"#;
        let iv = std::array::from_fn(|index| index as u8);
        assert_eq!(seal_with(payload.as_bytes(), "0123456789abcdefghijklmnopqrstuv", iv), vector);
    }

    #[test]
    fn two_seals_of_one_payload_differ() {
        let payload = serde_json::json!({ "access_token": "at_1" });
        assert_ne!(seal(&payload, "password"), seal(&payload, "password"));
    }
}
