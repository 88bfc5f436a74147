//! Ruby SDK 5 and 6, and the `encryptor` gem below them.
//!
//! ```text
//! base64( nonce 12 · ciphertext · tag 16 )      standard alphabet, padded, a line break after every 60 characters
//! ```
//!
//! AES-256-GCM without associated data, key = the password's own 32 bytes, snake_case JSON in which
//! `"impersonator":"null"` says that there is none. Rack writes the line breaks as `%0A`; the SDK's reader skips
//! them, so they are read and not written.
//!
//! Source: workos-ruby 6.0.0 `lib/workos/encryptors/aes_gcm.rb`.

use crate::seal::{
    armor,
    gcm::{GcmKey, KEY_LEN, NONCE_LEN},
    go,
};

/// The key that `password` is, if it has 32 bytes.
pub(super) fn raw_key(password: &str) -> Option<GcmKey> {
    let key: &[u8; KEY_LEN] = password.as_bytes().try_into().ok()?;
    Some(GcmKey::new(key))
}

pub(super) fn seal(key: &GcmKey, nonce: [u8; NONCE_LEN], plaintext: &[u8]) -> String {
    armor::for_rack(&go::seal(key, nonce, plaintext))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAINTEXT: &str = r#"{"access_token":"at_1","refresh_token":"rt_1","user":{"id":"user_1","email":"a@example.com"}}"#;
    const NONCE: [u8; NONCE_LEN] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

    #[test]
    fn seals_what_the_old_ruby_sdk_seals() {
        let key = raw_key("0123456789abcdefghijklmnopqrstuv").unwrap();
        let sealed = seal(&key, NONCE, PLAINTEXT.as_bytes());

        assert_eq!(
            sealed.replace("%2B", "+"),
            "AAECAwQFBgcICQoLs7FDX8gjUJqSxcqV1tGJg2gyQyIV+KOUetUUf6qC8wH+NaX+J1mzzQfh7ES1unZpJhKy0J1hElwY2kc+g0fKze4W\
             9rbIZ4p3v/OxMTeZmMtbBsskQDyz5MV3qD62bshyDw/KwgBgC4Lht8QMlw=="
        );
        assert!(!sealed.contains('+'), "Rack reads + as a space");
    }

    #[test]
    fn key_is_the_password_itself() {
        assert!(raw_key(&"x".repeat(32)).is_some());
        assert!(raw_key(&"x".repeat(33)).is_none());
        assert!(raw_key(&"ä".repeat(16)).is_some(), "bytes count, not characters");
    }
}
