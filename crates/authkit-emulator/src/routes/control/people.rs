use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    api_error::ApiError,
    overrides::Overrides,
    routes::control::unprocessable,
    seed::{FileOrganization, FileUser},
    state::{Shared, events},
    user_change::UserChange,
};

/// `POST /_emulator/users`.
pub(super) async fn add_user(
    State(shared): State<Arc<Shared>>,
    Json(user): Json<FileUser>,
) -> Result<(StatusCode, Json<Value>), Response> {
    let mut state = shared.lock();
    let id = events::add_user(&mut state, user).map_err(|problem| unprocessable(&problem))?;
    let user = state.directory.user(&id).map(|user| user.to_json());
    Ok((StatusCode::CREATED, Json(json!(user))))
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
pub(super) struct Change {
    reset: bool,
    fields: Map<String, Value>,
    without_fields: Vec<String>,
    answer_fields: Map<String, Value>,
    without_answer_fields: Vec<String>,
    claims: Map<String, Value>,
}

/// `PATCH /_emulator/users/{user}`, with an address or an id.
pub(super) async fn change_user(
    State(shared): State<Arc<Shared>>,
    Path(user): Path<String>,
    Json(change): Json<Change>,
) -> Result<Json<Value>, Response> {
    let mut state = shared.lock();
    let id = state.directory.user_named(&user).map(|user| user.id.clone());
    let id = id.ok_or_else(|| not_found("User not found"))?;
    let change = UserChange {
        reset: change.reset,
        fields: Overrides::new(change.fields, change.without_fields),
        answer: Overrides::new(change.answer_fields, change.without_answer_fields),
        claims: change.claims,
    };
    events::change_user(&mut state, &id, change);
    Ok(Json(json!(state.directory.user(&id).map(|user| user.to_json()))))
}

/// `POST /_emulator/organizations`.
pub(super) async fn add_organization(
    State(shared): State<Arc<Shared>>,
    Json(organization): Json<FileOrganization>,
) -> Result<(StatusCode, Json<Value>), Response> {
    let mut state = shared.lock();
    let now = state.now();
    let id = organization
        .add_to(&mut state.directory, now)
        .map_err(|problem| unprocessable(&problem))?;
    let organization = state.directory.organization(&id).map(|organization| organization.to_json());
    Ok((StatusCode::CREATED, Json(json!(organization))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Claims {
    claims: Map<String, Value>,
    /// The organization whose claims change; all users' if absent.
    organization: Option<String>,
}

/// `POST /_emulator/claims`.
pub(super) async fn set_claims(
    State(shared): State<Arc<Shared>>,
    Json(request): Json<Claims>,
) -> Result<StatusCode, Response> {
    let mut state = shared.lock();
    match request.organization {
        None => state.directory.set_claims_for_all(request.claims),
        Some(named) => {
            let id = state.directory.organization_named(&named).map(|found| found.id.clone());
            let organization = id.and_then(|id| state.directory.organization_mut(&id));
            organization
                .ok_or_else(|| not_found("Organization not found"))?
                .claims
                .extend(request.claims);
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

fn not_found(message: &'static str) -> Response {
    ApiError::plain(StatusCode::NOT_FOUND, message).into_response()
}
