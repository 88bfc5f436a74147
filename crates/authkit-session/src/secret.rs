use std::fmt;

use bytes::Bytes;
use serde::Serialize;
use zeroize::Zeroizing;

/// A value that must not reach a log: its [`Debug`] output is redacted and its memory is zeroized on drop.
///
/// # Examples
///
/// ```
/// use authkit_session::Secret;
///
/// let key = Secret::new("sk_live_123");
/// assert_eq!(key.expose(), "sk_live_123");
/// assert_eq!(format!("{key:?}"), "Secret(<redacted>)");
/// ```
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps `value`.
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// Returns the value. This is the only access, so that its uses can be searched for.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(<redacted>)")
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self::new(value)
    }
}

impl From<&str> for Secret {
    fn from(value: &str) -> Self {
        Self::new(value)
    }
}

/// Bytes to send, which are zeroized when the last holder of them lets go.
pub(crate) fn zeroized(bytes: impl Into<Vec<u8>>) -> Bytes {
    Bytes::from_owner(Zeroizing::new(bytes.into()))
}

/// A JSON body to send, which is zeroized when the last holder of it lets go.
///
/// # Panics
///
/// If `body` has keys that are no strings.
pub(crate) fn zeroized_json(body: &impl Serialize) -> Bytes {
    let mut json = Vec::with_capacity(LONGEST_BODY);
    serde_json::to_writer(&mut json, body).expect("these bodies have string keys only");
    zeroized(json)
}

/// Room for the bodies of our calls, so that none moves while it is written and leaves a part of itself behind.
const LONGEST_BODY: usize = 4 * 1024;
