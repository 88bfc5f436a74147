use std::fmt;

use crate::{
    config_error::{ConfigError, ConfigProblem},
    secret::Secret,
};

/// The secret from which the keys of sealed sessions are derived.
///
/// `openssl rand -base64 32` makes a good one. Its [`Debug`] output is redacted.
#[derive(Clone)]
pub struct CookiePassword(Secret);

impl CookiePassword {
    /// The least length of a password, in bytes.
    pub const MIN_LEN: usize = 32;

    /// Checks `password` once, so that no later code has to.
    ///
    /// # Errors
    ///
    /// [`ConfigProblem::ShortPassword`] if it has fewer than [`Self::MIN_LEN`] bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use authkit_session::CookiePassword;
    ///
    /// assert!(CookiePassword::new("0123456789abcdef0123456789abcdef").is_ok());
    /// assert!(CookiePassword::new("too short").is_err());
    /// ```
    pub fn new(password: impl Into<Secret>) -> Result<Self, ConfigError> {
        let password = password.into();
        if password.expose().len() < Self::MIN_LEN {
            return Err(ConfigProblem::ShortPassword { bytes: password.expose().len() }.into());
        }
        Ok(Self(password))
    }

    pub(crate) fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for CookiePassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CookiePassword(<redacted>)")
    }
}

/// The password that re-seals a cookie.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Neighbours {
    /// The one that opened it.
    Pinned,
    /// The current one.
    Unpinned,
}
