//! The ids of sessions and users in logs.

use std::fmt;

use crate::crypto::hmac;

/// Makes log ids: keyed hashes of ids, equal on every replica, from which the id cannot be recovered.
pub(crate) struct LogIds(hmac::Key);

impl LogIds {
    /// Log ids under a key of the service, such as its API key.
    pub(crate) fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The log id of a session or a user, in 12 hexadecimal digits.
    pub(crate) fn of(&self, id: &str) -> String {
        let tag = hmac::sign(&self.0, id.as_bytes());
        tag.as_ref()[..6].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The same; empty if there is no id.
    pub(crate) fn of_any(&self, id: Option<&str>) -> String {
        id.map(|id| self.of(id)).unwrap_or_default()
    }
}

impl fmt::Debug for LogIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogIds(<redacted>)")
    }
}
