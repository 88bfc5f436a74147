use std::sync::Arc;

use axum::{Json, extract::State, response::Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use crate::{routes::control::unprocessable, state::Shared, webhooks::WebhookEndpoint};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewWebhook {
    url: String,
    secret: String,
}

/// `POST /_emulator/webhooks`.
pub(super) async fn add(
    State(shared): State<Arc<Shared>>,
    Json(request): Json<NewWebhook>,
) -> Result<StatusCode, Response> {
    let endpoint = WebhookEndpoint::reachable(&request.url, &request.secret)
        .map_err(|problem| unprocessable(&problem))?;
    shared.lock().webhooks.add(endpoint);
    Ok(StatusCode::CREATED)
}

/// `POST /_emulator/events`: the body is sent as it is.
pub(super) async fn send(State(shared): State<Arc<Shared>>, Json(body): Json<Value>) -> StatusCode {
    shared.lock().webhooks.send_raw(&body);
    StatusCode::ACCEPTED
}
