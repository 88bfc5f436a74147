//! Watches a session for as long as something lives on its token, such as an event stream.

use std::{fmt, sync::Arc};

use crate::{
    decide::CutOffEffect,
    end::SessionEnder,
    token::{TokenIdentity, verified::VerifiedToken},
};

/// Says whether the session of a token has ended, for what outlives the request that was authenticated.
///
/// It holds ids alone, so it may live as long as a connection.
pub struct SessionWatch {
    ender: Arc<SessionEnder>,
    user_id: Box<str>,
    session_id: Box<str>,
    organization_id: Option<Box<str>>,
    issued_at: u64,
    /// What revocations said of the token when the watch began.
    cut_off: CutOffEffect,
}

impl SessionWatch {
    pub(crate) fn new(ender: Arc<SessionEnder>, token: &VerifiedToken) -> Self {
        let identity = token.identity();
        Self {
            cut_off: ender.cut_off(identity),
            ender,
            user_id: token.user_id().into(),
            session_id: token.session_id().into(),
            organization_id: token.organization_id().map(Into::into),
            issued_at: identity.issued_at,
        }
    }

    /// Whether the session was signed out here or revoked, or whether a revocation since the watch began asks for a newer
    /// token. Reads what this process knows; it waits for nobody.
    pub fn has_ended(&self) -> bool {
        let cut_off = self.ender.cut_off(TokenIdentity {
            subject: Some(&self.user_id),
            session: Some(&self.session_id),
            organization: self.organization_id.as_deref(),
            issued_at: self.issued_at,
        });
        cut_off == CutOffEffect::Ended
            // A token that was admitted although it is no newer stays good enough.
            || cut_off > self.cut_off
            || self.ender.has_ended(&self.session_id)
    }
}

impl fmt::Debug for SessionWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionWatch").field("user_id", &self.user_id).finish_non_exhaustive()
    }
}
