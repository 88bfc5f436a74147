use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::Value;

use crate::{clock::http_date, twist::Twist};

/// What goes wrong.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Instead(Instead),
    LatencyBefore(Duration),
    LatencyAfter(Duration),
    ResetBefore,
    ResetAfter,
    Swallow,
    Truncated,
    Slow { bytes: usize, interval: Duration },
    Huge { padding: usize },
    Twisted(Twist),
}

impl Kind {
    /// The name that the control API uses.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Instead(_) => "status",
            Self::LatencyBefore(_) => "latency",
            Self::LatencyAfter(_) => "late_reply",
            Self::ResetBefore => "reset_before",
            Self::ResetAfter => "reset_after",
            Self::Swallow => "swallow",
            Self::Truncated => "truncated",
            Self::Slow { .. } => "slow",
            Self::Huge { .. } => "huge",
            Self::Twisted(Twist::None) => "none",
            Self::Twisted(Twist::StrictRotation) => "strict_rotation",
            Self::Twisted(Twist::NewSessionId) => "new_session_id",
            Self::Twisted(Twist::ClockAhead(_)) => "clock_ahead",
            Self::Twisted(Twist::ClockBehind(_)) => "clock_behind",
            Self::Twisted(Twist::Claims(_)) => "claims",
            Self::Twisted(Twist::Fields(_)) => "fields",
        }
    }
}

/// An answer that replaces the endpoint's own.
#[derive(Clone)]
pub(crate) struct Instead {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
    /// For a `Retry-After` that is a date: how long after the emulator's time.
    pub(crate) retry_after_date: Option<Duration>,
}

impl Instead {
    pub(crate) fn new(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new(), retry_after_date: None }
    }

    /// Sets a member of the body; false if the body is not a JSON object.
    pub(crate) fn set_member(&mut self, name: &str, value: Value) -> bool {
        let Ok(Value::Object(mut members)) = serde_json::from_slice(&self.body) else {
            return false;
        };
        members.insert(name.to_owned(), value);
        self.body = Value::Object(members).to_string().into();
        true
    }

    pub(crate) fn respond(self, now: SystemTime) -> Response<Bytes> {
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        for (name, value) in self.headers {
            response.headers_mut().append(name, value);
        }
        let date = self.retry_after_date.and_then(|after| now.checked_add(after));
        if let Some(date) = date.and_then(http_date) {
            response.headers_mut().insert(header::RETRY_AFTER, date);
        }
        response
    }
}

/// Without the body, which may hold a token.
impl std::fmt::Debug for Instead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instead").field("status", &self.status).finish_non_exhaustive()
    }
}
