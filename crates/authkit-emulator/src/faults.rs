use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::json;

use crate::{endpoint::Endpoint, twist::Twist};

/// A fault: what goes wrong, at which endpoint and how often.
///
/// By default it happens once, at [`Endpoint::Authenticate`]. Faults of one endpoint apply in the
/// order they were given, one a request; [`until_cleared`](Self::until_cleared) never makes room for the next.
///
/// | constructor | is the work done? | what the client sees |
/// |---|---|---|
/// | [`status`](Self::status) | no | that status, with [`header`](Self::header) and [`body`](Self::body) |
/// | [`oauth_error`](Self::oauth_error), [`error`](Self::error) | no | an error in WorkOS's shapes |
/// | [`latency`](Self::latency) | yes, after the wait | the right answer, late |
/// | [`late_reply`](Self::late_reply) | yes, before the wait | the right answer, late |
/// | [`reset_before`](Self::reset_before) | no | connection reset |
/// | [`reset_after`](Self::reset_after) | yes | connection reset: the reply is lost |
/// | [`truncated`](Self::truncated) | yes | the head and half of the body, then the end |
/// | [`slow`](Self::slow) | yes | the body in small pieces |
/// | [`wrong_json`](Self::wrong_json), [`html`](Self::html) | no | 200 with another body |
/// | [`huge`](Self::huge) | yes | the right body, padded with white space |
/// | [`clock_ahead`](Self::clock_ahead), [`clock_behind`](Self::clock_behind) | yes | a token from a clock that is wrong |
/// | [`strict_rotation`](Self::strict_rotation) | yes | as if there were no replay grace |
/// | [`new_session_id`](Self::new_session_id) | yes | a refresh that changes the `sid` |
/// | [`no_refresh_token`](Self::no_refresh_token) | yes | 200 without a refresh token |
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use authkit_emulator::{Emulator, Endpoint, Fault};
///
/// # async fn example() {
/// let emulator = Emulator::start().await;
/// emulator.fault(Fault::status(429).header("retry-after", "1").times(2));
/// emulator.fault(Fault::reset_after());
/// emulator.fault(Fault::status(503).on(Endpoint::Jwks).until_cleared());
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "hand it to `Emulator::fault`"]
pub struct Fault {
    pub(crate) endpoint: Endpoint,
    pub(crate) times: Times,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Times {
    Count(u32),
    UntilCleared,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Instead(Instead),
    LatencyBefore(Duration),
    LatencyAfter(Duration),
    ResetBefore,
    ResetAfter,
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
            Self::Truncated => "truncated",
            Self::Slow { .. } => "slow",
            Self::Huge { .. } => "huge",
            Self::Twisted(Twist::None) => "none",
            Self::Twisted(Twist::StrictRotation) => "strict_rotation",
            Self::Twisted(Twist::NewSessionId) => "new_session_id",
            Self::Twisted(Twist::NoRefreshToken) => "no_refresh_token",
            Self::Twisted(Twist::ClockAhead(_)) => "clock_ahead",
            Self::Twisted(Twist::ClockBehind(_)) => "clock_behind",
        }
    }
}

/// An answer given in place of the endpoint's own.
#[derive(Clone, Debug)]
pub(crate) struct Instead {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
}

impl Fault {
    /// Answers with `status` and does nothing.
    ///
    /// # Panics
    ///
    /// If `status` is not between 200 and 999.
    pub fn status(status: u16) -> Self {
        Self::try_status(status).expect("a final status code")
    }

    pub(crate) fn try_status(status: u16) -> Option<Self> {
        let status =
            StatusCode::from_u16(status).ok().filter(|status| !status.is_informational())?;
        Some(Self::new(Kind::Instead(Instead { status, headers: Vec::new(), body: Bytes::new() })))
    }

    /// Answers 400 with `{"error": error, "error_description": ...}`, the shape of OAuth errors such as `invalid_grant`.
    pub fn oauth_error(error: &str) -> Self {
        let body =
            json!({ "error": error, "error_description": format!("A fault answers {error}.") });
        Self::status(400).header("content-type", "application/json").body(body.to_string())
    }

    /// Answers with `{"code": code, "message": ...}`, the shape of WorkOS's own errors such as `mfa_enrollment`.
    ///
    /// # Panics
    ///
    /// If `status` is not between 200 and 999.
    pub fn error(status: u16, code: &str) -> Self {
        let body = json!({ "code": code, "message": format!("A fault answers {code}.") });
        Self::status(status).header("content-type", "application/json").body(body.to_string())
    }

    /// Waits, then does the work and answers.
    pub fn latency(wait: Duration) -> Self {
        Self::new(Kind::LatencyBefore(wait))
    }

    /// Does the work, waits, then answers: a client that gives up meanwhile has lost the reply.
    pub fn late_reply(wait: Duration) -> Self {
        Self::new(Kind::LatencyAfter(wait))
    }

    /// Resets the connection before anything is done.
    pub fn reset_before() -> Self {
        Self::new(Kind::ResetBefore)
    }

    /// Does the work and resets the connection in place of the reply.
    pub fn reset_after() -> Self {
        Self::new(Kind::ResetAfter)
    }

    /// Announces the whole body and closes the connection half-way through it.
    pub fn truncated() -> Self {
        Self::new(Kind::Truncated)
    }

    /// Sends the body `bytes` at a time, one piece every `interval`.
    ///
    /// # Panics
    ///
    /// If `bytes` is 0.
    pub fn slow(bytes: usize, interval: Duration) -> Self {
        assert!(bytes > 0, "a body of pieces of 0 bytes never ends");
        Self::new(Kind::Slow { bytes, interval })
    }

    /// Answers 200 with JSON that has none of the fields one expects.
    pub fn wrong_json() -> Self {
        Self::status(200)
            .header("content-type", "application/json")
            .body(r#"{"unexpected":["json"]}"#)
    }

    /// Answers 200 with a page of HTML, as a captive portal or a load balancer does.
    pub fn html() -> Self {
        let page = "<!doctype html><title>Welcome</title><h1>Please sign in to the network</h1>";
        Self::status(200).header("content-type", "text/html; charset=utf-8").body(page)
    }

    /// Pads the right answer with `padding` bytes of white space, which JSON allows; no length is announced.
    pub fn huge(padding: usize) -> Self {
        Self::new(Kind::Huge { padding })
    }

    /// Issues tokens whose times lie in the future.
    pub fn clock_ahead(by: Duration) -> Self {
        Self::new(Kind::Twisted(Twist::ClockAhead(by)))
    }

    /// Issues tokens whose times lie in the past.
    pub fn clock_behind(by: Duration) -> Self {
        Self::new(Kind::Twisted(Twist::ClockBehind(by)))
    }

    /// Exchanges a refresh token without the replay grace.
    pub fn strict_rotation() -> Self {
        Self::new(Kind::Twisted(Twist::StrictRotation))
    }

    /// Gives the session another id when it is refreshed, as the npm package's emulator does.
    pub fn new_session_id() -> Self {
        Self::new(Kind::Twisted(Twist::NewSessionId))
    }

    /// Leaves the refresh token out of the answer.
    pub fn no_refresh_token() -> Self {
        Self::new(Kind::Twisted(Twist::NoRefreshToken))
    }

    /// Moves the fault to another endpoint (default [`Endpoint::Authenticate`]).
    pub fn on(mut self, endpoint: Endpoint) -> Self {
        self.endpoint = endpoint;
        self
    }

    /// Repeats the fault for so many requests (default 1).
    pub fn times(mut self, times: u32) -> Self {
        self.times = Times::Count(times);
        self
    }

    /// Repeats the fault until [`Emulator::clear_faults`](crate::Emulator::clear_faults).
    pub fn until_cleared(mut self) -> Self {
        self.times = Times::UntilCleared;
        self
    }

    /// Adds a header to a [`status`](Self::status) fault; the others send the endpoint's own.
    ///
    /// # Panics
    ///
    /// If the name or the value is not a valid header.
    pub fn header(self, name: &str, value: &str) -> Self {
        self.try_header(name, value).expect("a valid header")
    }

    pub(crate) fn try_header(mut self, name: &str, value: &str) -> Option<Self> {
        let (name, value) = (HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?);
        if let Kind::Instead(instead) = &mut self.kind {
            instead.headers.push((name, value));
        }
        Some(self)
    }

    /// Sets the body of a [`status`](Self::status) fault (default empty).
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        if let Kind::Instead(instead) = &mut self.kind {
            instead.body = body.into();
        }
        self
    }

    fn new(kind: Kind) -> Self {
        Self { endpoint: Endpoint::Authenticate, times: Times::Count(1), kind }
    }
}

/// The faults that are still to happen.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    queue: VecDeque<Fault>,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        if fault.times != Times::Count(0) {
            self.queue.push_back(fault);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.queue.clear();
    }

    pub(crate) fn pending(&self) -> impl Iterator<Item = &Fault> {
        self.queue.iter()
    }

    /// The next fault of an endpoint, used up by one.
    pub(crate) fn take(&mut self, endpoint: Endpoint) -> Option<Kind> {
        let index = self.queue.iter().position(|fault| fault.endpoint == endpoint)?;
        let fault = &mut self.queue[index];
        let kind = fault.kind.clone();
        if let Times::Count(left) = &mut fault.times {
            *left -= 1;
            if *left == 0 {
                self.queue.remove(index);
            }
        }
        Some(kind)
    }
}
