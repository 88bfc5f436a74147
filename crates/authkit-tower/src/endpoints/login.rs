use std::time::Duration;

use authkit_session::AuthorizationRequest;
use bytes::Bytes;
use http::{Method, Response};
use url::form_urlencoded;

use super::{flow, hx_redirect, method_not_allowed};
use crate::{
    authkit::AuthKit,
    denial::{self, Caller, Cause, ClientKind, Scheme, text},
    uri::{self, ReturnPath},
};

/// Starts a sign-in for a browser that navigates here; whoever else asks gets 401 and no cookie.
pub(super) fn answer(authkit: &AuthKit, caller: Caller<'_>) -> Response<Bytes> {
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
    flow::begin(authkit, caller.headers, return_path, 0, |request| passed_on(query, request))
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
