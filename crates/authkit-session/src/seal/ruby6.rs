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
