use std::sync::{Arc, atomic::Ordering};

use arc_swap::Guard;
use zeroize::Zeroizing;

use crate::{
    config::settings::Settings,
    config_error::ConfigError,
    cookie_password::CookiePassword,
    payload::Payload,
    seal::{Attempts, KeyRing, PasswordId, Purpose, SealError, Target, Unsealed},
    sync::{ArcSwap, AtomicU64},
};

/// Opens and seals with the passwords in use, which can be replaced while the service runs.
#[derive(Debug)]
pub(crate) struct Sealer {
    settings: Arc<Settings>,
    ring: ArcSwap<KeyRing>,
    /// How often the ring was replaced; raised after the new ring is in place.
    generation: AtomicU64,
}

impl Sealer {
    pub(crate) fn new(settings: Arc<Settings>, ring: KeyRing) -> Self {
        Self { settings, ring: ArcSwap::from_pointee(ring), generation: AtomicU64::new(0) }
    }

    /// The passwords in use.
    pub(crate) fn ring(&self) -> Guard<Arc<KeyRing>> {
        self.ring.load()
    }

    /// The passwords in use, as a shared reference.
    pub(crate) fn shared_ring(&self) -> Arc<KeyRing> {
        self.ring.load_full()
    }

    /// While this number stays the same, the passwords do too.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Whether a password is still in use.
    pub(crate) fn has(&self, password: PasswordId) -> bool {
        self.ring.load().has(password)
    }

    /// Replaces the passwords: `current` seals and opens, `others` only open.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if `current` cannot seal the configured format; then the passwords in use stay.
    pub(crate) fn reload(
        &self,
        current: &CookiePassword,
        others: &[CookiePassword],
    ) -> Result<(), ConfigError> {
        let ring = self.ring.load().reloaded(current, others)?;
        self.ring.store(Arc::new(ring));
        self.generation.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// Opens the value of a session cookie.
    pub(crate) fn open(
        &self,
        value: &[u8],
        attempts: &mut Attempts,
    ) -> Result<Unsealed, SealError> {
        self.ring.load().open(value, self.settings.clock().unix_millis(), attempts)
    }

    /// Seals a session; leaves out what no SDK reads if the session would not fit into one cookie otherwise.
    pub(crate) fn seal(&self, plaintext: &[u8], target: &Target<'_>) -> Result<String, SealError> {
        let now = self.settings.clock().unix_millis();
        let sealed = target.seal(plaintext, now)?;
        if self.settings.cookies.fits_one(&sealed) {
            return Ok(sealed);
        }
        Payload::slimmed(plaintext).map_or(Ok(sealed), |slim| target.seal(&slim, now))
    }

    /// Seals a value that is no session, for `purpose` and `context`.
    pub(crate) fn seal_for(
        &self,
        purpose: Purpose,
        context: &[u8],
        plaintext: &[u8],
    ) -> Result<String, SealError> {
        self.ring.load().seal_for(purpose, &self.context(context), plaintext)
    }

    /// Opens what [`seal_for`](Self::seal_for) sealed for the same purpose and context.
    pub(crate) fn open_for(
        &self,
        purpose: Purpose,
        context: &[u8],
        sealed: &str,
    ) -> Option<Zeroizing<Vec<u8>>> {
        self.ring.load().open_for(purpose, &self.context(context), sealed)
    }

    /// The associated data of sealed values: our client id, and the caller's context.
    pub(crate) fn context(&self, context: &[u8]) -> Vec<u8> {
        let client_id = self.settings.client_id().as_bytes();
        let mut bound = Vec::with_capacity(8 + client_id.len() + context.len());
        bound.extend_from_slice(&(client_id.len() as u64).to_be_bytes());
        bound.extend_from_slice(client_id);
        bound.extend_from_slice(context);
        bound
    }
}

#[cfg(test)]
mod tests {
    use crate::{Config, seal::Purpose, testing::OwnerParts};

    /// Two applications with one password, whose client ids and contexts read the same one after the other.
    #[test]
    fn what_is_sealed_is_bound_to_the_client_id_and_to_the_context_apart() {
        let of = |client_id: &str| {
            let client_id = client_id.to_owned();
            OwnerParts::new(|config| Config { client_id, ..config }).sealer
        };
        let sealed = of("client_1").seal_for(Purpose::State, b"2/callback", b"secret").unwrap();
        let cases: [(&str, &[u8], bool); 5] = [
            ("client_1", b"2/callback", true),
            ("client_12", b"/callback", false),
            ("client_", b"12/callback", false),
            ("client_2", b"2/callback", false),
            ("client_1", b"3/callback", false),
        ];
        for (client_id, context, opens) in cases {
            let opened = of(client_id).open_for(Purpose::State, context, &sealed);
            assert_eq!(opened.is_some_and(|it| *it == b"secret"), opens, "{client_id}");
        }
    }
}
