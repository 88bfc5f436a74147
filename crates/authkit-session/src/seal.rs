//! Sealed sessions: the content of the session cookie, in the wire formats of WorkOS's SDKs.
//!
//! Each SDK seals the session under the cookie password in its own format. A [`KeyRing`] recognises them by the form of
//! a value and opens all of them; it writes the configured format, or, on a refresh, the format that the cookie had.
//! Each format has a file, headed by its byte layout. [`crate::payload`] reads the content.

mod armor;
mod gcm;
mod go;
mod iron;
mod keys;
#[cfg(feature = "php")]
mod php;
mod purpose;
mod python;
mod ring;
mod ruby;
mod ruby6;
mod sealer;
mod target;
#[cfg(test)]
mod tests;
mod values;

use std::{error, fmt, str::FromStr};

use crate::{
    config::{quoter::Quoter, setting::Setting},
    config_error::ConfigProblem,
};

pub use self::purpose::Purpose;
pub(crate) use self::{
    keys::{PasswordId, Seal},
    ring::{Attempts, KeyRing, Reuse, Unsealed},
    sealer::Sealer,
    target::{Form, Target},
};

/// Declares an enum of variants without data, and its constant `ALL`, which therefore lacks none of them.
macro_rules! with_all {
    (
        $(#[$of_enum:meta])*
        $visibility:vis enum $name:ident { $($(#[$of_variant:meta])* $variant:ident,)+ }
    ) => {
        $(#[$of_enum])*
        $visibility enum $name { $($(#[$of_variant])* $variant,)+ }

        impl $name {
            /// Every variant, in the order of its declaration.
            pub const ALL: &[Self] = &[$(Self::$variant),+];
        }
    };
}

with_all! {
    /// A wire format that can be written, named after the SDK that uses it.
    ///
    /// Cookies of every format are read, whatever is chosen here. `docs/formats.md` says what each format requires of
    /// the password and who else reads it.
    ///
    /// # Examples
    ///
    /// ```
    /// use authkit_session::SealFormat;
    ///
    /// assert_eq!("python".parse(), Ok(SealFormat::Python));
    /// assert_eq!(SealFormat::default().to_string(), "ruby");
    /// ```
    #[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
    #[non_exhaustive]
    pub enum SealFormat {
        /// Ruby SDK 7 and later (default): AES-256-GCM under the SHA-256 of a password of at least 32 bytes.
        #[default]
        Ruby,
        /// Ruby SDK 5 and 6: AES-256-GCM under a password of exactly 32 bytes.
        Ruby6,
        /// Go SDK: AES-256-GCM under 64 hexadecimal characters, or under the SHA-256 of any other password.
        Go,
        /// Rust SDK: as Go, but 64 hexadecimal characters only.
        Rust,
        /// Python SDK: Fernet, under the base64 of 32 bytes.
        Python,
        /// Node SDK and every `authkit-*` library: iron, under a password of at least 32 characters.
        Node,
    }
}

impl SealFormat {
    /// The format's name in `WORKOS_SEAL_FORMAT`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ruby => "ruby",
            Self::Ruby6 => "ruby6",
            Self::Go => "go",
            Self::Rust => "rust",
            Self::Python => "python",
            Self::Node => "node",
        }
    }

    /// How the SDK spells the keys of the JSON inside.
    pub(crate) fn key_style(self) -> KeyStyle {
        match self {
            Self::Ruby | Self::Ruby6 | Self::Go | Self::Rust | Self::Python => KeyStyle::Snake,
            Self::Node => KeyStyle::Camel,
        }
    }

    /// What the format requires of a password, beyond the 32 bytes that every password has.
    pub(crate) fn password_rule(self) -> &'static str {
        match self {
            Self::Ruby | Self::Go => "at least 32 bytes",
            Self::Ruby6 => "exactly 32 bytes",
            Self::Rust => "exactly 64 hexadecimal characters (`openssl rand -hex 32`)",
            Self::Python => "32 bytes in padded base64, 44 characters (`openssl rand -base64 32`)",
            Self::Node => "at least 32 characters",
        }
    }
}

/// How an SDK spells WorkOS's keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum KeyStyle {
    /// `access_token`: Python, Ruby, Go, Rust, PHP.
    Snake,
    /// `accessToken`: Node, and Kotlin but for the user.
    Camel,
}

impl fmt::Display for SealFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SealFormat {
    type Err = ConfigProblem;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|format| format.as_str() == word).ok_or_else(|| {
            let words: Vec<_> = Self::ALL.iter().map(|format| format.as_str()).collect();
            ConfigProblem::invalid(
                Setting::SealFormat,
                format!("is {}, which is no format", Quoter::default().quote(word)),
                format!("write one of {}", words.join(", ")),
            )
        })
    }
}

/// Why a value could not be opened or sealed.
///
/// Never carries the value or a password.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum SealError {
    /// The value is in no sealed form that this version knows.
    Malformed,
    /// The value was tampered with, or sealed with a password that is not in the ring.
    Tampered,
    /// The value's own expiry has passed.
    Expired,
    /// No password in the ring can be a key of the value's format.
    UnsuitablePasswords,
    /// The request had too many values to try them all.
    TooManyAttempts,
    /// The operating system gave no random bytes to seal with.
    NoRandomness,
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "not a sealed session",
            Self::Tampered => "tampered with, or sealed with another password",
            Self::Expired => "the sealed session has expired",
            Self::UnsuitablePasswords => {
                "no configured password suits the format of the sealed session"
            }
            Self::TooManyAttempts => "too many sealed sessions in one request",
            Self::NoRandomness => "no random bytes to seal with",
        })
    }
}

impl error::Error for SealError {}
