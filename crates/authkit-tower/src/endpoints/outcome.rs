use std::sync::Arc;

use authkit_session::{ErrorKind, VerifiedSession};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header::RETRY_AFTER};
use tracing::info;

use crate::{
    authkit::AuthKit,
    denial::{Action, Link, Page},
    uri::ReturnPath,
};

/// How a sign-in ended, or why it did not.
///
/// It is in the extensions of every answer to a `GET` of the callback, and of `/login` where that answers with a page. See
/// [`Endpoints::with_outcome`](crate::Endpoints::with_outcome).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SignInOutcome {
    /// The user has this session now and goes to where they were.
    SignedIn(Arc<VerifiedSession>),
    /// The page was loaded again by somebody who is signed in.
    AlreadySignedIn,
    /// It did not begin here, or the browser lost the cookie that says how: it starts again.
    Restarted,
    /// The user ends on a page that says why.
    Failed(SignInFailure),
}

/// Why a sign-in ends on a page. What WorkOS or the URL say about it is never shown.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum SignInFailure {
    /// Parameters are missing, or there twice.
    Unreadable,
    /// A state that is not ours: forged, or of another service.
    ForeignState,
    /// The user took longer than ten minutes.
    TooLate,
    /// The browser does not bring our cookies back.
    NoCookies,
    /// The page is seen over http, where browsers keep no cookies of an https service.
    WrongScheme,
    /// The session does not fit into cookies that a browser or a proxy takes.
    TooLarge,
    /// Our clock or WorkOS's is wrong, so that a new session is over or not yet valid.
    Clock,
    /// The browser brings a session back that cannot be read: replicas with different passwords, for one.
    UnreadableSession,
    /// Signing in works, and the user is sent to sign in all the same.
    Looping,
    /// The user, or somebody in charge, said no.
    Cancelled,
    /// WorkOS says that signing in failed.
    Failed,
    /// WorkOS does not take the code.
    CodeRefused,
    /// The application's sign-in hook refused the session.
    Refused,
    /// WorkOS cannot be reached, is too busy, or does not take our key; or the application's hook could not say anything.
    Unavailable,
}

impl SignInOutcome {
    /// One event for whoever wonders how it ended.
    pub(super) fn report(&self) {
        match self {
            // The session's beginning has an event of its own.
            Self::SignedIn(_) => {}
            Self::AlreadySignedIn => info!("a callback was loaded again"),
            Self::Restarted => info!("sign-in started again"),
            Self::Failed(failure) => info!(?failure, "sign-in ended on a page"),
        }
    }
}

impl SignInFailure {
    /// Reads the `error` of an authorization response (RFC 6749 section 4.1.2.1, and WorkOS's list of error codes).
    pub(super) fn of_error(error: &str) -> Self {
        match error {
            "access_denied" => Self::Cancelled,
            "server_error" | "temporarily_unavailable" => Self::Unavailable,
            _ => Self::Failed,
        }
    }

    pub(super) fn of_exchange(error: ErrorKind) -> Self {
        match error {
            ErrorKind::Transient
            | ErrorKind::Unverified
            | ErrorKind::Misconfigured
            | ErrorKind::Undecided
            | ErrorKind::Seal => Self::Unavailable,
            ErrorKind::Clock => Self::Clock,
            ErrorKind::TooLarge => Self::TooLarge,
            ErrorKind::Denied => Self::Refused,
            _ => Self::CodeRefused,
        }
    }

    /// The page, with a way to sign in again and end up at `return_path`.
    pub(super) fn page(
        self,
        authkit: &AuthKit,
        return_path: Option<&ReturnPath>,
    ) -> Response<Bytes> {
        let site = authkit.site();
        // Whoever may not come in with one account would be signed in with the same one again.
        let prompt = matches!(self, Self::Refused).then_some(("prompt", "login"));
        let return_to = return_path.map(|path| ("return_to", path.as_str()));
        let parameters: Vec<_> = prompt.into_iter().chain(return_to).collect();
        let login = site.login_url(&parameters);
        // Only the usual address helps where cookies do not come back.
        let usual = format!("{}{login}", site.origin);
        let (to, label) = match self {
            Self::Unavailable
            | Self::Clock
            | Self::TooLarge
            | Self::UnreadableSession
            | Self::Looping => (&login, "Try again"),
            Self::WrongScheme | Self::NoCookies => (&usual, "Sign in"),
            Self::Refused => (&login, "Use another account"),
            _ => (&login, "Sign in"),
        };
        let (title, text) = self.words();
        let text = text.replace("{site}", &site.origin);
        let action = Action::Link(Link { to, label });
        let other = Some(Link { to: "/", label: "Go home" });
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

    /// Title and text; `{site}` stands for our address.
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
