//! What a request gets for the session that it presented, as the table of [`decide`] has it.

use std::sync::Arc;

use crate::{
    candidate::{Presented, jwks::FetchFor},
    core::Core,
    decide::{
        Action, Circumstances, Fallback, KeyFetch, Verdict, decide, reason::Reason,
        refresh_outcome::Outcome,
    },
    refresh::{Enough, hook::Ruled},
    request::{
        admission::{Admission, Head, Refusal},
        policy::Policy,
    },
};

impl Core {
    pub(crate) fn act(&self, presented: &Presented, policy: Policy) -> Action {
        let keys = match presented.verdict {
            Verdict::NoKeys | Verdict::UnknownKey => self.jwks.may_fetch(why(presented.verdict)),
            _ => KeyFetch::Allowed,
        };
        let circumstances = Circumstances {
            refresh: policy.refreshing(presented),
            demand: policy.demand(
                presented.hit,
                presented.session.as_ref().map(|session| session.claims.iat),
                self.settings.clock(),
            ),
            keys,
            age: presented.age,
        };
        decide(presented.verdict, circumstances)
    }

    /// Whether a session that a refresh brought is one that `policy` admits.
    pub(crate) fn enough(&self, renewed: &mut Presented, policy: Policy) -> Enough {
        self.check_cut_offs(renewed);
        let unruled = match self.ruled(renewed) {
            Ruled::Already => None,
            Ruled::NotYet => Some(Enough::NotYet(Outcome::Undecided)),
            Ruled::Later(_) => Some(Enough::No(Outcome::Undecided)),
        };
        match (self.act(renewed, policy), unruled) {
            (Action::Admit | Action::Refresh { or: Fallback::Current }, None) => Enough::Yes,
            (Action::Refresh { or: Fallback::Nothing }, None) => match renewed.verdict {
                // It was demanded to be newer. As new as WorkOS makes them, whatever its clocks say, is enough.
                Verdict::Good | Verdict::Expiring => Enough::NotYet(Outcome::Renewed),
                _ => Enough::NotYet(Outcome::Unverified),
            },
            (Action::Admit | Action::Refresh { .. }, Some(unruled)) => unruled,
            (Action::Refuse(Reason::Revoked), _) => Enough::No(Outcome::SignedOut),
            (Action::FetchKeys | Action::Refuse(_), _) => Enough::No(Outcome::Unverified),
        }
    }

    pub(crate) fn admit(self: &Arc<Self>, presented: Presented) -> Result<Admission, Refusal> {
        let head = self.head(&presented);
        match presented.session {
            Some(session) => Ok(Admission::new(session, head)),
            // The verdicts that admit come with a session; without one, nobody is let in.
            None => Err(Refusal::new(Reason::NotASession, head)),
        }
    }

    pub(crate) fn refuse(self: &Arc<Self>, reason: Reason, presented: &Presented) -> Refusal {
        let session = presented.session_id().map(|id| self.log_word(id)).unwrap_or_default();
        if reason.is_for_the_operator() {
            tracing::error!(%reason, session, "session refused");
        } else if reason == Reason::NoCookie {
            tracing::trace!(%reason, "session refused");
        } else {
            tracing::info!(%reason, session, "session refused");
        }
        let organization = match reason {
            Reason::InteractionNeeded => {
                presented.opened.as_ref().and_then(|sealed| sealed.says().org_id.as_deref())
            }
            _ => None,
        };
        Refusal::new(reason, self.head(presented)).at_organization(organization)
    }

    pub(crate) fn head(self: &Arc<Self>, presented: &Presented) -> Head {
        let lineage = presented.pair.map(|pair| pair.token);
        Head { core: Arc::clone(self), lineage, seen: presented.seen }
    }

    pub(crate) fn log_refresh(&self, outcome: Outcome, presented: &Presented) {
        let session = presented.session_id().map(|id| self.log_word(id)).unwrap_or_default();
        match outcome {
            Outcome::Renewed => tracing::debug!(session, "session refreshed"),
            outcome => tracing::warn!(?outcome, session, "session not refreshed"),
        }
    }
}

pub(crate) fn why(verdict: Verdict) -> FetchFor {
    match verdict {
        Verdict::UnknownKey => FetchFor::UnknownKey,
        _ => FetchFor::None,
    }
}

pub(crate) fn missing(verdict: Verdict) -> Reason {
    match verdict {
        Verdict::UnknownKey => Reason::UnknownKey,
        _ => Reason::NoKeys,
    }
}
