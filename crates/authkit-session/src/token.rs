pub(crate) mod claim_lists;
pub(crate) mod claims;
pub(crate) mod jwt;
pub(crate) mod keys;
pub(crate) mod verified;

use std::{
    fmt,
    hash::{BuildHasher, Hasher},
    sync::Arc,
};

use foldhash::{SharedSeed, fast::SeedableRandomState};

use crate::{crypto::digest, secret::Secret};

/// The short-lived JWT of a session. Its [`Debug`] output is redacted.
#[derive(Clone)]
pub struct AccessToken(TokenText);

#[derive(Clone)]
enum TokenText {
    Here(Arc<Secret>),
    Kept(Arc<dyn KeptToken>),
}

/// Holds the text of a token until somebody asks for it.
pub(crate) trait KeptToken: Send + Sync {
    fn expose(&self) -> &str;
}

impl AccessToken {
    /// Wraps the JWT in its compact form.
    pub fn new(token: impl Into<String>) -> Self {
        Self(TokenText::Here(Arc::new(Secret::new(token))))
    }

    /// A JWT whose text is read only when asked for.
    pub(crate) fn kept(token: Arc<dyn KeptToken>) -> Self {
        Self(TokenText::Kept(token))
    }

    /// The JWT, to be sent to another service as a bearer token.
    pub fn expose(&self) -> &str {
        match &self.0 {
            TokenText::Here(token) => token.expose(),
            TokenText::Kept(token) => token.expose(),
        }
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(<redacted>)")
    }
}

/// The long-lived secret that buys a new token pair, once. Its [`Debug`] output is redacted.
#[derive(Clone)]
pub struct RefreshToken(Secret);

impl RefreshToken {
    /// Wraps the token.
    pub fn new(token: impl Into<String>) -> Self {
        Self(Secret::new(token))
    }

    /// The token itself.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// The hash by which the tables of refreshes know the token.
    pub(crate) fn hash(&self) -> TokenHash {
        let digest = digest::digest(&digest::SHA256, self.expose().as_bytes());
        let mut hash = [0; 32];
        hash.copy_from_slice(digest.as_ref());
        TokenHash(hash)
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken(<redacted>)")
    }
}

/// SHA-256 of a refresh token: identifies the token without revealing it.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub(crate) struct TokenHash([u8; 32]);

impl TokenHash {
    /// A number that is as good as random.
    pub(crate) fn number(&self) -> u64 {
        let [first, ..] = self.0.as_chunks().0 else { return 0 };
        u64::from_le_bytes(*first)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenHash({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}

/// Hash of a session's id, the same for the whole process: a remembered session has it, so that no request makes it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct SessionIdHash(u32);

impl SessionIdHash {
    #[expect(clippy::cast_possible_truncation, reason = "any of its bits are as good as random")]
    pub(crate) fn of(session_id: &str) -> Self {
        let seed = SeedableRandomState::with_seed(0, SharedSeed::global_random());
        let mut hasher = seed.build_hasher();
        hasher.write(session_id.as_bytes());
        Self(hasher.finish() as u32)
    }

    /// It as a number.
    #[inline]
    pub(crate) fn number(self) -> u32 {
        self.0
    }
}

/// Identifies a token pair as a cookie holds it.
///
/// WorkOS may answer an exchange with the refresh token that was exchanged; then the access tokens tell which is newer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct PairId {
    pub(crate) token: TokenHash,
    /// When the access token was issued, in Unix seconds.
    pub(crate) issued_at: u64,
}

/// The times in a token, in Unix seconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct TokenTimes {
    pub(crate) issued_at: u64,
    /// When its user signed in interactively; refreshes do not change it.
    pub(crate) auth_time: Option<u64>,
}

/// Who a token belongs to and when it was issued, in Unix seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenIdentity<'a> {
    pub(crate) subject: Option<&'a str>,
    pub(crate) session: Option<&'a str>,
    pub(crate) organization: Option<&'a str>,
    pub(crate) issued_at: u64,
}
