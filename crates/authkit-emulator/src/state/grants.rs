//! The exchanges of `POST /user_management/authenticate`.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::{
    api_error::ApiError,
    builder::Rotation,
    state::{ClientKind, CodeOutcome, NewSession, State, TokenState},
    token::{self, Subject},
};

/// A fault that changes what an exchange does rather than how the answer travels.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Twist {
    #[default]
    None,
    StrictRotation,
    NewSessionId,
    NoRefreshToken,
    ClockAhead(Duration),
    ClockBehind(Duration),
}

/// An `authorization_code` exchange.
#[derive(Clone, Copy)]
pub(crate) struct CodeExchange<'a> {
    pub(crate) code: &'a str,
    pub(crate) verifier: Option<&'a str>,
    pub(crate) client: ClientKind,
    pub(crate) user_agent: Option<&'a str>,
}

impl State {
    pub(crate) fn exchange_code(
        &mut self,
        exchange: CodeExchange<'_>,
        twist: Twist,
    ) -> Result<Value, ApiError> {
        let now = self.now();
        let code = self.codes.code(exchange.code, now).ok_or_else(invalid_code)?.clone();
        match (&code.challenge, exchange.verifier) {
            (Some(challenge), Some(verifier)) if *challenge == challenge_of(verifier) => {}
            (Some(_), Some(_)) => return Err(invalid_code()),
            (Some(_), None) => return Err(ApiError::invalid_request("code_verifier is required.")),
            (None, Some(_)) => {
                return Err(ApiError::coded(
                    StatusCode::BAD_REQUEST,
                    "code_challenge_not_found",
                    "The code was requested without a code challenge.",
                ));
            }
            (None, None) => {}
        }
        if code.challenge.is_none() && exchange.client == ClientKind::Public {
            return Err(ApiError::unauthorized());
        }
        match code.outcome {
            CodeOutcome::SignIn { user_id, organization_id, method } => {
                let user = self.directory.user(&user_id).ok_or_else(invalid_code)?;
                let impersonator = user.impersonator.clone();
                let method =
                    if impersonator.is_some() { "Impersonation".to_owned() } else { method };
                self.codes.spend(exchange.code);
                let sign_in = NewSession {
                    user_id,
                    organization_id,
                    impersonator,
                    method,
                    client: exchange.client,
                    user_agent: exchange.user_agent.map(str::to_owned),
                };
                Ok(self.sign_in(sign_in, twist))
            }
            CodeOutcome::Refused => Err(invalid_code()),
            CodeOutcome::Unavailable => Err(ApiError::plain(
                StatusCode::SERVICE_UNAVAILABLE,
                "Service temporarily unavailable",
            )),
        }
    }

    pub(crate) fn exchange_password(
        &mut self,
        email: &str,
        password: &str,
        user_agent: Option<&str>,
        twist: Twist,
    ) -> Result<Value, ApiError> {
        let user = self
            .directory
            .user_by_email(email)
            .filter(|user| user.password.as_deref() == Some(password));
        let Some(user) = user else {
            let message = format!("Invalid credentials for '{email}'.");
            return Err(ApiError::coded(StatusCode::BAD_REQUEST, "invalid_credentials", message));
        };
        let (user_id, impersonator) = (user.id.clone(), user.impersonator.clone());
        let organizations = self.directory.organizations_of(&user_id);
        let organization_id = match organizations.as_slice() {
            [] => None,
            [only] => Some(only.id.clone()),
            several => {
                let choices: Vec<_> = several
                    .iter()
                    .map(|organization| json!({ "id": organization.id, "name": organization.name }))
                    .collect();
                let user = user.to_json();
                let pending = self.codes.suspend(&user_id, "Password", self.now());
                let message =
                    "The user must choose an organization to finish their authentication.";
                return Err(ApiError::coded(
                    StatusCode::FORBIDDEN,
                    "organization_selection_required",
                    message,
                )
                .with("pending_authentication_token", json!(pending))
                .with("organizations", json!(choices))
                .with("user", user));
            }
        };
        let sign_in = NewSession {
            user_id,
            organization_id,
            impersonator,
            method: "Password".to_owned(),
            client: ClientKind::Confidential,
            user_agent: user_agent.map(str::to_owned),
        };
        Ok(self.sign_in(sign_in, twist))
    }

    /// Goes on with a sign-in that was answered with `organization_selection_required`.
    pub(crate) fn exchange_selection(
        &mut self,
        pending_token: &str,
        organization_id: &str,
        user_agent: Option<&str>,
        twist: Twist,
    ) -> Result<Value, ApiError> {
        let Some(pending) = self.codes.pending(pending_token, self.now()).cloned() else {
            return Err(ApiError::coded(
                StatusCode::BAD_REQUEST,
                "invalid_pending_authentication_token",
                "The pending authentication token is invalid or has expired.",
            ));
        };
        self.check_organization(&pending.user_id, organization_id)?;
        self.codes.resume(pending_token);
        let impersonator =
            self.directory.user(&pending.user_id).and_then(|user| user.impersonator.clone());
        let sign_in = NewSession {
            user_id: pending.user_id,
            organization_id: Some(organization_id.to_owned()),
            impersonator,
            method: pending.method,
            client: ClientKind::Confidential,
            user_agent: user_agent.map(str::to_owned),
        };
        Ok(self.sign_in(sign_in, twist))
    }

    /// Rotates a refresh token. A retired one is answered as before while the grace lasts.
    pub(crate) fn exchange_refresh_token(
        &mut self,
        token: &str,
        organization_id: Option<&str>,
        client: ClientKind,
        twist: Twist,
    ) -> Result<Value, ApiError> {
        let now = self.now();
        let grace = match (twist, self.rotation) {
            (Twist::StrictRotation, _) | (_, Rotation::Strict) => Duration::ZERO,
            (_, Rotation::Grace(grace)) => grace,
        };
        let state = self.sessions.token(token).ok_or_else(invalid_refresh_token)?;
        let session = self.sessions.get(state.session_id()).ok_or_else(invalid_refresh_token)?;
        if session.client == ClientKind::Confidential && client == ClientKind::Public {
            return Err(ApiError::unauthorized());
        }
        let replay = match state {
            TokenState::Live { .. } => None,
            TokenState::Retired { at, answer, .. } => {
                let within = now.duration_since(*at).unwrap_or_default() < grace;
                Some(answer.clone())
                    .filter(|_| within)
                    .ok_or_else(invalid_refresh_token)
                    .map(Some)?
            }
        };
        // A replay names the session by the answer, since a fault may have given it another id.
        let is_over = |session: &crate::state::Session| session.is_over(now);
        if let Some(answer) = replay {
            let successor =
                answer["refresh_token"].as_str().and_then(|token| self.sessions.token(token));
            let alive = successor
                .and_then(|state| self.sessions.get(state.session_id()))
                .is_some_and(|s| !is_over(s));
            return if alive {
                Ok(without_refresh_token(answer, twist))
            } else {
                Err(invalid_refresh_token())
            };
        }
        if is_over(session) || self.directory.user(&session.user_id).is_none() {
            return Err(invalid_refresh_token());
        }
        let organization_id =
            organization_id.map(str::to_owned).or_else(|| session.organization_id.clone());
        let (mut session_id, user_id) = (session.id.clone(), session.user_id.clone());
        if let Some(organization_id) = &organization_id {
            self.check_organization(&user_id, organization_id)?;
        }
        if twist == Twist::NewSessionId {
            session_id =
                self.sessions.renew(&session_id, now).ok_or_else(invalid_refresh_token)?.id;
        }
        let answer = self.issue(&session_id, organization_id.as_deref(), twist);
        let forget_before = now.checked_sub(FORGET_RETIRED_AFTER).unwrap_or(now);
        self.sessions.retire_token(token, answer.clone(), now, forget_before);
        self.exchanges += 1;
        Ok(without_refresh_token(answer, twist))
    }

    /// Starts a session and issues its first pair.
    pub(crate) fn sign_in(&mut self, sign_in: NewSession, twist: Twist) -> Value {
        let now = self.now();
        if let Some(user) = self.directory.user_mut(&sign_in.user_id) {
            user.last_sign_in_at = Some(now);
            user.updated_at = now;
        }
        let organization_id = sign_in.organization_id.clone();
        let session = self.sessions.begin(sign_in, now);
        let answer = self.issue(&session.id, organization_id.as_deref(), twist);
        without_refresh_token(answer, twist)
    }

    /// Issues a pair for a session that exists: the body of a 200.
    fn issue(&mut self, session_id: &str, organization_id: Option<&str>, twist: Twist) -> Value {
        let refresh_token = self.sessions.issue_token(session_id);
        let now = self.now();
        let issued_at = match twist {
            Twist::ClockAhead(by) => now.checked_add(by).unwrap_or(now),
            Twist::ClockBehind(by) => now.checked_sub(by).unwrap_or(now),
            Twist::None | Twist::StrictRotation | Twist::NewSessionId | Twist::NoRefreshToken => {
                now
            }
        };
        let claims = self.claims_at(session_id, organization_id, issued_at, self.token_ttl);
        let session = self.sessions.get(session_id).expect("the caller has found the session");
        let user = self.directory.user(&session.user_id).expect("the caller has found the user");
        let key = self.keys.signing();
        let mut answer = json!({
            "user": user.to_json(),
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

    pub(crate) fn claims_at(
        &self,
        session_id: &str,
        organization_id: Option<&str>,
        issued_at: std::time::SystemTime,
        lifetime: Duration,
    ) -> Map<String, Value> {
        let session = self.sessions.get(session_id).expect("the caller has found the session");
        let user = self.directory.user(&session.user_id).expect("the caller has found the user");
        let subject = Subject {
            issuer: &self.config.issuer,
            client_id: &self.config.client_id,
            user,
            session,
            organization_id,
        };
        token::claims(&subject, &self.directory, issued_at, lifetime)
    }

    fn check_organization(&self, user_id: &str, organization_id: &str) -> Result<(), ApiError> {
        if !organization_id.starts_with("org_") {
            let message = format!("'{organization_id}' is not an organization id.");
            return Err(ApiError::coded(
                StatusCode::BAD_REQUEST,
                "invalid_organization_id",
                message,
            ));
        }
        if self.directory.organization(organization_id).is_none() {
            let description = format!("The organization '{organization_id}' was not found.");
            return Err(ApiError::oauth("organization_not_found", description));
        }
        if self.directory.membership(user_id, organization_id).is_none() {
            let description =
                format!("The user is not a member of the organization '{organization_id}'.");
            return Err(ApiError::oauth("organization_membership_not_found", description));
        }
        Ok(())
    }
}

/// RFC 7636 section 4.6, S256.
fn challenge_of(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()))
}

fn without_refresh_token(mut answer: Value, twist: Twist) -> Value {
    if let (Twist::NoRefreshToken, Value::Object(fields)) = (twist, &mut answer) {
        fields.remove("refresh_token");
    }
    answer
}

fn invalid_code() -> ApiError {
    ApiError::invalid_grant("The code has expired or is invalid.")
}

fn invalid_refresh_token() -> ApiError {
    ApiError::invalid_grant("Invalid refresh token.")
}

/// Longer than any grace that a test would set; bounds what a long run remembers.
const FORGET_RETIRED_AFTER: Duration = Duration::from_secs(10 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_rfc_7636s() {
        let challenge = challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
