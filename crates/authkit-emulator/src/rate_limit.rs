use std::{
    collections::VecDeque,
    time::{Duration, SystemTime},
};

use crate::endpoint::Endpoint;

/// How many calls an emulator accepts in a window of time, as WorkOS limits each environment.
///
/// Writes are exchanges and revocations of sessions, reads are key sets and lists of sessions; each kind is counted
/// apart. The sign-in page, the sign-out, the AuthKit domain and API key validations are not limited. A call above the
/// limit is answered 429 with WorkOS's body (`too_many_requests`) and a `Retry-After` in whole seconds; it neither
/// counts against the limit nor uses up a [`Fault`](crate::Fault). The limit uses the emulator's clock.
///
/// # Examples
///
/// ```
/// use authkit_emulator::{Emulator, RateLimit};
///
/// # async fn example() -> std::io::Result<()> {
/// let emulator = Emulator::builder().rate_limit(RateLimit::WORKOS).start().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RateLimit {
    pub(crate) writes: u32,
    pub(crate) reads: u32,
    pub(crate) window: Duration,
}

impl RateLimit {
    /// What WorkOS documents for `/user_management/*`: 500 writes and 1,000 reads in 10 seconds.
    pub const WORKOS: Self = Self::new(500, 1_000, Duration::from_secs(10));

    /// Accepts this many writes and this many reads within any `window`.
    pub const fn new(writes: u32, reads: u32, window: Duration) -> Self {
        Self { writes, reads, window }
    }
}

/// Counts calls while there is a limit.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    limit: Option<RateLimit>,
    writes: VecDeque<SystemTime>,
    reads: VecDeque<SystemTime>,
}

impl Limiter {
    pub(crate) fn new(limit: Option<RateLimit>) -> Self {
        Self { limit, ..Self::default() }
    }

    pub(crate) fn limit(&self) -> Option<RateLimit> {
        self.limit
    }

    /// Sets another limit, and counts from 0.
    pub(crate) fn set(&mut self, limit: Option<RateLimit>) {
        *self = Self::new(limit);
    }

    /// Counts a call. Returns how long to wait if the limit refuses it.
    pub(crate) fn take(&mut self, endpoint: Endpoint, now: SystemTime) -> Result<(), Duration> {
        let Some(RateLimit { writes, reads, window }) = self.limit else { return Ok(()) };
        let (taken, most) = match endpoint {
            Endpoint::Authenticate | Endpoint::Revoke => (&mut self.writes, writes),
            Endpoint::Jwks | Endpoint::Sessions => (&mut self.reads, reads),
            // WorkOS documents no limit for these.
            Endpoint::Authorize
            | Endpoint::Logout
            | Endpoint::ApiKeyValidation
            | Endpoint::ConnectJwks
            | Endpoint::ConnectToken
            | Endpoint::Introspection => return Ok(()),
        };
        let age = |at: &SystemTime| now.duration_since(*at).unwrap_or_default();
        while taken.front().is_some_and(|at| age(at) >= window) {
            taken.pop_front();
        }
        if taken.len() < usize::try_from(most).unwrap_or(usize::MAX) {
            taken.push_back(now);
            return Ok(());
        }
        Err(window.saturating_sub(taken.front().map(age).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn any_stretch_of_the_window_holds_so_many_and_each_kind_its_own() {
        let mut limiter = Limiter::new(Some(RateLimit::new(2, 1, Duration::from_secs(10))));
        let mut take = |endpoint, seconds| {
            let taken = limiter.take(endpoint, UNIX_EPOCH + Duration::from_secs(seconds));
            taken.map_err(|wait| wait.as_secs())
        };
        for (endpoint, at, expected) in [
            (Endpoint::Authenticate, 100, Ok(())),
            (Endpoint::Revoke, 104, Ok(())),
            (Endpoint::Authenticate, 104, Err(6)),
            (Endpoint::Jwks, 104, Ok(())),
            (Endpoint::Sessions, 105, Err(9)),
            (Endpoint::Authorize, 105, Ok(())),
            (Endpoint::Logout, 105, Ok(())),
            (Endpoint::Authenticate, 109, Err(1)),
            (Endpoint::Authenticate, 110, Ok(())),
            (Endpoint::Authenticate, 113, Err(1)),
            (Endpoint::Authenticate, 114, Ok(())),
            (Endpoint::Jwks, 114, Ok(())),
        ] {
            assert_eq!(take(endpoint, at), expected, "{endpoint:?} at {at}");
        }
    }

    #[test]
    fn nothing_is_limited_by_default_and_everything_by_zero() {
        let mut limiter = Limiter::default();
        assert_eq!(limiter.take(Endpoint::Authenticate, UNIX_EPOCH), Ok(()));
        let window = Duration::from_secs(3);
        limiter.set(Some(RateLimit::new(0, 0, window)));
        assert_eq!(limiter.take(Endpoint::Authenticate, UNIX_EPOCH), Err(window));
    }
}
