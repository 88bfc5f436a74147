use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use serde_json::Value;

use crate::{api_error::ApiError, state::Shared};

/// `GET /sso/jwks/{client_id}`: the key set of a client id. Needs no credentials.
pub(super) async fn jwks(
    State(shared): State<Arc<Shared>>,
    Path(client_id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let state = shared.lock();
    if client_id == state.config.client_id {
        Ok(Json(state.keys.jwks()))
    } else {
        Err(ApiError::plain(StatusCode::NOT_FOUND, "Client not found"))
    }
}
