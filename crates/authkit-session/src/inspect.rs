//! For operators who examine a cookie or a log (feature `inspect`): the content of a sealed session, the size of a
//! session, and the log id of a user.
//!
//! Nothing here is verified, so nothing here admits anybody.

use std::time::{SystemTime, UNIX_EPOCH};

use zeroize::Zeroizing;

use crate::{
    config_error::ConfigError,
    cookie_password::{CookiePassword, Neighbours},
    log_id::LogIds,
    seal::{Attempts, KeyRing, SealError, SealFormat},
};

/// The content of a sealed session, tokens included. Nothing in it is verified.
#[derive(Clone)]
pub struct Inspected {
    format: &'static str,
    password: usize,
    plaintext: Zeroizing<Vec<u8>>,
}

impl Inspected {
    /// Opens the value of a session cookie with the first of `passwords` that can.
    ///
    /// # Errors
    ///
    /// Why no password opens it; [`SealError::UnsuitablePasswords`] if there are no passwords.
    ///
    /// # Examples
    ///
    /// ```
    /// use authkit_session::{CookiePassword, SealFormat, inspect::{self, Inspected}};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let password = CookiePassword::new("0123456789abcdef0123456789abcdef")?;
    /// let other = CookiePassword::new("fedcba9876543210fedcba9876543210")?;
    /// let sealed = inspect::seal(SealFormat::Ruby, &password, b"{}")?;
    /// let opened = Inspected::open(&sealed, &[other, password])?;
    /// assert_eq!((opened.format(), opened.password()), ("ruby", 1));
    /// assert_eq!(opened.plaintext(), b"{}");
    /// # Ok(())
    /// # }
    /// ```
    pub fn open(sealed: &str, passwords: &[CookiePassword]) -> Result<Self, SealError> {
        let mut outcome = Err(SealError::UnsuitablePasswords);
        for (password, candidate) in passwords.iter().enumerate() {
            let ring = KeyRing::new(SealFormat::Ruby, candidate, &[], Neighbours::Unpinned)
                .map_err(|_| SealError::UnsuitablePasswords)?;
            match ring.open(sealed.as_bytes(), now(), &mut Attempts::new()) {
                Ok(opened) => {
                    let format = opened.seal.as_str();
                    return Ok(Self { format, password, plaintext: opened.plaintext });
                }
                Err(error) => outcome = Err(error),
            }
        }
        outcome
    }

    /// The format, as `WORKOS_SEAL_FORMAT` spells it; `go or rust` for those two, whose sealed form is the same; `php`
    /// for the format that is read and never written.
    pub fn format(&self) -> &'static str {
        self.format
    }

    /// The position of the password that opened it.
    pub fn password(&self) -> usize {
        self.password
    }

    /// The sealed content, usually JSON. It contains the session's tokens.
    pub fn plaintext(&self) -> &[u8] {
        &self.plaintext
    }
}

impl std::fmt::Debug for Inspected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inspected").field("format", &self.format).finish_non_exhaustive()
    }
}

/// Seals any text, to measure its sealed size.
///
/// # Errors
///
/// [`ConfigError`] if `password` does not suit the format.
///
/// # Panics
///
/// If the operating system gives no random bytes.
pub fn seal(
    format: SealFormat,
    password: &CookiePassword,
    plaintext: &[u8],
) -> Result<String, ConfigError> {
    let ring = KeyRing::new(format, password, &[], Neighbours::Unpinned)?;
    let sealed = ring.target(None).seal(plaintext, now());
    Ok(sealed.expect("the operating system gives random bytes"))
}

/// The log id of a session or a user in a service with this API key, as [`Settings::log_id`](crate::Settings::log_id)
/// makes it.
///
/// # Examples
///
/// ```
/// use authkit_session::{Authenticator, Config, CookiePassword, inspect};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let password = CookiePassword::new("0123456789abcdef0123456789abcdef")?;
/// let config = Config::new("client_123", "sk_test_123", "https://app.example.com/callback", password);
/// let user = "user_01HJTGY3F4W8XRN5B0C2D6E7A9";
/// assert_eq!(inspect::log_id("sk_test_123", user), Authenticator::new(config)?.settings().log_id(user));
/// # Ok(())
/// # }
/// ```
pub fn log_id(api_key: &str, id: &str) -> String {
    LogIds::new(api_key.as_bytes()).of(id)
}

/// In Unix milliseconds.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_named_as_the_setting_names_it() {
        // It suits every format but those that want a password of their own.
        let hex = CookiePassword::new("0123456789abcdef".repeat(4)).unwrap();
        let raw = CookiePassword::new("0123456789abcdef0123456789abcdef").unwrap();
        let base64 = CookiePassword::new("v0RAnCHm6QTHGrCBBeqiJxWURBoavNMLO0ZUTmNlX8g=").unwrap();
        for (format, password, named) in [
            (SealFormat::Ruby, &raw, "ruby"),
            (SealFormat::Ruby6, &raw, "ruby6"),
            (SealFormat::Go, &raw, "go"),
            // Their layout is one.
            (SealFormat::Go, &hex, "go or rust"),
            (SealFormat::Rust, &hex, "go or rust"),
            (SealFormat::Python, &base64, "python"),
            (SealFormat::Node, &raw, "node"),
        ] {
            let sealed = seal(format, password, b"inside").unwrap();
            let opened = Inspected::open(&sealed, std::slice::from_ref(password)).unwrap();
            assert_eq!((opened.format(), opened.plaintext()), (named, &b"inside"[..]), "{format}");
            assert_eq!(Inspected::open(&sealed, &[]).unwrap_err(), SealError::UnsuitablePasswords);
        }
        let sealed = seal(SealFormat::Node, &base64, b"inside").unwrap();
        let passwords = [hex.clone(), raw.clone(), base64.clone()];
        let opened = Inspected::open(&sealed, &passwords).unwrap();
        assert_eq!(opened.password(), 2, "the one that opened it");
        assert!(!format!("{opened:?}").contains("inside"));
        assert_eq!(Inspected::open("no cookie", &[raw]).unwrap_err(), SealError::Malformed);
        assert!(seal(SealFormat::Python, &hex, b"").is_err());
    }

    #[test]
    fn a_log_id_is_the_services_own() {
        let password = CookiePassword::new("0123456789abcdef0123456789abcdef").unwrap();
        let redirect_uri = "https://app.example.com/callback";
        let config = crate::Config::new("client_1", "sk_test_1", redirect_uri, password)
            .with_base_url("http://127.0.0.1:4100");
        let service = crate::Authenticator::new(config).unwrap();
        assert_eq!(log_id("sk_test_1", "user_1"), service.settings().log_id("user_1"));
        assert_ne!(log_id("sk_test_2", "user_1"), service.settings().log_id("user_1"));
    }
}
