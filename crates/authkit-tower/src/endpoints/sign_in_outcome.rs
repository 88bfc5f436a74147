use std::sync::Arc;

use authkit_session::{Error, VerifiedSession, integration::ErrorClass};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header::RETRY_AFTER};
use tracing::{Span, field, info};

use crate::{
    authkit::AuthKit,
    denial::{Page, PageAction, PageLink},
    uri::ReturnTarget,
};

/// How a sign-in ended.
///
/// The extensions of every response to a `GET` of the callback hold one, and those of `/login` if it answers with a page.
/// See [`Endpoints::edit_sign_in_responses`](crate::Endpoints::edit_sign_in_responses).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SignInOutcome {
    /// The browser gets this session and is redirected to where the user was.
    SignedIn(Arc<VerifiedSession>),
    /// A signed-in user loaded the callback again.
    AlreadySignedIn,
    /// The sign-in did not begin here, or the browser lost its flow cookie: it starts again.
    Restarted,
    /// Another site started a sign-in of another user than the one who is signed in: a page asks first.
    Asked,
    /// The user gets a page that says why.
    Failed(SignInFailure),
}

/// Why a sign-in ends on a page. The page never shows text from WorkOS or from the URL.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum SignInFailure {
    /// Parameters are missing or repeated.
    Unreadable,
    /// The state is not ours: forged, or from another service.
    ForeignState,
    /// The user took longer than ten minutes.
    TooLate,
    /// The browser does not send our cookies back.
    NoCookies,
    /// The browser uses http, where it keeps no cookies of an https service.
    WrongScheme,
    /// The session is larger than what browsers and proxies accept in cookies.
    TooLarge,
    /// A clock, ours or WorkOS's, is wrong: the new session is expired or not yet valid.
    Clock,
    /// The browser sends a new session back that cannot be opened, as when replicas have different passwords.
    UnreadableSession,
    /// The service keeps sending the user to sign in although each sign-in succeeds.
    Looping,
    /// The user cancelled, or an administrator or policy does not allow the sign-in.
    Cancelled,
    /// WorkOS reported that the sign-in failed.
    Failed,
    /// WorkOS refused the code.
    CodeRefused,
    /// The application's sign-in hook refused the session.
    Refused,
    /// WorkOS cannot be reached, is too busy or refuses our API key, or the application's hook was undecided.
    Unavailable,
}

impl SignInOutcome {
    /// The outcome in snake_case, for operators.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::SignedIn(_) => "signed_in",
            Self::AlreadySignedIn => "already_signed_in",
            Self::Restarted => "restarted",
            Self::Asked => "asked",
            Self::Failed(failure) => failure.as_str(),
        }
    }

    /// Writes the outcome, and who signed in, into the span of a callback.
    pub(super) fn record(&self, authkit: &AuthKit, span: &Span) {
        span.record("outcome", self.as_str());
        if let Self::SignedIn(session) = self {
            span.record("session", authkit.log_id(session.session_id()));
            span.record("user", authkit.log_id(session.user_id()));
        }
    }

    /// Logs the outcome. Anybody can have the callback's page shown as often as they like, so there is one line for each
    /// outcome and ten seconds.
    pub(super) fn log(&self, authkit: &AuthKit) {
        let (text, failure) = match self {
            // The core logs that the session began.
            Self::SignedIn(_) => return,
            Self::AlreadySignedIn => ("a signed-in user loaded the callback again", None),
            Self::Restarted => ("a sign-in started again", None),
            Self::Asked => ("a sign-in of another user, begun by another site, asks first", None),
            Self::Failed(failure) => ("a sign-in failed", Some(failure)),
        };
        match authkit.site().denial_log().sign_in_ended(self.as_str()) {
            Some(left_out) => info!(failure = failure.map(field::debug), left_out, "{text}"),
            None => tracing::debug!(failure = failure.map(field::debug), "{text}"),
        }
    }
}

impl SignInFailure {
    /// The failure in snake_case, for operators.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::ForeignState => "foreign_state",
            Self::TooLate => "too_late",
            Self::NoCookies => "no_cookies",
            Self::WrongScheme => "wrong_scheme",
            Self::TooLarge => "too_large",
            Self::Clock => "clock",
            Self::UnreadableSession => "unreadable_session",
            Self::Looping => "looping",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::CodeRefused => "code_refused",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
        }
    }

    /// Reads the `error` of an authorization response (RFC 6749 section 4.1.2.1, and WorkOS's list of error codes).
    pub(super) fn of_error(error: &str) -> Self {
        let known = KNOWN_ERRORS.iter().find(|(name, _)| *name == error);
        known.map_or(Self::Failed, |(_, failure)| *failure)
    }

    /// `None` if the user must be asked first.
    pub(super) fn of_exchange(error: &Error) -> Option<Self> {
        match error.class() {
            ErrorClass::Unavailable => Some(Self::Unavailable),
            ErrorClass::Clock => Some(Self::Clock),
            ErrorClass::TooLarge => Some(Self::TooLarge),
            ErrorClass::HookRefused => Some(Self::Refused),
            ErrorClass::Refused => Some(Self::CodeRefused),
            ErrorClass::AnotherUser => None,
        }
    }

    /// The page, with a link to sign in again and end up at `return_path`.
    pub(super) fn page(
        self,
        authkit: &AuthKit,
        return_path: Option<&ReturnTarget>,
    ) -> Response<Bytes> {
        let site = authkit.site();
        // Without `prompt`, WorkOS would sign the user in with the refused account again.
        let prompt = matches!(self, Self::Refused).then_some(("prompt", "login"));
        let return_to = return_path.map(|path| ("return_to", path.as_str()));
        let parameters: Vec<_> = prompt.into_iter().chain(return_to).collect();
        let login = site.login_url(&parameters);
        // If cookies do not come back, the user may be at another address than the configured one.
        let canonical = format!("{}{login}", site.origin());
        let (to, label) = match self {
            Self::Unavailable
            | Self::Clock
            | Self::TooLarge
            | Self::UnreadableSession
            | Self::Looping => (&login, "Try again"),
            Self::WrongScheme | Self::NoCookies => (&canonical, "Sign in"),
            Self::Refused => (&login, "Use another account"),
            Self::Unreadable
            | Self::ForeignState
            | Self::TooLate
            | Self::Cancelled
            | Self::Failed
            | Self::CodeRefused => (&login, "Sign in"),
        };
        let (title, text) = self.words();
        let text = text.replace("{site}", site.origin());
        let action = PageAction::Link(PageLink { to, label });
        let other = Some(PageLink { to: site.root(), label: "Go home" });
        let mut response =
            Page { status: self.status(), title, text: &text, action, other }.into_response();
        if response.status() == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Unreadable
            | Self::ForeignState
            | Self::TooLate
            | Self::NoCookies
            | Self::WrongScheme
            | Self::Failed
            | Self::CodeRefused => StatusCode::BAD_REQUEST,
            Self::Cancelled | Self::Refused => StatusCode::FORBIDDEN,
            Self::TooLarge | Self::UnreadableSession | Self::Looping => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::Clock | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Title and text; `{site}` stands for the service's address.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Unreadable => (
                "That did not work",
                "The answer of the sign-in page could not be read. Please sign in again.",
            ),
            Self::ForeignState => (
                "That did not work",
                "This sign-in was not started here, so it was not continued. Please sign in again.",
            ),
            Self::TooLate => (
                "That took a little too long",
                "For your safety a sign-in has to be finished within ten minutes. Please start again.",
            ),
            Self::NoCookies => (
                "Your browser does not keep our cookies",
                "Signing in needs one. Please allow cookies for this site, and open it at {site}.",
            ),
            Self::WrongScheme => (
                "This address is not secure",
                "Browsers keep the cookie that signing in needs on a secure connection only. Please open {site}.",
            ),
            Self::TooLarge => (
                "Your session is too large",
                "More is stored about you than fits into a browser's cookies. Please tell whoever runs this site.",
            ),
            Self::Clock => (
                "A clock is wrong",
                "Your new session seems to be from another time. If this does not pass within a minute, please tell \
                 whoever runs this site that a server's clock may be off.",
            ),
            Self::UnreadableSession => (
                "You keep being signed out",
                "Your browser has a new session, but it cannot be read here. Please tell whoever runs this site that \
                 its servers may not share one cookie password.",
            ),
            Self::Looping => (
                "You keep being sent to sign in",
                "Signing in worked each time, so doing it again will not help. Please wait a moment, then try again.",
            ),
            Self::Cancelled => (
                "You are not signed in",
                "The sign-in was cancelled or not allowed. You can try again.",
            ),
            Self::Failed => {
                ("Signing in failed", "The sign-in page reported a problem. Please try again.")
            }
            Self::CodeRefused => (
                "That did not work",
                "This sign-in was used up or has ended. Please sign in again.",
            ),
            Self::Refused => (
                "No access",
                "You have an account, but it may not be used here. You can sign in with another one.",
            ),
            Self::Unavailable => (
                "One moment, please",
                "Signing in is not possible right now. It usually takes a few seconds; please try again.",
            ),
        }
    }
}

/// The errors of an authorization response that mean something else than [`SignInFailure::Failed`].
const KNOWN_ERRORS: [(&str, SignInFailure); 3] = [
    ("access_denied", SignInFailure::Cancelled),
    ("server_error", SignInFailure::Unavailable),
    ("temporarily_unavailable", SignInFailure::Unavailable),
];
