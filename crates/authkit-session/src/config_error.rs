use std::{borrow::Cow, error, fmt};

/// Every problem of a configuration, found in one go. Never carries a secret: of the values that were given, only trusted
/// origins are repeated.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigError {
    problems: Vec<ConfigProblem>,
}

impl ConfigError {
    /// The problems, in the order of the settings. Never empty.
    pub fn problems(&self) -> &[ConfigProblem] {
        &self.problems
    }

    /// `Ok` where there is no problem.
    pub(crate) fn check(problems: Vec<ConfigProblem>) -> Result<(), Self> {
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
        for (n, problem) in self.problems.iter().enumerate() {
            if n > 0 {
                f.write_str("; ")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl error::Error for ConfigError {}

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ConfigProblem {
    /// An environment variable that has no default is missing or empty.
    Missing(&'static str),
    /// The cookie password has fewer than 32 bytes.
    ShortPassword,
    /// The format chosen for new cookies cannot be sealed with the current password.
    PasswordForFormat {
        /// The format, as `WORKOS_SEAL_FORMAT` spells it.
        format: &'static str,
        /// What the format wants of a password.
        wants: &'static str,
    },
    /// A setting does not have the form it needs.
    Invalid {
        /// The setting, by the name of its environment variable or method.
        setting: &'static str,
        /// What it has to be.
        wants: Cow<'static, str>,
    },
    /// The HTTPS client could not be set up, as when the system has no root certificates.
    Transport,
}

impl ConfigProblem {
    pub(crate) fn invalid(setting: &'static str, wants: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid { setting, wants: wants.into() }
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(variable) => write!(f, "{variable} is not set"),
            Self::ShortPassword => {
                f.write_str("the cookie password has fewer than 32 bytes (make one with `openssl rand -base64 32`)")
            }
            Self::PasswordForFormat { format, wants } => {
                write!(f, "the seal format `{format}` wants a cookie password of {wants}")
            }
            Self::Invalid { setting, wants } => write!(f, "{setting} has to be {wants}"),
            Self::Transport => f.write_str("the HTTPS client could not be set up"),
        }
    }
}
