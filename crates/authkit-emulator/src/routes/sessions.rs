use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    api_error::ApiError,
    pages, redirects,
    routes::require_api_key,
    state::{Session, Shared, events},
};

#[derive(Deserialize)]
pub(super) struct Logout {
    session_id: Option<String>,
    return_to: Option<String>,
}

/// `GET /user_management/sessions/logout`: the application redirects the browser here to end its session.
pub(super) async fn logout(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<Logout>,
) -> Response {
    let Some(session_id) = query.session_id.filter(|id| !id.is_empty()) else {
        return ApiError::plain(StatusCode::UNPROCESSABLE_ENTITY, "session_id is required")
            .into_response();
    };
    let mut state = shared.lock();
    let return_to = match query.return_to.as_deref().filter(|uri| !uri.is_empty()) {
        Some(uri) if redirects::may_return_to(uri, &state.config) => Some(uri),
        Some(_) => {
            let text = "The return_to address is neither on this machine nor one of the seed's logout_uris.";
            return pages::refusal(text);
        }
        None => state.config.logout_uris.first().map(String::as_str),
    };
    let answer = match return_to {
        Some(uri) => (StatusCode::FOUND, [(header::LOCATION, uri.to_owned())]).into_response(),
        None => pages::signed_out(),
    };
    events::end_session(&mut state, &session_id);
    answer
}

#[derive(Deserialize)]
pub(super) struct Revoke {
    session_id: Option<String>,
}

/// `POST /user_management/sessions/revoke`, with the API key.
pub(super) async fn revoke(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Option<Json<Revoke>>,
) -> Result<Json<Value>, ApiError> {
    let mut state = shared.lock();
    require_api_key(&headers, &state)?;
    let session_id = body.and_then(|Json(revoke)| revoke.session_id);
    if session_id.is_some_and(|id| events::end_session(&mut state, &id)) {
        Ok(Json(json!({ "success": true })))
    } else {
        Err(ApiError::plain(StatusCode::BAD_REQUEST, "Session not found"))
    }
}

#[derive(Deserialize)]
pub(super) struct Page {
    limit: Option<usize>,
    order: Option<Order>,
    after: Option<String>,
    before: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Order {
    Asc,
    Desc,
    Normal,
}

/// `GET /user_management/users/{id}/sessions`, with the API key; newest first unless `order=asc`.
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Path(user_id): Path<String>,
    Query(page): Query<Page>,
) -> Result<Json<Value>, ApiError> {
    let state = shared.lock();
    require_api_key(&headers, &state)?;
    if state.directory.user(&user_id).is_none() {
        return Err(ApiError::plain(StatusCode::NOT_FOUND, "User not found"));
    }
    let limit = page.limit.unwrap_or(10);
    if !(1..=100).contains(&limit) {
        let message = "limit must be between 1 and 100";
        return Err(ApiError::coded(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_request_parameters",
            message,
        ));
    }
    let mut sessions: Vec<&Session> = state.sessions.of_user(&user_id).collect();
    match page.order {
        Some(Order::Asc) => sessions.reverse(),
        Some(Order::Desc | Order::Normal) | None => {}
    }
    let position = |id: &str| sessions.iter().position(|session| session.id == id);
    let start = page.after.as_deref().and_then(position).map_or(0, |index| index + 1);
    let end = page.before.as_deref().and_then(position).unwrap_or(sessions.len()).max(start);
    // A page backwards ends at `before`.
    let start = if page.before.is_some() { start.max(end.saturating_sub(limit)) } else { start };
    let end = end.min(start + limit);
    let shown = &sessions[start..end];
    let before = shown.first().filter(|_| start > 0).map(|session| &session.id);
    let after = shown.last().filter(|_| end < sessions.len()).map(|session| &session.id);
    let now = state.now();
    Ok(Json(json!({
        "object": "list",
        "data": shown.iter().map(|session| session.to_json(now)).collect::<Vec<_>>(),
        "list_metadata": { "before": before, "after": after },
    })))
}
