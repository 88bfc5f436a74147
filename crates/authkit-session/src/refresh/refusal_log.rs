//! Log lines about refusals by WorkOS.

use std::time::Duration;

use http::StatusCode;

use crate::{
    clock::Clock, decide::refresh_outcome::Blame, log_limit::LogLimiter,
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
    pub(super) fn log(&self, blame: Blame, error: &UpstreamError) {
        let what = match blame {
            Blame::Grant | Blame::User => return,
            Blame::OurCredentials => match error.details.status.map(|status| status.as_u16()) {
                Some(402 | 407 | 451) => "calls to WorkOS are refused, by it or on the way to it",
                Some(_) | None => "WorkOS refused our API key or client id",
            },
            Blame::OurRequest => "WorkOS refused our request",
            Blame::Unknown => "WorkOS rejected a refresh",
        };
        let key = match (blame, error.details.status) {
            (Blame::OurCredentials, Some(StatusCode::UNAUTHORIZED)) => "credentials, 401",
            (Blame::OurCredentials, Some(StatusCode::FORBIDDEN)) => "credentials, 403",
            (Blame::Unknown, Some(StatusCode::FORBIDDEN)) => "rejected, 403",
            (Blame::Unknown, Some(StatusCode::NOT_FOUND)) => "rejected, 404",
            (_, _) => what,
        };
        match self.limiter.admit(key, self.clock.monotonic()) {
            Some(left_out) => tracing::error!(%error, left_out, "{what}"),
            None => tracing::debug!(%error, "{what}"),
        }
    }
}

const PAUSE: Duration = Duration::from_secs(60);
