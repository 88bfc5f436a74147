use std::{collections::HashMap, sync::Arc};

use axum::{
    Extension, Json,
    extract::{Request, State},
};
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::{BodyExt, Limited};
use serde_json::Value;
use url::form_urlencoded;

use crate::{
    api_error::ApiError,
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
    request: Request,
) -> Result<Json<Value>, ApiError> {
    let (head, body) = request.into_parts();
    let too_large = || ApiError::invalid_request("The request body cannot be read.");
    let body = Limited::new(body, BODY_LIMIT).collect().await.map_err(|_| too_large())?.to_bytes();
    let fields = Fields::parse(&head.headers, &body)?;
    let user_agent = head.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());

    let mut state = shared.lock();
    let grant_type = fields.require("grant_type")?;
    let client = identify(&fields, &head.headers, &state)?;
    let answer = match grant_type {
        "authorization_code" => grants::by_code(
            &mut state,
            CodeExchange {
                code: fields.require("code")?,
                verifier: fields.get("code_verifier"),
                client,
                user_agent,
            },
            &twist,
        ),
        "refresh_token" => {
            let token = fields.require("refresh_token")?;
            pairs::refresh(&mut state, token, fields.get("organization_id"), client, &twist)
        }
        "password" => {
            let (email, password) = (fields.require("email")?, fields.require("password")?);
            confidential(client)?;
            grants::by_password(&mut state, email, password, user_agent, &twist)
        }
        "urn:workos:oauth:grant-type:organization-selection" => {
            let pending = fields.require("pending_authentication_token")?;
            let organization_id = fields.require("organization_id")?;
            confidential(client)?;
            let answer = StepUpAnswer::Organization(organization_id);
            grants::by_step_up(&mut state, pending, answer, user_agent, &twist)
        }
        "urn:workos:oauth:grant-type:email-verification:code" => {
            let (pending, code) =
                (fields.require("pending_authentication_token")?, fields.require("code")?);
            confidential(client)?;
            let answer = StepUpAnswer::VerificationCode(code);
            grants::by_step_up(&mut state, pending, answer, user_agent, &twist)
        }
        other => {
            Err(ApiError::invalid_request(format!("The grant type is not supported: {other}")))
        }
    };
    answer.map(Json)
}

/// Who asks: a secret that is there must be right, unless the API key is in the header as well.
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

/// The fields of the body; a `null` counts as absent, since one SDK sends it.
struct Fields(HashMap<String, String>);

impl Fields {
    fn parse(headers: &HeaderMap, body: &Bytes) -> Result<Self, ApiError> {
        let content_type = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        if content_type.starts_with("application/x-www-form-urlencoded") {
            return Ok(Self(form_urlencoded::parse(body).into_owned().collect()));
        }
        let Ok(Value::Object(object)) = serde_json::from_slice(body) else {
            return Err(ApiError::invalid_request(
                "The request body is neither a JSON object nor a form.",
            ));
        };
        let texts = object.into_iter().filter_map(|(name, value)| match value {
            Value::String(text) => Some((name, text)),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => None,
        });
        Ok(Self(texts.collect()))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn require(&self, name: &str) -> Result<&str, ApiError> {
        let value = self.get(name).filter(|value| !value.is_empty());
        value.ok_or_else(|| ApiError::invalid_request(format!("{name} is required.")))
    }
}

const BODY_LIMIT: usize = 64 * 1024;
