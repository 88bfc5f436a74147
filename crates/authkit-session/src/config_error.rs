use std::{borrow::Cow, error, fmt};

use crate::config::{finding::Finding, setting::Setting};

/// Every problem of a configuration, reported together.
///
/// `Display` and `Debug` write the same list, one problem a line, so that `fn main() -> Result<(), ConfigError>` prints
/// it well. It contains no secret: of a secret setting it describes only the form.
///
/// # Examples
///
/// ```
/// use authkit_session::Config;
///
/// let error = Config::from_vars(|name| match name {
///     "WORKOS_CLIENT_ID" => Some("\"client_123\"".to_owned()),
///     "WORKOS_API_KEY" => Some("sk_test_123".to_owned()),
///     "WORKOS_REDIRECT_URI" => Some("https://app.example.com/callback#".to_owned()),
///     "WORKOS_COOKIE_PASSWORD" => Some("v0RAnCHm6QTHGrCBBeqiJxWURBoavNMLO0ZUTmNlX8g=".to_owned()),
///     _ => None,
/// })
/// .unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "2 settings have to be corrected:
///   - WORKOS_CLIENT_ID (Config::new) is in quotes, which count as part of it: write it without the quotes; \
///      `docker --env-file` and the like do not take them off
///   - WORKOS_REDIRECT_URI (Config::new) is `https://app.example.com/callback#***`, which has a fragment: \
///      write it without the `#` and what follows it"
/// );
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct ConfigError {
    problems: Vec<ConfigProblem>,
}

impl ConfigError {
    /// The problems, in the order of the settings. Never empty.
    pub fn problems(&self) -> &[ConfigProblem] {
        &self.problems
    }

    /// `Ok` if there is no problem. For crates that check settings of their own.
    ///
    /// # Errors
    ///
    /// An error with all `problems`.
    pub fn check(problems: Vec<ConfigProblem>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self { problems }) }
    }

    pub(crate) fn into_problems(self) -> Vec<ConfigProblem> {
        self.problems
    }
}

impl From<ConfigProblem> for ConfigError {
    fn from(problem: ConfigProblem) -> Self {
        Self { problems: vec![problem] }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() {
            1 => f.write_str("1 setting has to be corrected:")?,
            n => write!(f, "{n} settings have to be corrected:")?,
        }
        self.problems.iter().try_for_each(|problem| write!(f, "\n  - {problem}"))
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl error::Error for ConfigError {}

/// One thing that is wrong with a configuration.
///
/// Displayed as one line: the setting by its variable and its method, what was found, and what to write.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ConfigProblem {
    /// A setting that has no default is missing or empty.
    Missing(Finding),
    /// The cookie password has fewer than 32 bytes.
    ShortPassword {
        /// How many it has.
        bytes: usize,
    },
    /// The format chosen for new cookies cannot be sealed with the current password.
    PasswordForFormat {
        /// The format, as `WORKOS_SEAL_FORMAT` spells it.
        format: &'static str,
        /// What the format wants of a password.
        wants: &'static str,
    },
    /// A setting does not have the form it needs.
    Invalid(Finding),
    /// There are no certificates to check WorkOS's certificate with, so no call to WorkOS can be made.
    NoCertificates(Finding),
    /// The HTTPS client could not be set up.
    Transport,
}

impl ConfigProblem {
    /// A setting that does not have the form it needs: what was found, as the rest of a sentence that begins with the
    /// setting, and what to do. For crates that check settings of their own.
    pub fn invalid(
        setting: Setting,
        found: impl Into<Cow<'static, str>>,
        wants: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::Invalid(Finding::new(setting, found, wants))
    }

    /// Which setting, what was found, and what to write.
    pub fn finding(&self) -> Finding {
        match self {
            Self::Missing(finding) | Self::Invalid(finding) | Self::NoCertificates(finding) => {
                finding.clone()
            }
            Self::ShortPassword { bytes } => Finding::new(
                Setting::CookiePassword,
                format!("has {bytes} bytes, which is fewer than 32 bytes"),
                "write one that `openssl rand -base64 32` made",
            ),
            Self::PasswordForFormat { format, wants } => Finding::new(
                Setting::SealFormat,
                format!("is `{format}`, and {} does not suit it", Setting::CookiePassword),
                format!("write a password of {wants}, or choose another format"),
            ),
            Self::Transport => Finding::new(
                Setting::Certificates,
                "may be unusable: the HTTPS client could not be set up",
                "check the TLS set-up of the system, or give a transport of your own",
            ),
        }
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.finding().fmt(f)
    }
}
