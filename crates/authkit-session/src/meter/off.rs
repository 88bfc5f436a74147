//! The meter without the feature `metrics`: does nothing.

use crate::{
    decide::{reason::Reason, refresh_outcome::RefreshFailure},
    end::revocation::Subject,
    meter::{
        CacheLookup, CallOutcome, CallPurpose, CircuitState, Credential, RevocationSource,
        SessionEvent,
    },
    upstream::budget::{CallClass, Throttled},
};

#[derive(Clone, Debug)]
pub(crate) struct NoMeter;

#[derive(Debug)]
pub(crate) struct NoTimer;

impl NoMeter {
    pub(crate) fn new() -> Self {
        Self
    }

    pub(crate) fn decided(&self, _: Credential, _: Option<Reason>) {}

    pub(crate) fn session_cache(&self, _: CacheLookup) {}

    pub(crate) fn refresh_starts(&self) -> NoTimer {
        NoTimer
    }

    pub(crate) fn call_starts(&self, _: CallPurpose, _unless_it_ends: CallOutcome) -> NoTimer {
        NoTimer
    }

    pub(crate) fn throttled(&self, _: CallClass, _: Throttled) {}

    pub(crate) fn circuit_is(&self, _: CircuitState) {}

    pub(crate) fn keys_fetched(&self, _unix: u64) {}

    pub(crate) fn revoked(&self, _: &Subject, _: RevocationSource) {}

    pub(crate) fn session(&self, _: SessionEvent) {}
}

impl NoTimer {
    pub(crate) fn call_ended(self, _: CallOutcome) {}

    pub(crate) fn refresh_ended(&mut self, _: Result<(), &RefreshFailure>) {}
}
