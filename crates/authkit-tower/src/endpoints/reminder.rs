//! Warns about sign-in endpoints that were forgotten, or that no request reaches.

use std::{
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use authkit_session::integration::LogLimiter;
use tracing::warn;

use crate::Clock;

/// Detects whether anything answers at the address where users are sent to sign in.
///
/// Browsers follow redirects at once. If several redirects were sent and no endpoint has had a request seconds later,
/// then browsers get a 404 there, or another program answers.
pub(crate) struct EndpointReminder {
    clock: Clock,
    lines: LogLimiter,
    were_made: AtomicBool,
    had_a_request: AtomicBool,
    redirects: Mutex<Redirects>,
}

/// The redirects to the sign-in page while no endpoint has had a request.
#[derive(Debug, Default)]
struct Redirects {
    first: Option<Duration>,
    count: u64,
}

/// Why users probably do not get to the sign-in page.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Suspicion {
    /// The program has made no endpoints.
    NotMade,
    /// So many redirects were sent, and no request has reached the endpoints.
    OutOfReach { redirects: u64 },
}

impl Suspicion {
    fn as_str(self) -> &'static str {
        match self {
            Self::NotMade => "no endpoints",
            Self::OutOfReach { .. } => "out of reach",
        }
    }
}

impl EndpointReminder {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            lines: LogLimiter::new(Duration::from_secs(3_600)),
            were_made: AtomicBool::new(false),
            had_a_request: AtomicBool::new(false),
            redirects: Mutex::default(),
        }
    }

    /// Records that the program has made sign-in endpoints.
    pub(super) fn endpoints_were_made(&self) {
        self.were_made.store(true, Ordering::Release);
    }

    /// Records that requests reach the endpoints.
    pub(super) fn record_request(&self) {
        if !self.had_a_request.load(Ordering::Relaxed) {
            self.had_a_request.store(true, Ordering::Relaxed);
        }
    }

    /// Warns about a request that is sent to sign in, if it will probably not reach an endpoint.
    pub(crate) fn redirected_to(&self, login_path: &str) {
        let now = self.clock.monotonic();
        let Some(suspicion) = self.suspicion(now) else { return };
        let Some(left_out) = self.lines.admit(suspicion.as_str(), now) else { return };
        match suspicion {
            Suspicion::NotMade => warn!(
                login_path,
                left_out,
                "a request is sent to sign in, and no Endpoints were made from this AuthKit: write \
                 `.merge(Endpoints::new(&authkit))` (axum) or `.layer(Endpoints::new(&authkit))` outside the layer \
                 (ServiceBuilder), unless another program answers at this path"
            ),
            Suspicion::OutOfReach { redirects } => warn!(
                login_path,
                redirects,
                left_out,
                "requests are sent to sign in, and none has reached the Endpoints: unless another program answers at this \
                 path, write `.merge(Endpoints::new(&authkit))` on the outermost router, not on a nested one (axum), or \
                 `.layer(Endpoints::new(&authkit))` outside everything that routes (ServiceBuilder); to have the \
                 endpoints below a prefix, name their paths with it: `Config::with_login_path(\"/auth/login\")`, \
                 `Config::with_logout_path(\"/auth/logout\")`, a redirect URI that ends in `/auth/callback`, and \
                 `.nest_service(\"/auth\", Endpoints::new(&authkit))`"
            ),
        }
    }

    /// What is probably wrong, now that one more request is sent to sign in.
    fn suspicion(&self, now: Duration) -> Option<Suspicion> {
        if self.had_a_request.load(Ordering::Relaxed) {
            None
        } else if self.were_made.load(Ordering::Acquire) {
            self.unanswered(now).map(|redirects| Suspicion::OutOfReach { redirects })
        } else {
            Some(Suspicion::NotMade)
        }
    }

    /// How many redirects nobody has followed, if there are several and the first is old enough.
    fn unanswered(&self, now: Duration) -> Option<u64> {
        // No code under the lock panics half-way.
        let mut redirects = self.redirects.lock().unwrap_or_else(PoisonError::into_inner);
        redirects.count = redirects.count.saturating_add(1);
        let since = now.saturating_sub(*redirects.first.get_or_insert(now));
        (redirects.count >= SEVERAL && since >= PATIENCE).then_some(redirects.count)
    }
}

impl fmt::Debug for EndpointReminder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EndpointReminder")
    }
}

/// How many redirects it takes: crawlers and similar programs do not follow each redirect.
const SEVERAL: u64 = 3;
/// How long the first of them may take to be followed.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn several_redirects_that_nobody_follows_for_seconds_are_unanswered() {
        let reminder = EndpointReminder::new(Clock::simulated(SystemTime::now()));
        let at = |seconds| reminder.unanswered(Duration::from_secs(seconds));
        assert_eq!([at(10), at(10), at(10), at(14)], [None; 4], "they may be on their way");
        assert_eq!([at(15), at(16)], [Some(5), Some(6)]);

        let reminder = EndpointReminder::new(Clock::simulated(SystemTime::now()));
        let at = |seconds| reminder.unanswered(Duration::from_secs(seconds));
        assert_eq!([at(0), at(1_000), at(2_000)], [None, None, Some(3)], "one alone says nothing");
    }

    #[test]
    fn endpoints_are_missed_until_they_are_made_and_then_until_a_request_reaches_them() {
        let reminder = EndpointReminder::new(Clock::simulated(SystemTime::now()));
        let at = |seconds| reminder.suspicion(Duration::from_secs(seconds));
        assert_eq!([at(0), at(100)], [Some(Suspicion::NotMade); 2]);
        reminder.endpoints_were_made();
        assert_eq!([at(200), at(201)], [None; 2]);
        assert_eq!(at(205), Some(Suspicion::OutOfReach { redirects: 3 }));
        reminder.record_request();
        assert_eq!(at(300), None);
        assert_ne!(Suspicion::NotMade.as_str(), Suspicion::OutOfReach { redirects: 3 }.as_str());
    }
}
