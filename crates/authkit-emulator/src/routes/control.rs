//! `/_emulator/…`: what the Rust API does, for scripts and for services in other languages.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Host;

use crate::{
    api_error::ApiError,
    clock::timestamp,
    config::Rotation,
    endpoint::Endpoint,
    faults::Times,
    keys::{self, SigningKey},
    pages,
    redirects::is_loopback_host,
    routes::fault_request,
    state::{Shared, events},
    webhooks::WebhookEndpoint,
};

pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/_emulator/state", get(state))
        .route("/_emulator/faults", post(add_fault).delete(clear_faults))
        .route("/_emulator/clock", post(advance))
        .route("/_emulator/settings", post(settings))
        .route("/_emulator/sessions/revoke", post(revoke))
        .route("/_emulator/webhooks", post(add_webhook))
        .route("/_emulator/keys", post(add_key))
        .route("/_emulator/keys/{kid}", delete(retire_key))
        .route("/_emulator/counts", delete(reset_counts))
        .route("/_emulator/style.css", get(style))
        .route_layer(middleware::from_fn(only_this_machine))
}

/// A page of another site can reach loopback under a name of its own (DNS rebinding); its `Host` gives it away.
/// That such a page cannot post JSON, or delete, without asking first is the browser's part.
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

async fn state(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let state = shared.lock();
    let calls: Map<String, Value> = Endpoint::ALL
        .into_iter()
        .map(|endpoint| (endpoint.name().to_owned(), json!(state.calls.of(endpoint))))
        .collect();
    let faults: Vec<Value> = state
        .faults
        .pending()
        .map(|fault| {
            let left = match fault.times {
                Times::Count(left) => json!(left),
                Times::UntilCleared => json!("until_cleared"),
            };
            json!({ "endpoint": fault.endpoint.name(), "kind": fault.kind.name(), "times": left })
        })
        .collect();
    let verification_codes: Map<String, Value> = state
        .directory
        .users()
        .iter()
        .filter_map(|user| {
            let code = state.codes.verification_code(&user.id, state.now())?;
            Some((user.email.clone(), json!(code)))
        })
        .collect();
    let replay_grace = match state.rotation {
        Rotation::Grace(grace) => grace,
        Rotation::Strict => Duration::ZERO,
    };
    Json(json!({
        "now": timestamp(state.now()),
        "token_ttl": state.token_ttl.as_secs(),
        "replay_grace": replay_grace.as_secs(),
        "calls": calls,
        "exchanges": state.exchanges,
        "keys": { "published": state.keys.published_ids(), "signing": state.keys.signing().id() },
        "faults": faults,
        "verification_codes": verification_codes,
    }))
}

async fn add_fault(
    State(shared): State<Arc<Shared>>,
    Json(request): Json<Value>,
) -> Result<StatusCode, Response> {
    let fault = fault_request::parse(request).map_err(|problem| unprocessable(&problem))?;
    shared.lock().faults.add(fault);
    Ok(StatusCode::CREATED)
}

async fn clear_faults(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.lock().faults.clear();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance: f64,
}

async fn advance(
    State(shared): State<Arc<Shared>>,
    Json(request): Json<Advance>,
) -> Result<StatusCode, Response> {
    let by = Duration::try_from_secs_f64(request.advance)
        .map_err(|_| unprocessable("advance is a number of seconds, and time goes forward only"))?;
    shared.lock().clock.advance(by);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    token_ttl: Option<u64>,
    replay_grace: Option<u64>,
}

async fn settings(State(shared): State<Arc<Shared>>, Json(request): Json<Settings>) -> StatusCode {
    let mut state = shared.lock();
    if let Some(seconds) = request.token_ttl {
        state.token_ttl = Duration::from_secs(seconds);
    }
    match request.replay_grace {
        Some(0) => state.rotation = Rotation::Strict,
        Some(seconds) => state.rotation = Rotation::Grace(Duration::from_secs(seconds)),
        None => {}
    }
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revoke {
    session_id: String,
}

async fn revoke(
    State(shared): State<Arc<Shared>>,
    Json(request): Json<Revoke>,
) -> Result<StatusCode, ApiError> {
    if events::end_session(&mut shared.lock(), &request.session_id) {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::plain(StatusCode::NOT_FOUND, "Session not found"))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewWebhook {
    url: String,
    secret: String,
}

async fn add_webhook(
    State(shared): State<Arc<Shared>>,
    Json(request): Json<NewWebhook>,
) -> Result<StatusCode, Response> {
    let endpoint = WebhookEndpoint::new(&request.url, &request.secret)
        .ok_or_else(|| unprocessable("url has to be an http URL"))?;
    shared.lock().webhooks.add(endpoint);
    Ok(StatusCode::CREATED)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewKey {
    #[serde(default)]
    sign: bool,
}

async fn add_key(
    State(shared): State<Arc<Shared>>,
    Json(request): Json<NewKey>,
) -> (StatusCode, Json<Value>) {
    let id = keys::new_key_id(shared.lock().now());
    let key = SigningKey::generate(&id);
    let mut state = shared.lock();
    state.keys.publish(key);
    if request.sign {
        state.keys.sign_with(&id);
    }
    (StatusCode::CREATED, Json(json!({ "kid": id })))
}

async fn retire_key(
    State(shared): State<Arc<Shared>>,
    Path(kid): Path<String>,
) -> Result<StatusCode, ApiError> {
    if shared.lock().keys.retire(&kid) {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::plain(StatusCode::NOT_FOUND, "Key not found"))
    }
}

async fn reset_counts(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.lock().reset_counts();
    StatusCode::NO_CONTENT
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
