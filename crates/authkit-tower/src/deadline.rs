use std::time::{Duration, Instant, SystemTime};

use authkit_session::{PrincipalWatch, VerifiedToken, integration::HeaderPrincipal};

use crate::{Clock, authkit::AuthKit};

/// When the credential of an admitted request stops counting: when it expires, by the clock of the configuration, or
/// when it ends earlier.
pub(crate) struct Deadline {
    /// `None` for an API key that does not expire.
    at: Option<SystemTime>,
    clock: Clock,
    watch: PrincipalWatch,
}

impl Deadline {
    pub(crate) fn of(token: &VerifiedToken, authkit: &AuthKit) -> Self {
        let watch = authkit.authenticator().watch(token);
        Self { at: Some(token.expires_at()), clock: authkit.clock().clone(), watch }
    }

    pub(crate) fn of_header(
        principal: &HeaderPrincipal,
        at: Option<SystemTime>,
        authkit: &AuthKit,
    ) -> Self {
        let watch = authkit.authenticator().watch_header(principal);
        Self { at, clock: authkit.clock().clone(), watch }
    }

    /// The time of expiry on the clock of timers.
    pub(crate) fn instant(&self) -> Option<Instant> {
        Some(Instant::now() + self.remaining()?)
    }

    /// The same, for a credential that always expires.
    pub(crate) fn instant_or_now(&self) -> Instant {
        self.instant().unwrap_or_else(Instant::now)
    }

    /// Completes when the credential has expired or ended. Checks once a second, because the clock may be set in the
    /// meantime and the end of a session is not announced.
    pub(crate) async fn passed(self) {
        loop {
            let pause = match self.remaining() {
                Some(Duration::ZERO) => return,
                _ if self.watch.has_ended() => return,
                Some(left) => left.min(LOOK_AGAIN),
                None => LOOK_AGAIN,
            };
            tokio::time::sleep(pause).await;
        }
    }

    fn remaining(&self) -> Option<Duration> {
        Some(self.at?.duration_since(self.clock.wall()).unwrap_or_default())
    }
}

const LOOK_AGAIN: Duration = Duration::from_secs(1);
