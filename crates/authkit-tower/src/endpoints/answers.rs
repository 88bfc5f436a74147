//! Building blocks of the endpoints' responses.

use authkit_session::BoxFuture;
use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, LOCATION, REFERRER_POLICY, SET_COOKIE, VARY},
};
use serde::Serialize;

/// The response of an endpoint, or a future of it.
pub(super) enum Reply {
    Now(Box<Response<Bytes>>),
    Later(BoxFuture<'static, Response<Bytes>>),
}

impl Reply {
    pub(super) fn now(response: Response<Bytes>) -> Self {
        Self::Now(Box::new(response))
    }
}

/// Redirects the browser, without a `Referer` for the target.
pub(super) fn redirect(status: StatusCode, to: &str) -> Response<Bytes> {
    let mut response = empty(status);
    let to = HeaderValue::from_str(to).expect("checked paths and serialised URLs are header text");
    response.headers_mut().insert(LOCATION, to);
    response
}

/// Makes htmx redirect the browser.
pub(super) fn hx_redirect(response: &mut Response<Bytes>, to: &str) {
    let to =
        HeaderValue::from_str(to).expect("a request's URI and serialised URLs are header text");
    response.headers_mut().insert(HeaderName::from_static("hx-redirect"), to);
}

pub(super) fn method_not_allowed(allowed: &'static str) -> Response<Bytes> {
    let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

pub(super) fn empty(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    headers.insert(VARY, HeaderValue::from_static("Cookie"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// A JSON body, for programs.
pub(super) fn json(body: &impl Serialize) -> Response<Bytes> {
    let body = serde_json::to_vec(body).expect("a struct of strings is JSON");
    let mut response = empty(StatusCode::OK).map(|_| Bytes::from(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Adds `Set-Cookie` fields to a response, each once: a flow that is over may be deleted for lack of room too.
pub(super) fn with_cookies(
    mut response: Response<Bytes>,
    cookies: impl IntoIterator<Item = HeaderValue>,
) -> Response<Bytes> {
    for cookie in cookies {
        let mut set = response.headers().get_all(SET_COOKIE).iter();
        if !set.any(|set| *set == cookie) {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6265 section 4.1.1: no cookie is set twice in one response.
    #[test]
    fn a_deletion_that_two_rules_want_is_written_once() {
        let fields = ["a=; Max-Age=0", "b=1", "a=; Max-Age=0"].map(HeaderValue::from_static);
        let response = with_cookies(Response::new(Bytes::new()), fields.clone());
        let response = with_cookies(response, fields);
        let set: Vec<_> = response.headers().get_all(SET_COOKIE).iter().collect();
        assert_eq!(set, ["a=; Max-Age=0", "b=1"]);
    }
}
