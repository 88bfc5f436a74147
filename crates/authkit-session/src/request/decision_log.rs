//! Logs and counts decisions about requests.

use std::sync::Arc;

use crate::{
    candidate::SessionCandidate,
    config::settings::Settings,
    decide::{reason::Reason, refresh_outcome::RefreshOutcome},
    log_limit::{IdLogLimiter, LogLimiter},
    meter::Credential,
};

/// Logs and counts what becomes of requests with a session cookie.
pub(super) struct DecisionLog {
    settings: Arc<Settings>,
    /// When requests that anybody can send were last logged.
    refused: LogLimiter,
    refused_sessions: IdLogLimiter,
    unrefreshed: LogLimiter,
}

impl DecisionLog {
    pub(super) fn new(settings: Arc<Settings>) -> Self {
        let limiter = || LogLimiter::new(LogLimiter::PAUSE);
        let refused_sessions = IdLogLimiter::new(LogLimiter::PAUSE);
        Self { settings, refused: limiter(), refused_sessions, unrefreshed: limiter() }
    }

    /// Records that a request was admitted.
    pub(super) fn admitted(&self) {
        self.settings.meter.decided(Credential::Cookie, None);
    }

    /// Records that a request was refused: one line for each known session, so that a sign-out can be explained later.
    /// Requests that anybody can send without a session, and refusals for the operator, are logged by reason.
    pub(super) fn refused(&self, reason: Reason, candidate: &SessionCandidate) {
        self.settings.meter.decided(Credential::Cookie, Some(reason));
        let due = || self.refused.admit(reason.as_str(), self.settings.clock().monotonic());
        let (session, user) = (|| self.session(candidate), || self.user(candidate));
        if reason == Reason::NoCookie {
            tracing::trace!(%reason, "session refused");
        } else if reason.is_for_the_operator() {
            match due() {
                Some(left_out) => tracing::error!(
                    %reason,
                    session = session(),
                    user = user(),
                    left_out,
                    "session refused"
                ),
                None => {
                    tracing::debug!(%reason, session = session(), user = user(), "session refused");
                }
            }
        } else if let Some(id) = candidate.identity().and_then(|it| it.session.or(it.subject)) {
            let now = self.settings.clock().monotonic();
            match self.refused_sessions.admit(reason.as_str(), id, now) {
                Some(left_out) => {
                    tracing::info!(%reason, session = session(), user = user(), left_out, "session refused");
                }
                None => {
                    tracing::debug!(%reason, session = session(), user = user(), "session refused");
                }
            }
        } else {
            match due() {
                Some(left_out) => tracing::info!(%reason, left_out, "session refused"),
                None => tracing::debug!(%reason, "session refused"),
            }
        }
    }

    /// Records that a request has waited for a refresh.
    pub(super) fn refreshed(
        &self,
        outcome: &RefreshOutcome<SessionCandidate>,
        candidate: &SessionCandidate,
    ) {
        let session = || self.session(candidate);
        match outcome {
            Ok(_) => tracing::debug!(session = session(), "session refreshed"),
            Err(failure) => {
                let outcome = Reason::from(failure);
                let now = self.settings.clock().monotonic();
                match self.unrefreshed.admit(outcome.as_str(), now) {
                    Some(left_out) => tracing::warn!(
                        %outcome,
                        session = session(),
                        user = self.user(candidate),
                        left_out,
                        "session not refreshed"
                    ),
                    None => {
                        tracing::debug!(%outcome, session = session(), "session not refreshed");
                    }
                }
            }
        }
    }

    /// The log id of the candidate's session.
    fn session(&self, candidate: &SessionCandidate) -> String {
        self.settings.log_ids.of_any(candidate.session_id())
    }

    /// The log id of the candidate's user.
    fn user(&self, candidate: &SessionCandidate) -> String {
        self.settings.log_ids.of_any(candidate.identity().and_then(|it| it.subject))
    }
}
