use std::{fmt, sync::Arc, time::SystemTime};

use serde::de::DeserializeOwned;

use crate::{
    connect::claims::ConnectClaims,
    error::{Error, ErrorKind},
    token::{AccessToken, TokenIdentity, jwt, verified::at},
};

/// A verified access token of an AuthKit domain.
pub(crate) struct ConnectToken {
    pub(crate) claims: ConnectClaims,
    pub(crate) access_token: AccessToken,
}

impl ConnectToken {
    /// The custom claims of the customer's JWT template.
    fn custom_claims<T: DeserializeOwned>(&self) -> Result<T, Error> {
        jwt::payload(self.access_token.expose())
            .and_then(|payload| serde_json::from_str(&payload).ok())
            .ok_or_else(|| Error::new(ErrorKind::Claims))
    }

    /// What a revocation can hit. An application that acts for itself has no user.
    pub(crate) fn identity(&self) -> TokenIdentity<'_> {
        TokenIdentity {
            subject: Some(&self.claims.sub),
            session: None,
            organization: self.claims.org_id.as_deref(),
            issued_at: self.claims.iat,
        }
    }
}

/// A verified token of a machine: an application that acts for itself (M2M), in one organization.
///
/// Its [`Debug`] output shows ids only. Cloning it is cheap.
#[derive(Clone)]
pub struct VerifiedMachine(pub(crate) Arc<ConnectToken>);

impl VerifiedMachine {
    /// The application's client id (`client_…`).
    pub fn client_id(&self) -> &str {
        &self.0.claims.sub
    }

    /// The organization that the application belongs to (`org_…`).
    pub fn organization_id(&self) -> Option<&str> {
        self.0.claims.org_id.as_deref()
    }

    /// What the token is for.
    pub fn scopes(&self) -> &[String] {
        &self.0.claims.scopes
    }

    /// When the token expires.
    pub fn expires_at(&self) -> SystemTime {
        at(self.0.claims.exp)
    }

    /// When the token was issued.
    pub fn issued_at(&self) -> SystemTime {
        at(self.0.claims.iat)
    }

    /// Reads claims that this type has no method for.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Claims`] if they do not have the form of `T`.
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, Error> {
        self.0.custom_claims()
    }

    pub(crate) fn identity(&self) -> TokenIdentity<'_> {
        self.0.identity()
    }
}

impl fmt::Debug for VerifiedMachine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedMachine")
            .field("client_id", &self.client_id())
            .field("organization_id", &self.organization_id())
            .finish_non_exhaustive()
    }
}

/// A verified token of an OAuth application that acts for a user, such as an MCP client.
///
/// Its scopes say what the application may do; the token has no roles and permissions of the user. Its [`Debug`] output
/// shows ids only. Cloning it is cheap.
#[derive(Clone)]
pub struct VerifiedClient(pub(crate) Arc<ConnectToken>);

impl VerifiedClient {
    /// The user for whom the application acts (`user_…`).
    pub fn user_id(&self) -> &str {
        &self.0.claims.sub
    }

    /// The application's client id: `client_…`, or the URL of its metadata document.
    pub fn client_id(&self) -> Option<&str> {
        self.0.claims.client_id.as_deref()
    }

    /// The organization that the user has chosen (`org_…`).
    pub fn organization_id(&self) -> Option<&str> {
        self.0.claims.org_id.as_deref()
    }

    /// What the user has allowed the application.
    pub fn scopes(&self) -> &[String] {
        &self.0.claims.scopes
    }

    /// Who impersonated the user when the token was issued, by e-mail address.
    pub fn impersonator(&self) -> Option<&str> {
        self.0.claims.impersonator.as_deref()
    }

    /// When the token expires.
    pub fn expires_at(&self) -> SystemTime {
        at(self.0.claims.exp)
    }

    /// When the token was issued.
    pub fn issued_at(&self) -> SystemTime {
        at(self.0.claims.iat)
    }

    /// Reads claims that this type has no method for.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Claims`] if they do not have the form of `T`.
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, Error> {
        self.0.custom_claims()
    }

    pub(crate) fn identity(&self) -> TokenIdentity<'_> {
        self.0.identity()
    }
}

impl fmt::Debug for VerifiedClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedClient")
            .field("user_id", &self.user_id())
            .field("client_id", &self.client_id())
            .field("organization_id", &self.organization_id())
            .finish_non_exhaustive()
    }
}
