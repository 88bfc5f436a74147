//! Reads what WorkOS answers when it does not do what it was asked.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header};
use serde::Deserialize;

use crate::decide::refresh_outcome::ApiRefusal;

/// A call to WorkOS that brought no answer, or another one than a 200.
#[derive(Debug)]
pub(crate) struct UpstreamError {
    pub(crate) failure: UpstreamFailure,
    pub(crate) details: Answered,
}

/// What a failed call means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum UpstreamFailure {
    /// WorkOS would answer the same call alike.
    Refused(ApiRefusal),
    /// The same call may work later.
    Transient,
}

/// What a WorkOS error answer said.
#[derive(Debug, Default)]
pub(crate) struct Answered {
    pub(crate) status: Option<StatusCode>,
    pub(crate) code: Option<String>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) request_id: Option<String>,
    pub(crate) authkit_redirect_url: Option<String>,
}

impl UpstreamError {
    /// No answer, or an unreadable one.
    pub(crate) fn transient() -> Self {
        Self { failure: UpstreamFailure::Transient, details: Answered::default() }
    }

    /// A request of ours that cannot be sent.
    pub(crate) fn misconfigured() -> Self {
        let failure = UpstreamFailure::Refused(ApiRefusal::Misconfigured);
        Self { failure, details: Answered::default() }
    }
}

impl fmt::Display for UpstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.failure)?;
        self.details.fmt(f)
    }
}

/// What may be logged of an answer, in parentheses; nothing where there was none.
impl fmt::Display for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(status) = self.status else { return Ok(()) };
        write!(f, " (status {}", status.as_u16())?;
        if let Some(code) = &self.code {
            write!(f, ", {code}")?;
        }
        if let Some(id) = &self.request_id {
            write!(f, ", request {id}")?;
        }
        f.write_str(")")
    }
}

/// Reads an error answer: the word first, then the status, since one word comes with several.
pub(crate) fn read(answer: &Response<Bytes>, now: SystemTime) -> UpstreamError {
    let status = answer.status();
    let body: Body = serde_json::from_slice(answer.body()).unwrap_or_default();
    let code = body.code.or(body.error).filter(|code| is_word(code));
    use ApiRefusal::{InteractionNeeded, InvalidGrant, Misconfigured, OrganizationGone};
    use UpstreamFailure::Refused;
    let failure = match code.as_deref() {
        Some("invalid_grant" | "invalid_code" | "invalid_code_verifier") => Refused(InvalidGrant),
        Some(
            "organization_not_found"
            | "organization_membership_not_found"
            | "invalid_organization_id",
        ) => Refused(OrganizationGone),
        Some(
            "sso_required"
            | "mfa_enrollment"
            | "mfa_challenge"
            | "mfa_verification"
            | "organization_selection_required"
            | "organization_authentication_methods_required"
            | "email_verification_required"
            | "authentication_method_not_allowed"
            | "passkey_progressive_enrollment"
            | "radar_challenge"
            | "radar_email_challenge"
            | "radar_sms_challenge"
            | "radar_sign_up_challenge"
            | "radar_sms_sign_in_challenge"
            | "application_consent_required",
        ) => Refused(InteractionNeeded),
        Some(
            "invalid_client"
            | "unauthorized_client"
            | "invalid_request"
            | "invalid_request_parameters",
        ) => Refused(Misconfigured),
        _ => by_status(status),
    };
    let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
    UpstreamError {
        failure,
        details: Answered {
            status: Some(status),
            code,
            retry_after: retry_after(answer.headers(), now),
            request_id: header("x-request-id").filter(|id| is_word(id)).map(str::to_owned),
            authkit_redirect_url: body.authkit_redirect_url,
        },
    }
}

/// The word is in `code` or in `error`.
#[derive(Default, Deserialize)]
struct Body {
    code: Option<String>,
    error: Option<String>,
    authkit_redirect_url: Option<String>,
}

/// Whether it may be logged: short, and nothing that a terminal or a log would take for more than text.
fn is_word(text: &str) -> bool {
    text.len() <= MAX_WORD && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// What an answer whose word says nothing means. A redirect or another 2xx is not WorkOS's answer at all.
fn by_status(status: StatusCode) -> UpstreamFailure {
    match status.as_u16() {
        401 | 403 | 404 | 422 => UpstreamFailure::Refused(ApiRefusal::Misconfigured),
        408 | 429 => UpstreamFailure::Transient,
        400..=499 => UpstreamFailure::Refused(ApiRefusal::Rejected),
        _ => UpstreamFailure::Transient,
    }
}

/// RFC 9110 section 10.2.3: seconds, or a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    match value.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            Some(httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or_default())
        }
    }
}

/// Longer words than this are not WorkOS's.
const MAX_WORD: usize = 128;

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn answered(status: u16, body: &str, fields: &[(&'static str, &'static str)]) -> UpstreamError {
        let mut answer = Response::new(Bytes::from(body.to_owned()));
        *answer.status_mut() = StatusCode::from_u16(status).unwrap();
        for (name, value) in fields {
            answer.headers_mut().insert(*name, value.parse().unwrap());
        }
        read(&answer, UNIX_EPOCH + Duration::from_secs(784_111_777))
    }

    #[test]
    fn the_word_counts_before_the_status() {
        use ApiRefusal::*;
        use UpstreamFailure::{Refused, Transient};

        let cases = [
            (
                400,
                r#"{"error":"invalid_grant","error_description":"spent"}"#,
                Refused(InvalidGrant),
            ),
            (401, r#"{"code":"invalid_grant","message":"spent"}"#, Refused(InvalidGrant)),
            (500, r#"{"error":"invalid_grant"}"#, Refused(InvalidGrant)),
            (400, r#"{"code":"invalid_code"}"#, Refused(InvalidGrant)),
            (404, r#"{"code":"organization_not_found"}"#, Refused(OrganizationGone)),
            (403, r#"{"code":"sso_required"}"#, Refused(InteractionNeeded)),
            (
                403,
                r#"{"code":"mfa_enrollment","error":"invalid_grant"}"#,
                Refused(InteractionNeeded),
            ),
            (400, r#"{"error":"invalid_client"}"#, Refused(Misconfigured)),
            (401, r#"{"message":"Unauthorized"}"#, Refused(Misconfigured)),
            (404, "", Refused(Misconfigured)),
            (422, r#"{"code":"something_new"}"#, Refused(Misconfigured)),
            (409, r#"{"code":"something_new"}"#, Refused(Rejected)),
            (408, "", Transient),
            (429, r#"{"message":"Too Many Requests"}"#, Transient),
            (503, "<h1>Service Unavailable</h1>", Transient),
            (302, "", Transient),
            (204, "", Transient),
        ];
        for (status, body, kind) in cases {
            assert_eq!(answered(status, body, &[]).failure, kind, "{status} {body}");
        }
    }

    #[test]
    fn only_words_are_kept() {
        let long = format!(r#"{{"code":"{}"}}"#, "x".repeat(MAX_WORD + 1));
        let cases = [
            (r#"{"code":"something_new"}"#, Some("something_new")),
            (r#"{"code":"two words"}"#, None),
            (r#"{"code":"line\nfeed"}"#, None),
            (r#"{"code":"\u001b[31mred"}"#, None),
            (r#"{"code":"größer"}"#, None),
            (r#"{"code":7}"#, None),
            (&long, None),
        ];
        for (body, code) in cases {
            assert_eq!(answered(400, body, &[]).details.code.as_deref(), code, "{body}");
        }
        assert_eq!(
            answered(400, "", &[("x-request-id", "req_1")]).details.request_id.as_deref(),
            Some("req_1")
        );
        assert_eq!(answered(400, "", &[("x-request-id", "req 1")]).details.request_id, None);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let cases = [
            ("7", Some(7)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
            ("Sun, 06 Nov 1994 08:49:27 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
        ];
        for (value, seconds) in cases {
            let error = answered(429, "", &[("retry-after", value)]);
            assert_eq!(error.details.retry_after, seconds.map(Duration::from_secs), "{value}");
        }
    }
}
