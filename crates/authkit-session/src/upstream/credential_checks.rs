//! The calls to WorkOS that check a credential which a client presents in its `Authorization` field.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use url::form_urlencoded;

use crate::{
    meter::CallPurpose,
    secret::Secret,
    upstream::{
        budget::CallClass, client::Client, error_answer::UpstreamError, observed_call::observed,
    },
};

/// Checks credentials at WorkOS, within the budget of all calls.
#[derive(Clone, Debug)]
pub(crate) struct CredentialChecks {
    client: Client,
}

/// The credentials of an OAuth application at the introspection endpoint.
#[derive(Clone, Debug)]
pub(crate) struct ClientCredentials {
    pub(crate) client_id: Box<str>,
    pub(crate) client_secret: Secret,
}

impl CredentialChecks {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Whether a presented key is this service's own key and not a customer's.
    pub(crate) fn is_own_api_key(&self, presented: &str) -> bool {
        self.client.is_own_api_key(presented)
    }

    /// Validates a customer's API key: `POST /api_keys/validations`.
    pub(crate) async fn validate_api_key(&self, key: &Secret) -> Result<Bytes, UpstreamError> {
        #[derive(Serialize)]
        struct ValidationBody<'a> {
            value: &'a str,
        }
        let _permit = self.client.permit(CallClass::Credential, CHECK_PATIENCE).await?;
        let body = ValidationBody { value: key.expose() };
        let call = self.client.post_json(&["api_keys", "validations"], &body, CHECK_DEADLINE);
        observed(self.client.meter(), CallPurpose::Credential, call).await
    }

    /// Introspects an access token at an AuthKit domain (RFC 7662).
    pub(crate) async fn introspect(
        &self,
        url: &str,
        credentials: &ClientCredentials,
        token: &str,
    ) -> Result<Bytes, UpstreamError> {
        let _permit = self.client.permit(CallClass::Credential, CHECK_PATIENCE).await?;
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("token", token)
            .append_pair("token_type_hint", "access_token")
            .append_pair("client_id", &credentials.client_id)
            .append_pair("client_secret", credentials.client_secret.expose())
            .finish();
        let call = self.client.post_form(url, body, CHECK_DEADLINE);
        observed(self.client.meter(), CallPurpose::Credential, call).await
    }
}

/// How long a check waits for the budget.
const CHECK_PATIENCE: Duration = Duration::from_millis(1_500);
/// How long the call may take. With the wait before it, less than a request waits.
const CHECK_DEADLINE: Duration = Duration::from_secs(4);
