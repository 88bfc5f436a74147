//! The authorization server of the AuthKit domain (WorkOS Connect), and the validation of API keys.

mod authorize;

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::{Map, Value, json};

pub(super) use self::authorize::{authorize, submit};
use crate::{
    api_error::ApiError,
    fields::Fields,
    redirects,
    routes::require_api_key,
    state::{
        Shared, State as Emulation,
        connect::{ApplicationKind, ClientDocuments, Grant, machine_claims, timed, user_claims},
        grants::challenge_of,
    },
};

/// `GET /.well-known/oauth-authorization-server` (RFC 8414).
pub(super) async fn metadata(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let state = shared.lock();
    let url = &state.config.url;
    Json(json!({
        "issuer": url,
        "authorization_endpoint": format!("{url}/oauth2/authorize"),
        "token_endpoint": format!("{url}/oauth2/token"),
        "registration_endpoint": format!("{url}/oauth2/register"),
        "introspection_endpoint": format!("{url}/oauth2/introspection"),
        "jwks_uri": format!("{url}/oauth2/jwks"),
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "client_credentials", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported":
            ["none", "client_secret_post", "client_secret_basic"],
        "client_id_metadata_document_supported":
            state.connect.client_documents() == ClientDocuments::Supported,
    }))
}

/// `GET /oauth2/jwks`. The same keys sign sessions, so that a service which tells tokens apart by their key alone fails.
pub(super) async fn jwks(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(shared.lock().keys.jwks())
}

#[derive(Deserialize)]
pub(super) struct Registration {
    redirect_uris: Vec<String>,
    client_name: Option<String>,
    scope: Option<String>,
}

/// `POST /oauth2/register`: dynamic registration (RFC 7591) of a client without a secret.
pub(super) async fn register(
    State(shared): State<Arc<Shared>>,
    body: Option<Json<Registration>>,
) -> Response {
    let Some(Json(Registration { redirect_uris, client_name, scope })) = body else {
        return refused("invalid_client_metadata", "The client metadata cannot be read.");
    };
    let mut state = shared.lock();
    let is_usable = |uri: &String| redirects::may_redirect_to(uri, &state.config);
    if redirect_uris.is_empty() || !redirect_uris.iter().all(is_usable) {
        return refused(
            "invalid_redirect_uri",
            "A redirect_uri is not an absolute http(s) address.",
        );
    }
    let now = state.now();
    let kind = ApplicationKind::Public { redirect_uris: redirect_uris.clone() };
    let client_id = state.connect.add_application(kind, now);
    let mut answer = json!({
        "client_id": client_id,
        "redirect_uris": redirect_uris,
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    });
    for (name, value) in [("client_name", client_name), ("scope", scope)] {
        if let Some(value) = value {
            answer[name] = json!(value);
        }
    }
    (StatusCode::CREATED, Json(answer)).into_response()
}

/// `POST /oauth2/token`.
pub(super) async fn token(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let fields = match Fields::parse(&headers, &body) {
        Ok(fields) => fields,
        Err(error) => return error.into_response(),
    };
    let mut state = shared.lock();
    let (client_id, secret) = client_of(&headers, &fields);
    let Some(application) = state.connect.application(&client_id).cloned() else {
        return invalid_client();
    };
    let claims = match (fields.get("grant_type"), &application.kind) {
        (
            Some("client_credentials"),
            ApplicationKind::Machine { secret: known, organization_id, scopes },
        ) => {
            if secret.as_deref() != Some(known) {
                return invalid_client();
            }
            let wanted = fields.get("scope").map(words).unwrap_or_else(|| scopes.clone());
            if !wanted.iter().all(|scope| scopes.contains(scope)) {
                return refused("invalid_scope", "A scope is none of this application's.");
            }
            let Emulation { config, .. } = &*state;
            machine_claims(&config.url, &config.client_id, &client_id, organization_id, &wanted)
        }
        (Some("authorization_code"), ApplicationKind::Public { .. }) => {
            let now = state.now();
            let code = fields.get("code").and_then(|code| state.connect.spend_code(code, now));
            let verifier = fields.get("code_verifier").map(challenge_of);
            let Some(code) = code.filter(|code| {
                code.grant.client_id == client_id
                    && fields.get("redirect_uri") == Some(&code.redirect_uri)
                    && verifier.as_deref() == Some(&code.challenge)
                    && fields
                        .get("resource")
                        .is_none_or(|it| code.grant.resource.as_deref() == Some(it))
            }) else {
                return refused("invalid_grant", "The code has expired or is invalid.");
            };
            return answer_grant(&mut state, code.grant);
        }
        (Some("refresh_token"), ApplicationKind::Public { .. }) => {
            let token = fields.get("refresh_token");
            let grant = token.and_then(|token| state.connect.spend_refresh_token(token));
            let Some(grant) = grant.filter(|grant| grant.client_id == client_id) else {
                return refused("invalid_grant", "The refresh token is invalid.");
            };
            return answer_grant(&mut state, grant);
        }
        (Some("client_credentials" | "authorization_code" | "refresh_token"), _) => {
            return refused("unauthorized_client", "The application may not use this grant.");
        }
        (Some(_), _) => return refused("unsupported_grant_type", "The grant type is unknown."),
        (None, _) => return refused("invalid_request", "grant_type is required."),
    };
    answer(&state, claims, None)
}

/// Answers with tokens for a user's grant.
fn answer_grant(state: &mut Emulation, grant: Grant) -> Response {
    if state.directory.user(&grant.user_id).is_none() {
        return refused("invalid_grant", "The user is gone.");
    }
    let issuer = state.config.url.clone();
    let client_id = state.config.client_id.clone();
    let Some(audience) = state.connect.audience(grant.resource.as_deref(), &client_id) else {
        return refused("invalid_target", "The resource is none of this environment's.");
    };
    let claims = user_claims(&issuer, audience, &grant);
    let is_lasting = grant.scopes.iter().any(|scope| scope == "offline_access");
    let refresh_token = is_lasting.then(|| state.connect.issue_refresh_token(grant));
    answer(state, claims, refresh_token)
}

fn answer(state: &Emulation, claims: Map<String, Value>, refresh: Option<String>) -> Response {
    let key = state.keys.signing();
    let scope = claims.get("scope").cloned();
    let claims = timed(claims, state.now(), state.token_ttl);
    let mut body = json!({
        "access_token": key.sign(&key.header(), &Value::Object(claims)),
        "token_type": "bearer",
        "expires_in": state.token_ttl.as_secs(),
        "scope": scope,
    });
    if let Some(refresh) = refresh {
        body["refresh_token"] = json!(refresh);
    }
    ([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

/// `POST /oauth2/introspection` (RFC 7662), with an application's own credentials.
pub(super) async fn introspect(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let fields = match Fields::parse(&headers, &body) {
        Ok(fields) => fields,
        Err(error) => return error.into_response(),
    };
    let state = shared.lock();
    let (client_id, secret) = client_of(&headers, &fields);
    let is_known =
        state.connect.application(&client_id).is_some_and(|application| match &application.kind {
            ApplicationKind::Machine { secret: known, .. } => secret.as_deref() == Some(known),
            ApplicationKind::Public { .. } => false,
        });
    if !is_known {
        return invalid_client();
    }
    let claims = fields.get("token").and_then(|token| state.keys.signing().open(token));
    let active = claims.filter(|claims| {
        let expires = claims["exp"].as_u64().unwrap_or_default();
        let is_revoked = claims["jti"].as_str().is_some_and(|jti| state.connect.is_revoked(jti));
        claims["iss"] == json!(state.config.url)
            && crate::clock::unix_seconds(state.now()) < expires
            && !is_revoked
    });
    Json(match active {
        None => json!({ "active": false }),
        Some(mut claims) => {
            claims["active"] = json!(true);
            claims["token_type"] = json!("access_token");
            claims
        }
    })
    .into_response()
}

/// `POST /api_keys/validations`, with the environment's API key.
pub(super) async fn validate_api_key(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    let mut state = shared.lock();
    require_api_key(&headers, &state)?;
    let fields = Fields::parse(&headers, &body)?;
    let value = fields.get("value").ok_or_else(|| {
        ApiError::plain(StatusCode::UNPROCESSABLE_ENTITY, "value must be a string")
    })?;
    let now = state.now();
    let key = state.connect.use_api_key(value, now).map(|key| key.to_json());
    Ok(Json(json!({ "api_key": key })))
}

/// The client's id and secret, from the body or from HTTP Basic authentication.
fn client_of(headers: &HeaderMap, fields: &Fields) -> (String, Option<String>) {
    let basic = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Basic "))
        .and_then(|encoded| String::from_utf8(STANDARD.decode(encoded).ok()?).ok());
    if let Some((id, secret)) = basic.as_deref().and_then(|basic| basic.split_once(':')) {
        return (id.to_owned(), Some(secret.to_owned()));
    }
    let id = fields.get("client_id").unwrap_or_default().to_owned();
    (id, fields.get("client_secret").map(str::to_owned))
}

fn words(text: &str) -> Vec<String> {
    text.split_ascii_whitespace().map(str::to_owned).collect()
}

fn invalid_client() -> Response {
    let body = json!({ "error": "invalid_client", "error_description": "The client is unknown." });
    (StatusCode::UNAUTHORIZED, Json(body)).into_response()
}

fn refused(error: &'static str, description: &str) -> Response {
    ApiError::oauth(error, description).into_response()
}
