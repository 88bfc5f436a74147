//! `/_emulator/…`: the control API, for scripts and for tests in other languages.

mod fault_request;
mod faults;
mod keys;
mod overview;
mod people;
mod sessions;
mod settings;
mod webhooks;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::Request,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{delete, get, patch, post},
};
use http::{HeaderMap, StatusCode, header};
use serde_json::json;
use url::Host;

use crate::{api_error::ApiError, pages, redirects::is_loopback_host, state::Shared};

pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/_emulator/state", get(overview::state))
        .route("/_emulator/faults", post(faults::add).delete(faults::clear))
        .route("/_emulator/answers", get(faults::answers))
        .route("/_emulator/connections", post(faults::connections))
        .route("/_emulator/clock", get(settings::clock).post(settings::advance))
        .route("/_emulator/settings", post(settings::change))
        .route("/_emulator/sessions", post(sessions::add))
        .route("/_emulator/sessions/revoke", post(sessions::revoke))
        .route("/_emulator/users", post(people::add_user))
        .route("/_emulator/users/{user}", patch(people::change_user))
        .route("/_emulator/organizations", post(people::add_organization))
        .route("/_emulator/claims", post(people::set_claims))
        .route("/_emulator/webhooks", post(webhooks::add))
        .route("/_emulator/events", post(webhooks::send))
        .route("/_emulator/keys", post(keys::add))
        .route("/_emulator/keys/{kid}", delete(keys::retire))
        .route("/_emulator/counts", delete(overview::reset_counts))
        .route("/_emulator/style.css", get(style))
        .route_layer(middleware::from_fn(only_this_machine))
}

/// Refuses requests whose `Host` is not this machine: a page of another site can reach loopback under its own name (DNS
/// rebinding). Such a page cannot send JSON or `DELETE` to another origin, since the browser would send a preflight.
async fn only_this_machine(headers: HeaderMap, request: Request, next: Next) -> Response {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    let local = Host::parse(name).is_ok_and(|host| match host {
        Host::Domain(name) => is_loopback_host(&Host::Domain(name.as_str())),
        Host::Ipv4(address) => is_loopback_host(&Host::Ipv4(address)),
        Host::Ipv6(address) => is_loopback_host(&Host::Ipv6(address)),
    });
    if local {
        next.run(request).await
    } else {
        ApiError::plain(
            StatusCode::FORBIDDEN,
            "The Host of a control request must name this machine",
        )
        .into_response()
    }
}

async fn style() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")],
        pages::STYLE,
    )
}

fn unprocessable(problem: &str) -> Response {
    (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "message": problem }))).into_response()
}
