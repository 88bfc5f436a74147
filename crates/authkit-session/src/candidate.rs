//! The session that a request brought, as far as it got.

pub(crate) mod cache;
pub(crate) mod cookies;
pub(crate) mod jwks;
pub(crate) mod reader;
pub(crate) mod verify;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use crate::{
    candidate::cookies::Seen,
    decide::{PairAge, Verdict},
    end::cut_offs::{Hit, Made},
    payload::Payload,
    refresh_state::lineage::PairId,
    seal::Opened,
    session::VerifiedSession,
    token::{RefreshToken, TokenHash, jwt::Unverified},
};

/// The session that a request brought, as far as it got.
pub(crate) struct Presented {
    pub(crate) verdict: Verdict,
    pub(crate) session: Option<Arc<VerifiedSession>>,
    /// Not there where the session was known by its cookie.
    pub(crate) opened: Option<Box<Sealed>>,
    /// Its refresh token, if it has one, and its access token, without being them.
    pub(crate) pair: Option<PairId>,
    pub(crate) age: PairAge,
    /// What the cut-offs ask for.
    pub(crate) hit: Hit,
    pub(crate) seen: Seen,
}

/// An opened cookie with a session in it.
pub(crate) struct Sealed {
    pub(crate) opened: Opened,
    pub(crate) payload: Payload,
    says: OnceLock<Unverified>,
}

impl Sealed {
    pub(crate) fn new(opened: Opened, payload: Payload) -> Self {
        Self { opened, payload, says: OnceLock::new() }
    }

    /// What its access token says, whether or not it still verifies.
    pub(crate) fn says(&self) -> &Unverified {
        self.says.get_or_init(|| Unverified::of(self.payload.access_token.expose()))
    }

    pub(crate) fn token(&self) -> Option<TokenHash> {
        self.payload.refresh_token.as_ref().map(RefreshToken::hash)
    }

    pub(crate) fn pair(&self) -> Option<PairId> {
        self.pair_made(self.says().iat.unwrap_or(0))
    }

    fn pair_made(&self, made: u64) -> Option<PairId> {
        Some(PairId { token: self.token()?, made })
    }

    /// Whose session it is: the token's user, or where the token cannot be read the cookie's.
    pub(crate) fn subject(&self) -> Option<String> {
        self.says().sub.clone().or_else(|| Some(self.payload.user.as_ref()?.id.clone()))
    }
}

impl Presented {
    pub(crate) fn nothing(verdict: Verdict, seen: Seen) -> Self {
        Self {
            verdict,
            session: None,
            opened: None,
            pair: None,
            age: PairAge::Older,
            hit: Hit::Nothing,
            seen,
        }
    }

    /// What was opened, and what verifying it came to.
    pub(crate) fn of(
        sealed: Sealed,
        verdict: Verdict,
        session: Option<VerifiedSession>,
        seen: Seen,
    ) -> Self {
        let pair = match &session {
            Some(session) => sealed.pair_made(session.claims.iat),
            None => sealed.pair(),
        };
        Self {
            session: session.map(Arc::new),
            opened: Some(Box::new(sealed)),
            pair,
            ..Self::nothing(verdict, seen)
        }
    }

    /// The id of the session for logs, as its token says.
    pub(crate) fn session_id(&self) -> Option<&str> {
        self.made()?.session
    }

    /// How long its token lives.
    pub(crate) fn lifetime(&self) -> Duration {
        match (&self.session, &self.opened) {
            (Some(session), _) => Duration::from_secs(session.claims.lifetime()),
            (None, Some(sealed)) => sealed.says().lifetime(),
            (None, None) => Duration::ZERO,
        }
    }

    /// Whose its token is, and of when.
    pub(crate) fn made(&self) -> Option<Made<'_>> {
        if let Some(session) = &self.session {
            return Some(Made {
                session: Some(session.session_id()),
                user: Some(session.user_id()),
                organization: session.organization_id(),
                at: session.claims.iat,
            });
        }
        let says = self.opened.as_ref()?.says();
        Some(Made {
            session: says.sid.as_deref(),
            user: says.sub.as_deref(),
            organization: says.org_id.as_deref(),
            at: says.iat.unwrap_or(0),
        })
    }

    /// When its token was made, if its signature verified.
    fn verified_at(&self) -> Option<(u64, &str)> {
        self.session.as_ref().map(|session| (session.claims.iat, session.user_id()))
    }
}

/// Of two cookies of one name: the later session of one user, none of two users, and else the one that got further.
pub(crate) fn better(a: Presented, b: Presented) -> Presented {
    if a.verdict == Verdict::Ambiguous {
        return a;
    }
    match (a.verified_at(), b.verified_at()) {
        (Some((_, a_user)), Some((_, b_user))) if a_user != b_user => {
            Presented::nothing(Verdict::Ambiguous, a.seen)
        }
        (Some((a_made, _)), Some((b_made, _))) => {
            if b_made > a_made {
                b
            } else {
                a
            }
        }
        (Some(_), None) => a,
        (None, Some(_)) => b,
        (None, None) => {
            if b.opened.is_some() && a.opened.is_none() {
                b
            } else {
                a
            }
        }
    }
}
