//! The exchanges of `POST /user_management/authenticate` that begin a session.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    api_error::ApiError,
    ids,
    state::{ClientKind, CodeOutcome, NewSession, Organization, State, StepUp, pairs},
    twist::Twist,
};

/// An `authorization_code` exchange.
#[derive(Clone, Copy)]
pub(crate) struct CodeExchange<'a> {
    pub(crate) code: &'a str,
    pub(crate) verifier: Option<&'a str>,
    pub(crate) client: ClientKind,
    pub(crate) user_agent: Option<&'a str>,
}

/// The step that continues a sign-in which stopped with a 403.
#[derive(Clone, Copy)]
pub(crate) enum StepUpAnswer<'a> {
    Organization(&'a str),
    VerificationCode(&'a str),
}

/// Issues a code without a sign-in request, and so without PKCE, for a user and the user's first organization.
pub(crate) fn code_for(state: &mut State, user_id: String) -> String {
    let organizations = state.directory.organizations_of(&user_id);
    let organization_id = organizations.first().map(|organization| organization.id.clone());
    let (method, now) = ("Password".to_owned(), state.now());
    state.codes.issue(CodeOutcome::SignIn { user_id, organization_id, method }, None, now)
}

/// Exchanges a code. A failed exchange does not spend the code, so a client may try again with the right verifier.
pub(crate) fn by_code(
    state: &mut State,
    exchange: CodeExchange<'_>,
    twist: &Twist,
) -> Result<Value, ApiError> {
    let now = state.now();
    let code = state.codes.code(exchange.code, now).ok_or_else(invalid_code)?.clone();
    match (&code.challenge, exchange.verifier) {
        (Some(challenge), Some(verifier)) if *challenge == challenge_of(verifier) => {}
        (Some(_), Some(_)) => return Err(invalid_code()),
        (Some(_), None) => return Err(ApiError::invalid_request("code_verifier is required.")),
        (None, Some(_)) => {
            let message = "The code was requested without a code challenge.";
            return Err(ApiError::bad_request("code_challenge_not_found", message));
        }
        (None, None) if exchange.client == ClientKind::Public => {
            return Err(ApiError::unauthorized());
        }
        (None, None) => {}
    }
    match code.outcome {
        CodeOutcome::SignIn { user_id, organization_id, method } => {
            if state.directory.user(&user_id).is_none() {
                return Err(invalid_code());
            }
            state.codes.spend(exchange.code);
            let session = NewSession {
                user_id,
                organization_id,
                method,
                client: exchange.client,
                user_agent: exchange.user_agent.map(str::to_owned),
            };
            Ok(pairs::sign_in(state, session, twist))
        }
        CodeOutcome::Refused => Err(invalid_code()),
        CodeOutcome::Unavailable => {
            Err(ApiError::plain(StatusCode::SERVICE_UNAVAILABLE, "Service temporarily unavailable"))
        }
    }
}

pub(crate) fn by_password(
    state: &mut State,
    email: &str,
    password: &str,
    user_agent: Option<&str>,
    twist: &Twist,
) -> Result<Value, ApiError> {
    let user = state.directory.user_by_email(email);
    let Some(user) = user.filter(|user| user.password.as_deref() == Some(password)) else {
        return Err(ApiError::bad_request(
            "invalid_credentials",
            format!("Invalid credentials for '{email}'."),
        ));
    };
    let user_id = user.id.clone();
    if !user.email_verified {
        return Err(ask_for_verification(state, &user_id));
    }
    sign_in_by_password(state, user_id, user_agent, twist)
}

/// Continues a sign-in that stopped with a 403.
pub(crate) fn by_step_up(
    state: &mut State,
    pending_token: &str,
    answer: StepUpAnswer<'_>,
    user_agent: Option<&str>,
    twist: &Twist,
) -> Result<Value, ApiError> {
    let invalid = || {
        let message = "The pending authentication token is invalid or has expired.";
        ApiError::bad_request("invalid_pending_authentication_token", message)
    };
    let pending = state.codes.pending(pending_token, state.now()).cloned().ok_or_else(invalid)?;
    match (answer, pending.step_up) {
        (StepUpAnswer::Organization(organization_id), StepUp::Organization) => {
            pairs::check_organization(&state.directory, &pending.user_id, organization_id)?;
            state.codes.resume(pending_token);
            let session =
                password_session(pending.user_id, Some(organization_id.to_owned()), user_agent);
            Ok(pairs::sign_in(state, session, twist))
        }
        (StepUpAnswer::VerificationCode(given), StepUp::Verification { code }) => {
            if given != code {
                return Err(ApiError::bad_request(
                    "invalid_one_time_code",
                    "Invalid one-time code.",
                ));
            }
            state.codes.resume(pending_token);
            let user = state.directory.user_mut(&pending.user_id).ok_or_else(invalid)?;
            user.email_verified = true;
            sign_in_by_password(state, pending.user_id, user_agent, twist)
        }
        (StepUpAnswer::Organization(_) | StepUpAnswer::VerificationCode(_), _) => Err(invalid()),
    }
}

fn sign_in_by_password(
    state: &mut State,
    user_id: String,
    user_agent: Option<&str>,
    twist: &Twist,
) -> Result<Value, ApiError> {
    let organizations = state.directory.organizations_of(&user_id);
    let organization_id = match organizations.as_slice() {
        [] => None,
        [only] => Some(only.id.clone()),
        several => {
            let choice = |organization: &&Organization| json!({ "id": organization.id, "name": organization.name });
            let choices: Vec<Value> = several.iter().map(choice).collect();
            return Err(ask_for_organization(state, &user_id, &choices));
        }
    };
    Ok(pairs::sign_in(state, password_session(user_id, organization_id, user_agent), twist))
}

fn ask_for_organization(state: &mut State, user_id: &str, choices: &[Value]) -> ApiError {
    let pending = state.codes.suspend(user_id, StepUp::Organization, state.now());
    let message = "The user must choose an organization to finish their authentication.";
    ApiError::coded(StatusCode::FORBIDDEN, "organization_selection_required", message)
        .with("pending_authentication_token", json!(pending))
        .with("organizations", json!(choices))
        .with("user", json!(state.directory.user(user_id).map(|user| user.to_json())))
}

fn ask_for_verification(state: &mut State, user_id: &str) -> ApiError {
    let now = state.now();
    let pending = state.codes.suspend(user_id, StepUp::verification(), now);
    let message = "Email ownership must be verified before authentication.";
    ApiError::coded(StatusCode::FORBIDDEN, "email_verification_required", message)
        .with("pending_authentication_token", json!(pending))
        .with("email_verification_id", json!(ids::object_id("email_verification", now)))
        .with("email", json!(state.directory.user(user_id).map(|user| &user.email)))
}

fn password_session(
    user_id: String,
    organization_id: Option<String>,
    user_agent: Option<&str>,
) -> NewSession {
    NewSession {
        user_id,
        organization_id,
        method: "Password".to_owned(),
        client: ClientKind::Confidential,
        user_agent: user_agent.map(str::to_owned),
    }
}

/// RFC 7636 section 4.6, S256.
pub(crate) fn challenge_of(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()))
}

fn invalid_code() -> ApiError {
    ApiError::invalid_grant("The code has expired or is invalid.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_rfc_7636s() {
        let challenge = challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
