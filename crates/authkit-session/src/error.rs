use std::{error, fmt, time::Duration};

use http::StatusCode;

use crate::{
    decide::refresh_outcome::{ApiRefusal, RefreshFailure},
    upstream::error_answer::{Answered, UpstreamError, UpstreamFailure},
};

/// A failed call to WorkOS, or a failure with a session that WorkOS answered.
///
/// Never contains a token, a code or a cookie. Of WorkOS's answer only [`code`](Self::code) is kept: the text beside it
/// may quote what was sent.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    detail: Option<Box<Answered>>,
}

/// The kinds of [`Error`], which differ in what to do next.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// WorkOS could not be reached, answered too late, too busy or unreadably: the same call may work later.
    Transient,
    /// WorkOS refused the grant (`invalid_grant`, `invalid_code`): the code or refresh token is used up, revoked or
    /// expired.
    Refused,
    /// The organization, or the membership in it, no longer exists.
    OrganizationGone,
    /// The user has to do something on WorkOS's pages first: single sign-on, a second factor, choose an organization.
    InteractionNeeded,
    /// WorkOS refused our API key, client id or request: for the operator.
    Misconfigured,
    /// Any other answer with a 4xx status.
    Rejected,
    /// WorkOS answered with tokens that cannot be verified now.
    Unverified,
    /// By our clock, the tokens that WorkOS has just issued are expired or not yet valid: one of the two clocks is
    /// wrong.
    Clock,
    /// The claims do not have the form of the requested type.
    Claims,
    /// The session could not be sealed: the operating system gave no random bytes.
    Seal,
    /// The sealed session is larger than browsers and proxies accept in cookies: 7 KiB.
    TooLarge,
    /// The request brought no cookie with a session that can be refreshed.
    NoSession,
    /// The session was signed out, revoked, or replaced by another one.
    SignedOut,
    /// The session was refreshed on demand less than 2 seconds ago.
    TooSoon,
    /// The application's hook refused the session.
    HookRefused,
    /// The application's hook did not decide whether the session continues.
    HookUndecided,
    /// The response head has already been sent, so no cookie can be set.
    HeadSent,
    /// The new session is another user's than the session that it would replace.
    AnotherUser,
}

/// What an [`Error`] means for a sign-in. Closed: a framework crate answers each class in its own way.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "a new class has to break every match on it")]
pub enum ErrorClass {
    /// A temporary failure, or one for the operator: trying again may help.
    Unavailable,
    /// A clock is wrong.
    Clock,
    /// The session is too large for cookies.
    TooLarge,
    /// The application refused the session.
    HookRefused,
    /// WorkOS refuses the code or the token, or the user has to do something on WorkOS's pages first.
    Refused,
    /// The session would replace another user's, and the user has not confirmed that yet.
    AnotherUser,
}

impl Error {
    /// What the failure means for a sign-in.
    pub fn class(&self) -> ErrorClass {
        match self.kind {
            ErrorKind::Transient
            | ErrorKind::Unverified
            | ErrorKind::Misconfigured
            | ErrorKind::HookUndecided
            | ErrorKind::Seal => ErrorClass::Unavailable,
            ErrorKind::Clock => ErrorClass::Clock,
            ErrorKind::TooLarge => ErrorClass::TooLarge,
            ErrorKind::HookRefused => ErrorClass::HookRefused,
            ErrorKind::AnotherUser => ErrorClass::AnotherUser,
            ErrorKind::Refused
            | ErrorKind::OrganizationGone
            | ErrorKind::InteractionNeeded
            | ErrorKind::Rejected
            | ErrorKind::Claims
            | ErrorKind::NoSession
            | ErrorKind::SignedOut
            | ErrorKind::TooSoon
            | ErrorKind::HeadSent => ErrorClass::Refused,
        }
    }

    pub(crate) fn new(kind: ErrorKind) -> Self {
        Self { kind, detail: None }
    }

    pub(crate) fn answered(kind: ErrorKind, detail: Answered) -> Self {
        Self { kind, detail: Some(Box::new(detail)) }
    }

    /// An error whose call may succeed after `wait`.
    pub(crate) fn after(kind: ErrorKind, wait: Option<Duration>) -> Self {
        Self::answered(kind, Answered { retry_after: wait, ..Answered::default() })
    }

    /// The kind of the failure.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the same call may work later.
    pub fn is_transient(&self) -> bool {
        self.kind == ErrorKind::Transient
    }

    /// The machine-readable word of WorkOS's answer, from `code` or `error`; `None` if there was no answer.
    pub fn code(&self) -> Option<&str> {
        self.detail.as_ref()?.code.as_deref()
    }

    /// The status of WorkOS's answer; `None` if there was none.
    pub fn status(&self) -> Option<StatusCode> {
        self.detail.as_ref()?.status
    }

    /// How long to wait before the same call, if known: as WorkOS asked (`Retry-After`, in seconds or as a date), or
    /// until the session may be refreshed on demand again.
    pub fn retry_after(&self) -> Option<Duration> {
        self.detail.as_ref()?.retry_after
    }

    /// WorkOS's id of the request (`x-request-id`), for WorkOS's support.
    pub fn request_id(&self) -> Option<&str> {
        self.detail.as_ref()?.request_id.as_deref()
    }

    /// Where WorkOS wants the browser to go (`authkit_redirect_url`), if its answer says so.
    pub fn authkit_redirect_url(&self) -> Option<&str> {
        self.detail.as_ref()?.authkit_redirect_url.as_deref()
    }
}

/// The failure of an exchange, for the handler that asked for the exchange.
impl From<RefreshFailure> for Error {
    fn from(failure: RefreshFailure) -> Self {
        match failure {
            RefreshFailure::Unverified | RefreshFailure::Foreign => ErrorKind::Unverified.into(),
            RefreshFailure::SignedOut => ErrorKind::SignedOut.into(),
            RefreshFailure::HookRefused => ErrorKind::HookRefused.into(),
            RefreshFailure::HookUndecided { .. } => ErrorKind::HookUndecided.into(),
            RefreshFailure::Refused { refusal, sign_in_url, .. } => {
                let authkit_redirect_url = sign_in_url.as_deref().map(str::to_owned);
                let answered = Answered { authkit_redirect_url, ..Answered::default() };
                Self::answered(refusal.into(), answered)
            }
            RefreshFailure::Transient { retry_after } => {
                Self::after(ErrorKind::Transient, retry_after)
            }
            RefreshFailure::OtherOrganization
            | RefreshFailure::TimedOut
            | RefreshFailure::Busy
            | RefreshFailure::CircuitOpen => ErrorKind::Transient.into(),
        }
    }
}

/// A call to WorkOS that failed.
impl From<UpstreamError> for Error {
    fn from(error: UpstreamError) -> Self {
        let kind = match error.failure {
            UpstreamFailure::Refused(refusal) => refusal.into(),
            UpstreamFailure::Transient => ErrorKind::Transient,
        };
        Self::answered(kind, error.details)
    }
}

impl From<ApiRefusal> for ErrorKind {
    fn from(refusal: ApiRefusal) -> Self {
        match refusal {
            ApiRefusal::InvalidGrant => Self::Refused,
            ApiRefusal::OrganizationGone => Self::OrganizationGone,
            ApiRefusal::InteractionNeeded => Self::InteractionNeeded,
            ApiRefusal::Credentials | ApiRefusal::Request => Self::Misconfigured,
            ApiRefusal::Rejected => Self::Rejected,
        }
    }
}

/// An error of this kind without further details.
impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self::new(kind)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            ErrorKind::Transient => "WorkOS could not be reached or was too busy",
            ErrorKind::Refused => "WorkOS refused the grant",
            ErrorKind::OrganizationGone => "the organization or the membership in it is gone",
            ErrorKind::InteractionNeeded => "the user has to sign in again",
            ErrorKind::Misconfigured => "WorkOS refused our API key, client id or request",
            ErrorKind::Rejected => "WorkOS rejected the request",
            ErrorKind::Unverified => "the tokens that WorkOS answered cannot be verified",
            ErrorKind::Clock => {
                "the tokens that WorkOS answered are not of this time: a clock is wrong"
            }
            ErrorKind::Claims => "the claims do not have the shape asked for",
            ErrorKind::Seal => "the session cannot be sealed",
            ErrorKind::TooLarge => "the session is too large for cookies",
            ErrorKind::NoSession => "the request brought no session that can be refreshed",
            ErrorKind::SignedOut => "the session has ended",
            ErrorKind::TooSoon => "the session was refreshed on demand a moment ago",
            ErrorKind::HookRefused => "the application refused the session",
            ErrorKind::HookUndecided => {
                "the application could not say whether the session may go on"
            }
            ErrorKind::HeadSent => "the head of the response has left",
            ErrorKind::AnotherUser => "the new session is of another user than the one before",
        })?;
        self.detail.as_deref().map_or(Ok(()), |detail| detail.fmt(f))
    }
}

impl error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_error_has_words_of_its_own() {
        let kinds = [
            ErrorKind::Transient,
            ErrorKind::Refused,
            ErrorKind::OrganizationGone,
            ErrorKind::InteractionNeeded,
            ErrorKind::Misconfigured,
            ErrorKind::Rejected,
            ErrorKind::Unverified,
            ErrorKind::Clock,
            ErrorKind::Claims,
            ErrorKind::Seal,
            ErrorKind::TooLarge,
            ErrorKind::NoSession,
            ErrorKind::SignedOut,
            ErrorKind::TooSoon,
            ErrorKind::HookRefused,
            ErrorKind::HookUndecided,
            ErrorKind::HeadSent,
            ErrorKind::AnotherUser,
        ];
        let words: std::collections::BTreeSet<_> =
            kinds.iter().map(|kind| Error::new(*kind).to_string()).collect();
        assert_eq!(words.len(), kinds.len(), "{words:?}");
        let is_error = |text: &String| text.len() > 10 && !text.ends_with('.');
        assert!(words.iter().all(is_error), "{words:?}");
    }

    #[test]
    fn what_workos_answered_is_told_and_nothing_where_there_was_no_answer() {
        let details = Answered {
            status: Some(StatusCode::UNPROCESSABLE_ENTITY),
            code: Some("organization_not_found".to_owned()),
            request_id: Some("req_1".to_owned()),
            retry_after: Some(Duration::from_secs(3)),
            authkit_redirect_url: None,
        };
        let error = Error::answered(ErrorKind::OrganizationGone, details);
        assert_eq!(error.status(), Some(StatusCode::UNPROCESSABLE_ENTITY));
        assert_eq!(
            (error.code(), error.request_id()),
            (Some("organization_not_found"), Some("req_1"))
        );
        assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
        assert_eq!(
            error.to_string(),
            "the organization or the membership in it is gone (status 422, organization_not_found, request req_1)"
        );

        let error = Error::new(ErrorKind::Transient);
        assert_eq!((error.status(), error.code(), error.request_id()), (None, None, None));
        assert_eq!((error.retry_after(), error.authkit_redirect_url()), (None, None));
        assert!(error.is_transient());
    }

    #[test]
    fn a_pause_that_a_refresh_was_told_is_passed_on() {
        let wait = Some(Duration::from_secs(7));
        let error = Error::from(RefreshFailure::Transient { retry_after: wait });
        assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Transient, wait));
    }
}
