use std::fmt;

/// A claim that decides who an access token belongs to, whom it is meant for, or when it is valid.
///
/// A security claim of another type refuses the token. Claims that a JWT template sets, such as `role`, are not among
/// them: a token has no role if that claim has another type.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum SecurityClaim {
    /// `exp`: a NumericDate (RFC 7519 section 2), always.
    Exp,
    /// `nbf`: a NumericDate, if present.
    Nbf,
    /// `iat`: a NumericDate, if present.
    Iat,
    /// `sub`: a string.
    Sub,
    /// `sid`: a string.
    Sid,
    /// `iss`: a string.
    Iss,
    /// `client_id`: a string.
    ClientId,
    /// `aud`: a string or a list of strings. Read only if audiences are configured.
    Aud,
    /// `act`: an object whose `sub` is a string (RFC 8693 section 4.1).
    Act,
    /// `org_id`: a string.
    OrgId,
}

impl SecurityClaim {
    /// The claim's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exp => "exp",
            Self::Nbf => "nbf",
            Self::Iat => "iat",
            Self::Sub => "sub",
            Self::Sid => "sid",
            Self::Iss => "iss",
            Self::ClientId => "client_id",
            Self::Aud => "aud",
            Self::Act => "act",
            Self::OrgId => "org_id",
        }
    }
}

impl fmt::Display for SecurityClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
