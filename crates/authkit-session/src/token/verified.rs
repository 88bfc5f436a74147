use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    error::{Error, ErrorKind},
    token::{AccessToken, TokenIdentity, jwt, keys::KeyId},
    user::{Impersonator, null_is_default},
};

/// An access token that was verified: signature, time and kind, and what it says of its user.
///
/// It cannot be made outside this crate, so holding one is proof. Its [`Debug`] output shows ids only.
#[derive(Clone)]
pub struct VerifiedToken {
    pub(crate) claims: Claims,
    pub(crate) impersonator: Option<Impersonator>,
    pub(crate) access_token: AccessToken,
    /// What its signature was verified with.
    pub(crate) key: KeyId,
}

impl VerifiedToken {
    /// The user's id (`sub`).
    pub fn user_id(&self) -> &str {
        &self.claims.sub
    }

    /// The session's id (`sid`).
    pub fn session_id(&self) -> &str {
        &self.claims.sid
    }

    /// The organization that the user is signed in to (`org_id`).
    pub fn organization_id(&self) -> Option<&str> {
        self.claims.org_id.as_deref()
    }

    /// The user's role in the organization (`role`).
    pub fn role(&self) -> Option<&str> {
        self.claims.role.as_deref()
    }

    /// All of the user's roles in the organization (`roles`).
    pub fn roles(&self) -> &[String] {
        &self.claims.roles
    }

    /// What the user may do in the organization (`permissions`).
    pub fn permissions(&self) -> &[String] {
        &self.claims.permissions
    }

    /// What the organization has bought (`entitlements`).
    pub fn entitlements(&self) -> &[String] {
        &self.claims.entitlements
    }

    /// The feature flags that are on for the user (`feature_flags`).
    pub fn feature_flags(&self) -> &[String] {
        &self.claims.feature_flags
    }

    /// Who uses the session in the user's stead, as the signed `act` claim says.
    pub fn impersonator(&self) -> Option<&Impersonator> {
        self.impersonator.as_ref()
    }

    /// When the access token ends (`exp`). A refresh comes before.
    pub fn expires_at(&self) -> SystemTime {
        at(self.claims.exp)
    }

    /// When the access token was made (`iat`).
    pub fn issued_at(&self) -> SystemTime {
        at(self.claims.iat)
    }

    /// When the user last signed in interactively (`auth_time`); a refresh leaves it as it is.
    pub fn auth_time(&self) -> Option<SystemTime> {
        self.claims.auth_time.map(at)
    }

    /// The access token, to call another service in the user's name.
    pub fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    /// Who the token belongs to, and when it was issued.
    pub(crate) fn identity(&self) -> TokenIdentity<'_> {
        TokenIdentity {
            subject: Some(self.user_id()),
            session: Some(self.session_id()),
            organization: self.organization_id(),
            issued_at: self.claims.iat,
        }
    }

    /// Reads the token's claims into a type of your own, as those that a JWT template adds.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Claims`] where they do not have that shape.
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, Error> {
        jwt::payload(self.access_token.expose())
            .and_then(|payload| serde_json::from_slice(&payload).ok())
            .ok_or_else(|| Error::new(ErrorKind::Claims))
    }
}

impl fmt::Debug for VerifiedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedToken")
            .field("user_id", &self.claims.sub)
            .field("organization_id", &self.claims.org_id)
            .field("expires_at", &self.claims.exp)
            .finish_non_exhaustive()
    }
}

/// The claims that are looked at. A claim of the wrong type is an error, never an absent one (CVE-2026-25537).
#[derive(Clone, Deserialize)]
pub(crate) struct Claims {
    #[serde(default, deserialize_with = "null_is_default")]
    pub(crate) sub: String,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(crate) sid: String,
    #[serde(default)]
    pub(crate) iss: Option<String>,
    #[serde(default)]
    pub(crate) aud: Option<Audience>,
    #[serde(default)]
    pub(crate) client_id: Option<String>,
    pub(crate) exp: u64,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(crate) iat: u64,
    #[serde(default)]
    pub(crate) nbf: Option<u64>,
    #[serde(default)]
    pub(crate) auth_time: Option<u64>,
    #[serde(default)]
    pub(crate) org_id: Option<String>,
    #[serde(default)]
    pub(crate) role: Option<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(crate) roles: Vec<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(crate) permissions: Vec<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(crate) entitlements: Vec<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(crate) feature_flags: Vec<String>,
    #[serde(default)]
    pub(crate) act: Option<Actor>,
    #[serde(default)]
    pub(crate) scope: Option<serde::de::IgnoredAny>,
}

impl Claims {
    /// How long the token lives, in seconds.
    pub(crate) fn lifetime(&self) -> u64 {
        self.exp.saturating_sub(self.iat)
    }
}

/// Who acts for the subject (RFC 8693 section 4.1).
#[derive(Clone, Deserialize)]
pub(crate) struct Actor {
    pub(crate) sub: String,
}

/// `aud`: one value or a list (RFC 7519 section 4.1.3).
#[derive(Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    pub(crate) fn contains(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Many(many) => many.iter().any(|one| one == audience),
        }
    }
}

/// Ends at the last time that every platform's clock can show.
fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds.min(LAST_SECOND))
}

/// The end of the year 9999, beyond which dates have no usual form.
const LAST_SECOND: u64 = 253_402_300_799;
