use std::future::ready;

use authkit_session::{Decision, Error, ErrorKind, Policy, Ruling, SignedIn};
use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header::RETRY_AFTER};
use tracing::{debug, info, warn};
use url::form_urlencoded;

use super::{
    Reply,
    flow::{self, Flow},
    method_not_allowed, redirect, with_cookies,
};
use crate::{
    authkit::AuthKit,
    denial::{Action, Caller, Page},
    uri::ReturnPath,
};

/// Ends a sign-in: exchanges the code that WorkOS sent with the browser.
///
/// Whatever comes of it, the flow's cookie is deleted: a state counts once.
pub(super) fn answer(authkit: &AuthKit, caller: Caller<'_>) -> Reply {
    if *caller.method != Method::GET {
        return Reply::Now(Box::new(method_not_allowed("GET")));
    }
    let returned = Returned::read(caller.uri.query().unwrap_or_default());
    let state = returned.state.clone().unwrap_or_default();
    let forget = flow::delete(authkit, caller.headers, &state);
    match judge(authkit, caller, returned) {
        Next::Go(to) => now(redirect(StatusCode::SEE_OTHER, to.as_str()), forget),
        Next::Restart { restarts } => {
            debug!(restarts, "sign-in started again");
            let response =
                flow::begin(authkit, caller.headers, ReturnPath::root(), restarts, |request| {
                    request
                });
            now(response, forget)
        }
        Next::Show(trouble, return_path) => {
            now(trouble.page(authkit, return_path.as_ref()), forget)
        }
        Next::Exchange { code, flow } => {
            let (authkit, headers) = (authkit.clone(), caller.headers.clone());
            Reply::Later(Box::pin(async move {
                let outcome = authkit
                    .authenticator()
                    .exchange_code(&code, &flow.verifier, &headers, |_| ready(Ruling::Keep))
                    .await;
                with_cookies(conclude(&authkit, outcome, &flow.return_path), forget)
            }))
        }
    }
}

fn now(response: Response<Bytes>, forget: Option<HeaderValue>) -> Reply {
    Reply::Now(Box::new(with_cookies(response, forget)))
}

/// What WorkOS sent back, unchecked.
struct Returned {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
    is_repeated: bool,
}

impl Returned {
    fn read(query: &str) -> Self {
        let mut returned = Self { code: None, state: None, error: None, is_repeated: false };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let slot = match name.as_ref() {
                "code" => &mut returned.code,
                "state" => &mut returned.state,
                "error" => &mut returned.error,
                _ => continue,
            };
            returned.is_repeated |= slot.is_some();
            slot.get_or_insert(value.into_owned());
        }
        returned
    }
}

/// How it goes on.
enum Next {
    Exchange { code: String, flow: Flow },
    Go(ReturnPath),
    Restart { restarts: u8 },
    Show(Trouble, Option<ReturnPath>),
}

fn judge(authkit: &AuthKit, caller: Caller<'_>, returned: Returned) -> Next {
    if returned.is_repeated {
        return Next::Show(Trouble::Unreadable, None);
    }
    let error = returned.error.as_deref().map(Trouble::of_error);
    let Some(state) = returned.state.filter(|state| !state.is_empty()) else {
        // Impersonation and invitations begin at WorkOS, without a state. Their code never becomes a session: it
        // could be anybody's. A sign-in of our own takes its place.
        return error.map_or(Next::Restart { restarts: 1 }, |trouble| Next::Show(trouble, None));
    };
    let Some(restarts) = flow::restarts(authkit, &state) else {
        return Next::Show(Trouble::Foreign, None);
    };
    let Some(flow) = Flow::find(authkit, caller.headers, &state) else {
        return match error {
            Some(trouble) => Next::Show(trouble, None),
            // The page was loaded twice, or the browser keeps no cookies.
            None if is_signed_in(authkit, caller) => Next::Go(ReturnPath::root()),
            None if restarts < MAX_RESTARTS => Next::Restart { restarts: restarts + 1 },
            None => Next::Show(Trouble::NoCookies, None),
        };
    };
    if flow.is_expired(authkit) {
        return Next::Show(Trouble::TooLate, Some(flow.return_path));
    }
    match (error, returned.code.filter(|code| !code.is_empty())) {
        (Some(trouble), _) => Next::Show(trouble, Some(flow.return_path)),
        (None, None) => Next::Show(Trouble::Unreadable, Some(flow.return_path)),
        (None, Some(code)) => Next::Exchange { code, flow },
    }
}

fn is_signed_in(authkit: &AuthKit, caller: Caller<'_>) -> bool {
    matches!(
        authkit.authenticator().authenticate(caller.headers, &Policy::default()),
        Decision::Admit(_)
    )
}

fn conclude(
    authkit: &AuthKit,
    outcome: Result<SignedIn, Error>,
    return_path: &ReturnPath,
) -> Response<Bytes> {
    match outcome {
        Ok(signed_in) => with_cookies(
            redirect(StatusCode::SEE_OTHER, return_path.as_str()),
            signed_in.set_cookies,
        ),
        Err(error) => {
            warn!(%error, "the code could not be exchanged");
            Trouble::of_exchange(error.kind()).page(authkit, Some(return_path))
        }
    }
}

/// Why a sign-in ends on a page of ours. What WorkOS or the URL say about it is never shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Trouble {
    /// Parameters are missing, or there twice.
    Unreadable,
    /// A state that is not ours.
    Foreign,
    /// The user took longer than ten minutes.
    TooLate,
    /// The browser does not bring our cookies back.
    NoCookies,
    /// The user, or somebody in charge, said no.
    Cancelled,
    /// WorkOS says that signing in failed.
    Failed,
    /// WorkOS does not take the code.
    Refused,
    /// WorkOS cannot be reached, is too busy, or does not take our own key: signing in again now changes nothing.
    Upstream,
    /// No browser would keep the session.
    TooLarge,
}

impl Trouble {
    /// Reads the `error` of an authorization response (RFC 6749 section 4.1.2.1, and WorkOS's list of error codes).
    fn of_error(error: &str) -> Self {
        match error {
            "access_denied" => Self::Cancelled,
            "server_error" | "temporarily_unavailable" => Self::Upstream,
            _ => Self::Failed,
        }
    }

    fn of_exchange(error: ErrorKind) -> Self {
        match error {
            ErrorKind::Transient
            | ErrorKind::Unverified
            | ErrorKind::Misconfigured
            | ErrorKind::Seal => Self::Upstream,
            ErrorKind::TooLarge => Self::TooLarge,
            _ => Self::Refused,
        }
    }

    fn page(self, authkit: &AuthKit, return_path: Option<&ReturnPath>) -> Response<Bytes> {
        info!(trouble = ?self, "sign-in ended on a page");
        let (status, title, text) = match self {
            Self::Unreadable => (
                StatusCode::BAD_REQUEST,
                "That did not work",
                "The answer of the sign-in page could not be read. Please sign in again.",
            ),
            Self::Foreign => (
                StatusCode::BAD_REQUEST,
                "That did not work",
                "This sign-in was not started here, so it was not continued. Please sign in again.",
            ),
            Self::TooLate => (
                StatusCode::BAD_REQUEST,
                "That took a little too long",
                "For your safety a sign-in has to be finished within ten minutes. Please start again.",
            ),
            Self::NoCookies => (
                StatusCode::BAD_REQUEST,
                "Your browser does not keep our cookies",
                "Signing in needs one. Please allow cookies for this site, and open it at its usual address.",
            ),
            Self::Cancelled => (
                StatusCode::FORBIDDEN,
                "You are not signed in",
                "The sign-in was cancelled or not allowed. You can try again.",
            ),
            Self::Failed => (
                StatusCode::BAD_REQUEST,
                "Signing in failed",
                "The sign-in page reported a problem. Please try again.",
            ),
            Self::Refused => (
                StatusCode::BAD_REQUEST,
                "That did not work",
                "This sign-in was used up or has ended. Please sign in again.",
            ),
            Self::TooLarge => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "Your session is too large",
                "More is stored about you than fits into a browser's cookies. Please tell whoever runs this site.",
            ),
            Self::Upstream => (
                StatusCode::SERVICE_UNAVAILABLE,
                "One moment, please",
                "Signing in is not possible right now. It usually takes a few seconds; please try again.",
            ),
        };
        let to = match return_path {
            Some(path) => authkit.site().login_url(&[("return_to", path.as_str())]),
            None => authkit.site().login.clone(),
        };
        let label = if self == Self::Upstream { "Try again" } else { "Sign in" };
        let mut response =
            Page { status, title, text, action: Action::Link { to: &to, label } }.into_response();
        if self == Self::Upstream {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

/// The third time, something is wrong that another redirect will not mend.
const MAX_RESTARTS: u8 = 2;

#[cfg(test)]
mod tests;
