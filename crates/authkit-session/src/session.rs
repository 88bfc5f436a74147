use std::{fmt, num::NonZeroU64, ops::Deref};

use crate::{
    seal::PasswordId,
    token::{PairId, SessionIdHash, TokenHash, verified::VerifiedToken},
    user::{User, shown::ShownUser},
};

/// A session whose access token was verified: signature, time and kind.
///
/// The token's claims are in the [`VerifiedToken`] to which it dereferences; the user comes from the cookie, checked
/// against the token. It cannot be made outside this crate, so holding one is proof. It has no refresh token, and its
/// [`Debug`] output shows ids only.
#[derive(Clone)]
pub struct VerifiedSession {
    pub(crate) token: VerifiedToken,
    pub(crate) shown: ShownUser,
    /// What it takes to know it again by its cookie; absent where it is not remembered.
    pub(crate) remembered: Option<Remembered>,
}

/// The conditions under which a session is recognised by its cookie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Remembered {
    /// The refresh token in its cookie, by which its lineage is known.
    pub(crate) refresh_token: Option<TokenHash>,
    /// By which its end is looked for.
    pub(crate) session_id: SessionIdHash,
    /// The password that opened its cookie.
    pub(crate) password: PasswordId,
    /// The generations from before the cookie was opened.
    pub(crate) generations: KeyGenerations,
    /// When its token ends by the monotonic clock, whatever becomes of the other one; in nanoseconds.
    pub(crate) until: u64,
    /// The length of its cookie's value, in bytes.
    pub(crate) length: u32,
    /// The approximate size of the entry, including the cookie's value, in bytes.
    pub(crate) weight: u32,
}

/// Generation counters of the cookie passwords and the signing keys; equal counters mean that nothing was removed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct KeyGenerations {
    /// How often the passwords were replaced.
    pub(crate) passwords: u64,
    /// When the signing keys were fetched, in nanoseconds; `None` where they are not fresh.
    pub(crate) keys: Option<NonZeroU64>,
}

impl VerifiedSession {
    /// The signed-in user.
    pub fn user(&self) -> &User {
        self.shown.user(self.user_id())
    }

    /// Whether it is recognised by a value of this length.
    pub(crate) fn is_remembered_by(&self, length: usize) -> bool {
        self.remembered.as_ref().is_some_and(|remembered| remembered.length as usize == length)
    }

    /// Identifies its token pair, if the session is remembered.
    pub(crate) fn pair(&self) -> Option<PairId> {
        let token = self.remembered.as_ref()?.refresh_token?;
        Some(PairId { token, issued_at: self.token.claims.iat })
    }

    /// How the user signed in, in WorkOS's words (`Password`, `SSO`, …), if the cookie says so.
    pub fn authentication_method(&self) -> Option<&str> {
        self.shown.authentication_method(self.user_id())
    }
}

impl Deref for VerifiedSession {
    type Target = VerifiedToken;

    fn deref(&self) -> &VerifiedToken {
        &self.token
    }
}

impl fmt::Debug for VerifiedSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VerifiedSession").field(&self.token).finish()
    }
}
