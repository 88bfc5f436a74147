//! The one budget of all calls to WorkOS.
//!
//! 1. Each purpose is a class with limits of its own: calls at once, and calls per second. So neither strangers at the
//!    callback nor a flood of sign-outs use up the calls that refreshes need: of WorkOS's 500 writes in 10 seconds,
//!    sign-ins and sign-outs leave 300 to refreshes. WorkOS does not count credential checks as writes.
//! 2. Within the refreshes, each session and each user has a share.
//! 3. Every class honours a `Retry-After`. Fetches of signing keys are in no class: WorkOS limits their endpoint apart,
//!    and without keys no token could be verified.
//! 4. After five transient failures of refreshes in a row, one attempt may start every two seconds until one succeeds.

mod calls;
mod shares;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time;

use self::{calls::Calls, shares::ShareOwners};
use crate::{
    clock::Clock,
    decide::refresh_outcome::RefreshFailure,
    meter::{CircuitState, Meter},
};

/// The purpose of a call to WorkOS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CallClass {
    /// An exchange of a refresh token.
    Refresh,
    /// An exchange of a code.
    SignIn,
    /// A revocation.
    SignOut,
    /// A check of an API key or a token that came in an `Authorization` field.
    Credential,
}

/// How many calls of a class there may be at once, and within a second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RefreshLimits {
    pub(crate) at_once: usize,
    pub(crate) per_second: usize,
}

impl Default for RefreshLimits {
    /// 32 at once, 40 a second: WorkOS allows 500 writes in 10 seconds.
    fn default() -> Self {
        Self { at_once: 32, per_second: 40 }
    }
}

/// The session and the user that a refresh is for, by their ids, as far as these are known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RefreshOwner<'a> {
    pub(crate) session: Option<&'a str>,
    pub(crate) user: Option<&'a str>,
}

/// Why a call may not start now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Throttled {
    /// Too many calls are running or have started within the last second, of all sessions or of this session or user.
    Busy,
    /// Calls to WorkOS have failed several times in a row.
    CircuitOpen,
    /// WorkOS asked for no calls for this long (`Retry-After`), and the caller does not wait that long.
    RetryAfter(Duration),
}

impl Throttled {
    /// After how long another call may be allowed.
    pub(crate) fn wait(self) -> Duration {
        match self {
            Self::Busy => SECOND,
            Self::CircuitOpen => PROBE_EVERY,
            Self::RetryAfter(wait) => wait,
        }
    }
}

impl From<Throttled> for RefreshFailure {
    fn from(throttled: Throttled) -> Self {
        match throttled {
            Throttled::Busy => Self::Busy,
            Throttled::CircuitOpen => Self::CircuitOpen,
            Throttled::RetryAfter(wait) => Self::Transient { retry_after: Some(wait) },
        }
    }
}

/// Counts the calls to WorkOS, and decides whether another one may start. Clones share the counts.
#[derive(Clone)]
pub(crate) struct Budget {
    counts: Arc<Mutex<Calls>>,
    meter: Meter,
}

/// The permission for one call. The call counts as running until this is dropped.
pub(crate) struct CallPermit {
    budget: Budget,
    class: CallClass,
    /// The session and user in whose shares the call counts.
    owners: ShareOwners,
}

impl Budget {
    pub(crate) fn new(limits: RefreshLimits, meter: Meter) -> Self {
        Self { counts: Arc::new(Mutex::new(Calls::new(limits))), meter }
    }

    /// The meter that counts the calls for operators.
    pub(super) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Permits a refresh to start. Its first attempt has to wait for [`retry_after`](Self::retry_after).
    ///
    /// # Errors
    ///
    /// Why the refresh may not start now.
    pub(crate) fn start_refresh(
        &self,
        owner: RefreshOwner<'_>,
        now: Duration,
    ) -> Result<CallPermit, Throttled> {
        let started = self.calls().start_refresh(owner, now);
        let owners = started.map_err(|why| self.throttled(CallClass::Refresh, why))?;
        Ok(CallPermit { budget: self.clone(), class: CallClass::Refresh, owners })
    }

    /// Waits until a call of this class may start, for at most `patience`.
    ///
    /// # Errors
    ///
    /// Why the call may not start within that time.
    pub(crate) async fn permit(
        &self,
        class: CallClass,
        clock: &Clock,
        patience: Duration,
    ) -> Result<CallPermit, Throttled> {
        let until = clock.monotonic() + patience;
        loop {
            let now = clock.monotonic();
            let started = self.calls().start(class, now);
            match started {
                Ok(()) => {
                    let owners = ShareOwners::default();
                    return Ok(CallPermit { budget: self.clone(), class, owners });
                }
                Err(throttled) if now >= until => return Err(self.throttled(class, throttled)),
                Err(Throttled::RetryAfter(wait)) if now + wait > until => {
                    return Err(self.throttled(class, Throttled::RetryAfter(wait)));
                }
                Err(_) => time::sleep(LOOK_AGAIN.min(until.saturating_sub(now))).await,
            }
        }
    }

    /// The rest of the time for which WorkOS asked for no calls (`Retry-After`).
    pub(crate) fn retry_after(&self, now: Duration) -> Duration {
        self.calls().retry_after(now)
    }

    /// Permits an attempt of a refresh that has started.
    ///
    /// # Errors
    ///
    /// How long the attempt has to wait.
    pub(crate) fn attempt(&self, now: Duration) -> Result<(), Duration> {
        self.calls().attempt(now)
    }

    /// Records that WorkOS answered a refresh, with success or with a refusal.
    pub(crate) fn answered(&self) {
        self.calls().failures = 0;
        self.meter.circuit_is(CircuitState::Closed);
    }

    /// Records that a refresh failed transiently.
    pub(crate) fn failed(&self, now: Duration) {
        let mut calls = self.calls();
        calls.failed(now);
        let state = calls.circuit();
        drop(calls);
        self.meter.circuit_is(state);
    }

    /// Records that WorkOS asked for no calls for `wait` (`Retry-After`). At most a minute is honoured.
    pub(crate) fn honour_retry_after(&self, wait: Duration, now: Duration) {
        let mut calls = self.calls();
        calls.retry_at = calls.retry_at.max(now + wait.min(LONGEST_PAUSE));
    }

    /// Meters a call that may not start.
    fn throttled(&self, class: CallClass, why: Throttled) -> Throttled {
        self.meter.throttled(class, why);
        why
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        // Each method leaves the counts consistent, so a panic elsewhere does no harm.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for CallPermit {
    fn drop(&mut self) {
        let mut calls = self.budget.calls();
        let class = calls.class(self.class);
        class.under_way = class.under_way.saturating_sub(1);
        calls.shares.finish(self.owners);
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.calls().fmt(f)
    }
}

const SECOND: Duration = Duration::from_secs(1);
/// How often an attempt may start while the circuit is open.
const PROBE_EVERY: Duration = Duration::from_secs(2);
/// The longest time for which a `Retry-After` is honoured.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How often a waiting call checks whether it may start.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
