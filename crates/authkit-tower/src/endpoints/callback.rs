//! The callback: `GET` of the redirect URI, and `POST` of the page with which it asks the user.

use std::sync::Arc;

use authkit_session::{Decision, Policy, Replacing};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use tracing::{Instrument, Span, debug, field::Empty, info_span, warn};
use url::form_urlencoded;

use super::{
    NewSession, SignInFailure, SignInOutcome,
    answers::{Reply, method_not_allowed, redirect, with_cookies},
    customization::SignInCustomization,
    flow::{self, Flow, FlowStart},
    initiator::Initiator,
    login::{may_navigate, not_signed_in, refuse_other_origins},
    redirect_loop::{self, RedirectLoopGuard},
    state::{State, state_id},
};
use crate::{
    authkit::AuthKit,
    denial::{Caller, Page, PageAction, PageLink},
    head,
    uri::ReturnTarget,
};

/// Ends a sign-in: exchanges the code that WorkOS sent with the browser.
///
/// Every response deletes the flow's cookie, and a state is redeemed once, so a sign-in counts once.
pub(super) fn answer(
    authkit: &AuthKit,
    customization: &Arc<SignInCustomization>,
    caller: Caller<'_>,
) -> Reply {
    if *caller.method == Method::POST {
        return Reply::now(begin_after_confirmation(authkit, customization, caller));
    }
    if *caller.method != Method::GET {
        return Reply::now(method_not_allowed("GET, POST"));
    }
    let returned = AuthorizationResponse::parse(caller.uri.query().unwrap_or_default());
    let state = returned.state.clone().unwrap_or_default();
    let deletion = flow::delete(authkit, caller.headers, &state);
    let (outcome, response) = match decide(authkit, caller, returned) {
        CallbackDecision::RedirectHome => {
            let home = ReturnTarget::root(authkit.site());
            (SignInOutcome::AlreadySignedIn, redirect(StatusCode::SEE_OTHER, home.as_str()))
        }
        // A sign-in that starts again leads to AuthKit and leaves a cookie behind, as `/login` does.
        CallbackDecision::Restart { .. } if !may_navigate(caller) => {
            return Reply::now(with_cookies(not_signed_in(authkit, caller), deletion));
        }
        CallbackDecision::Restart { restarts, return_path, initiator } => {
            let start = FlowStart { return_path, restarts, initiator, state: None };
            let found = StatusCode::FOUND;
            let hints = |request| customization.authorize(caller, request);
            let response = flow::begin(authkit, caller.headers, found, start, hints);
            (SignInOutcome::Restarted, response)
        }
        CallbackDecision::Fail(failure, return_path) => {
            (SignInOutcome::Failed(failure), failure.page(authkit, return_path.as_ref()))
        }
        CallbackDecision::Exchange { code, flow } => {
            let (authkit, customization) = (authkit.clone(), Arc::clone(customization));
            let headers = caller.headers.clone();
            let span =
                info_span!("authkit.callback", session = Empty, user = Empty, outcome = Empty);
            let ended = async move {
                let (outcome, response) =
                    exchange(&authkit, &customization, &headers, &code, flow).await;
                outcome.record(&authkit, &Span::current());
                let response =
                    customization.finish(&authkit, outcome, with_cookies(response, deletion));
                head::warn_if_large(response.headers(), authkit.site().denial_log());
                response
            };
            return Reply::Later(Box::pin(ended.instrument(span)));
        }
    };
    Reply::now(customization.finish(authkit, outcome, with_cookies(response, deletion)))
}

async fn exchange(
    authkit: &AuthKit,
    customization: &SignInCustomization,
    headers: &HeaderMap,
    code: &str,
    flow: Flow,
) -> (SignInOutcome, Response<Bytes>) {
    let Flow { verifier, return_path, custom, initiator, .. } = flow;
    let replacing = match initiator {
        Initiator::User => Replacing::AnyUser,
        Initiator::AnotherSite => Replacing::SameUser,
    };
    let rule = |session, oauth_tokens| {
        let return_to = return_path.as_str().to_owned();
        customization.ask_hook(NewSession { session, return_to, state: custom, oauth_tokens })
    };
    match authkit.authenticator().exchange_code(code, &verifier, headers, replacing, rule).await {
        Ok(signed_in) => {
            let size = signed_in.set_cookies.iter().map(HeaderValue::len).sum();
            let previous = RedirectLoopGuard::read(authkit, headers);
            let guard = RedirectLoopGuard::back_to_service(authkit, previous, size).write(authkit);
            let cookies = signed_in.set_cookies.into_iter().chain(guard);
            let response = redirect(StatusCode::SEE_OTHER, return_path.as_str());
            (SignInOutcome::SignedIn(signed_in.session), with_cookies(response, cookies))
        }
        Err(error) => {
            let Some(failure) = SignInFailure::of_exchange(&error) else {
                return (SignInOutcome::Asked, confirmation_page(authkit, &return_path));
            };
            let due = authkit.site().denial_log().sign_in_ended("code not exchanged");
            match due {
                Some(left_out) => warn!(%error, left_out, "{NOT_EXCHANGED}"),
                None => debug!(%error, "{NOT_EXCHANGED}"),
            }
            (SignInOutcome::Failed(failure), failure.page(authkit, Some(&return_path)))
        }
    }
}

/// Asks whether another user may replace the one who is signed in.
fn confirmation_page(authkit: &AuthKit, return_path: &ReturnTarget) -> Response<Bytes> {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("return_to", return_path.as_str())
        .finish();
    let to = format!("{}?{query}", authkit.site().callback());
    Page {
        status: StatusCode::OK,
        title: "Sign in as somebody else?",
        text: "You are signed in here already. Another site started this sign-in, and it would replace your session by \
               another user's.",
        action: PageAction::Post(PageLink { to: &to, label: "Sign in as somebody else" }),
        other: Some(PageLink { to: authkit.site().root(), label: "Stay signed in" }),
    }
    .into_response()
}

/// Starts the sign-in again that the user has agreed to. AuthKit knows who signed in.
fn begin_after_confirmation(
    authkit: &AuthKit,
    customization: &SignInCustomization,
    caller: Caller<'_>,
) -> Response<Bytes> {
    if let Err(refused) = refuse_other_origins(authkit, caller, &[]) {
        return *refused;
    }
    let query = caller.uri.query().unwrap_or_default();
    let return_path = ReturnTarget::of_query(query, authkit.site())
        .unwrap_or_else(|| ReturnTarget::root(authkit.site()));
    let start = FlowStart { return_path, restarts: 0, initiator: Initiator::User, state: None };
    let hints = |request| customization.authorize(caller, request);
    flow::begin(authkit, caller.headers, StatusCode::SEE_OTHER, start, hints)
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
        return_path: ReturnTarget,
        initiator: Initiator,
    },
    /// Ends the sign-in on a page. The path is where a new sign-in leads.
    Fail(SignInFailure, Option<ReturnTarget>),
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
            // A callback without a state never gets one back, so the sign-in would start again for ever.
            None if flow::recent_restarts(authkit, caller.headers) >= MAX_RESTARTS.into() => {
                CallbackDecision::Fail(SignInFailure::Unreadable, None)
            }
            None => CallbackDecision::Restart {
                restarts: 1,
                return_path: ReturnTarget::root(authkit.site()),
                initiator: Initiator::AnotherSite,
            },
        };
    };
    let Some(State { restarts, return_path }) = State::open(authkit, &state) else {
        return CallbackDecision::Fail(SignInFailure::ForeignState, None);
    };
    let Some(flow) = Flow::find(authkit, caller.headers, &state) else {
        return match error {
            Some(failure) => CallbackDecision::Fail(failure, return_path),
            // The user has loaded the page twice, or the browser keeps no cookies.
            None if is_signed_in(authkit, caller) => CallbackDecision::RedirectHome,
            // Anybody may have sent the browser here with a state of their own; at worst the state names a harmless
            // path.
            None if restarts < MAX_RESTARTS => CallbackDecision::Restart {
                restarts: restarts + 1,
                return_path: return_path.unwrap_or_else(|| ReturnTarget::root(authkit.site())),
                initiator: Initiator::AnotherSite,
            },
            None => {
                let cause = redirect_loop::without_cookies(authkit, caller);
                CallbackDecision::Fail(cause, return_path)
            }
        };
    };
    if flow.is_expired(authkit) {
        return CallbackDecision::Fail(SignInFailure::TooLate, Some(flow.return_path));
    }
    match (error, returned.code.filter(|code| !code.is_empty())) {
        (Some(failure), _) => CallbackDecision::Fail(failure, Some(flow.return_path)),
        (None, None) => CallbackDecision::Fail(SignInFailure::Unreadable, Some(flow.return_path)),
        (None, Some(code)) => {
            let (states, now) = (authkit.redeemed_states(), authkit.clock().monotonic());
            if states.redeem(state_id(&state), now) {
                CallbackDecision::Exchange { code, flow }
            } else if is_signed_in(authkit, caller) {
                CallbackDecision::RedirectHome
            } else if restarts < MAX_RESTARTS {
                let Flow { return_path, initiator, .. } = flow;
                CallbackDecision::Restart { restarts: restarts + 1, return_path, initiator }
            } else {
                CallbackDecision::Fail(SignInFailure::CodeRefused, Some(flow.return_path))
            }
        }
    }
}

fn is_signed_in(authkit: &AuthKit, caller: Caller<'_>) -> bool {
    matches!(
        authkit.authenticator().authenticate(caller.headers, &Policy::default()),
        Decision::Admit(_)
    )
}

const NOT_EXCHANGED: &str = "a sign-in failed: its code was not exchanged for a session";

/// How often a sign-in starts again before it ends on a page: a third redirect would not help either.
const MAX_RESTARTS: u8 = 2;

#[cfg(test)]
mod tests;
