use std::time::{Duration, Instant, SystemTime};

use authkit_session::{SessionWatch, VerifiedToken};

use crate::{Clock, authkit::AuthKit};

/// When a token stops counting: when it expires, by the clock of the configuration, or when its session ends before.
pub(crate) struct Deadline {
    at: SystemTime,
    clock: Clock,
    session: SessionWatch,
}

impl Deadline {
    pub(crate) fn of(token: &VerifiedToken, authkit: &AuthKit) -> Self {
        let session = authkit.authenticator().watch(token);
        Self { at: token.expires_at(), clock: authkit.clock().clone(), session }
    }

    /// The time of expiry on the clock of timers.
    pub(crate) fn instant(&self) -> Instant {
        Instant::now() + self.remaining()
    }

    /// Completes when the token has expired or its session has ended. Looks once a second, because the clock may be set
    /// meanwhile, and nobody is told when a session ends.
    pub(crate) async fn passed(self) {
        loop {
            match self.remaining() {
                Duration::ZERO => return,
                _ if self.session.has_ended() => return,
                left => tokio::time::sleep(left.min(Duration::from_secs(1))).await,
            }
        }
    }

    fn remaining(&self) -> Duration {
        self.at.duration_since(self.clock.wall()).unwrap_or_default()
    }
}
