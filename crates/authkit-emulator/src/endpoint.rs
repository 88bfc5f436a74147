use http::Method;

/// An endpoint that can be counted and made to fail.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Endpoint {
    /// `GET` and `POST /user_management/authorize`.
    Authorize,
    /// `POST /user_management/authenticate`: codes, refresh tokens and passwords.
    Authenticate,
    /// `GET /sso/jwks/{client_id}`, and `/user_management/sessions/jwks/{client_id}`.
    Jwks,
    /// `GET /user_management/sessions/logout`.
    Logout,
    /// `POST /user_management/sessions/revoke`.
    Revoke,
    /// `GET /user_management/users/{id}/sessions`.
    Sessions,
    /// `POST /api_keys/validations`.
    ApiKeyValidation,
    /// `GET /oauth2/jwks`.
    ConnectJwks,
    /// `POST /oauth2/token`.
    ConnectToken,
    /// `POST /oauth2/introspection`.
    Introspection,
}

impl Endpoint {
    /// Every endpoint.
    pub const ALL: [Self; 10] = [
        Self::Authorize,
        Self::Authenticate,
        Self::Jwks,
        Self::Logout,
        Self::Revoke,
        Self::Sessions,
        Self::ApiKeyValidation,
        Self::ConnectJwks,
        Self::ConnectToken,
        Self::Introspection,
    ];

    /// The name that the control API uses, such as `authenticate`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Authorize => "authorize",
            Self::Authenticate => "authenticate",
            Self::Jwks => "jwks",
            Self::Logout => "logout",
            Self::Revoke => "revoke",
            Self::Sessions => "sessions",
            Self::ApiKeyValidation => "api_key_validation",
            Self::ConnectJwks => "connect_jwks",
            Self::ConnectToken => "connect_token",
            Self::Introspection => "introspection",
        }
    }

    pub(crate) fn of(method: &Method, path: &str) -> Option<Self> {
        let path = path.strip_prefix('/')?;
        match (method.as_str(), path.split('/').collect::<Vec<_>>().as_slice()) {
            ("GET" | "POST", ["user_management", "authorize"]) => Some(Self::Authorize),
            ("POST", ["user_management", "authenticate"]) => Some(Self::Authenticate),
            ("GET", ["sso", "jwks", _] | ["user_management", "sessions", "jwks", _]) => {
                Some(Self::Jwks)
            }
            ("GET", ["user_management", "sessions", "logout"]) => Some(Self::Logout),
            ("POST", ["user_management", "sessions", "revoke"]) => Some(Self::Revoke),
            ("GET", ["user_management", "users", _, "sessions"]) => Some(Self::Sessions),
            ("POST", ["api_keys", "validations"]) => Some(Self::ApiKeyValidation),
            ("GET", ["oauth2", "jwks"]) => Some(Self::ConnectJwks),
            ("POST", ["oauth2", "token"]) => Some(Self::ConnectToken),
            ("POST", ["oauth2", "introspection"]) => Some(Self::Introspection),
            _ => None,
        }
    }
}
