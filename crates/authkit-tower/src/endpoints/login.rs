use std::time::Duration;

use authkit_session::{Admission, AuthorizationRequest, Decision, Policy};
use bytes::Bytes;
use http::{Method, Response, StatusCode};
use url::form_urlencoded;

use super::{
    Endpoints, SignInOutcome,
    answers::{hx_redirect, method_not_allowed, redirect, with_cookies},
    bounces::{self, Bounces},
    flow::{self, Start},
};
use crate::{
    authkit::AuthKit,
    client::{ClientKind, text},
    denial::{self, Caller, Cause, Scheme},
    uri::{self, ReturnPath},
};

/// Starts a sign-in for a browser that navigates here; whoever else asks gets 401 and no cookie.
pub(super) fn answer(endpoints: &Endpoints, caller: Caller<'_>) -> Response<Bytes> {
    let authkit = &endpoints.authkit;
    if !matches!(*caller.method, Method::GET | Method::HEAD) {
        return method_not_allowed("GET, HEAD");
    }
    let navigates = text(caller.headers, "sec-fetch-mode").is_none_or(|mode| mode == "navigate");
    if !navigates || matches!(caller.client, ClientKind::Prefetch | ClientKind::Htmx) {
        let (_, mut response) =
            denial::answer(&Cause::NOBODY, caller, Some(authkit.site()), Scheme::Cookie);
        if let (ClientKind::Htmx, Some(here)) = (caller.client, caller.uri.path_and_query()) {
            hx_redirect(&mut response, &uri::encode(here.as_str())); // by the browser itself
        }
        return response;
    }

    let query = caller.uri.query().unwrap_or_default();
    let return_path = ReturnPath::of_query(query, authkit.site()).unwrap_or_else(ReturnPath::root);
    let bounces = Bounces::count(authkit, caller.headers);
    if let Some(bounces) = bounces.filter(|bounces| bounces.is_too_many()) {
        let failure = bounces.cause(authkit, caller);
        let page = failure.page(authkit, Some(&return_path));
        let page = with_cookies(page, bounces::delete(authkit, caller.headers));
        return endpoints.conclude(SignInOutcome::Failed(failure), page);
    }
    let may_go_back = bounces.is_none_or(Bounces::may_be_chance);
    if let (true, Some(admission)) = (may_go_back, already_signed_in(authkit, caller, query)) {
        let marker = Bounces::back(authkit, bounces, 0).write(authkit);
        let response = redirect(StatusCode::SEE_OTHER, return_path.as_str());
        return with_cookies(response, admission.head_cookies().into_iter().chain(marker));
    }
    let state = endpoints.application.state(caller);
    let start = Start { return_path, restarts: 0, state };
    let response = flow::begin(authkit, caller.headers, start, |request| passed_on(query, request));
    with_cookies(response, bounces.and_then(|bounces| bounces.write(authkit)))
}

/// The session of a browser that only wants to get back to where it was.
///
/// One that WorkOS refused to refresh does not count: the page that sent the browser here may not take it.
fn already_signed_in(authkit: &AuthKit, caller: Caller<'_>, query: &str) -> Option<Admission> {
    let mut parameters = form_urlencoded::parse(query.as_bytes());
    let wants_back = parameters.next().is_some_and(|(name, _)| name == "return_to");
    if !wants_back || parameters.next().is_some() {
        return None;
    }
    match authkit.authenticator().authenticate(caller.headers, &Policy::default()) {
        Decision::Admit(admission) => Some(admission).filter(|it| !it.is_refresh_refused()),
        Decision::Wait(_) | Decision::Refuse(_) => None,
    }
}

/// Passes on what may be asked of a sign-in; the rest of the query is nobody's business.
fn passed_on(query: &str, request: AuthorizationRequest) -> AuthorizationRequest {
    form_urlencoded::parse(query.as_bytes())
        .filter(|(_, value)| !value.is_empty() && value.len() <= MAX_VALUE)
        .fold(request, |request, (name, value)| match (name.as_ref(), value.as_ref()) {
            ("screen_hint", hint @ ("sign-in" | "sign-up")) => request.with_screen_hint(hint),
            ("organization_id", id) => request.with_organization_id(id),
            ("login_hint", address) => request.with_login_hint(address),
            ("invitation_token", token) => request.with_invitation_token(token),
            ("prompt", prompt) => request.with_prompt(prompt),
            ("max_age", age) => match age.parse::<u32>() {
                Ok(seconds) => request.with_max_age(Duration::from_secs(seconds.into())),
                Err(_) => request,
            },
            _ => request,
        })
}

/// The longest value that is passed on, in bytes.
const MAX_VALUE: usize = 2048;

#[cfg(test)]
mod tests;
