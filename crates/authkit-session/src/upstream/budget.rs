//! The one budget of all calls to WorkOS.
//!
//! 1. Each purpose is a class with a share of its own of the calls at once and a second, so that neither a stranger at
//!    the callback nor a flood of sign-outs takes what refreshes need: of WorkOS's 500 writes in 10 seconds, sign-ins and
//!    sign-outs leave 300 to refreshes. Credential checks do not count as writes at WorkOS.
//! 2. Within the refreshes, each session and each user has a share.
//! 3. A `Retry-After` is honoured by every class of writes. Signing keys come from another endpoint that is not counted
//!    with them, and without them nobody could be verified.
//! 4. After five transient failures of refreshes in a row, one try goes out every two seconds until one succeeds.

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

/// What a call to WorkOS is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CallClass {
    /// An exchange of a refresh token.
    Refresh,
    /// An exchange of a code.
    SignIn,
    /// A revocation.
    SignOut,
    /// A question about an API key or a token that came in an `Authorization` field.
    Credential,
}

/// How many refreshes there may be.
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

/// Who a refresh is for: the ids of the session and of the user, as far as they are known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RefreshOwner<'a> {
    pub(crate) session: Option<&'a str>,
    pub(crate) user: Option<&'a str>,
}

/// Why a call may not start now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Throttled {
    /// Too many calls are under way, or were started within the last second, by all or by this session or user.
    Busy,
    /// WorkOS failed several times in a row.
    CircuitOpen,
    /// WorkOS asked not to be called for this long (`Retry-After`), which is longer than a request waits.
    RetryAfter(Duration),
}

impl Throttled {
    /// When it may be worth trying again.
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

/// Counts the calls to WorkOS, and says whether another one may start. Clones share the count.
#[derive(Clone)]
pub(crate) struct Budget {
    counts: Arc<Mutex<Calls>>,
    meter: Meter,
}

/// A call that was let out. It is over when this is dropped.
pub(crate) struct CallPermit {
    budget: Budget,
    class: CallClass,
    /// Whose share it counts in.
    owners: ShareOwners,
}

impl Budget {
    pub(crate) fn new(limits: RefreshLimits, meter: Meter) -> Self {
        Self { counts: Arc::new(Mutex::new(Calls::new(limits))), meter }
    }

    /// What counts the calls for operators.
    pub(super) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Starts a refresh, or says why not. Its first attempt may go out after [`retry_after`](Self::retry_after).
    pub(crate) fn start_refresh(
        &self,
        owner: RefreshOwner<'_>,
        now: Duration,
    ) -> Result<CallPermit, Throttled> {
        let started = self.calls().start_refresh(owner, now);
        let owners = started.map_err(|why| self.throttled(CallClass::Refresh, why))?;
        Ok(CallPermit { budget: self.clone(), class: CallClass::Refresh, owners })
    }

    /// Waits until a call of this class may start, `patience` at most.
    ///
    /// # Errors
    ///
    /// Why it may not start even then.
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

    /// For how long WorkOS still asked not to be called.
    pub(crate) fn retry_after(&self, now: Duration) -> Duration {
        self.calls().retry_after(now)
    }

    /// Lets another attempt of a refresh that was started go out, or says how long that is too early.
    pub(crate) fn attempt(&self, now: Duration) -> Result<(), Duration> {
        self.calls().attempt(now)
    }

    /// WorkOS answered a refresh, whatever it said.
    pub(crate) fn answered(&self) {
        self.calls().failures = 0;
        self.meter.circuit_is(CircuitState::Closed);
    }

    /// WorkOS failed to answer a refresh.
    pub(crate) fn failed(&self, now: Duration) {
        let mut calls = self.calls();
        calls.failed(now);
        let state = calls.circuit();
        drop(calls);
        self.meter.circuit_is(state);
    }

    /// WorkOS asked not to be called for `wait` (`Retry-After`); a minute of it is honoured.
    pub(crate) fn honour_retry_after(&self, wait: Duration, now: Duration) {
        let mut calls = self.calls();
        calls.retry_at = calls.retry_at.max(now + wait.min(LONGEST_PAUSE));
    }

    /// Counts a call that is not made.
    fn throttled(&self, class: CallClass, why: Throttled) -> Throttled {
        self.meter.throttled(class, why);
        why
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        // Each of its methods leaves it whole, so a panic elsewhere says nothing about it.
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
/// How often WorkOS is tried while it is open.
const PROBE_EVERY: Duration = Duration::from_secs(2);
/// The longest time for which a `Retry-After` is believed.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How often a call that waits for room looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
