//! The callback: `GET` of the redirect URI.

use std::sync::Arc;

use authkit_session::{Decision, Policy};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use tracing::warn;
use url::form_urlencoded;

use super::{
    NewSession, SignInFailure, SignInOutcome,
    answers::{Reply, method_not_allowed, redirect, with_cookies},
    customization::SignInCustomization,
    flow::{self, Flow, FlowStart},
    redirect_loop::{self, RedirectLoopGuard},
};
use crate::{authkit::AuthKit, denial::Caller, uri::ReturnPath};

/// Ends a sign-in: exchanges the code that WorkOS sent with the browser.
///
/// Every response deletes the flow's cookie: a state counts once.
pub(super) fn answer(
    authkit: &AuthKit,
    customization: &Arc<SignInCustomization>,
    caller: Caller<'_>,
) -> Reply {
    if *caller.method != Method::GET {
        return Reply::now(method_not_allowed("GET"));
    }
    let returned = AuthorizationResponse::parse(caller.uri.query().unwrap_or_default());
    let state = returned.state.clone().unwrap_or_default();
    let deletion = flow::delete(authkit, caller.headers, &state);
    let (outcome, response) = match decide(authkit, caller, returned) {
        CallbackDecision::RedirectHome => {
            let home = ReturnPath::root();
            (SignInOutcome::AlreadySignedIn, redirect(StatusCode::SEE_OTHER, home.as_str()))
        }
        CallbackDecision::Restart { restarts } => {
            let start = FlowStart { return_path: ReturnPath::root(), restarts, state: None };
            let response = flow::begin(authkit, caller.headers, start, |request| request);
            (SignInOutcome::Restarted, response)
        }
        CallbackDecision::Fail(failure, return_path) => {
            (SignInOutcome::Failed(failure), failure.page(authkit, return_path.as_ref()))
        }
        CallbackDecision::Exchange { code, flow } => {
            let (authkit, customization) = (authkit.clone(), Arc::clone(customization));
            let headers = caller.headers.clone();
            return Reply::Later(Box::pin(async move {
                let (outcome, response) =
                    exchange(&authkit, &customization, &headers, &code, flow).await;
                customization.finish(outcome, with_cookies(response, deletion))
            }));
        }
    };
    Reply::now(customization.finish(outcome, with_cookies(response, deletion)))
}

async fn exchange(
    authkit: &AuthKit,
    customization: &SignInCustomization,
    headers: &HeaderMap,
    code: &str,
    flow: Flow,
) -> (SignInOutcome, Response<Bytes>) {
    let Flow { verifier, return_path, custom, .. } = flow;
    let rule = |session| {
        let return_to = return_path.as_str().to_owned();
        customization.ask_hook(NewSession { session, return_to, state: custom })
    };
    match authkit.authenticator().exchange_code(code, &verifier, headers, rule).await {
        Ok(signed_in) => {
            let size = signed_in.set_cookies.iter().map(HeaderValue::len).sum();
            let previous = RedirectLoopGuard::read(authkit, headers);
            let guard = RedirectLoopGuard::back_to_service(authkit, previous, size).write(authkit);
            let cookies = signed_in.set_cookies.into_iter().chain(guard);
            let response = redirect(StatusCode::SEE_OTHER, return_path.as_str());
            (SignInOutcome::SignedIn(signed_in.session), with_cookies(response, cookies))
        }
        Err(error) => {
            warn!(%error, "a sign-in failed: its code was not exchanged for a session");
            let failure = SignInFailure::of_exchange(&error);
            (SignInOutcome::Failed(failure), failure.page(authkit, Some(&return_path)))
        }
    }
}

/// The parameters that WorkOS sends the browser back with (RFC 6749 section 4.1.2), unchecked.
struct AuthorizationResponse {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
    is_repeated: bool,
}

impl AuthorizationResponse {
    fn parse(query: &str) -> Self {
        let mut parsed = Self { code: None, state: None, error: None, is_repeated: false };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let field = match name.as_ref() {
                "code" => &mut parsed.code,
                "state" => &mut parsed.state,
                "error" => &mut parsed.error,
                _ => continue,
            };
            parsed.is_repeated |= field.is_some();
            field.get_or_insert(value.into_owned());
        }
        parsed
    }
}

/// What the callback does with an authorization response.
enum CallbackDecision {
    Exchange {
        code: String,
        flow: Flow,
    },
    /// The browser is signed in already.
    RedirectHome,
    Restart {
        restarts: u8,
    },
    /// Ends the sign-in on a page. The path is where a new sign-in leads.
    Fail(SignInFailure, Option<ReturnPath>),
}

fn decide(
    authkit: &AuthKit,
    caller: Caller<'_>,
    returned: AuthorizationResponse,
) -> CallbackDecision {
    if returned.is_repeated {
        return CallbackDecision::Fail(SignInFailure::Unreadable, None);
    }
    let error = returned.error.as_deref().map(SignInFailure::of_error);
    let Some(state) = returned.state.filter(|state| !state.is_empty()) else {
        // Impersonations and invitations begin at WorkOS, without a state. Their code is never exchanged, because an
        // attacker could have sent the browser here with a code of their own. The sign-in starts again here instead.
        return match error {
            Some(failure) => CallbackDecision::Fail(failure, None),
            // WorkOS never sends a state back, so the sign-in would start again for ever.
            None if flow::recent_restarts(authkit, caller.headers) >= MAX_RESTARTS.into() => {
                CallbackDecision::Fail(SignInFailure::Unreadable, None)
            }
            None => CallbackDecision::Restart { restarts: 1 },
        };
    };
    let Some(restarts) = flow::restarts(authkit, &state) else {
        return CallbackDecision::Fail(SignInFailure::ForeignState, None);
    };
    let Some(flow) = Flow::find(authkit, caller.headers, &state) else {
        return match error {
            Some(failure) => CallbackDecision::Fail(failure, None),
            // The user has loaded the page twice, or the browser keeps no cookies.
            None if is_signed_in(authkit, caller) => CallbackDecision::RedirectHome,
            None if restarts < MAX_RESTARTS => CallbackDecision::Restart { restarts: restarts + 1 },
            None => CallbackDecision::Fail(redirect_loop::without_cookies(authkit, caller), None),
        };
    };
    if flow.is_expired(authkit) {
        return CallbackDecision::Fail(SignInFailure::TooLate, Some(flow.return_path));
    }
    match (error, returned.code.filter(|code| !code.is_empty())) {
        (Some(failure), _) => CallbackDecision::Fail(failure, Some(flow.return_path)),
        (None, None) => CallbackDecision::Fail(SignInFailure::Unreadable, Some(flow.return_path)),
        (None, Some(code)) => CallbackDecision::Exchange { code, flow },
    }
}

fn is_signed_in(authkit: &AuthKit, caller: Caller<'_>) -> bool {
    matches!(
        authkit.authenticator().authenticate(caller.headers, &Policy::default()),
        Decision::Admit(_)
    )
}

/// How often a sign-in starts again before it ends on a page: a third redirect would not help either.
const MAX_RESTARTS: u8 = 2;

#[cfg(test)]
mod tests;
