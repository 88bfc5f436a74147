//! The session that an exchange brought, and how to wait for it.

use std::{fmt, sync::Arc};

use crate::{
    candidate::SessionCandidate,
    cookie::set_cookie::SessionLifetime,
    decide::refresh_outcome::{RefreshFailure, RefreshOutcome},
    refresh_state::lineage::{CookieSize, TokenPair},
    sync::watch,
    token::PairId,
};

/// The session that a refresh brought, as its cookie stores it.
#[derive(Debug)]
pub(crate) struct Successor {
    pub(crate) sealed: String,
    pub(crate) lifetime: SessionLifetime,
    pub(crate) cookie_size: CookieSize,
    pub(crate) id: PairId,
    pub(crate) session_id: Option<Box<str>>,
    pub(crate) organization: Option<Box<str>>,
}

impl TokenPair for Successor {
    fn id(&self) -> PairId {
        self.id
    }

    fn session_id(&self) -> Option<&str> {
        self.session_id.as_deref()
    }

    fn organization(&self) -> Option<&str> {
        self.organization.as_deref()
    }

    fn cookie_size(&self) -> CookieSize {
        self.cookie_size
    }

    fn bytes(&self) -> usize {
        self.sealed.len() + 512
    }
}

/// A session that an exchange brought just now: as its cookie will have it, and as it was verified before it was sealed.
#[derive(Clone)]
pub(crate) struct VerifiedSuccessor {
    pub(crate) successor: Arc<Successor>,
    /// What nobody has to open again.
    pub(crate) verified: Arc<SessionCandidate>,
}

impl fmt::Debug for VerifiedSuccessor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedSuccessor").finish_non_exhaustive()
    }
}

/// The result of an exchange, for those who wait for it.
pub(crate) type ExchangeResult = RefreshOutcome<VerifiedSuccessor>;

/// Waits for an exchange. Clones wait for the same one.
#[derive(Clone, Debug)]
pub(crate) struct ExchangeWaiter {
    result: watch::Receiver<Option<ExchangeResult>>,
    /// The organization that the exchange asks for.
    organization: Option<Arc<str>>,
}

/// The task's end of an exchange, to which it sends its result.
pub(crate) type ExchangeSender = watch::Sender<Option<ExchangeResult>>;

impl ExchangeWaiter {
    /// The two ends of an exchange for `organization`.
    pub(crate) fn channel(organization: Option<&str>) -> (ExchangeSender, Self) {
        let (sender, result) = watch::channel(None);
        (sender, Self { result, organization: organization.map(Into::into) })
    }

    pub(crate) fn is_for(&self, organization: Option<&str>) -> bool {
        self.organization.as_deref() == organization
    }

    /// Waits for the end of the exchange. A task that vanished counts as a transient failure.
    pub(crate) async fn result(mut self) -> ExchangeResult {
        let vanished = Err(RefreshFailure::Transient { retry_after: None });
        self.result
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|it| it.clone())
            .unwrap_or(vanished)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        refresh_state::{RefreshState, lineage::LineageState},
        token::RefreshToken,
    };

    fn successor(session_id: &str) -> Arc<Successor> {
        Arc::new(Successor {
            sealed: "a".repeat(3_000),
            lifetime: SessionLifetime::Configured,
            cookie_size: CookieSize::Fits,
            id: pair("new"),
            session_id: Some(session_id.into()),
            organization: None,
        })
    }

    fn pair(token: &str) -> PairId {
        PairId { token: RefreshToken::new(token).hash(), issued_at: 0 }
    }

    /// A session is signed out by its id while its token is exchanged.
    #[test]
    fn what_an_exchange_brings_belongs_to_the_session_of_its_id() {
        let now = Duration::ZERO;
        for (session_id, expected) in
            [("session_1", LineageState::Ended), ("session_2", LineageState::Live)]
        {
            let state = RefreshState::new();
            let table = &mut state.lock().lineages;
            table.exchange(pair("old"), None, now, || Ok(ExchangeWaiter::channel(None).1));
            table.end(None, Some("session_1"), now);
            let ended =
                table.refreshed(pair("old").token, successor(session_id), LineageState::Live, now);
            assert_eq!(ended, expected, "{session_id}");
        }
    }

    /// The table is limited by its bytes.
    #[test]
    fn a_pair_counts_its_cookie_and_a_little_more() {
        let bytes = successor("session_1").bytes();
        assert!((3_000..4_000).contains(&bytes), "{bytes}");
    }

    #[test]
    fn an_exchange_is_for_one_organization_or_for_none() {
        let cases = [
            (None, None, true),
            (None, Some("org_1"), false),
            (Some("org_1"), None, false),
            (Some("org_1"), Some("org_1"), true),
            (Some("org_1"), Some("org_2"), false),
        ];
        for (of, asked, expected) in cases {
            let (_, waiter) = ExchangeWaiter::channel(of);
            assert_eq!(waiter.is_for(asked), expected, "{of:?} {asked:?}");
        }
    }
}
