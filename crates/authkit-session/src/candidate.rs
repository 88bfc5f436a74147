//! The session that a request brought: read, opened and verified, before anything is decided about it.
//!
//! 1. Every `Cookie` field is searched for the session cookie, whole or in parts; at most four values are tried.
//! 2. A value that was verified before is found in the cache and counts if its token has not expired and the password
//!    and the signing key that it was verified with are still in use.
//! 3. Any other value is opened with each password and format that its spelling allows, and its token is verified.
//! 4. Of several verified sessions of one user, the one with the latest token counts; of two users, none.

pub(crate) mod cache;
#[cfg(all(test, interleavings))]
mod interleavings;
pub(crate) mod jwks;
pub(crate) mod kept_cookie;
pub(crate) mod reader;
pub(crate) mod verify;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use crate::{
    cookie::received::ReceivedCookies,
    decide::{CutOffEffect, PairAge, Verdict},
    payload::Payload,
    seal::Unsealed,
    session::VerifiedSession,
    token::{
        PairId, RefreshToken, SessionIdHash, TokenHash, TokenIdentity, TokenTimes, jwt::Unverified,
    },
    upstream::budget::RefreshOwner,
};

/// A session cookie of a request, and what checking it has shown so far.
#[derive(Clone)]
pub(crate) struct SessionCandidate {
    pub(crate) verdict: Verdict,
    /// The session, if its token was verified.
    pub(crate) session: Option<Arc<VerifiedSession>>,
    /// The opened cookie; absent where the session was known from the cache.
    pub(crate) opened: Option<Arc<OpenedSession>>,
    /// Identifies its token pair, if it has a refresh token.
    pub(crate) pair: Option<PairId>,
    pub(crate) age: PairAge,
    pub(crate) cut_off: CutOffEffect,
    pub(crate) received: ReceivedCookies,
}

/// An opened session cookie.
pub(crate) struct OpenedSession {
    pub(crate) unsealed: Unsealed,
    pub(crate) refresh_token: Option<RefreshToken>,
    claims: OnceLock<Unverified>,
}

impl OpenedSession {
    pub(crate) fn new(unsealed: Unsealed, refresh_token: Option<RefreshToken>) -> Self {
        Self { unsealed, refresh_token, claims: OnceLock::new() }
    }

    /// The claims of its access token, whether or not the token still verifies.
    pub(crate) fn unverified(&self) -> &Unverified {
        self.claims.get_or_init(|| {
            self.payload().map_or_else(Unverified::default, |it| Unverified::of(&it.access_token))
        })
    }

    pub(crate) fn token(&self) -> Option<TokenHash> {
        self.refresh_token.as_ref().map(RefreshToken::hash)
    }

    pub(crate) fn pair(&self) -> Option<PairId> {
        self.pair_issued(self.unverified().iat.unwrap_or(0))
    }

    fn pair_issued(&self, issued_at: u64) -> Option<PairId> {
        Some(PairId { token: self.token()?, issued_at })
    }

    /// The owner that a refresh of this session is for.
    pub(crate) fn owner(&self) -> RefreshOwner<'_> {
        let claims = self.unverified();
        RefreshOwner { session: claims.sid.as_deref(), user: claims.sub.as_deref() }
    }

    /// The id of its user: the token's, or the cookie's where the token cannot be read.
    pub(crate) fn subject(&self) -> Option<String> {
        let of_cookie = || Some(self.payload()?.user?.id.into_owned());
        self.unverified().sub.clone().or_else(of_cookie)
    }

    /// Parses the cookie's content. Only the few requests that need it parse it again; the others keep no copy.
    fn payload(&self) -> Option<Payload<'_>> {
        Payload::parse(&self.unsealed.plaintext).ok()
    }
}

impl SessionCandidate {
    /// A candidate without a session.
    #[inline]
    pub(crate) fn without_session(verdict: Verdict, received: ReceivedCookies) -> Self {
        Self {
            verdict,
            session: None,
            opened: None,
            pair: None,
            age: PairAge::Older,
            cut_off: CutOffEffect::None,
            received,
        }
    }

    /// A session that is known from the cache.
    #[inline]
    pub(crate) fn known(
        session: Arc<VerifiedSession>,
        verdict: Verdict,
        received: ReceivedCookies,
    ) -> Self {
        let pair = session.pair();
        Self { session: Some(session), pair, ..Self::without_session(verdict, received) }
    }

    /// An opened cookie, and the result of verifying it.
    pub(crate) fn verified(
        opened: Arc<OpenedSession>,
        verdict: Verdict,
        session: Option<VerifiedSession>,
        received: ReceivedCookies,
    ) -> Self {
        let pair = match &session {
            Some(session) => opened.pair_issued(session.claims.iat),
            None => opened.pair(),
        };
        Self {
            session: session.map(Arc::new),
            opened: Some(opened),
            pair,
            ..Self::without_session(verdict, received)
        }
    }

    /// The session's id, from its token.
    pub(crate) fn session_id(&self) -> Option<&str> {
        self.identity()?.session
    }

    /// Hash of the session's id, as its token says.
    #[inline]
    pub(crate) fn session_id_hash(&self) -> Option<SessionIdHash> {
        let remembered = self.session.as_ref().and_then(|session| session.remembered.as_ref());
        let known = remembered.map(|remembered| remembered.session_id);
        known.or_else(|| self.session_id().map(SessionIdHash::of))
    }

    /// How long its token lives.
    pub(crate) fn lifetime(&self) -> Duration {
        match (&self.session, &self.opened) {
            (Some(session), _) => Duration::from_secs(session.claims.lifetime()),
            (None, Some(opened)) => opened.unverified().lifetime(),
            (None, None) => Duration::ZERO,
        }
    }

    /// The times in its token, whether or not it verified; `None` if there is no token.
    #[inline]
    pub(crate) fn times(&self) -> Option<TokenTimes> {
        match (&self.session, &self.opened) {
            (Some(session), _) => Some(session.times()),
            (None, Some(opened)) => {
                let Unverified { iat, auth_time, .. } = *opened.unverified();
                Some(TokenTimes { issued_at: iat.unwrap_or(0), auth_time })
            }
            (None, None) => None,
        }
    }

    /// Who its token belongs to, and when it was issued.
    pub(crate) fn identity(&self) -> Option<TokenIdentity<'_>> {
        match (&self.session, &self.opened) {
            (Some(session), _) => Some(session.identity()),
            (None, Some(opened)) => Some(opened.unverified().identity()),
            (None, None) => None,
        }
    }

    /// When its token was issued and to whom, if the signature verified.
    fn issued(&self) -> Option<(u64, &str)> {
        self.session.as_ref().map(|session| (session.claims.iat, session.user_id()))
    }

    /// Of two candidates of one request: the later session of one user, neither of two users, and otherwise the one that
    /// got further.
    pub(crate) fn or_better(self, other: Self) -> Self {
        if self.verdict == Verdict::Ambiguous {
            return self;
        }
        match (self.issued(), other.issued()) {
            (Some((_, one)), Some((_, another))) if one != another => {
                Self::without_session(Verdict::Ambiguous, self.received)
            }
            (Some((one, _)), Some((another, _))) if another > one => other,
            (Some(_), Some(_) | None) => self,
            (None, Some(_)) => other,
            (None, None) if other.opened.is_some() && self.opened.is_none() => other,
            (None, None) => self,
        }
    }
}
