use authkit_session::{Decision, Policy};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use tracing::warn;
use url::form_urlencoded;

use super::{
    Endpoints, NewSession, Reply, SignInFailure, SignInOutcome,
    answers::{method_not_allowed, redirect, with_cookies},
    bounces::{self, Bounces},
    flow::{self, Flow, Start},
};
use crate::{authkit::AuthKit, denial::Caller, uri::ReturnPath};

/// Ends a sign-in: exchanges the code that WorkOS sent with the browser.
///
/// Whatever comes of it, the flow's cookie is deleted: a state counts once.
pub(super) fn answer(endpoints: &Endpoints, caller: Caller<'_>) -> Reply {
    if *caller.method != Method::GET {
        return Reply::Now(Box::new(method_not_allowed("GET")));
    }
    let authkit = &endpoints.authkit;
    let returned = Returned::read(caller.uri.query().unwrap_or_default());
    let state = returned.state.clone().unwrap_or_default();
    let forget = flow::delete(authkit, caller.headers, &state);
    let (outcome, response) = match judge(authkit, caller, returned) {
        Next::Go(to) => {
            (SignInOutcome::AlreadySignedIn, redirect(StatusCode::SEE_OTHER, to.as_str()))
        }
        Next::Restart { restarts } => {
            let start = Start { return_path: ReturnPath::root(), restarts, state: None };
            let response = flow::begin(authkit, caller.headers, start, |request| request);
            (SignInOutcome::Restarted, response)
        }
        Next::Show(failure, return_path) => {
            (SignInOutcome::Failed(failure), failure.page(authkit, return_path.as_ref()))
        }
        Next::Exchange { code, flow } => {
            let (endpoints, headers) = (endpoints.clone(), caller.headers.clone());
            return Reply::Later(Box::pin(async move {
                let (outcome, response) = exchange(&endpoints, &headers, &code, flow).await;
                endpoints.conclude(outcome, with_cookies(response, forget))
            }));
        }
    };
    Reply::Now(Box::new(endpoints.conclude(outcome, with_cookies(response, forget))))
}

async fn exchange(
    endpoints: &Endpoints,
    headers: &HeaderMap,
    code: &str,
    flow: Flow,
) -> (SignInOutcome, Response<Bytes>) {
    let authkit = &endpoints.authkit;
    let Flow { verifier, return_path, custom, .. } = flow;
    let rule = |session| {
        let return_to = return_path.as_str().to_owned();
        endpoints.application.rule(NewSession { session, return_to, state: custom })
    };
    match authkit.authenticator().exchange_code(code, &verifier, headers, rule).await {
        Ok(signed_in) => {
            let size = signed_in.set_cookies.iter().map(HeaderValue::len).sum();
            let known = Bounces::read(authkit, headers);
            let bounces = Bounces::back(authkit, known, size).write(authkit);
            let cookies = signed_in.set_cookies.into_iter().chain(bounces);
            let response = redirect(StatusCode::SEE_OTHER, return_path.as_str());
            (SignInOutcome::SignedIn(signed_in.session), with_cookies(response, cookies))
        }
        Err(error) => {
            warn!(%error, "the code could not be exchanged");
            let failure = SignInFailure::of_exchange(error.kind());
            (SignInOutcome::Failed(failure), failure.page(authkit, Some(&return_path)))
        }
    }
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
    Show(SignInFailure, Option<ReturnPath>),
}

fn judge(authkit: &AuthKit, caller: Caller<'_>, returned: Returned) -> Next {
    if returned.is_repeated {
        return Next::Show(SignInFailure::Unreadable, None);
    }
    let error = returned.error.as_deref().map(SignInFailure::of_error);
    let Some(state) = returned.state.filter(|state| !state.is_empty()) else {
        // Impersonation and invitations begin at WorkOS, without a state. Their code never becomes a session: it
        // could be anybody's. A sign-in of our own takes its place.
        return match error {
            Some(failure) => Next::Show(failure, None),
            // What sends the browser here never says for which sign-in.
            None if flow::recent_restarts(authkit, caller.headers) >= MAX_RESTARTS.into() => {
                Next::Show(SignInFailure::Unreadable, None)
            }
            None => Next::Restart { restarts: 1 },
        };
    };
    let Some(restarts) = flow::restarts(authkit, &state) else {
        return Next::Show(SignInFailure::ForeignState, None);
    };
    let Some(flow) = Flow::find(authkit, caller.headers, &state) else {
        return match error {
            Some(failure) => Next::Show(failure, None),
            // The page was loaded twice, or the browser keeps no cookies.
            None if is_signed_in(authkit, caller) => Next::Go(ReturnPath::root()),
            None if restarts < MAX_RESTARTS => Next::Restart { restarts: restarts + 1 },
            None => Next::Show(bounces::without_cookies(authkit, caller), None),
        };
    };
    if flow.is_expired(authkit) {
        return Next::Show(SignInFailure::TooLate, Some(flow.return_path));
    }
    match (error, returned.code.filter(|code| !code.is_empty())) {
        (Some(failure), _) => Next::Show(failure, Some(flow.return_path)),
        (None, None) => Next::Show(SignInFailure::Unreadable, Some(flow.return_path)),
        (None, Some(code)) => Next::Exchange { code, flow },
    }
}

fn is_signed_in(authkit: &AuthKit, caller: Caller<'_>) -> bool {
    matches!(
        authkit.authenticator().authenticate(caller.headers, &Policy::default()),
        Decision::Admit(_)
    )
}

/// The third time, something is wrong that another redirect will not mend.
const MAX_RESTARTS: u8 = 2;

#[cfg(test)]
mod tests;
