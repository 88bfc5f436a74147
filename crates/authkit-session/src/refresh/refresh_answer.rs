//! WorkOS's answer to an exchange, read once for all that is made of it.

use std::fmt;

use bytes::Bytes;

use crate::{
    payload::{Answer, NotASession},
    token::jwt::Unverified,
};

/// A new pair of tokens, as WorkOS sent it. Its [`Debug`] output shows none of it.
pub(super) struct RefreshAnswer {
    /// What it was read from, for other processes to read.
    pub(super) body: Bytes,
    pub(super) answer: Answer<'static>,
    /// What its access token says. Nothing is verified yet.
    pub(super) claims: Unverified,
}

impl RefreshAnswer {
    /// Reads the body of a 200.
    ///
    /// # Errors
    ///
    /// [`NotASession`] if it has no pair of tokens.
    pub(super) fn parse(body: Bytes) -> Result<Self, NotASession> {
        let answer = Answer::parse(&body)?.into_owned();
        let claims = answer.claims();
        Ok(Self { body, answer, claims })
    }
}

impl fmt::Debug for RefreshAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshAnswer").finish_non_exhaustive()
    }
}
