use tracing::{Span, field::Empty, info_span};

use crate::{
    candidate::OpenedSession,
    config::settings::Settings,
    decide::reason::Reason,
    meter::{RefreshTimer, SessionEvent},
    refresh_state::successor::ExchangeResult,
};

/// The observability of one exchange: its span, its count and its duration.
pub(super) struct ObservedExchange {
    span: Span,
    timer: RefreshTimer,
}

impl ObservedExchange {
    /// Starts the span `authkit.refresh`. The exchange outlives the request, so the span is linked to the request's
    /// span and is not part of it.
    pub(super) fn begin(settings: &Settings, session: &OpenedSession) -> Self {
        let owner = session.owner();
        let span = info_span!(
            parent: None,
            "authkit.refresh",
            session = settings.log_ids.of_any(owner.session),
            user = settings.log_ids.of_any(owner.user),
            outcome = Empty,
        );
        span.follows_from(Span::current());
        Self { span, timer: settings.meter.refresh_starts() }
    }

    pub(super) fn span(&self) -> Span {
        self.span.clone()
    }

    /// The application's hook has refused the session with this id.
    pub(super) fn hook_refused(&self, settings: &Settings, session_id: &str) {
        let session = settings.log_ids.of(session_id);
        tracing::info!(session, "the application refused a session");
        settings.meter.session(SessionEvent::HookRefused);
    }

    /// WorkOS has answered with a session that is not the one asked for.
    pub(super) fn foreign(&self, settings: &Settings) {
        if let Some(left_out) = settings.log.due("another's session") {
            tracing::error!(
                left_out,
                "WorkOS answered a refresh with another user's or another organization's session"
            );
        }
    }

    pub(super) fn ended(&mut self, result: &ExchangeResult) {
        let outcome = match result {
            Ok(_) => "refreshed",
            Err(failure) => Reason::from(failure).as_str(),
        };
        self.span.record("outcome", outcome);
        self.timer.refresh_ended(result.as_ref().map(|_| ()));
    }
}
