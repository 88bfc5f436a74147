use std::sync::Arc;

use axum::{Extension, Json, extract::State};
use bytes::Bytes;
use http::{HeaderMap, header};
use serde_json::Value;

use crate::{
    api_error::ApiError,
    fields::Fields,
    grant::Grant,
    routes::has_api_key,
    state::{
        ClientKind, Shared, State as Emulation,
        grants::{self, CodeExchange, StepUpAnswer},
        pairs,
    },
    twist::Twist,
};

/// `POST /user_management/authenticate`, JSON or a form.
pub(super) async fn authenticate(
    State(shared): State<Arc<Shared>>,
    Extension(twist): Extension<Twist>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    let fields = Fields::parse(&headers, &body)?;
    let user_agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());

    let mut state = shared.lock();
    let grant_type = fields.require("grant_type")?;
    let client = identify(&fields, &headers, &state)?;
    let answer = match Grant::of(grant_type) {
        Some(Grant::AuthorizationCode) => grants::by_code(
            &mut state,
            CodeExchange {
                code: fields.require("code")?,
                verifier: fields.get("code_verifier"),
                client,
                user_agent,
            },
            &twist,
        ),
        Some(Grant::RefreshToken) => {
            let token = fields.require("refresh_token")?;
            pairs::refresh(&mut state, token, fields.get("organization_id"), client, &twist)
        }
        Some(Grant::Password) => {
            let (email, password) = (fields.require("email")?, fields.require("password")?);
            confidential(client)?;
            grants::by_password(&mut state, email, password, user_agent, &twist)
        }
        Some(Grant::OrganizationSelection) => {
            let pending = fields.require("pending_authentication_token")?;
            let organization_id = fields.require("organization_id")?;
            confidential(client)?;
            let answer = StepUpAnswer::Organization(organization_id);
            grants::by_step_up(&mut state, pending, answer, user_agent, &twist)
        }
        Some(Grant::EmailVerification) => {
            let (pending, code) =
                (fields.require("pending_authentication_token")?, fields.require("code")?);
            confidential(client)?;
            let answer = StepUpAnswer::VerificationCode(code);
            grants::by_step_up(&mut state, pending, answer, user_agent, &twist)
        }
        None => {
            let description = format!("The grant type is not supported: {grant_type}");
            Err(ApiError::invalid_request(description))
        }
    };
    answer.map(Json)
}

/// How the client authenticates. A client secret, if there is one, must be right, unless the header has the API key.
fn identify(
    fields: &Fields,
    headers: &HeaderMap,
    state: &Emulation,
) -> Result<ClientKind, ApiError> {
    if fields.require("client_id")? != state.config.client_id {
        return Err(ApiError::oauth("invalid_client", "Invalid client ID."));
    }
    match fields.get("client_secret") {
        _ if has_api_key(headers, state) => Ok(ClientKind::Confidential),
        Some(secret) if state.config.accepts_key(secret) => Ok(ClientKind::Confidential),
        Some(_) => Err(ApiError::unauthorized()),
        None if headers.contains_key(header::AUTHORIZATION) => Err(ApiError::unauthorized()),
        None => Ok(ClientKind::Public),
    }
}

fn confidential(client: ClientKind) -> Result<(), ApiError> {
    match client {
        ClientKind::Confidential => Ok(()),
        ClientKind::Public => Err(ApiError::unauthorized()),
    }
}
