//! Pairs of an access token and a refresh token: a sign-in issues one, and a refresh rotates it.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use crate::{
    api_error::ApiError,
    config::Rotation,
    state::{
        ClientKind, Directory, NewSession, Replay, State, TokenState,
        token::{self, Subject},
    },
    twist::Twist,
};

/// Starts a session, issues its first pair, and returns the body of a 200.
pub(crate) fn sign_in(state: &mut State, session: NewSession, twist: &Twist) -> Value {
    let organization_id = session.organization_id.clone();
    let session_id = begin(state, session);
    twisted(issue(state, &session_id, organization_id.as_deref(), twist), twist)
}

/// Starts a session without tokens, and returns its id.
pub(crate) fn begin(state: &mut State, mut session: NewSession) -> String {
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
    let session_id = state.sessions.begin(session, impersonator, now);
    if let Some(session) = state.sessions.get(&session_id) {
        state.webhooks.emit("session.created", &session.to_json(now), now);
    }
    session_id
}

/// Rotates a refresh token. While the grace lasts, a retired token gets the answer of its exchange again.
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
    if let TokenState::Retired { at, replay, .. } = token_state {
        let within_grace = now.duration_since(*at).unwrap_or_default() < grace(state, twist);
        let goes_on =
            state.sessions.get(&replay.session_id).is_some_and(|session| !session.is_over(now));
        return if within_grace && goes_on {
            Ok(twisted(replay.answer.clone(), twist))
        } else {
            Err(invalid_refresh_token())
        };
    }
    if session.is_over(now) {
        return Err(invalid_refresh_token());
    }
    // If the request names no organization, the one of the sign-in.
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
    let replay = Replay { answer: answer.clone(), session_id };
    state.sessions.retire_token(token, replay, now, remembered);
    state.counts.exchanges += 1;
    Ok(twisted(answer, twist))
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
        Twist::None
        | Twist::StrictRotation
        | Twist::NewSessionId
        | Twist::Claims(_)
        | Twist::Fields(_) => now,
    };
    let mut claims = claims(state, session_id, organization_id, issued_at, state.token_ttl);
    if let Twist::Claims(overrides) = twist {
        overrides.apply(&mut claims);
    }
    let key = state.keys.signing();
    let access_token = key.sign(&key.header(), &Value::Object(claims));
    Value::Object(answer(state, session_id, organization_id, &access_token, &refresh_token))
}

/// The body of a 200 of `authenticate`.
pub(crate) fn answer(
    state: &State,
    session_id: &str,
    organization_id: Option<&str>,
    access_token: &str,
    refresh_token: &str,
) -> Map<String, Value> {
    let session = state.sessions.get(session_id).expect("sessions are never forgotten");
    let user = state.directory.user(&session.user_id);
    let mut answer = Map::from_iter([
        ("user".to_owned(), json!(user.map(|user| user.to_json()))),
        ("access_token".to_owned(), json!(access_token)),
        ("refresh_token".to_owned(), json!(refresh_token)),
        ("authentication_method".to_owned(), json!(session.method)),
    ]);
    if let Some(organization_id) = organization_id {
        answer.insert("organization_id".to_owned(), json!(organization_id));
    }
    if let Some(impersonator) = &session.impersonator {
        answer.insert("impersonator".to_owned(), impersonator.to_json());
    }
    if let Some(user) = user {
        user.answer.apply(&mut answer);
    }
    answer
}

fn grace(state: &State, twist: &Twist) -> Duration {
    match (twist, state.rotation) {
        (Twist::StrictRotation, _) | (_, Rotation::Strict) => Duration::ZERO,
        (_, Rotation::Grace(grace)) => grace,
    }
}

/// The answer with the changes of a fault.
fn twisted(mut answer: Value, twist: &Twist) -> Value {
    if let (Twist::Fields(overrides), Value::Object(members)) = (twist, &mut answer) {
        overrides.apply(members);
    }
    answer
}

fn invalid_refresh_token() -> ApiError {
    ApiError::invalid_grant("Invalid refresh token.")
}

/// How long a retired token is remembered, which bounds memory. A forgotten token is refused, like a retired one after
/// its grace.
const REMEMBER_RETIRED: Duration = Duration::from_secs(10 * 60);
