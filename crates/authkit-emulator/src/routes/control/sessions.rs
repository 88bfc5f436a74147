use std::{sync::Arc, time::Duration};

use axum::{Json, extract::State, response::Response};
use http::StatusCode;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use crate::{
    api_error::ApiError,
    routes::control::unprocessable,
    seal::seal,
    state::{Impersonator, Shared, events},
    storage_state::storage_state,
    test_session::{Choice, TestSession},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSession {
    user: String,
    /// If absent, the user's first organization; if null, none.
    #[serde(default, deserialize_with = "given")]
    organization: Option<Option<String>>,
    #[serde(default)]
    expired: bool,
    issued_ago: Option<f64>,
    lifetime: Option<f64>,
    #[serde(default)]
    claims: Map<String, Value>,
    #[serde(default)]
    fields: Map<String, Value>,
    impersonator: Option<Impersonator>,
    password: Option<String>,
    #[serde(default = "usual_name")]
    cookie_name: String,
    #[serde(default = "usual_app_url")]
    app_url: String,
}

fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

fn usual_name() -> String {
    "wos_session".to_owned()
}

fn usual_app_url() -> String {
    "http://localhost:3000".to_owned()
}

/// `POST /_emulator/sessions`: signs somebody in without a browser.
pub(super) async fn add(
    State(shared): State<Arc<Shared>>,
    Json(request): Json<NewSession>,
) -> Result<(StatusCode, Json<Value>), Response> {
    let session = request.begin(shared).map_err(|problem| unprocessable(&problem))?;
    let answer = session.answer();
    let mut body = json!({
        "session_id": session.session_id(),
        "user_id": session.claims()["sub"],
        "organization_id": session.claims()["org_id"],
        "access_token": session.access_token(),
        "refresh_token": session.refresh_token(),
        "answer": answer,
        "payload": session.payload(),
    });
    if let Some(password) = &request.password {
        let value = seal(&session.payload(), password);
        let state = storage_state(&request.cookie_name, &value, &request.app_url);
        body["storage_state"] = state.map_err(|problem| unprocessable(&problem))?;
        body["cookie"] = json!({ "name": request.cookie_name, "value": value });
    }
    Ok((StatusCode::CREATED, Json(body)))
}

impl NewSession {
    fn begin(&self, shared: Arc<Shared>) -> Result<TestSession, String> {
        if self.password.as_ref().is_some_and(|password| password.len() < SHORTEST_PASSWORD) {
            return Err(format!("a cookie password has at least {SHORTEST_PASSWORD} bytes"));
        }
        let choice = match &self.organization {
            None => Choice::First,
            Some(None) => Choice::Nothing,
            Some(Some(named)) => Choice::Named(named),
        };
        let mut session = TestSession::begin(shared, &self.user, choice)?;
        if let Some(Impersonator { email, reason }) = &self.impersonator {
            session = session.impersonated_by(email, reason.as_deref());
        }
        if let Some(seconds) = self.lifetime {
            session = session.lifetime(duration(seconds)?);
        }
        if let Some(seconds) = self.issued_ago {
            session = session.issued_ago(duration(seconds)?);
        }
        if self.expired {
            session = session.expired();
        }
        for (name, value) in &self.claims {
            session = session.claim(name, value.clone());
        }
        for (name, value) in &self.fields {
            session = session.sealed_field(name, value.clone());
        }
        Ok(session)
    }
}

fn duration(seconds: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| "issued_ago and lifetime are numbers that are not negative".to_owned())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Revoke {
    session_id: String,
}

/// `POST /_emulator/sessions/revoke`.
pub(super) async fn revoke(
    State(shared): State<Arc<Shared>>,
    Json(request): Json<Revoke>,
) -> Result<StatusCode, ApiError> {
    if events::end_session(&mut shared.lock(), &request.session_id) {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::plain(StatusCode::NOT_FOUND, "Session not found"))
    }
}

/// The shortest password that the Ruby SDK accepts, in bytes.
const SHORTEST_PASSWORD: usize = 32;
