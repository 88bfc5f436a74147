//! `GET /login`, and `POST` of the page with which it asks the user.

use authkit_session::{Admission, Decision, Policy};
use bytes::Bytes;
use http::{Method, Response, StatusCode};
use url::form_urlencoded;

use super::{
    SignInOutcome,
    answers::{hx_redirect, method_not_allowed, redirect, with_cookies},
    customization::{Fragments, SignInCustomization},
    flow::{self, FlowStart},
    hints::{needs_a_click, with_hints},
    initiator::Initiator,
    redirect_loop::{self, RedirectLoopGuard},
};
use crate::{
    authkit::AuthKit,
    client_kind::{ClientKind, is_xhr, text},
    denial::{self, Caller, Cause, Denied, Page, PageAction, PageLink, Scheme},
    origin,
    uri::{self, ReturnTarget},
};

/// Starts a sign-in for a browser that navigates here. Every other client gets 401 and no cookie.
///
/// If another site sent the browser here, an organization or an invitation is passed on only after a click on a page of
/// ours, whose form sends a `POST` to the same address.
pub(super) fn answer(
    authkit: &AuthKit,
    customization: &SignInCustomization,
    caller: Caller<'_>,
) -> Response<Bytes> {
    let has_agreed = *caller.method == Method::POST;
    if !has_agreed && !matches!(*caller.method, Method::GET | Method::HEAD) {
        return method_not_allowed("GET, HEAD, POST");
    }
    if let Err(refused) = refuse_other_origins(authkit, caller, &[]) {
        return *refused;
    }
    if !may_navigate(caller) {
        let mut response = not_signed_in(authkit, caller);
        if let (ClientKind::Htmx, Some(here)) = (caller.client, caller.uri.path_and_query()) {
            // htmx makes the browser itself navigate here.
            let here = authkit.site().browser_path(here.as_str());
            hx_redirect(&mut response, &uri::encode(&here));
        }
        return response;
    }

    let query = caller.uri.query().unwrap_or_default();
    let return_path = ReturnTarget::of_query(query, authkit.site())
        .unwrap_or_else(|| ReturnTarget::root(authkit.site()));
    let guard = RedirectLoopGuard::count_login(authkit, caller.headers);
    if let Some(guard) = guard.filter(|guard| guard.is_looping()) {
        let failure = guard.cause(authkit, caller);
        let page = failure.page(authkit, Some(&return_path));
        let page = with_cookies(page, redirect_loop::delete(authkit, caller.headers));
        return customization.finish(authkit, SignInOutcome::Failed(failure), page);
    }
    let may_redirect_back = guard.is_none_or(RedirectLoopGuard::may_redirect_back);
    if let (true, Some(admission)) = (may_redirect_back, already_signed_in(authkit, caller, query))
    {
        let guard = RedirectLoopGuard::back_to_service(authkit, guard, 0).write(authkit);
        let response = redirect(StatusCode::SEE_OTHER, return_path.as_str());
        return with_cookies(response, admission.set_cookie_headers().into_iter().chain(guard));
    }
    // Only the page that asks the user posts here, and it only asks if another site started the sign-in.
    let initiator =
        if has_agreed { Initiator::AnotherSite } else { Initiator::of(caller, authkit.site()) };
    match initiator {
        Initiator::AnotherSite if !has_agreed && needs_a_click(query) => {
            return confirmation_page(authkit);
        }
        Initiator::AnotherSite | Initiator::User => {}
    }
    let fragment = fragment(query);
    match (customization.fragments, initiator) {
        // After a reload by our page the request no longer shows whether another site started it.
        (Fragments::Kept, Initiator::User) if fragment.is_none() && !has_agreed => {
            return ask_for_fragment(authkit, &return_path);
        }
        (Fragments::Kept, Initiator::User | Initiator::AnotherSite) | (Fragments::Lost, _) => {}
    }
    let return_path = match (customization.fragments, fragment) {
        (Fragments::Kept, Some(fragment)) if !fragment.is_empty() => {
            return_path.with_fragment(&fragment, authkit.site())
        }
        (Fragments::Kept | Fragments::Lost, _) => return_path,
    };
    let state = customization.state(authkit, caller);
    let start = FlowStart { return_path, restarts: 0, initiator, state };
    let status = if has_agreed { StatusCode::SEE_OTHER } else { StatusCode::FOUND };
    let hints = |request| customization.authorize(caller, with_hints(query, request));
    let response = flow::begin(authkit, caller.headers, status, start, hints);
    with_cookies(response, guard.and_then(|guard| guard.write(authkit)))
}

/// Answers a client that cannot go to AuthKit: nobody is signed in.
pub(super) fn not_signed_in(authkit: &AuthKit, caller: Caller<'_>) -> Response<Bytes> {
    denial::answer(&Cause::NOT_SIGNED_IN, caller, Some(authkit.site()), Scheme::Cookie).1
}

/// Whether the client can follow a redirect to AuthKit. Command-line tools look like old browsers.
pub(super) fn may_navigate(caller: Caller<'_>) -> bool {
    match caller.client {
        ClientKind::Document => true,
        ClientKind::Fetch => {
            let mode = text(caller.headers, "sec-fetch-mode");
            mode.is_none_or(|mode| mode == "navigate") && !is_xhr(caller.headers)
        }
        ClientKind::Grpc
        | ClientKind::Preflight
        | ClientKind::WebSocket
        | ClientKind::EventStream
        | ClientKind::Prefetch
        | ClientKind::Htmx => false,
    }
}

/// Refuses a `POST` from another site whose origin is not in `trusted`.
pub(super) fn refuse_other_origins(
    authkit: &AuthKit,
    caller: Caller<'_>,
    trusted: &[String],
) -> Result<(), Denied> {
    let is_own = |origin: &[u8]| origin == authkit.site().origin().as_bytes();
    let checked = origin::check(caller.method, caller.headers, is_own, trusted);
    checked.map_err(|from| {
        let cause = Cause::CrossOrigin(from);
        Box::new(denial::answer(&cause, caller, Some(authkit.site()), Scheme::Cookie).1)
    })
}

/// Asks whether a sign-in that another site started may continue. The page shows nothing of the request.
fn confirmation_page(authkit: &AuthKit) -> Response<Bytes> {
    Page {
        status: StatusCode::OK,
        title: "Sign in?",
        text: "Another site sent you here to sign in to an organization or to accept an invitation. Go on only if you \
               expected that.",
        action: PageAction::PostHere { label: "Go on" },
        other: Some(PageLink { to: authkit.site().root(), label: "Go home" }),
    }
    .into_response()
}

/// The fragment that our page found, empty if there is none; `None` if the page has not run.
fn fragment(query: &str) -> Option<String> {
    let mut parameters = form_urlencoded::parse(query.as_bytes());
    parameters.find(|(name, _)| name == "fragment").map(|(_, fragment)| fragment.into_owned())
}

/// Makes the browser report the fragment of its address.
fn ask_for_fragment(authkit: &AuthKit, return_path: &ReturnTarget) -> Response<Bytes> {
    let parameters = [("return_to", return_path.as_str()), ("fragment", "")];
    let to = authkit.site().login_url(&parameters);
    Page {
        status: StatusCode::OK,
        title: "Signing in",
        text: "One moment, please.",
        action: PageAction::TellFragment(PageLink { to: &to, label: "Go on" }),
        other: None,
    }
    .into_response()
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

#[cfg(test)]
mod tests;
