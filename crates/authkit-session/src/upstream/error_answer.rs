//! Reads WorkOS's error answers.

use std::{
    borrow::Cow,
    fmt,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header};
use url::Url;

use crate::{decide::refresh_outcome::ApiRefusal, json};

/// A call to WorkOS that failed: there was no answer, or an error answer.
#[derive(Debug)]
pub(crate) struct UpstreamError {
    pub(crate) failure: UpstreamFailure,
    pub(crate) details: Answered,
}

/// What a failed call means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum UpstreamFailure {
    /// WorkOS refused the call, and would refuse it again.
    Refused(ApiRefusal),
    /// The same call may work later.
    Transient,
}

/// The details of a WorkOS error answer.
#[derive(Debug, Default)]
pub(crate) struct Answered {
    pub(crate) status: Option<StatusCode>,
    pub(crate) code: Option<String>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) request_id: Option<String>,
    pub(crate) authkit_redirect_url: Option<String>,
}

impl UpstreamError {
    /// The error of a call without an answer, or with an unreadable one.
    pub(crate) fn transient() -> Self {
        Self { failure: UpstreamFailure::Transient, details: Answered::default() }
    }

    /// The error of a call that may start only after `wait`.
    pub(crate) fn transient_for(wait: Duration) -> Self {
        let details = Answered { retry_after: Some(wait), ..Answered::default() };
        Self { failure: UpstreamFailure::Transient, details }
    }

    /// The error of a request that our configuration makes impossible to build.
    pub(crate) fn misconfigured() -> Self {
        let failure = UpstreamFailure::Refused(ApiRefusal::Request);
        Self { failure, details: Answered::default() }
    }
}

impl fmt::Display for UpstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.failure)?;
        self.details.fmt(f)
    }
}

/// The details that may be logged, in parentheses; nothing if there was no answer.
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

/// Reads an error answer.
///
/// 1. A 4xx with a URL for the browser (`authkit_redirect_url`) means that the user has to do something there.
/// 2. The meaning comes from the member `code` or `error` whose value is a known word, whatever the other member says.
///    The status does not matter, since WorkOS sends one word with several statuses.
/// 3. The one documented answer without a word is recognised by its message.
/// 4. The meaning of any other answer comes from its status: a 403 with an unknown word is about the user, a 403 without
///    a word is about our credentials. A status that only a proxy sends says nothing about a grant.
/// 5. 408, 421, 425, 429, 499 and 5xx are transient, unless their word means that the grant is spent.
pub(crate) fn read(answer: &Response<Bytes>, now: SystemTime) -> UpstreamError {
    let status = answer.status();
    let body = Body::parse(&json::readable(answer.body().clone()));
    let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
    UpstreamError {
        failure: failure(status, &body),
        details: Answered {
            status: Some(status),
            code: body.word,
            retry_after: retry_after(answer.headers(), now),
            request_id: header("x-request-id").filter(|id| is_word(id)).map(str::to_owned),
            authkit_redirect_url: body.authkit_redirect_url,
        },
    }
}

/// Reads the [readable](json::readable) body of a success that lacks the expected content: a gateway may have changed the
/// status of an error.
pub(crate) fn read_success(body: &[u8]) -> UpstreamError {
    let body = Body::parse(body);
    UpstreamError {
        failure: failure(StatusCode::OK, &body),
        details: Answered { status: Some(StatusCode::OK), code: body.word, ..Answered::default() },
    }
}

/// The members of an error answer's body that are read. A member of a wrong type, or one that cannot be read, counts as
/// absent.
#[derive(Default)]
struct Body {
    /// The machine-readable word.
    word: Option<String>,
    /// The meaning of the word, if it is a known one.
    meaning: Option<UpstreamFailure>,
    message: Option<String>,
    authkit_redirect_url: Option<String>,
}

impl Body {
    fn parse(body: &[u8]) -> Self {
        let (mut read, mut code, mut error) = (Self::default(), None, None);
        let mut is_list = false;
        let text = str::from_utf8(body).unwrap_or_default();
        let is_object = json::members(text, |name, value| {
            let text = || json::text(value).map(Cow::into_owned);
            match &*name.text() {
                "code" => code = text().or(code.take()),
                "error" => error = text().or(error.take()),
                "message" => read.message = text(),
                "authkit_redirect_url" => read.authkit_redirect_url = text().filter(is_web_url),
                // A list of mistakes in the request's parameters.
                "errors" => is_list = value.starts_with('['),
                _ => {}
            }
        });
        if is_object.is_none() {
            return Self::default();
        }
        let words: Vec<_> = [code, error].into_iter().flatten().filter(|it| is_word(it)).collect();
        let known = words.iter().find_map(|word| Some((word.clone(), meaning(word)?)));
        let (word, meaning) = match known {
            Some((word, meaning)) => (Some(word), Some(meaning)),
            None => (words.into_iter().next(), None),
        };
        let of_list = is_list.then_some(UpstreamFailure::Refused(ApiRefusal::Request));
        Self { word, meaning: meaning.or(of_list), ..read }
    }
}

#[expect(clippy::ptr_arg, reason = "it filters what is owned")]
fn is_web_url(url: &String) -> bool {
    Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

/// The meaning of an answer.
fn failure(status: StatusCode, body: &Body) -> UpstreamFailure {
    let is_refusal = status.is_client_error() && !is_transient(status);
    let says_where_to_sign_in = body.authkit_redirect_url.is_some();
    match body.meaning {
        Some(meaning @ UpstreamFailure::Refused(ApiRefusal::InvalidGrant))
            if !is_refusal || !says_where_to_sign_in =>
        {
            return meaning;
        }
        Some(_) | None if !is_refusal => return UpstreamFailure::Transient,
        Some(UpstreamFailure::Transient) => return UpstreamFailure::Transient,
        Some(UpstreamFailure::Refused(_)) | None => {}
    }
    UpstreamFailure::Refused(match (body.meaning, status.as_u16()) {
        (Some(UpstreamFailure::Refused(ApiRefusal::Credentials)), _) | (None, 401) => {
            ApiRefusal::Credentials
        }
        // An account that has to be paid for, a proxy that wants a password, a country or a network that is blocked.
        (None, 402 | 407 | 451) => ApiRefusal::Credentials,
        _ if says_where_to_sign_in => ApiRefusal::InteractionNeeded,
        (Some(UpstreamFailure::Refused(refusal)), _) => refusal,
        _ if body.message.as_deref() == Some(MUST_USE_SSO) => ApiRefusal::InteractionNeeded,
        (_, 403) if body.word.as_deref().is_some_and(is_code) => ApiRefusal::InteractionNeeded,
        (_, 403) => ApiRefusal::Credentials,
        (_, 404 | 422) => ApiRefusal::Request,
        // Its method, its fields, its length or its protocol: none of it says anything of the grant.
        (_, 405 | 406 | 411..=417 | 426 | 428 | 431) => ApiRefusal::Request,
        (_, _) => ApiRefusal::Rejected,
    })
}

/// Whether the same call may get another answer in a moment: it took too long, went to the wrong connection (RFC 9110
/// section 15.5.20), came too early (RFC 8470) or too often, or nginx lost its client (499).
fn is_transient(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 421 | 425 | 429 | 499)
}

/// The meaning of a word that WorkOS documents or one of its SDKs knows; `None` for any other word.
///
/// Source: the API's OpenAPI description, and the error codes in WorkOS's documentation and SDKs.
fn meaning(word: &str) -> Option<UpstreamFailure> {
    let refusal = match word {
        "invalid_grant"
        | "invalid_code"
        | "invalid_code_verifier"
        | "expired_token"
        | "invalid_link_authorization_code"
        | "invalid_pending_authentication_token"
        | "user_mismatch"
        | "code_challenge_not_found" => ApiRefusal::InvalidGrant,
        "organization_not_found"
        | "organization_membership_not_found"
        | "invalid_organization_id" => ApiRefusal::OrganizationGone,
        "sso_required"
        | "mfa_enrollment"
        | "mfa_challenge"
        | "mfa_verification"
        | "organization_selection_required"
        | "organization_authentication_methods_required"
        | "email_verification_required"
        | "authentication_method_not_allowed"
        | "email_password_auth_disabled"
        | "passkey_progressive_enrollment"
        | "radar_challenge"
        | "radar_email_challenge"
        | "radar_sms_challenge"
        | "radar_sign_up_challenge"
        | "radar_sms_sign_in_challenge"
        | "application_consent_required"
        | "invalid_connection"
        | "invalid_profile"
        | "sign_up_not_allowed"
        | "invitation_invalid"
        | "invitation_cannot_be_used_for_email"
        | "extra_attributes_required"
        | "access_denied"
        | "invalid_credentials"
        | "invalid_one_time_code"
        | "one_time_code_expired"
        | "one_time_code_previously_used"
        | "one_time_code_too_many_attempts" => ApiRefusal::InteractionNeeded,
        "invalid_client" | "unauthorized_client" | "unauthorized" => ApiRefusal::Credentials,
        "invalid_request"
        | "invalid_request_parameters"
        | "invalid_request_body"
        | "unprocessable_entity"
        | "unsupported_grant_type"
        | "token_too_big"
        | "pkce_not_supported"
        | "phone_number_required"
        | "verification_id_required" => ApiRefusal::Request,
        "authorization_pending" | "slow_down" | "too_many_requests" | "daily_quota_exceeded" => {
            return Some(UpstreamFailure::Transient);
        }
        _ => return None,
    };
    Some(UpstreamFailure::Refused(refusal))
}

/// Whether a word has the spelling of WorkOS's codes. The name of a status (`Forbidden`) does not.
fn is_code(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Whether a text may be logged: it is short, and has no spaces, control characters or others beyond visible ASCII.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_WORD && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Reads `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date. Accepts seconds with a fraction, which some proxies
/// write, and numbers of any size.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    let (whole, fraction) = value.split_once('.').unwrap_or((value, "0"));
    if is_number(whole) && is_number(fraction) {
        let more = u64::from(fraction.bytes().any(|digit| digit != b'0'));
        return Some(Duration::from_secs(
            whole.parse().map_or(u64::MAX, |it: u64| it.saturating_add(more)),
        ));
    }
    Some(httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or_default())
}

/// The message of the only documented answer without a word, from the API's OpenAPI description.
const MUST_USE_SSO: &str = "Must use SSO for selected organization";
/// The longest word that is kept; WorkOS's words are shorter.
const MAX_WORD: usize = 128;

#[cfg(test)]
pub(crate) mod tests;
