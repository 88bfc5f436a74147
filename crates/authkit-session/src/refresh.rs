//! Refreshing sessions: one exchange per refresh token, in a task that outlives the request.
//!
//! 1. A request that needs new tokens starts the exchange of its refresh token, or waits for the one that is under way.
//! 2. The outcome of an exchange is recorded in the token's lineage before any request sees it.
//! 3. A request whose token was exchanged before gets the successor, if that is in the same organization.
//! 4. A refusal of WorkOS is remembered; after any other failure the exchange tries again, and then the next request
//!    does.
//! 5. If a coordinator is configured, the replicas of a service share the outcome of an exchange.

pub(crate) mod attempt_plan;
mod attempts;
pub(crate) mod coordinator;
mod exchange;
mod exchange_purpose;
mod exchanged_session;
pub(crate) mod hook;
mod observed_exchange;
pub(crate) mod on_demand;
mod refresh_answer;
mod refusal_log;
mod replicas;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::Duration};

use http::HeaderValue;

use self::{
    coordinator::RefreshCoordinator,
    exchange::Exchange,
    exchange_purpose::ExchangePurpose,
    hook::{HookStatus, RefreshHooks},
    refusal_log::RefusalLog,
};
use crate::{
    candidate::{OpenedSession, SessionCandidate, reader::SessionReader},
    config::settings::Settings,
    cookie::received::ReceivedCookies,
    decide::{
        PairAge, Verdict,
        refresh_outcome::{RefreshFailure, RefreshOutcome},
    },
    end::SessionEnder,
    refresh_state::{
        RefreshState, RefreshTables,
        lineage::{ExchangeStatus, LineageStatus},
        successor::{ExchangeWaiter, Successor, VerifiedSuccessor},
    },
    seal::{Attempts, Sealer},
    sync::MutexGuard,
    tasks::Tasks,
    token::{TokenHash, TokenIdentity},
    upstream::client::Client,
};

/// Exchanges refresh tokens, and remembers the outcomes.
pub(crate) struct Refresher {
    settings: Arc<Settings>,
    state: Arc<RefreshState>,
    client: Client,
    coordinator: Arc<dyn RefreshCoordinator>,
    hooks: RefreshHooks,
    sealer: Arc<Sealer>,
    reader: Arc<SessionReader>,
    ender: Arc<SessionEnder>,
    tasks: Tasks,
    refusals: RefusalLog,
}

/// The parts of a [`Refresher`].
pub(crate) struct RefresherParts {
    pub(crate) settings: Arc<Settings>,
    pub(crate) state: Arc<RefreshState>,
    pub(crate) client: Client,
    pub(crate) coordinator: Arc<dyn RefreshCoordinator>,
    pub(crate) hooks: RefreshHooks,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) reader: Arc<SessionReader>,
    pub(crate) ender: Arc<SessionEnder>,
    pub(crate) tasks: Tasks,
}

/// Whether a refreshed session is what the request needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Acceptance {
    Accept,
    /// It must be refreshed itself. If it already was, `otherwise` holds.
    RefreshAgain {
        otherwise: Result<(), Unacceptable>,
    },
    Reject(Unacceptable),
}

/// Why a refreshed session is not what the request needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Unacceptable {
    /// It ended in the meantime.
    SignedOut,
    /// Its token cannot be verified now, or is not for this service.
    Unverified,
    /// The application's hook has not decided yet whether it continues.
    HookUndecided,
}

impl From<Unacceptable> for RefreshFailure {
    fn from(why: Unacceptable) -> Self {
        match why {
            Unacceptable::SignedOut => Self::SignedOut,
            Unacceptable::Unverified => Self::Unverified,
            Unacceptable::HookUndecided => Self::HookUndecided { retry_after: None },
        }
    }
}

impl Refresher {
    pub(crate) fn new(parts: RefresherParts) -> Self {
        let RefresherParts {
            settings,
            state,
            client,
            coordinator,
            hooks,
            sealer,
            reader,
            ender,
            tasks,
        } = parts;
        let refusals = RefusalLog::new(settings.clock().clone());
        Self { settings, state, client, coordinator, hooks, sealer, reader, ender, tasks, refusals }
    }

    /// Marks a candidate with what is known of its lineage, and records that the browser has its cookie.
    #[inline]
    pub(crate) fn mark_from_lineage(&self, candidate: &mut SessionCandidate) {
        let token = candidate.pair.as_ref().map(|pair| &pair.token);
        match self.state.lock_for(token, candidate.session_id_hash()) {
            Some(tables) => self.mark_from_tables(tables, candidate),
            // A session is opened at least once for each of its tokens.
            None if candidate.opened.is_some() => {
                let now = self.settings.clock().monotonic();
                if let Some(tables) = self.state.lock_to_forget(now) {
                    self.mark_from_tables(tables, candidate);
                }
            }
            None => {}
        }
    }

    fn mark_from_tables(
        &self,
        mut tables: MutexGuard<'_, RefreshTables>,
        candidate: &mut SessionCandidate,
    ) {
        let (now, session_id) = (self.settings.clock().monotonic(), candidate.session_id());
        match tables.lineages.returned(candidate.pair, session_id, now) {
            LineageStatus::Unknown => {}
            LineageStatus::Ended => {
                drop(tables);
                if let Some(id) = session_id {
                    self.ender.retry_revoke(id);
                }
                candidate.verdict = Verdict::SignedOut;
                candidate.session = None;
            }
            LineageStatus::Known(age) => {
                candidate.age = PairAge::of(age, candidate.lifetime());
            }
        }
    }

    /// The decision of the application's hook about a candidate's session.
    #[inline]
    pub(crate) fn hook_status(&self, candidate: &SessionCandidate) -> HookStatus {
        if self.hooks.refresh.is_none() {
            return HookStatus::Decided;
        }
        match candidate.identity() {
            Some(TokenIdentity { session: Some(id), issued_at, .. }) => {
                self.hooks.status(id, issued_at, self.settings.clock().monotonic())
            }
            Some(_) | None => HookStatus::Decided,
        }
    }

    /// Whether WorkOS is known to have refused this token.
    pub(crate) fn is_refused(&self, token: TokenHash) -> bool {
        self.state.lock().lineages.is_refused(token)
    }

    /// The `Set-Cookie` values of a response head that leaves now, for a request that brought this token: the newest
    /// cookie of its lineage, unless the browser already has it.
    pub(crate) fn cookies_to_send(
        &self,
        token: TokenHash,
        received: ReceivedCookies,
    ) -> Vec<HeaderValue> {
        let Some(mut tables) = self.state.lock_for(Some(&token), None) else { return Vec::new() };
        let now = self.settings.clock().monotonic();
        let Some(successor) = tables.lineages.pair_to_send(token, now) else { return Vec::new() };
        drop(tables);
        // A session that is too large for cookies is not sent.
        let cookies = &self.settings.cookies;
        cookies.session(&successor.sealed, successor.lifetime, received).unwrap_or_default()
    }

    /// The `Set-Cookie` values that delete the session cookie and all parts that the browser has.
    pub(crate) fn cookies_to_delete(&self, received: ReceivedCookies) -> Vec<HeaderValue> {
        self.settings.cookies.delete_session(received)
    }

    /// Refreshes a session, or takes the outcome of another request's refresh. `accept` judges the new session.
    ///
    /// A successor that is not new enough is refreshed once more. What it brings says nothing of the request's cookies.
    pub(crate) async fn refresh(
        self: &Arc<Self>,
        session: &OpenedSession,
        accept: impl Fn(&mut SessionCandidate) -> Acceptance,
    ) -> RefreshOutcome<SessionCandidate> {
        let mut successor: Option<SessionCandidate> = None;
        loop {
            let session = successor.as_ref().and_then(|it| it.opened.as_deref()).unwrap_or(session);
            let organization = session.unverified().org_id.as_deref();
            let mut refreshed = match self.start_or_join(session) {
                ExchangeStatus::Start(exchange) | ExchangeStatus::UnderWay(exchange) => {
                    let is_ours = exchange.is_for(organization);
                    match (exchange.result().await, is_ours) {
                        (Ok(refreshed), true) => self.refreshed(&refreshed).await,
                        (Ok(_), false) => return Err(RefreshFailure::OtherOrganization),
                        // A refusal about another organization says nothing about this one.
                        (Err(failure), false) if failure.is_about_organization() => continue,
                        (Err(failure), _) => return Err(failure),
                    }
                }
                ExchangeStatus::Successor(successor, age) => self.open(&successor, age).await,
                ExchangeStatus::OtherOrganization => return Err(RefreshFailure::OtherOrganization),
                ExchangeStatus::Refused(refusal, age) => {
                    return Err(RefreshFailure::Refused { refusal, age, sign_in_url: None });
                }
                ExchangeStatus::Ended => return Err(RefreshFailure::SignedOut),
                ExchangeStatus::Throttled(throttled) => return Err(throttled.into()),
            };
            match accept(&mut refreshed) {
                Acceptance::RefreshAgain { .. } if successor.is_none() => {
                    successor = Some(refreshed)
                }
                Acceptance::Accept | Acceptance::RefreshAgain { otherwise: Ok(()) } => {
                    return Ok(refreshed);
                }
                Acceptance::RefreshAgain { otherwise: Err(why) } | Acceptance::Reject(why) => {
                    return Err(why.into());
                }
            }
        }
    }

    /// Opens and verifies a session that was obtained so long ago.
    async fn open(&self, successor: &Successor, age: Duration) -> SessionCandidate {
        let sealed = successor.sealed.as_bytes();
        let received = ReceivedCookies::default();
        let opened = self.reader.open(sealed, received, &mut Attempts::new());
        self.with_keys(opened, age).await
    }

    /// A session that was obtained, and verified, just now.
    async fn refreshed(&self, refreshed: &VerifiedSuccessor) -> SessionCandidate {
        let verified = (*refreshed.verified).clone();
        let verified = if takes_keys(verified.verdict) {
            // They may have come since.
            self.reader.verify_again(verified)
        } else {
            verified
        };
        self.with_keys(verified, Duration::ZERO).await
    }

    /// A session that was obtained so long ago. The keys that it takes may be on their way.
    async fn with_keys(&self, mut candidate: SessionCandidate, age: Duration) -> SessionCandidate {
        if takes_keys(candidate.verdict)
            && let Some(keys) = self.reader.keys().under_way()
        {
            keys.over().await;
            candidate = self.reader.verify_again(candidate);
        }
        let lifetime = candidate
            .opened
            .as_ref()
            .map_or(Duration::ZERO, |opened| opened.unverified().lifetime());
        candidate.age = PairAge::of(Some(age), lifetime);
        candidate
    }

    fn start_or_join(
        self: &Arc<Self>,
        session: &OpenedSession,
    ) -> ExchangeStatus<ExchangeWaiter, Successor> {
        let (Some(token), Some(pair)) = (&session.refresh_token, session.pair()) else {
            return ExchangeStatus::Ended;
        };
        let organization = session.unverified().org_id.as_deref();
        let now = self.settings.clock().monotonic();
        let mut started = None;
        let mut tables = self.state.lock();
        let status = tables.lineages.exchange(pair, organization, now, || {
            let permit = self.client.budget().start_refresh(session.owner(), now)?;
            let (sender, waiter) = ExchangeWaiter::channel(organization);
            started = Some((sender, permit));
            Ok(waiter)
        });
        drop(tables);
        if let Some((sender, permit)) = started {
            let purpose = ExchangePurpose::Refresh;
            let exchange =
                Exchange::new(self, token.clone(), pair.token, session, purpose, sender, permit);
            exchange.start();
        }
        status
    }
}

/// Whether other keys may change the verdict on a token that WorkOS has just answered.
fn takes_keys(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::NoKeys | Verdict::UnknownKey | Verdict::BadSignature)
}

impl fmt::Debug for Refresher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refresher").field("state", &self.state).finish_non_exhaustive()
    }
}
