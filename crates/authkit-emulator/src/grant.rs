/// A grant of `POST /user_management/authenticate`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Grant {
    /// `authorization_code`: a sign-in.
    AuthorizationCode,
    /// `refresh_token`: a refresh, or a switch to another organization.
    RefreshToken,
    /// `password`.
    Password,
    /// `urn:workos:oauth:grant-type:organization-selection`.
    OrganizationSelection,
    /// `urn:workos:oauth:grant-type:email-verification:code`.
    EmailVerification,
}

impl Grant {
    /// Every grant that the emulator knows.
    pub const ALL: [Self; 5] = [
        Self::AuthorizationCode,
        Self::RefreshToken,
        Self::Password,
        Self::OrganizationSelection,
        Self::EmailVerification,
    ];

    /// The name that the control API uses, such as `refresh_token`.
    pub fn name(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::Password => "password",
            Self::OrganizationSelection => "organization_selection",
            Self::EmailVerification => "email_verification",
        }
    }

    /// The value of `grant_type` in a request.
    pub(crate) fn grant_type(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::Password => "password",
            Self::OrganizationSelection => "urn:workos:oauth:grant-type:organization-selection",
            Self::EmailVerification => "urn:workos:oauth:grant-type:email-verification:code",
        }
    }

    pub(crate) fn of(grant_type: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant| grant.grant_type() == grant_type)
    }
}
