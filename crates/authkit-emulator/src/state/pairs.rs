//! Pairs of tokens: issued at sign-in, rotated by a refresh.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use crate::{
    api_error::ApiError,
    config::Rotation,
    state::{
        ClientKind, Directory, NewSession, Session, State, TokenState,
        token::{self, Subject},
    },
    twist::Twist,
};

/// Starts a session and issues its first pair: the body of a 200.
pub(crate) fn sign_in(state: &mut State, mut session: NewSession, twist: &Twist) -> Value {
    let now = state.now();
    let mut impersonator = None;
    if let Some(user) = state.directory.user_mut(&session.user_id) {
        user.last_sign_in_at = Some(now);
        user.updated_at = now;
        impersonator = user.impersonator.clone();
    }
    if impersonator.is_some() {
        session.method = "Impersonation".to_owned();
    }
    let organization_id = session.organization_id.clone();
    let session_id = state.sessions.begin(session, impersonator, now);
    without_refresh_token(issue(state, &session_id, organization_id.as_deref(), twist), twist)
}

/// Rotates a refresh token. A retired one is answered as it was before, while the grace lasts.
pub(crate) fn refresh(
    state: &mut State,
    token: &str,
    organization_id: Option<&str>,
    client: ClientKind,
    twist: &Twist,
) -> Result<Value, ApiError> {
    let now = state.now();
    let token_state = state.sessions.token(token).ok_or_else(invalid_refresh_token)?;
    let session = state.sessions.get(token_state.session_id()).ok_or_else(invalid_refresh_token)?;
    if session.client == ClientKind::Confidential && client == ClientKind::Public {
        return Err(ApiError::unauthorized());
    }
    if let TokenState::Retired { at, answer, .. } = token_state {
        let within_grace = now.duration_since(*at).unwrap_or_default() < grace(state, twist);
        let replayed = within_grace && is_answer_alive(state, answer);
        return if replayed {
            Ok(without_refresh_token(answer.clone(), twist))
        } else {
            Err(invalid_refresh_token())
        };
    }
    if session.is_over(now) {
        return Err(invalid_refresh_token());
    }
    // Without one, the organization that was chosen at sign-in.
    let organization_id =
        organization_id.map(str::to_owned).or_else(|| session.organization_id.clone());
    let (mut session_id, user_id) = (session.id.clone(), session.user_id.clone());
    if let Some(organization_id) = &organization_id {
        check_organization(&state.directory, &user_id, organization_id)?;
    }
    if *twist == Twist::NewSessionId {
        session_id = state.sessions.renew(&session_id, now).ok_or_else(invalid_refresh_token)?;
    }
    let answer = issue(state, &session_id, organization_id.as_deref(), twist);
    let remembered = grace(state, &Twist::None).max(REMEMBER_RETIRED);
    state.sessions.retire_token(token, answer.clone(), now, remembered);
    state.exchanges += 1;
    Ok(without_refresh_token(answer, twist))
}

/// The claims of an access token for a session.
pub(crate) fn claims(
    state: &State,
    session_id: &str,
    organization_id: Option<&str>,
    issued_at: SystemTime,
    lifetime: Duration,
) -> Map<String, Value> {
    let session = state.sessions.get(session_id).expect("sessions are never forgotten");
    let user =
        state.directory.user(&session.user_id).expect("the session of a removed user has ended");
    let subject = Subject {
        issuer: &state.config.issuer,
        client_id: &state.config.client_id,
        user,
        session,
        organization_id,
    };
    token::claims(&subject, &state.directory, issued_at, lifetime)
}

/// Whether a session of the user may be in the organization.
pub(crate) fn check_organization(
    directory: &Directory,
    user_id: &str,
    organization_id: &str,
) -> Result<(), ApiError> {
    if !organization_id.starts_with("org_") {
        let message = format!("'{organization_id}' is not an organization id.");
        return Err(ApiError::bad_request("invalid_organization_id", message));
    }
    if directory.organization(organization_id).is_none() {
        let description = format!("The organization '{organization_id}' was not found.");
        return Err(ApiError::oauth("organization_not_found", description));
    }
    if directory.membership(user_id, organization_id).is_none() {
        let description =
            format!("The user is not a member of the organization '{organization_id}'.");
        return Err(ApiError::oauth("organization_membership_not_found", description));
    }
    Ok(())
}

fn issue(
    state: &mut State,
    session_id: &str,
    organization_id: Option<&str>,
    twist: &Twist,
) -> Value {
    let refresh_token = state.sessions.issue_token(session_id);
    let now = state.now();
    let issued_at = match twist {
        Twist::ClockAhead(by) => now.checked_add(*by).unwrap_or(now),
        Twist::ClockBehind(by) => now.checked_sub(*by).unwrap_or(now),
        Twist::None | Twist::StrictRotation | Twist::NewSessionId | Twist::NoRefreshToken => now,
    };
    let claims = claims(state, session_id, organization_id, issued_at, state.token_ttl);
    let session = state.sessions.get(session_id).expect("sessions are never forgotten");
    let user = state.directory.user(&session.user_id);
    let key = state.keys.signing();
    let mut answer = json!({
        "user": user.map(|user| user.to_json()),
        "access_token": key.sign(&key.header(), &Value::Object(claims)),
        "refresh_token": refresh_token,
        "authentication_method": session.method,
    });
    if let Some(organization_id) = organization_id {
        answer["organization_id"] = json!(organization_id);
    }
    if let Some(impersonator) = &session.impersonator {
        answer["impersonator"] = impersonator.to_json();
    }
    answer
}

fn grace(state: &State, twist: &Twist) -> Duration {
    match (twist, state.rotation) {
        (Twist::StrictRotation, _) | (_, Rotation::Strict) => Duration::ZERO,
        (_, Rotation::Grace(grace)) => grace,
    }
}

/// Whether the session of an earlier answer goes on. It may not be the spent token's: a fault can change the id.
fn is_answer_alive(state: &State, answer: &Value) -> bool {
    let successor = answer["refresh_token"].as_str().and_then(|token| state.sessions.token(token));
    let session: Option<&Session> =
        successor.and_then(|token| state.sessions.get(token.session_id()));
    session.is_some_and(|session| !session.is_over(state.now()))
}

fn without_refresh_token(mut answer: Value, twist: &Twist) -> Value {
    if let (Twist::NoRefreshToken, Value::Object(fields)) = (twist, &mut answer) {
        fields.remove("refresh_token");
    }
    answer
}

fn invalid_refresh_token() -> ApiError {
    ApiError::invalid_grant("Invalid refresh token.")
}

/// Bounds what a long run holds on to; a forgotten token is refused like a retired one.
const REMEMBER_RETIRED: Duration = Duration::from_secs(10 * 60);
