use std::{sync::LazyLock, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, RETRY_AFTER, VARY, WWW_AUTHENTICATE},
};
use serde::Serialize;

use super::{
    Caller, Cause, Challenge, ClientKind, Denial, DenialKind, DenialLog, Denied, Mistake, Page,
    PageAction, PageLink, Scheme, SignInOffer,
};
use crate::{Clock, principal_ref::PrincipalKind, site::Site, uri::ReturnTarget};

/// Builds the denial for `caller`, in its own protocol. `site` is `None` if no layer ran.
pub(crate) fn answer<'a>(
    cause: &Cause,
    caller: Caller<'_>,
    site: Option<&Site>,
    challenge: impl Into<Challenge<'a>>,
) -> (Denial, Response<Bytes>) {
    let challenge = challenge.into();
    match site {
        Some(site) => site.denial_log().report(cause, caller, Some(site.origin())),
        None => WITHOUT_LAYER.report(cause, caller, None),
    }
    let (kind, reason, retry_after) = match cause {
        Cause::Challenge { reason, .. } => (DenialKind::Unauthenticated, Some(*reason), None),
        Cause::SignInAgain { reason, .. } => (DenialKind::Unauthenticated, *reason, None),
        Cause::Forbidden | Cause::InsufficientScope { .. } | Cause::OtherPrincipal { .. } => {
            (DenialKind::Forbidden, None, None)
        }
        Cause::RepeatedCredentials => (DenialKind::BadRequest, None, None),
        Cause::Unavailable { reason, retry_after } => {
            (DenialKind::Unavailable, Some(*reason), Some(*retry_after))
        }
        Cause::CrossOrigin(_) => (DenialKind::CrossOrigin, None, None),
        Cause::Misconfigured(_) => (DenialKind::Misconfigured, None, None),
    };
    if let Some(site) = site {
        site.meter().denied(kind, caller.client);
    }
    let sign_in_at = site.filter(|_| challenge.offer == SignInOffer::Offered);
    let login_url = sign_in_at.and_then(|site| login_url(cause, caller, site));
    let denial = Denial { kind, client: caller.client, reason, login_url, retry_after };
    if let (Some(site), Some(_), ClientKind::Document | ClientKind::Htmx) =
        (site, &denial.login_url, denial.client)
    {
        site.endpoint_reminder().redirected_to(site.login());
    }
    let (title, text) = title_and_text(cause);

    let mut response = match denial.client {
        ClientKind::Grpc => trailers_only(cause, caller.headers),
        ClientKind::Document => document(&denial, caller, site, challenge.offer, (title, text)),
        ClientKind::Prefetch => empty(status(kind)),
        ClientKind::Htmx => {
            let mut response = problem(&denial, text);
            if let Some(url) = &denial.login_url {
                insert(response.headers_mut(), HX_REDIRECT, url);
            }
            response
        }
        ClientKind::EventStream => match denial.retry_after {
            Some(after) if *caller.method == Method::GET => reconnect_event_stream(after),
            Some(_) | None => problem(&denial, text),
        },
        ClientKind::Preflight | ClientKind::WebSocket | ClientKind::Fetch => problem(&denial, text),
    };
    let status = response.status();
    let headers = response.headers_mut();
    if let Some(field) = site.and_then(|site| challenge.field(cause, status, site)) {
        insert(headers, WWW_AUTHENTICATE, &field);
    }
    if let Some(after) = denial.retry_after.filter(|_| status != StatusCode::OK) {
        // Rounded up: a client that comes back too early is refused again.
        headers.insert(
            RETRY_AFTER,
            HeaderValue::from(after.as_secs() + u64::from(after.subsec_nanos() > 0)),
        );
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    headers.insert(VARY, HeaderValue::from_static("Cookie"));
    response.extensions_mut().insert(denial.clone());
    (denial, response)
}

/// Builds the denial for a request that no layer has handled.
pub(crate) fn answer_without_layer(mistake: Mistake, caller: Caller<'_>) -> Denied {
    Box::new(answer(&Cause::Misconfigured(mistake), caller, None, Scheme::Cookie).1)
}

/// Where to sign in. With a return path if the answer redirects the browser there, and without if a program reads it.
fn login_url(cause: &Cause, caller: Caller<'_>, site: &Site) -> Option<String> {
    let (organization, max_age) = match cause {
        Cause::Challenge { organization, .. } => (organization.as_deref(), None),
        Cause::SignInAgain { max_age, .. } => (None, Some(max_age.as_secs().to_string())),
        Cause::Forbidden
        | Cause::InsufficientScope { .. }
        | Cause::OtherPrincipal { .. }
        | Cause::RepeatedCredentials
        | Cause::Unavailable { .. }
        | Cause::CrossOrigin(_)
        | Cause::Misconfigured(_) => return None,
    };
    let return_path = match caller.client {
        ClientKind::Document | ClientKind::Htmx => Some(caller.return_path(site)),
        ClientKind::Grpc
        | ClientKind::Preflight
        | ClientKind::WebSocket
        | ClientKind::EventStream
        | ClientKind::Prefetch
        | ClientKind::Fetch => None,
    };
    let parameters: Vec<_> = [
        ("return_to", return_path.as_ref().map(ReturnTarget::as_str)),
        ("organization_id", organization),
        ("max_age", max_age.as_deref()),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect();
    Some(site.login_url(&parameters))
}

fn status(kind: DenialKind) -> StatusCode {
    match kind {
        DenialKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        DenialKind::Forbidden | DenialKind::CrossOrigin => StatusCode::FORBIDDEN,
        DenialKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        DenialKind::BadRequest => StatusCode::BAD_REQUEST,
        DenialKind::Misconfigured => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Title and text, for people.
fn title_and_text(cause: &Cause) -> (&'static str, &'static str) {
    match cause {
        Cause::Challenge { .. } => ("Please sign in", "You need to be signed in to see this."),
        Cause::SignInAgain { .. } => ("Please sign in again", "This needs a more recent sign-in."),
        Cause::Forbidden => ("No access", "You are signed in, but this is not yours to see or do."),
        Cause::InsufficientScope { .. } => {
            ("No access", "The access token does not have the scope that this needs.")
        }
        Cause::OtherPrincipal { wanted: PrincipalKind::Session } => (
            "No access",
            "This needs somebody signed in with a browser, not an access token alone.",
        ),
        Cause::OtherPrincipal {
            wanted:
                PrincipalKind::Bearer
                | PrincipalKind::ApiKey
                | PrincipalKind::Machine
                | PrincipalKind::Client,
        } => ("No access", "This needs another kind of credential."),
        Cause::RepeatedCredentials => {
            ("Bad request", "The request has several Authorization fields; send one.")
        }
        Cause::Unavailable { .. } => (
            "One moment, please",
            "We cannot check your session right now. You are still signed in; try again shortly.",
        ),
        Cause::CrossOrigin(_) => {
            ("Request refused", "Another site sent this request in your name. Nothing was done.")
        }
        Cause::Misconfigured(mistake) => ("This service is not set up correctly", mistake.text()),
    }
}

/// A gRPC answer without a message: its status is in the header fields (gRPC over HTTP/2, `Trailers-Only`).
fn trailers_only(cause: &Cause, request: &HeaderMap) -> Response<Bytes> {
    let status = match cause {
        Cause::Challenge { .. } | Cause::SignInAgain { .. } => "16",
        Cause::Forbidden
        | Cause::InsufficientScope { .. }
        | Cause::OtherPrincipal { .. }
        | Cause::CrossOrigin(_) => "7",
        Cause::RepeatedCredentials => "3",
        Cause::Unavailable { .. } => "14",
        Cause::Misconfigured(_) => "13",
    };
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    // gRPC-Web clients read only answers of their own content type.
    let content_type = request.get(CONTENT_TYPE).cloned();
    headers
        .insert(CONTENT_TYPE, content_type.unwrap_or(HeaderValue::from_static("application/grpc")));
    headers.insert(GRPC_STATUS, HeaderValue::from_static(status));
    headers.insert(GRPC_MESSAGE, HeaderValue::from_static(cause.message()));
    response
}

/// An event stream without an event, which makes an `EventSource` connect again after this time. Any other status than
/// 200 closes the `EventSource` for good (HTML standard, section 9.2.3).
fn reconnect_event_stream(after: Duration) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(format!("retry: {}\n\n", after.as_millis())));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}

/// A redirect to the sign-in page, or a page of ours.
fn document(
    denial: &Denial,
    caller: Caller<'_>,
    site: Option<&Site>,
    offer: SignInOffer,
    (title, text): (&'static str, &'static str),
) -> Response<Bytes> {
    if let Some(url) = &denial.login_url {
        // Never 307 or 308, which would send a form's fields to the sign-in page (RFC 9700 section 4.12).
        let is_get = matches!(*caller.method, Method::GET | Method::HEAD);
        let mut response = empty(if is_get { StatusCode::FOUND } else { StatusCode::SEE_OTHER });
        insert(response.headers_mut(), LOCATION, url);
        return response;
    }
    let home = || PageAction::Link(PageLink { to: site.map_or("/", Site::root), label: "Go home" });
    let (login, label) = match denial.kind {
        DenialKind::Forbidden => {
            (site.map(|site| other_account_url(caller, site)), "Use another account")
        }
        // It may be this session alone that cannot be refreshed, for as long as it lives.
        DenialKind::Unavailable => {
            let site = site.filter(|_| offer == SignInOffer::Offered);
            (site.map(|site| sign_in_again(caller, site)), "Sign in again")
        }
        DenialKind::CrossOrigin
        | DenialKind::Unauthenticated
        | DenialKind::BadRequest
        | DenialKind::Misconfigured => (None, ""),
    };
    let action = match denial.kind {
        DenialKind::Unavailable if *caller.method == Method::GET => PageAction::Reload,
        DenialKind::Forbidden | DenialKind::CrossOrigin => home(),
        DenialKind::Unavailable
        | DenialKind::Unauthenticated
        | DenialKind::BadRequest
        | DenialKind::Misconfigured => PageAction::None,
    };
    let other = login.as_deref().map(|to| PageLink { to, label });
    Page { status: status(denial.kind), title, text, action, other }.into_response()
}

/// Where a user signs in without anybody asking whether the session that there is counts.
fn sign_in_again(caller: Caller<'_>, site: &Site) -> String {
    site.login_url(&[("return_to", caller.return_path(site).as_str())])
}

/// Where a user signs in with another account, to come back to a page that the present account may not see.
fn other_account_url(caller: Caller<'_>, site: &Site) -> String {
    let return_path = caller.return_path(site);
    site.login_url(&[("prompt", "login"), ("return_to", return_path.as_str())])
}

fn empty(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}

/// Problem details (RFC 9457). `about:blank` requires that `title` is the phrase of the status.
#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    login_url: Option<&'a str>,
}

fn problem(denial: &Denial, detail: &str) -> Response<Bytes> {
    let status = status(denial.kind);
    let problem = Problem {
        r#type: "about:blank",
        title: status.canonical_reason().unwrap_or_default(),
        status: status.as_u16(),
        detail,
        login_url: denial.login_url.as_deref(),
    };
    let body = serde_json::to_vec(&problem).expect("a struct of strings and a number is JSON");
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    let value = HeaderValue::from_str(value)
        .expect("what the configuration was checked for and encoded text are header text");
    headers.insert(name, value);
}

/// The log for denials without a layer: no `AuthKit` is known then.
static WITHOUT_LAYER: LazyLock<DenialLog> = LazyLock::new(|| DenialLog::new(Clock::system()));

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const HX_REDIRECT: HeaderName = HeaderName::from_static("hx-redirect");
