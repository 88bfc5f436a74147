//! The headers by which a client is recognised, of a request without a session: the request is denied, in the client's
//! protocol.

use authkit_tower::ClientKind;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri};

use crate::{
    input::Input,
    service::{Answer, Kind, World, run as block_on},
};

pub(super) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let kind = input.one_of(&[Kind::Required, Kind::Bearer, Kind::Guarded, Kind::TrustedOrigin]);
    let Some(mut request) = request(&mut input) else { return };
    // The sign-in endpoints need no session.
    *request.uri_mut() = Uri::from_static("/page");
    let client = ClientKind::of(request.method(), request.headers());
    let answer = block_on(World::new().send(kind, request));
    assert!(!answer.reached, "nobody is signed in: {answer:?}");
    is_in_the_clients_protocol(client, &answer);
}

/// A request with the headers by which clients are recognised; `None` if HTTP does not allow the request.
pub(super) fn request(input: &mut Input<'_>) -> Option<Request<Bytes>> {
    let method = input.one_of(&METHODS);
    let path = input.word(PATHS);
    let uri = Uri::try_from(path).ok().filter(|uri| uri.path().starts_with('/'))?;
    let mut request = Request::new(Bytes::new());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    let host = HeaderValue::from_static("app.example.com");
    request.headers_mut().insert(http::header::HOST, host);
    for _ in 0..input.below(7) {
        let (name, values) = input.one_of(HEADERS);
        let mut value = input.word(values).into_bytes();
        if input.below(8) == 7 {
            input.mutate(&mut value);
        }
        let Ok(value) = HeaderValue::from_bytes(&value) else { continue };
        request.headers_mut().append(HeaderName::from_static(name), value);
    }
    Some(request)
}

fn is_in_the_clients_protocol(client: ClientKind, answer: &Answer) {
    let status = answer.status;
    let is_right = match client {
        ClientKind::Grpc => status == StatusCode::OK && answer.headers.contains_key("grpc-status"),
        ClientKind::Document => {
            status.is_redirection() || status == StatusCode::FORBIDDEN || status.is_client_error()
        }
        // A client that follows redirects by itself must not be redirected away from the resource that it requested.
        _ => status.is_client_error(),
    };
    assert!(is_right, "{client:?} got {answer:?}");
}

const METHODS: [Method; 7] = [
    Method::GET,
    Method::POST,
    Method::HEAD,
    Method::OPTIONS,
    Method::PUT,
    Method::CONNECT,
    Method::DELETE,
];

const PATHS: &[&str] = &[
    "/page",
    "/",
    "/login",
    "/callback",
    "/logout",
    "/page?a=b&return_to=//evil.example",
    "//evil.example/",
];

/// Headers by which clients are recognised, with values.
const HEADERS: &[(&str, &[&str])] = &[
    (
        "accept",
        &[
            "text/html",
            "*/*",
            "text/event-stream",
            "application/json",
            "text/html;q=0",
            "text/html;q=1e-9, */*;q=nan",
        ],
    ),
    ("sec-fetch-mode", &["navigate", "cors", "websocket", "no-cors", ""]),
    ("sec-fetch-site", &["same-origin", "cross-site", "same-site", "none", "?"]),
    ("sec-fetch-dest", &["document", "iframe", "empty"]),
    ("sec-purpose", &["prefetch", "prefetch;prerender", ";;prerender"]),
    ("x-requested-with", &["XMLHttpRequest", "com.example.app"]),
    ("hx-request", &["true", "TRUE", "false"]),
    (
        "hx-current-url",
        &[
            "https://app.example.com/a",
            "https://evil.example/",
            "https://app.example.com//evil.example",
        ],
    ),
    (
        "referer",
        &[
            "https://app.example.com/a?b=c",
            "https://evil.example/",
            "https://app.example.com@evil.example/",
        ],
    ),
    (
        "origin",
        &["https://app.example.com", "https://evil.example", "https://friend.example", "null", ""],
    ),
    ("host", &["evil.example", "app.example.com:443", ""]),
    (
        "content-type",
        &["application/grpc", "application/grpc-web+proto", "application/json", "Application/GRPC"],
    ),
    ("upgrade", &["websocket", "h2c, WebSocket"]),
    ("access-control-request-method", &["POST", ""]),
    ("authorization", &["Bearer x", "Basic Og==", "Bearer", "bearer  a b"]),
    ("x-forwarded-host", &["evil.example"]),
    ("x-forwarded-proto", &["http"]),
];
