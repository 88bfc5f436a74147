use std::sync::Arc;

use crate::{
    config::settings::Settings, decide::reason::Reason, log_limit::LogLimiter,
    request::admission::Refusal,
};

/// Logs refusals of credentials that anybody can send: one line for each reason and period, with a count.
#[derive(Debug)]
pub(crate) struct CredentialLog {
    settings: Arc<Settings>,
    lines: LogLimiter,
}

impl CredentialLog {
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        Self { settings, lines: LogLimiter::new(LogLimiter::PAUSE) }
    }

    /// Logs that `what` is refused, and makes the refusal.
    pub(crate) fn refuse(&self, what: &'static str, reason: Reason) -> Refusal {
        match self.due(reason.as_str()) {
            Some(left_out) => tracing::info!(%reason, left_out, "{what} refused"),
            None => tracing::debug!(%reason, "{what} refused"),
        }
        Refusal::without_cookies(reason)
    }

    /// Whether to write the line of this key now, and how many were left out since the last one.
    pub(crate) fn due(&self, key: &'static str) -> Option<u64> {
        self.lines.admit(key, self.settings.clock().monotonic())
    }
}
