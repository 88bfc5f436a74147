//! The endpoints, one file for each concern.

mod authenticate;
mod authorization;
mod authorize;
mod connect;
mod control;
mod jwks;
mod sessions;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    routing::{get, post},
};
use http::{HeaderMap, StatusCode, header};
use serde_json::json;

use crate::{
    api_error::ApiError,
    pages,
    state::{self, Shared},
};

pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/health", get(async || Json(json!({ "status": "ok" }))))
        .route("/", get(async |State(shared): State<Arc<Shared>>| pages::landing(&shared.lock())))
        .route("/user_management/authorize", get(authorize::show).post(authorize::submit))
        .route("/user_management/authenticate", post(authenticate::authenticate))
        .route("/sso/jwks/{client_id}", get(jwks::jwks))
        .route("/user_management/sessions/jwks/{client_id}", get(jwks::jwks))
        .route("/user_management/sessions/logout", get(sessions::logout))
        .route("/user_management/sessions/revoke", post(sessions::revoke))
        .route("/user_management/users/{user_id}/sessions", get(sessions::list))
        .route("/.well-known/oauth-authorization-server", get(connect::metadata))
        .route("/.well-known/openid-configuration", get(connect::metadata))
        .route("/oauth2/register", post(connect::register))
        .route("/oauth2/authorize", get(connect::authorize).post(connect::submit))
        .route("/oauth2/token", post(connect::token))
        .route("/oauth2/introspection", post(connect::introspect))
        .route("/oauth2/jwks", get(connect::jwks))
        .route("/api_keys/validations", post(connect::validate_api_key))
        .merge(control::router())
        .fallback(async || ApiError::plain(StatusCode::NOT_FOUND, "Not Found"))
        .method_not_allowed_fallback(async || ApiError::plain(StatusCode::NOT_FOUND, "Not Found"))
        .with_state(shared)
}

/// Whether a request carries a valid API key as its bearer token.
fn has_api_key(headers: &HeaderMap, state: &state::State) -> bool {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let key = value
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    key.is_some_and(|(_, key)| state.config.accepts_key(key.trim()))
}

fn require_api_key(headers: &HeaderMap, state: &state::State) -> Result<(), ApiError> {
    if has_api_key(headers, state) { Ok(()) } else { Err(ApiError::unauthorized()) }
}
