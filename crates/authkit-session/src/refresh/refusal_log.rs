//! Log lines about refusals by WorkOS.

use std::time::Duration;

use http::StatusCode;

use crate::{
    clock::Clock, decide::refresh_outcome::ApiRefusal, log_limit::LogLimiter,
    upstream::error_answer::UpstreamError,
};

/// Logs the refusals that the operator has to look at: one line a minute for each kind and status.
pub(super) struct RefusalLog {
    limiter: LogLimiter,
    clock: Clock,
}

impl RefusalLog {
    pub(super) fn new(clock: Clock) -> Self {
        Self { limiter: LogLimiter::new(PAUSE), clock }
    }

    /// Logs a refusal, unless it is about the user.
    pub(super) fn log(&self, refusal: ApiRefusal, error: &UpstreamError) {
        let what = match refusal {
            ApiRefusal::InvalidGrant
            | ApiRefusal::OrganizationGone
            | ApiRefusal::InteractionNeeded => {
                return;
            }
            ApiRefusal::Credentials => match error.details.status.map(|status| status.as_u16()) {
                Some(402 | 407 | 451) => "calls to WorkOS are refused, by it or on the way to it",
                Some(_) | None => "WorkOS refused our API key or client id",
            },
            ApiRefusal::Request => "WorkOS refused our request",
            ApiRefusal::Rejected => "WorkOS rejected a refresh",
        };
        let key = match (refusal, error.details.status) {
            (ApiRefusal::Credentials, Some(StatusCode::UNAUTHORIZED)) => "credentials, 401",
            (ApiRefusal::Credentials, Some(StatusCode::FORBIDDEN)) => "credentials, 403",
            (ApiRefusal::Rejected, Some(StatusCode::FORBIDDEN)) => "rejected, 403",
            (ApiRefusal::Rejected, Some(StatusCode::NOT_FOUND)) => "rejected, 404",
            (_, _) => what,
        };
        match self.limiter.admit(key, self.clock.monotonic()) {
            Some(left_out) => tracing::error!(%error, left_out, "{what}"),
            None => tracing::debug!(%error, "{what}"),
        }
    }
}

const PAUSE: Duration = Duration::from_secs(60);
