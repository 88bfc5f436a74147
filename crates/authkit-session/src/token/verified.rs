use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::de::DeserializeOwned;

use crate::{
    error::{Error, ErrorKind},
    token::{AccessToken, TokenIdentity, TokenTimes, claims::Claims, jwt, keys::KeyId},
    user::Impersonator,
};

/// An access token that was verified: signature, time and kind, and what it says of its user.
///
/// Roles, permissions and the like are the customer's to set, in a JWT template. A claim of another type than its method
/// here returns is held by nobody: the method returns nothing, and a log line names the claim.
///
/// It cannot be made outside this crate, so holding one is proof. Its [`Debug`] output shows ids only.
#[derive(Clone)]
pub struct VerifiedToken {
    pub(crate) claims: Claims,
    pub(crate) impersonator: Option<Box<Impersonator>>,
    pub(crate) access_token: AccessToken,
    /// What its signature was verified with.
    pub(crate) key: KeyId,
}

impl VerifiedToken {
    /// The user's id (`sub`).
    pub fn user_id(&self) -> &str {
        self.claims.sub()
    }

    /// The session's id (`sid`).
    pub fn session_id(&self) -> &str {
        self.claims.sid()
    }

    /// The organization that the user is signed in to (`org_id`).
    pub fn organization_id(&self) -> Option<&str> {
        self.claims.org_id()
    }

    /// The user's role in the organization (`role`).
    pub fn role(&self) -> Option<&str> {
        self.claims.role()
    }

    /// All of the user's roles in the organization (`roles`).
    pub fn roles(&self) -> &[String] {
        self.claims.roles.as_slice()
    }

    /// What the user may do in the organization (`permissions`).
    pub fn permissions(&self) -> &[String] {
        self.claims.permissions.as_slice()
    }

    /// What the organization has bought (`entitlements`).
    pub fn entitlements(&self) -> &[String] {
        self.claims.entitlements.as_slice()
    }

    /// The feature flags that are on for the user (`feature_flags`).
    pub fn feature_flags(&self) -> &[String] {
        self.claims.feature_flags.as_slice()
    }

    /// Who uses the session in the user's stead, as the signed `act` claim says.
    pub fn impersonator(&self) -> Option<&Impersonator> {
        self.impersonator.as_deref()
    }

    /// When the access token ends (`exp`). A refresh comes before.
    pub fn expires_at(&self) -> SystemTime {
        at(self.claims.exp)
    }

    /// When the access token was made (`iat`).
    pub fn issued_at(&self) -> SystemTime {
        at(self.claims.iat)
    }

    /// When the user last signed in interactively (`auth_time`); a refresh leaves it as it is. To the second, as all
    /// times of a token are.
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

    /// When it was issued, and when its user signed in.
    pub(crate) fn times(&self) -> TokenTimes {
        TokenTimes { issued_at: self.claims.iat, auth_time: self.claims.auth_time }
    }

    /// Reads the token's claims into a type of your own, as those that a JWT template adds.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Claims`] where they do not have that shape.
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, Error> {
        jwt::payload(self.access_token.expose())
            .and_then(|payload| serde_json::from_str(&payload).ok())
            .ok_or_else(|| Error::new(ErrorKind::Claims))
    }
}

impl fmt::Debug for VerifiedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedToken")
            .field("user_id", &self.claims.sub())
            .field("organization_id", &self.claims.org_id())
            .field("expires_at", &self.claims.exp)
            .finish_non_exhaustive()
    }
}

/// Ends at the last time that every platform's clock can show.
pub(crate) fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds.min(LAST_SECOND))
}

/// The end of the year 9999, beyond which dates have no usual form.
const LAST_SECOND: u64 = 253_402_300_799;
