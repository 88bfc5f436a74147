use std::sync::Arc;

use axum::{Json, extract::State, response::Response};
use http::StatusCode;
use serde_json::Value;

use crate::{
    routes::control::{fault_request, unprocessable},
    state::Shared,
};

/// `POST /_emulator/faults`.
pub(super) async fn add(
    State(shared): State<Arc<Shared>>,
    Json(request): Json<Value>,
) -> Result<StatusCode, Response> {
    let fault = fault_request::parse(request).map_err(|problem| unprocessable(&problem))?;
    shared.lock().faults.add(fault);
    Ok(StatusCode::CREATED)
}

/// `DELETE /_emulator/faults`.
pub(super) async fn clear(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.lock().faults.clear();
    StatusCode::NO_CONTENT
}
