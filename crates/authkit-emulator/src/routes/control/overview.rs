use std::{sync::Arc, time::Duration};

use axum::{Json, extract::State};
use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::{clock::timestamp, config::Rotation, endpoint::Endpoint, faults::Times, state::Shared};

/// `GET /_emulator/state`.
pub(super) async fn state(State(shared): State<Arc<Shared>>) -> Json<Value> {
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

/// `DELETE /_emulator/counts`.
pub(super) async fn reset_counts(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.lock().reset_counts();
    StatusCode::NO_CONTENT
}
