//! `GET /login`.

use std::time::Duration;

use authkit_session::{Admission, AuthorizationRequest, Decision, Policy};
use bytes::Bytes;
use http::{Method, Response, StatusCode};
use url::form_urlencoded;

use super::{
    SignInOutcome,
    answers::{hx_redirect, method_not_allowed, redirect, with_cookies},
    customization::SignInCustomization,
    flow::{self, FlowStart},
    redirect_loop::{self, RedirectLoopGuard},
};
use crate::{
    authkit::AuthKit,
    client_kind::{ClientKind, text},
    denial::{self, Caller, Cause, Scheme},
    uri::{self, ReturnPath},
};

/// Starts a sign-in for a browser that navigates here. Every other client gets 401 and no cookie.
pub(super) fn answer(
    authkit: &AuthKit,
    customization: &SignInCustomization,
    caller: Caller<'_>,
) -> Response<Bytes> {
    if !matches!(*caller.method, Method::GET | Method::HEAD) {
        return method_not_allowed("GET, HEAD");
    }
    let navigates = text(caller.headers, "sec-fetch-mode").is_none_or(|mode| mode == "navigate");
    if !navigates || matches!(caller.client, ClientKind::Prefetch | ClientKind::Htmx) {
        let (_, mut response) =
            denial::answer(&Cause::NOT_SIGNED_IN, caller, Some(authkit.site()), Scheme::Cookie);
        if let (ClientKind::Htmx, Some(here)) = (caller.client, caller.uri.path_and_query()) {
            // htmx has the browser itself navigate here.
            hx_redirect(&mut response, &uri::encode(here.as_str()));
        }
        return response;
    }

    let query = caller.uri.query().unwrap_or_default();
    let return_path = ReturnPath::of_query(query, authkit.site()).unwrap_or_else(ReturnPath::root);
    let guard = RedirectLoopGuard::count_login(authkit, caller.headers);
    if let Some(guard) = guard.filter(|guard| guard.is_looping()) {
        let failure = guard.cause(authkit, caller);
        let page = failure.page(authkit, Some(&return_path));
        let page = with_cookies(page, redirect_loop::delete(authkit, caller.headers));
        return customization.finish(SignInOutcome::Failed(failure), page);
    }
    let may_redirect_back = guard.is_none_or(RedirectLoopGuard::may_redirect_back);
    if let (true, Some(admission)) = (may_redirect_back, already_signed_in(authkit, caller, query))
    {
        let guard = RedirectLoopGuard::back_to_service(authkit, guard, 0).write(authkit);
        let response = redirect(StatusCode::SEE_OTHER, return_path.as_str());
        return with_cookies(response, admission.head_cookies().into_iter().chain(guard));
    }
    let start = FlowStart { return_path, restarts: 0, state: customization.state(caller) };
    let response =
        flow::begin(authkit, caller.headers, start, |request| with_hints(query, request));
    with_cookies(response, guard.and_then(|guard| guard.write(authkit)))
}

/// The session of a signed-in browser whose request has no other parameter than `return_to`.
///
/// A session that WorkOS refused to refresh does not count: the page that sent the browser here may have denied it.
fn already_signed_in(authkit: &AuthKit, caller: Caller<'_>, query: &str) -> Option<Admission> {
    let mut parameters = form_urlencoded::parse(query.as_bytes());
    let has_return_to = parameters.next().is_some_and(|(name, _)| name == "return_to");
    if !has_return_to || parameters.next().is_some() {
        return None;
    }
    match authkit.authenticator().authenticate(caller.headers, &Policy::default()) {
        Decision::Admit(admission) => Some(admission).filter(|it| !it.is_refresh_refused()),
        Decision::Wait(_) | Decision::Refuse(_) => None,
    }
}

/// Passes the known parameters of a sign-in on to WorkOS, and ignores all others.
fn with_hints(query: &str, request: AuthorizationRequest) -> AuthorizationRequest {
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

/// The longest value that is passed on to WorkOS, in bytes.
const MAX_VALUE: usize = 2048;

#[cfg(test)]
mod tests;
