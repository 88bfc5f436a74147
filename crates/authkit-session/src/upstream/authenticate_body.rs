use serde::Serialize;

use crate::upstream::own_api_key::OwnApiKey;

/// The body of `POST /user_management/authenticate`.
#[derive(Serialize)]
pub(super) struct Authenticate<'a> {
    pub(super) client_id: &'a str,
    pub(super) client_secret: &'a str,
    pub(super) grant_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code_verifier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refresh_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) organization_id: Option<&'a str>,
}

impl<'a> Authenticate<'a> {
    /// A body with our credentials and the grant type. The caller adds what the grant needs.
    pub(super) fn of(client_id: &'a str, api_key: &'a OwnApiKey, grant_type: &'static str) -> Self {
        Self {
            client_id,
            client_secret: api_key.secret.expose(),
            grant_type,
            code: None,
            code_verifier: None,
            refresh_token: None,
            organization_id: None,
        }
    }
}
