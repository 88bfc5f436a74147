use serde_json::Value;

use crate::{
    keys::{self, SigningKey},
    state::Shared,
};

/// The keys of a running emulator; see [`Emulator::keys`](crate::Emulator::keys).
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let emulator = authkit_emulator::Emulator::start().await;
/// let old = emulator.keys().signing_id();
/// let new = emulator.keys().rotate();
/// assert_eq!(emulator.keys().ids(), [old, new]);
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Keys<'a> {
    shared: &'a Shared,
}

impl<'a> Keys<'a> {
    pub(crate) fn new(shared: &'a Shared) -> Self {
        Self { shared }
    }

    /// The published key set, as the JWKS endpoint answers it.
    pub fn jwks(&self) -> Value {
        self.shared.lock().keys.jwks()
    }

    /// The current public key as a DER `SubjectPublicKeyInfo`, for tests that misuse it as an HMAC secret.
    pub fn public_der(&self) -> Vec<u8> {
        self.shared.lock().keys.public_der()
    }

    /// The ids of the published keys, oldest first.
    pub fn ids(&self) -> Vec<String> {
        self.shared.lock().keys.published_ids()
    }

    /// The id of the key that signs.
    pub fn signing_id(&self) -> String {
        self.shared.lock().keys.signing().id().to_owned()
    }

    /// Publishes a new key and signs with it at once; the old one stays published. Returns the new key's id.
    pub fn rotate(&self) -> String {
        let id = self.publish();
        self.sign_with(&id);
        id
    }

    /// Publishes a new key that signs nothing yet. Returns its id.
    pub fn publish(&self) -> String {
        // Generated outside of the lock, so that requests do not wait.
        let key = SigningKey::generate(keys::new_key_id(self.shared.lock().now()));
        let id = key.id().to_owned();
        self.add(key);
        id
    }

    /// Publishes the given key, which signs nothing yet; replaces a published key with the same id.
    pub fn add(&self, key: SigningKey) {
        self.shared.lock().keys.publish(key);
    }

    /// Signs with a published key from now on.
    ///
    /// # Panics
    ///
    /// If no published key has that id.
    pub fn sign_with(&self, key_id: &str) {
        assert!(self.shared.lock().keys.sign_with(key_id), "no published key has the id {key_id}");
    }

    /// Stops publishing a key. If it is the signing key, it goes on signing tokens, which nobody can verify.
    ///
    /// # Panics
    ///
    /// If no published key has that id.
    pub fn retire(&self, key_id: &str) {
        assert!(self.shared.lock().keys.retire(key_id), "no published key has the id {key_id}");
    }
}
