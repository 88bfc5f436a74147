//! `/logout`.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use serde::Serialize;
use url::{Url, form_urlencoded};

use super::{
    answers::{empty, hx_redirect, json, method_not_allowed, redirect, with_cookies},
    flow, helper_cookie,
    login::refuse_other_origins,
};
use crate::{
    authkit::AuthKit,
    client_kind::{ClientKind, text},
    denial::{Caller, Page, PageAction, PageLink},
    head,
    uri::ReturnTarget,
};

/// Signs the user out, or asks first if the request may not be what the user intended.
pub(super) fn answer(authkit: &AuthKit, caller: Caller<'_>) -> Response<Bytes> {
    let return_path =
        caller.uri.query().and_then(|query| ReturnTarget::of_query(query, authkit.site()));
    if !matches!(*caller.method, Method::GET | Method::HEAD | Method::POST) {
        return method_not_allowed("GET, HEAD, POST");
    }
    if let Err(refused) = refuse_other_origins(authkit, caller, authkit.site().return_origins()) {
        return *refused;
    }
    if *caller.method == Method::POST || is_deliberate(caller) {
        sign_out(authkit, caller, return_path.as_ref())
    } else {
        confirmation_page(authkit, return_path.as_ref())
    }
}

/// Whether the user clicked a link on one of our own pages. A prefetch, an image, a link on another site and a request
/// without these headers are not deliberate.
fn is_deliberate(caller: Caller<'_>) -> bool {
    let says = |name, value| text(caller.headers, name) == Some(value);
    *caller.method == Method::GET
        && says("sec-fetch-site", "same-origin")
        && says("sec-fetch-mode", "navigate")
        && says("sec-fetch-dest", "document")
        && caller.client == ClientKind::Document
}

fn sign_out(
    authkit: &AuthKit,
    caller: Caller<'_>,
    return_path: Option<&ReturnTarget>,
) -> Response<Bytes> {
    let (session_id, deletions) = end(authkit, caller.headers);
    let to = logout_url(authkit, session_id.as_deref(), return_path);
    let mut response = match caller.client {
        ClientKind::Document => redirect(StatusCode::SEE_OTHER, &to),
        ClientKind::Htmx => {
            let mut response = empty(StatusCode::NO_CONTENT);
            hx_redirect(&mut response, &to);
            response
        }
        // A program cannot follow a redirect to another origin.
        ClientKind::Fetch
        | ClientKind::Grpc
        | ClientKind::Preflight
        | ClientKind::WebSocket
        | ClientKind::EventStream
        | ClientKind::Prefetch => json(&SignedOutBody { logout_url: &to }),
    };
    head::clear_site_data(response.headers_mut());
    with_cookies(response, deletions)
}

/// The answer to a program that signs its user out.
#[derive(Serialize)]
struct SignedOutBody<'a> {
    /// Where to send the browser, so that WorkOS signs it out too.
    logout_url: &'a str,
}

/// Ends the session of a request. Returns its id, if a cookie could be opened, and the fields that delete its cookies.
pub(crate) fn end(authkit: &AuthKit, headers: &HeaderMap) -> (Option<String>, Vec<HeaderValue>) {
    let signed_out = authkit.authenticator().sign_out(headers);
    let mut deletions = signed_out.set_cookies;
    deletions.extend(flow::delete_all(authkit, headers));
    deletions.extend(back_button_cookie(authkit));
    (signed_out.session_id, deletions)
}

/// Where to send the browser after its session has ended: to WorkOS, which signs it out there and redirects it to
/// `return_path`, or directly to `return_path` if the session is not known.
pub(crate) fn logout_url(
    authkit: &AuthKit,
    session_id: Option<&str>,
    return_path: Option<&ReturnTarget>,
) -> String {
    let origin = authkit.site().origin();
    let after = return_path.map_or(authkit.settings().after_logout(), ReturnTarget::as_str);
    let target = Url::parse(origin).and_then(|base| base.join(after));
    let target = target.map_or_else(
        |_| origin.to_owned(),
        |mut url| {
            // WorkOS compares the URL with the registered ones.
            url.set_fragment(None);
            url.into()
        },
    );
    match session_id {
        Some(session_id) => authkit.client().logout_url(session_id, Some(&target)),
        None => target,
    }
}

/// Makes Chromium drop the pages that it keeps in memory for its back button even if they are `no-store`.
///
/// It drops them as soon as an `HttpOnly` cookie is set. Deleting one is not enough (Chromium 156), so this sets another.
fn back_button_cookie(authkit: &AuthKit) -> Option<HeaderValue> {
    let cookies = authkit.settings().cookies();
    let name = helper_cookie::name(authkit, "signed_out");
    cookies.short_lived(&name, "1", Duration::from_secs(1))
}

fn confirmation_page(authkit: &AuthKit, return_path: Option<&ReturnTarget>) -> Response<Bytes> {
    let logout = authkit.site().logout();
    let to = match return_path {
        Some(path) => {
            let query = form_urlencoded::Serializer::new(String::new())
                .append_pair("return_to", path.as_str())
                .finish();
            format!("{logout}?{query}")
        }
        None => logout.to_owned(),
    };
    Page {
        status: StatusCode::OK,
        title: "Sign out?",
        text: "You will be signed out of this site on this device.",
        action: PageAction::Post(PageLink { to: &to, label: "Sign out" }),
        other: Some(PageLink { to: authkit.site().root(), label: "Stay signed in" }),
    }
    .into_response()
}

#[cfg(test)]
mod tests;
