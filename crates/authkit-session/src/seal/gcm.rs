//! AES-256-GCM, with a count of the values that a key has sealed.

use std::sync::atomic::{AtomicU64, Ordering};

use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit, Nonce, Tag};

use crate::{crypto::digest, seal::SealError};

pub(super) const NONCE_LEN: usize = 12;
pub(super) const TAG_LEN: usize = 16;
pub(super) const KEY_LEN: usize = 32;

/// With random nonces a key is good for 2^32 messages (NIST SP 800-38D section 8.3); a log line warns the operator at
/// half.
const ROTATE_AT: u64 = 1 << 31;

/// A key with its expanded schedule, made once for each password.
pub(super) struct GcmKey {
    cipher: Aes256Gcm,
    seals: AtomicU64,
}

impl GcmKey {
    pub(super) fn new(key: &[u8; KEY_LEN]) -> Self {
        Self { cipher: Aes256Gcm::new(key.into()), seals: AtomicU64::new(0) }
    }

    /// The key that Ruby 7 and Go derive from a password.
    pub(super) fn from_sha256(password: &[u8]) -> Self {
        let digest = digest::digest(&digest::SHA256, password);
        Self::new(digest.as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }

    /// How many values this process has sealed with the key.
    pub(super) fn seals(&self) -> u64 {
        self.seals.load(Ordering::Relaxed)
    }

    /// Continues the count of the same key in a ring that is replaced.
    pub(super) fn continue_from(&self, seals: u64) {
        self.seals.store(seals, Ordering::Relaxed);
    }

    /// Decrypts `text` in place, or leaves it as it was.
    pub(super) fn open(
        &self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        text: &mut [u8],
        tag: [u8; TAG_LEN],
    ) -> Result<(), SealError> {
        self.cipher
            .decrypt_inout_detached(&Nonce::from(nonce), aad, text.into(), &Tag::from(tag))
            .map_err(|_| SealError::Tampered)
    }

    /// Encrypts `text` in place and returns the tag.
    pub(super) fn seal(
        &self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        text: &mut [u8],
    ) -> [u8; TAG_LEN] {
        if self.seals.fetch_add(1, Ordering::Relaxed) + 1 == ROTATE_AT {
            tracing::warn!(
                "a cookie password has sealed 2^31 sessions: change it before it has sealed 2^32"
            );
        }
        self.cipher
            .encrypt_inout_detached(&Nonce::from(nonce), aad, text.into())
            .expect("a cookie is shorter than the 64 GiB that GCM can seal")
            .into()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tracing::{Event, Metadata, Subscriber, span};

    use super::*;

    /// Counts events.
    #[derive(Clone, Default)]
    struct Counter(Arc<AtomicU64>);

    impl Subscriber for Counter {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }

        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

        fn event(&self, _: &Event<'_>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }

        fn enter(&self, _: &span::Id) {}

        fn exit(&self, _: &span::Id) {}
    }

    #[test]
    fn operator_hears_once_that_a_key_is_half_used() {
        let key = GcmKey::from_sha256(b"password");
        let events = Counter::default();
        tracing::subscriber::with_default(events.clone(), || {
            for (sealed, expected) in [(ROTATE_AT - 2, 0), (ROTATE_AT - 1, 1), (ROTATE_AT, 1)] {
                key.continue_from(sealed);
                key.seal([0; NONCE_LEN], b"", &mut []);
                assert_eq!(key.seals(), sealed + 1);
                assert_eq!(events.0.load(Ordering::Relaxed), expected, "{sealed}");
            }
        });
    }
}
