//! WorkOS's own keys in both spellings. Other keys are never respelt.

use crate::seal::KeyStyle;

/// A key in snake_case and camelCase.
pub(super) type FieldName = (&'static str, &'static str);

/// The members of a session that WorkOS defines.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Field {
    AccessToken,
    RefreshToken,
    User,
    Impersonator,
    OrganizationId,
    AuthenticationMethod,
    OauthTokens,
    AuthorizationCode,
    SealedSession,
}

impl Field {
    const ALL: [Self; 9] = [
        Self::AccessToken,
        Self::RefreshToken,
        Self::User,
        Self::Impersonator,
        Self::OrganizationId,
        Self::AuthenticationMethod,
        Self::OauthTokens,
        Self::AuthorizationCode,
        Self::SealedSession,
    ];

    pub(super) fn of(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.names().0 == key || field.names().1 == key)
    }

    pub(super) fn name(self, style: KeyStyle) -> &'static str {
        spelt(self.names(), style)
    }

    /// The keys inside the member's value that differ between the spellings.
    pub(super) fn inner(self) -> &'static [FieldName] {
        match self {
            Self::User => &[
                ("email_verified", "emailVerified"),
                ("first_name", "firstName"),
                ("last_name", "lastName"),
                ("profile_picture_url", "profilePictureUrl"),
                ("external_id", "externalId"),
                ("last_sign_in_at", "lastSignInAt"),
                ("created_at", "createdAt"),
                ("updated_at", "updatedAt"),
            ],
            Self::OauthTokens => &[
                ("access_token", "accessToken"),
                ("refresh_token", "refreshToken"),
                ("expires_at", "expiresAt"),
            ],
            Self::AccessToken
            | Self::RefreshToken
            | Self::Impersonator
            | Self::OrganizationId
            | Self::AuthenticationMethod
            | Self::AuthorizationCode
            | Self::SealedSession => &[],
        }
    }

    fn names(self) -> FieldName {
        match self {
            Self::AccessToken => ("access_token", "accessToken"),
            Self::RefreshToken => ("refresh_token", "refreshToken"),
            Self::User => ("user", "user"),
            Self::Impersonator => ("impersonator", "impersonator"),
            Self::OrganizationId => ("organization_id", "organizationId"),
            Self::AuthenticationMethod => ("authentication_method", "authenticationMethod"),
            Self::OauthTokens => ("oauth_tokens", "oauthTokens"),
            Self::AuthorizationCode => ("authkit_authorization_code", "authkitAuthorizationCode"),
            Self::SealedSession => ("sealed_session", "sealedSession"),
        }
    }
}

/// The name of `key` among `names`, if it is there in either spelling.
pub(super) fn find(key: &str, names: &[FieldName]) -> Option<FieldName> {
    names.iter().copied().find(|name| name.0 == key || name.1 == key)
}

/// The spelling of `key`, if it is one of `names`.
pub(super) fn style_of(key: &str, names: &[FieldName]) -> Option<KeyStyle> {
    find(key, names).map(|name| if name.0 == key { KeyStyle::Snake } else { KeyStyle::Camel })
}

pub(super) fn spelt(name: FieldName, style: KeyStyle) -> &'static str {
    match style {
        KeyStyle::Snake => name.0,
        KeyStyle::Camel => name.1,
    }
}
