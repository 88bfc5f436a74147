//! The handles of all metrics, and their registration.

use ::metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};

use crate::{
    decide::{reason::Reason, reasons::REASONS},
    meter::{
        CallOutcome, CallPurpose, Credential, RevocationSource, SessionEvent,
        labels::{
            CAUSES, CLASSES, CREDENTIALS, EVENTS, FAILURES, OUTCOMES, PURPOSES, SOURCES, SUBJECTS,
            refusal_label,
        },
    },
    metrics as names,
    upstream::budget::CallClass,
};

/// The handles, each with the values of its labels.
pub(super) struct Instruments {
    pub(super) admitted: Handles<Credential, Counter>,
    pub(super) refused: Handles<(Credential, Reason), Counter>,
    pub(super) cache_hits: Counter,
    pub(super) cache_misses: Counter,
    pub(super) refreshed: Counter,
    pub(super) lost_refreshes: Counter,
    pub(super) refresh_failures: Handles<Reason, Counter>,
    pub(super) refresh_duration: Histogram,
    pub(super) calls: Handles<(CallPurpose, CallOutcome), Counter>,
    pub(super) call_duration: Handles<CallPurpose, Histogram>,
    pub(super) calls_in_flight: Handles<CallPurpose, Gauge>,
    pub(super) throttled: Handles<(CallClass, &'static str), Counter>,
    pub(super) circuit_open: Gauge,
    pub(super) revocations: Handles<(&'static str, RevocationSource), Counter>,
    pub(super) sessions: Handles<SessionEvent, Counter>,
}

/// A handle for each value of the labels. There are few, so lookups are linear.
pub(super) struct Handles<K, H>(Vec<(K, H)>);

impl Instruments {
    pub(super) fn register() -> Self {
        describe();
        let decision = |credential: Credential, decision: &'static str, reason: &'static str| {
            let credential = credential.as_str();
            counter!(names::DECISIONS, "credential" => credential, "decision" => decision, "reason" => reason)
        };
        let cache = |result: &'static str| counter!(names::SESSION_CACHE, "result" => result);
        let refresh = |outcome: &'static str| counter!(names::REFRESHES, "outcome" => outcome);
        let each = |credential| REASONS.map(|reason| (credential, reason));
        let refused = CREDENTIALS.into_iter().flat_map(each);
        let calls = PURPOSES.into_iter().flat_map(|of| OUTCOMES.map(|outcome| (of, outcome)));
        let throttled = CLASSES.into_iter().flat_map(|of| CAUSES.map(|cause| (of, cause)));
        let revocations = SUBJECTS.into_iter().flat_map(|of| SOURCES.map(|source| (of, source)));
        Self {
            admitted: Handles::new(CREDENTIALS, |of| decision(of, "admitted", "none")),
            refused: Handles::new(refused, |(of, reason)| {
                decision(of, refusal_label(reason.kind()), reason.as_str())
            }),
            cache_hits: cache("hit"),
            cache_misses: cache("miss"),
            refreshed: refresh("refreshed"),
            lost_refreshes: refresh("lost"),
            refresh_failures: Handles::new(FAILURES, |reason| refresh(reason.as_str())),
            refresh_duration: histogram!(names::REFRESH_DURATION),
            calls: Handles::new(
                calls,
                |(of, outcome)| counter!(names::UPSTREAM_CALLS, "class" => of.as_str(), "outcome" => outcome.as_str()),
            ),
            call_duration: Handles::new(
                PURPOSES,
                |of| histogram!(names::UPSTREAM_CALL_DURATION, "class" => of.as_str()),
            ),
            calls_in_flight: Handles::new(
                PURPOSES,
                |of| gauge!(names::UPSTREAM_CALLS_IN_FLIGHT, "class" => of.as_str()),
            ),
            throttled: Handles::new(throttled, |(of, cause)| {
                let class = CallPurpose::from(of).as_str();
                counter!(names::UPSTREAM_THROTTLED, "class" => class, "cause" => cause)
            }),
            circuit_open: gauge!(names::CIRCUIT_OPEN),
            revocations: Handles::new(
                revocations,
                |(subject, source)| counter!(names::REVOCATIONS, "subject" => subject, "source" => source.as_str()),
            ),
            sessions: Handles::new(
                EVENTS,
                |event| counter!(names::SESSIONS, "event" => event.as_str()),
            ),
        }
    }
}

impl<K: Copy + PartialEq, H> Handles<K, H> {
    fn new(keys: impl IntoIterator<Item = K>, register: impl Fn(K) -> H) -> Self {
        Self(keys.into_iter().map(|key| (key, register(key))).collect())
    }

    pub(super) fn with(&self, key: K, record: impl FnOnce(&H)) {
        if let Some((_, handle)) = self.0.iter().find(|(of, _)| *of == key) {
            record(handle);
        }
    }
}

/// Describes each metric to the recorder.
fn describe() {
    let counters = [
        (names::DECISIONS, "Decisions about requests by their session cookie or bearer token"),
        (names::SESSION_CACHE, "Lookups of session cookies in the cache of verified sessions"),
        (names::REFRESHES, "Exchanges of refresh tokens"),
        (names::UPSTREAM_CALLS, "Calls to WorkOS"),
        (names::UPSTREAM_THROTTLED, "Calls to WorkOS that were not made"),
        (names::REVOCATIONS, "Revocations that took effect in this process"),
        (names::SESSIONS, "Sessions that began or ended in this process"),
    ];
    for (name, text) in counters {
        describe_counter!(name, Unit::Count, text);
    }
    describe_histogram!(
        names::REFRESH_DURATION,
        Unit::Seconds,
        "How long exchanges of refresh tokens took, all attempts together"
    );
    describe_histogram!(
        names::UPSTREAM_CALL_DURATION,
        Unit::Seconds,
        "How long calls to WorkOS took"
    );
    describe_gauge!(
        names::UPSTREAM_CALLS_IN_FLIGHT,
        Unit::Count,
        "Calls to WorkOS that are under way"
    );
    describe_gauge!(
        names::CIRCUIT_OPEN,
        Unit::Count,
        "1 while WorkOS is left alone after failures in a row"
    );
    describe_gauge!(
        names::KEY_SET_FETCHED,
        Unit::Seconds,
        "When the signing keys in use were asked for, in Unix seconds"
    );
}
