use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    api_error::ApiError,
    keys::{self, SigningKey},
    state::Shared,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewKey {
    #[serde(default)]
    sign: bool,
}

/// `POST /_emulator/keys`.
pub(super) async fn add(
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

/// `DELETE /_emulator/keys/{kid}`.
pub(super) async fn retire(
    State(shared): State<Arc<Shared>>,
    Path(kid): Path<String>,
) -> Result<StatusCode, ApiError> {
    if shared.lock().keys.retire(&kid) {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::plain(StatusCode::NOT_FOUND, "Key not found"))
    }
}
