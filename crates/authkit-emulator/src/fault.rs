mod kind;
mod queue;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

pub(crate) use self::{
    kind::{Instead, Kind},
    queue::{Faults, Times},
};
use crate::{answers::Answer, overrides::Overrides, target::Target, twist::Twist};

/// A fault: what goes wrong, in which requests and how often.
///
/// By default it happens once, at [`Endpoint::Authenticate`](crate::Endpoint::Authenticate); [`on`](Self::on) names
/// other requests. Of several faults for a request, the one that was added first happens. One that lasts
/// [`until_cleared`](Self::until_cleared) keeps later faults for the same requests from happening.
///
/// | constructor | does the emulator process the request? | what the client sees |
/// |---|---|---|
/// | [`answer`](Self::answer) | no | one of the answers that WorkOS documents; see [`Answer`] |
/// | [`status`](Self::status), [`json`](Self::json) | no | that status, [`header`](Self::header)s and [`body`](Self::body) |
/// | [`oauth_error`](Self::oauth_error), [`error`](Self::error) | no | an error in WorkOS's shapes |
/// | [`wrong_json`](Self::wrong_json), [`html`](Self::html) | no | 200 with another body |
/// | [`latency`](Self::latency), [`late_reply`](Self::late_reply) | yes, after the wait; yes, before it | the right answer, late |
/// | [`reset_before`](Self::reset_before), [`reset_after`](Self::reset_after) | no; yes | connection reset |
/// | [`swallow`](Self::swallow) | no | no answer, on a connection that stays open |
/// | [`truncated`](Self::truncated) | yes | the head and half of the body, then the end of the connection |
/// | [`slow`](Self::slow) | yes | the body in small pieces |
/// | [`huge`](Self::huge) | yes | the right body, padded with white space |
/// | [`clock_ahead`](Self::clock_ahead), [`clock_behind`](Self::clock_behind) | yes | a token from a wrong clock |
/// | [`claims`](Self::claims) | yes | a genuine token with claims of any name and type |
/// | [`fields`](Self::fields), [`no_refresh_token`](Self::no_refresh_token) | yes | 200 with members of any type, or without some |
/// | [`strict_rotation`](Self::strict_rotation) | yes | as if there were no replay grace |
/// | [`new_session_id`](Self::new_session_id) | yes | a refresh that changes the `sid` |
///
/// [`Emulator::connections`](crate::Emulator::connections) makes whole connections fail.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use authkit_emulator::{Emulator, Endpoint, Fault, Grant};
///
/// # async fn example() {
/// let emulator = Emulator::start().await;
/// emulator.fault(Fault::answer("53").retry_after(Duration::from_secs(1)).times(2));
/// emulator.fault(Fault::reset_after().on(Grant::RefreshToken));
/// emulator.fault(Fault::status(503).on(Endpoint::Jwks).until_cleared());
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "hand it to `Emulator::fault`"]
pub struct Fault {
    pub(crate) target: Target,
    pub(crate) times: Times,
    pub(crate) kind: Kind,
}

impl Fault {
    /// Gives the answer with this name, one of [`Answer::all`], and does not process the request (except for the answers
    /// that change a successful one). The fault is for the answer's own endpoint.
    ///
    /// # Panics
    ///
    /// If no answer has that name.
    pub fn answer(name: &str) -> Self {
        let answer = Answer::named(name);
        answer.unwrap_or_else(|| panic!("there is no answer named {name}")).fault()
    }

    /// Answers with `status` and does not process the request.
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
        Some(Self::new(Kind::Instead(Instead::new(status))))
    }

    /// Answers 400 with `{"error": error, "error_description": ...}`, the shape of OAuth errors such as `invalid_grant`.
    pub fn oauth_error(error: &str) -> Self {
        let description = format!("A fault answers {error}.");
        Self::json(400, &json!({ "error": error, "error_description": description }))
    }

    /// Answers with `{"code": code, "message": ...}`, the shape of WorkOS's own errors such as `mfa_enrollment`.
    ///
    /// # Panics
    ///
    /// If `status` is not between 200 and 999.
    pub fn error(status: u16, code: &str) -> Self {
        let message = format!("A fault answers {code}.");
        Self::json(status, &json!({ "code": code, "message": message }))
    }

    /// Answers with `status` and any JSON, and does not process the request.
    ///
    /// # Panics
    ///
    /// If `status` is not between 200 and 999.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::status(status).header("content-type", "application/json").body(body.to_string())
    }

    /// Waits, then processes the request and answers.
    pub fn latency(wait: Duration) -> Self {
        Self::new(Kind::LatencyBefore(wait))
    }

    /// Processes the request, waits, then answers: a client that gives up meanwhile loses the answer.
    pub fn late_reply(wait: Duration) -> Self {
        Self::new(Kind::LatencyAfter(wait))
    }

    /// Resets the connection and does not process the request.
    pub fn reset_before() -> Self {
        Self::new(Kind::ResetBefore)
    }

    /// Processes the request, and resets the connection instead of answering.
    pub fn reset_after() -> Self {
        Self::new(Kind::ResetAfter)
    }

    /// Reads the request, never answers it, and leaves the connection open. Later connections work.
    pub fn swallow() -> Self {
        Self::new(Kind::Swallow)
    }

    /// Announces the length of the whole body, and closes the connection after half of it.
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

    /// Answers 200 with JSON that has none of the expected members.
    pub fn wrong_json() -> Self {
        Self::json(200, &json!({ "unexpected": ["json"] }))
    }

    /// Answers 200 with a page of HTML, as a captive portal or a load balancer does.
    pub fn html() -> Self {
        let page = "<!doctype html><title>Welcome</title><h1>Please sign in to the network</h1>";
        Self::status(200).header("content-type", "text/html; charset=utf-8").body(page)
    }

    /// Pads the right answer with `padding` bytes of white space, which JSON allows, and announces no length.
    pub fn huge(padding: usize) -> Self {
        Self::new(Kind::Huge { padding })
    }

    /// Issues tokens as if the issuer's clock were ahead by this much: their times lie in the future.
    pub fn clock_ahead(by: Duration) -> Self {
        Self::new(Kind::Twisted(Twist::ClockAhead(by)))
    }

    /// Issues tokens as if the issuer's clock were behind by this much: their times lie in the past.
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
        Self::fields(json!({})).without("refresh_token")
    }

    /// Issues an access token with these claims, which may be reserved ones such as `exp`, and `null`. Its signature is
    /// valid.
    ///
    /// # Panics
    ///
    /// If `claims` is not a JSON object.
    pub fn claims(claims: Value) -> Self {
        Self::new(Kind::Twisted(Twist::Claims(Overrides::of(claims))))
    }

    /// Sets members of an answer of 200 to any value. The emulator issues, and replays, the right answer otherwise.
    ///
    /// # Panics
    ///
    /// If `fields` is not a JSON object.
    pub fn fields(fields: Value) -> Self {
        Self::new(Kind::Twisted(Twist::Fields(Overrides::of(fields))))
    }

    /// Leaves out a claim of a [`claims`](Self::claims) fault, or a member of a [`fields`](Self::fields) fault.
    pub fn without(mut self, name: &str) -> Self {
        if let Kind::Twisted(Twist::Claims(overrides) | Twist::Fields(overrides)) = &mut self.kind {
            overrides.leave_out(name);
        }
        self
    }

    /// Sets the requests that fail: those to an [`Endpoint`](crate::Endpoint), with a [`Grant`](crate::Grant), or of a
    /// [`Target`] (default: every request to [`Endpoint::Authenticate`](crate::Endpoint::Authenticate)).
    pub fn on(mut self, target: impl Into<Target>) -> Self {
        self.target = target.into();
        self
    }

    /// Repeats the fault for this many requests (default 1).
    pub fn times(mut self, times: u32) -> Self {
        self.times = Times::Count(times);
        self
    }

    /// Repeats the fault until [`Emulator::clear_faults`](crate::Emulator::clear_faults).
    pub fn until_cleared(mut self) -> Self {
        self.times = Times::UntilCleared;
        self
    }

    /// Adds a header to a [`status`](Self::status) fault; other faults send the endpoint's own headers.
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

    /// Sets a member of a body that is a JSON object: adds a member, or gives one another type.
    ///
    /// # Panics
    ///
    /// If the body is not a JSON object.
    pub fn member(self, name: &str, value: impl Into<Value>) -> Self {
        self.try_member(name, value.into()).expect("a body that is a JSON object")
    }

    pub(crate) fn try_member(mut self, name: &str, value: Value) -> Option<Self> {
        let Kind::Instead(instead) = &mut self.kind else { return None };
        instead.set_member(name, value).then_some(self)
    }

    /// Adds a `Retry-After` in seconds to a [`status`](Self::status) fault, rounded up.
    pub fn retry_after(self, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.header(header::RETRY_AFTER.as_str(), &seconds.to_string())
    }

    /// Adds a `Retry-After` to a [`status`](Self::status) fault that is a date, this long after the emulator's time.
    pub fn retry_after_date(mut self, wait: Duration) -> Self {
        if let Kind::Instead(instead) = &mut self.kind {
            instead.retry_after_date = Some(wait);
        }
        self
    }

    pub(crate) fn new(kind: Kind) -> Self {
        Self { target: Target::default(), times: Times::Count(1), kind }
    }
}
