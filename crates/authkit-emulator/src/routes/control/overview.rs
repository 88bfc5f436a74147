use std::{sync::Arc, time::Duration};

use axum::{Json, extract::State};
use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::{
    clock::timestamp, config::Rotation, endpoint::Endpoint, fault::Times, grant::Grant,
    state::Shared, target::Target,
};

/// `GET /_emulator/state`.
pub(super) async fn state(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let state = shared.lock();
    let count = |target: Target| state.counts.of(&target, &state.directory);
    let calls: Map<String, Value> = Endpoint::ALL
        .into_iter()
        .map(|endpoint| (endpoint.name().to_owned(), json!(count(endpoint.into()))))
        .collect();
    let grants: Map<String, Value> = Grant::ALL
        .into_iter()
        .map(|grant| (grant.name().to_owned(), json!(count(grant.into()))))
        .collect();
    let faults: Vec<Value> = state
        .faults
        .pending()
        .map(|fault| {
            let left = match fault.times {
                Times::Count(left) => json!(left),
                Times::UntilCleared => json!("until_cleared"),
            };
            let mut shown = fault.target.to_json();
            shown["kind"] = json!(fault.kind.name());
            shown["times"] = left;
            shown
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
    let webhooks: Vec<Value> = state
        .webhooks
        .infos()
        .map(|webhook| {
            json!({
                "url": webhook.url,
                "secret": webhook.secret,
                "events": webhook.events,
                "delivered": webhook.delivered,
                "given_up": webhook.given_up,
            })
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
        "grants": grants,
        "exchanges": state.counts.exchanges,
        "rate_limited": state.counts.limited,
        "rate_limit": state.limiter.limit().map(|limit| json!({
            "writes": limit.writes,
            "reads": limit.reads,
            "window": limit.window.as_secs_f64(),
        })),
        "connections": {
            "accepted": state.connections.accepted(),
            "to_swallow": state.connections.to_swallow(),
        },
        "keys": { "published": state.keys.published_ids(), "signing": state.keys.signing().id() },
        "faults": faults,
        "webhooks": webhooks,
        "verification_codes": verification_codes,
    }))
}

/// `DELETE /_emulator/counts`.
pub(super) async fn reset_counts(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.lock().counts.reset();
    StatusCode::NO_CONTENT
}
