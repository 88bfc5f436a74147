use std::sync::Arc;

use axum::{Json, extract::State, response::Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    answers::Answer,
    routes::control::{fault_request, unprocessable},
    state::Shared,
};

/// `POST /_emulator/faults`.
pub(super) async fn add(
    State(shared): State<Arc<Shared>>,
    Json(request): Json<Value>,
) -> Result<StatusCode, Response> {
    let fault = fault_request::parse(request).map_err(|problem| unprocessable(&problem))?;
    let mut state = shared.lock();
    if let Some(unknown) = fault.target.unknown(&state) {
        return Err(unprocessable(&format!(
            "there is no {unknown}, so no request would meet this fault"
        )));
    }
    state.faults.add(fault);
    Ok(StatusCode::CREATED)
}

/// `DELETE /_emulator/faults`.
pub(super) async fn clear(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.lock().faults.clear();
    StatusCode::NO_CONTENT
}

/// `GET /_emulator/answers`.
pub(super) async fn answers() -> Json<Value> {
    let row = |answer: &Answer| {
        let grants: Vec<&str> = answer.grants().iter().map(|grant| grant.name()).collect();
        json!({
            "answer": answer.name(),
            "documented": answer.is_documented(),
            "endpoint": answer.endpoint().name(),
            "grants": grants,
            "status": answer.status(),
            "body": answer.body(),
        })
    };
    Json(Answer::all().map(row).collect())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConnectionFaults {
    #[serde(default)]
    freeze: bool,
    swallow: Option<u32>,
}

/// `POST /_emulator/connections`.
pub(super) async fn connections(
    State(shared): State<Arc<Shared>>,
    Json(request): Json<ConnectionFaults>,
) -> StatusCode {
    let connections = &mut shared.lock().connections;
    if request.freeze {
        connections.freeze();
    }
    if let Some(count) = request.swallow {
        connections.swallow(count);
    }
    StatusCode::NO_CONTENT
}
