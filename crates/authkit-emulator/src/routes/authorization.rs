use std::collections::HashMap;

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

use crate::{
    pages::{self, Purpose},
    redirects,
    state::State,
};

pub(super) type Parameters = HashMap<String, String>;

/// An authorization request with a valid client and redirect URI.
pub(super) struct Authorization<'a> {
    pub(super) redirect_uri: &'a str,
    pub(super) state: Option<&'a str>,
    pub(super) provider: Option<&'a str>,
    pub(super) organization_id: Option<&'a str>,
    pub(super) login_hint: Option<&'a str>,
    pub(super) purpose: Purpose,
    pub(super) challenge: Option<&'a str>,
}

/// How a request is refused that gets no sign-in page.
pub(super) enum Refused {
    /// With a page, since there is no safe address to redirect to.
    Page(&'static str),
    /// With a redirect to the application that carries the error.
    Redirect(String),
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Page(text) => pages::refusal(text),
            Self::Redirect(uri) => (StatusCode::FOUND, [(header::LOCATION, uri)]).into_response(),
        }
    }
}

impl<'a> Authorization<'a> {
    pub(super) fn parse(parameters: &'a Parameters, state: &State) -> Result<Self, Refused> {
        let field =
            |name: &str| parameters.get(name).map(String::as_str).filter(|value| !value.is_empty());
        if field("client_id") != Some(&state.config.client_id) {
            return Err(Refused::Page("The client_id is not this emulator's."));
        }
        let redirect_uri =
            field("redirect_uri").ok_or(Refused::Page("The redirect_uri is missing."))?;
        if !redirects::may_redirect_to(redirect_uri, &state.config) {
            return Err(Refused::Page(
                "The redirect_uri is not an absolute http(s) address, or not one of the seed's redirect_uris.",
            ));
        }
        let request = Self {
            redirect_uri,
            state: field("state"),
            provider: field("provider"),
            organization_id: field("organization_id"),
            login_hint: field("login_hint"),
            purpose: if field("screen_hint") == Some("sign-up") {
                Purpose::SignUp
            } else {
                Purpose::SignIn
            },
            challenge: field("code_challenge"),
        };
        let refused =
            |error, description| Err(Refused::Redirect(request.error_uri(error, description)));
        if field("response_type") != Some("code") {
            return refused("invalid_request", "The response_type must be code.");
        }
        if request.provider.is_none()
            && request.organization_id.is_none()
            && field("connection_id").is_none()
        {
            return refused(
                "invalid_connection_selector",
                "One of provider, connection_id and organization_id is required.",
            );
        }
        match (request.challenge, field("code_challenge_method")) {
            (Some(challenge), Some("S256")) if is_challenge(challenge) => {}
            (None, None) => {}
            (Some(_) | None, _) => {
                return refused("invalid_request", "PKCE needs a code_challenge by S256.");
            }
        }
        if request.organization_id.is_some_and(|id| state.directory.organization(id).is_none()) {
            return refused("organization_invalid", "There is no such organization.");
        }
        Ok(request)
    }

    pub(super) fn error_uri(&self, error: &str, description: &str) -> String {
        let parameters = [("error", error), ("error_description", description)];
        redirects::with_query(self.redirect_uri, &self.with_state(&parameters))
    }

    pub(super) fn with_state<'b>(
        &'b self,
        parameters: &[(&'b str, &'b str)],
    ) -> Vec<(&'b str, &'b str)> {
        parameters.iter().copied().chain(self.state.map(|state| ("state", state))).collect()
    }
}

/// An S256 challenge is 43 characters of base64url.
fn is_challenge(text: &str) -> bool {
    text.len() == 43
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}
