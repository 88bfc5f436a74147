//! The meter with the feature `metrics`: handles that are registered once.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Instant,
};

use ::metrics::gauge;

use crate::{
    decide::{reason::Reason, refresh_outcome::RefreshFailure},
    end::revocation::Subject,
    meter::{
        CacheLookup, CallOutcome, CallPurpose, CircuitState, Credential, RevocationSource,
        SessionEvent,
        instruments::Instruments,
        labels::{cause_of, subject_of},
    },
    metrics::KEY_SET_FETCHED,
    upstream::budget::{CallClass, Throttled},
};

/// Counts events. Clones share the handles.
///
/// The handles are registered at the first event, so a program may install its recorder at any time before that.
#[derive(Clone)]
pub(crate) struct Meter(Arc<OnceLock<Instruments>>);

/// Times a call to WorkOS, and counts its outcome when dropped.
pub(crate) struct CallTimer {
    meter: Meter,
    purpose: CallPurpose,
    started: Instant,
    outcome: CallOutcome,
}

/// Times an exchange and counts its outcome; an exchange that is dropped early is counted as lost.
pub(crate) struct RefreshTimer {
    meter: Meter,
    started: Instant,
    has_ended: bool,
}

impl Meter {
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }

    /// Counts a decision about a request: admitted, or refused for this reason.
    pub(crate) fn decided(&self, credential: Credential, refused: Option<Reason>) {
        let instruments = self.instruments();
        match refused {
            None => instruments.admitted.with(credential, |counter| counter.increment(1)),
            Some(reason) => {
                instruments.refused.with((credential, reason), |counter| counter.increment(1));
            }
        }
    }

    pub(crate) fn session_cache(&self, lookup: CacheLookup) {
        match lookup {
            CacheLookup::Hit => self.instruments().cache_hits.increment(1),
            CacheLookup::Miss => self.instruments().cache_misses.increment(1),
        }
    }

    pub(crate) fn refresh_starts(&self) -> RefreshTimer {
        RefreshTimer { meter: self.clone(), started: Instant::now(), has_ended: false }
    }

    /// Counts the start of a call; `outcome` counts unless another one is recorded.
    pub(crate) fn call_starts(&self, purpose: CallPurpose, outcome: CallOutcome) -> CallTimer {
        self.instruments().calls_in_flight.with(purpose, |gauge| gauge.increment(1));
        CallTimer { meter: self.clone(), purpose, started: Instant::now(), outcome }
    }

    /// Counts a call that was not made.
    pub(crate) fn throttled(&self, class: CallClass, why: Throttled) {
        let key = (class, cause_of(why));
        self.instruments().throttled.with(key, |counter| counter.increment(1));
    }

    pub(crate) fn circuit_is(&self, state: CircuitState) {
        self.instruments().circuit_open.set(match state {
            CircuitState::Closed => 0,
            CircuitState::Open => 1,
        });
    }

    /// Records when the fetched signing keys were requested. Before the first fetch there is no such gauge.
    pub(crate) fn keys_fetched(&self, unix: u64) {
        // Before the year 285,616,414 it is exact.
        gauge!(KEY_SET_FETCHED).set(unix as f64);
    }

    pub(crate) fn revoked(&self, subject: &Subject, source: RevocationSource) {
        let key = (subject_of(subject), source);
        self.instruments().revocations.with(key, |counter| counter.increment(1));
    }

    pub(crate) fn session(&self, event: SessionEvent) {
        self.instruments().sessions.with(event, |counter| counter.increment(1));
    }

    fn instruments(&self) -> &Instruments {
        self.0.get_or_init(Instruments::register)
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meter")
    }
}

impl CallTimer {
    pub(crate) fn call_ended(mut self, outcome: CallOutcome) {
        self.outcome = outcome;
    }
}

impl Drop for CallTimer {
    fn drop(&mut self) {
        let instruments = self.meter.instruments();
        instruments.calls_in_flight.with(self.purpose, |gauge| gauge.decrement(1));
        instruments.calls.with((self.purpose, self.outcome), |counter| counter.increment(1));
        let took = self.started.elapsed();
        instruments.call_duration.with(self.purpose, |histogram| histogram.record(took));
    }
}

impl RefreshTimer {
    pub(crate) fn refresh_ended(&mut self, result: Result<(), &RefreshFailure>) {
        self.has_ended = true;
        let instruments = self.meter.instruments();
        instruments.refresh_duration.record(self.started.elapsed());
        match result {
            Ok(()) => instruments.refreshed.increment(1),
            Err(failure) => {
                let reason = Reason::from(failure);
                instruments.refresh_failures.with(reason, |counter| counter.increment(1));
            }
        }
    }
}

impl Drop for RefreshTimer {
    fn drop(&mut self) {
        if !self.has_ended {
            self.meter.instruments().lost_refreshes.increment(1);
        }
    }
}
