use std::sync::Arc;

use axum::{Json, extract::State, response::Response};
use http::StatusCode;
use serde::Deserialize;

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
    let endpoint = WebhookEndpoint::new(&request.url, &request.secret)
        .ok_or_else(|| unprocessable("url has to be an http URL"))?;
    shared.lock().webhooks.add(endpoint);
    Ok(StatusCode::CREATED)
}
