//! Decides about a request with a session cookie: applies the two tables of [`decide`](crate::decide).

use std::{fmt, sync::Arc, time::Duration};

use http::{HeaderMap, header};
use tokio::time::{self, Instant};

use crate::{
    candidate::{OpenedSession, SessionCandidate, jwks::FetchFor, reader::SessionReader},
    config::settings::Settings,
    decide::{
        Action, Circumstances, CutOffEffect, Fallback, KeyFetch, MissingKeys, decide,
        reason::Reason,
        refresh_outcome::{AfterRefresh, RefreshFailure, RefreshOutcome, after_refresh},
    },
    end::SessionEnder,
    error::{Error, ErrorKind},
    refresh::{
        Acceptance, Refresher, Unacceptable,
        hook::HookStatus,
        on_demand::{self, OnDemand},
    },
    request::{
        admission::{Admission, Refusal, ResponseCookies},
        decision_log::DecisionLog,
        policy::Policy,
        sharded_arc::ShardedArc,
        waiting::{Decision, PATIENCE, Waiting, in_span},
    },
    session::VerifiedSession,
};

/// Decides about requests by their session cookie.
pub(crate) struct RequestAuthenticator {
    settings: Arc<Settings>,
    reader: Arc<SessionReader>,
    refresher: Arc<Refresher>,
    sharded_refresher: ShardedArc<Refresher>,
    ender: Arc<SessionEnder>,
    log: DecisionLog,
}

impl RequestAuthenticator {
    pub(crate) fn new(
        settings: Arc<Settings>,
        reader: Arc<SessionReader>,
        refresher: Arc<Refresher>,
        ender: Arc<SessionEnder>,
    ) -> Self {
        let sharded_refresher = ShardedArc::new(&refresher);
        let log = DecisionLog::new(Arc::clone(&settings));
        Self { settings, reader, refresher, sharded_refresher, ender, log }
    }

    /// Decides about a request, or returns what it waits for. Does not wait itself.
    pub(crate) fn authenticate(self: &Arc<Self>, headers: &HeaderMap, policy: &Policy) -> Decision {
        let mut candidate = self.reader.read(headers);
        self.apply_history(&mut candidate);
        match self.action(&candidate, policy) {
            Action::Admit => match self.admit(candidate) {
                Ok(admission) => Decision::Admit(admission),
                Err(refusal) => Decision::Refuse(refusal),
            },
            Action::Refuse(reason) => Decision::Refuse(self.refuse(reason, &candidate)),
            Action::Refresh { .. } | Action::FetchKeys => {
                self.begin_waiting(headers, candidate, *policy)
            }
        }
    }

    #[inline(never)]
    fn begin_waiting(
        self: &Arc<Self>,
        headers: &HeaderMap,
        candidate: SessionCandidate,
        policy: Policy,
    ) -> Decision {
        let mut cookies = HeaderMap::new();
        for field in headers.get_all(header::COOKIE) {
            cookies.append(header::COOKIE, field.clone());
        }
        let read = (self.settings.clock().monotonic(), candidate);
        let waiting = in_span(Arc::clone(self).wait(cookies, read, policy));
        Decision::Wait(Waiting::new(waiting))
    }

    /// Exchanges the newest token of the session in `headers`, which has to be of the user of `session`.
    pub(crate) async fn refresh_on_demand(
        &self,
        headers: &HeaderMap,
        session: &VerifiedSession,
        demand: OnDemand<'_>,
    ) -> Result<Admission, Error> {
        let mut candidate = self.reader.read_opened(headers);
        self.apply_history(&mut candidate);
        let is_meant = |it: &OpenedSession| it.subject().as_deref() == Some(session.user_id());
        if !candidate.opened.as_deref().is_some_and(is_meant) {
            return Err(ErrorKind::NoSession.into());
        }
        let cookies = self.response_cookies(&candidate);
        let accept = |refreshed: &mut SessionCandidate| self.accept(refreshed, &Policy::default());
        let exchange = on_demand::exchange(&self.refresher, candidate, demand, accept);
        let refreshed = time::timeout(PATIENCE, exchange)
            .await
            .unwrap_or_else(|_| Err(RefreshFailure::TimedOut.into()))?;
        let session = refreshed.session.ok_or(ErrorKind::Unverified)?;
        let log_id = self.settings.log_ids.of(session.session_id());
        tracing::debug!(session = log_id, "session refreshed on demand");
        Ok(Admission::new(session, cookies))
    }

    /// Marks a candidate with everything that is known of its session.
    #[inline]
    fn apply_history(&self, candidate: &mut SessionCandidate) {
        self.refresher.mark_from_lineage(candidate);
        self.ender.mark_if_ended(candidate);
        match self.refresher.hook_status(candidate) {
            HookStatus::Decided => {}
            HookStatus::Undecided | HookStatus::AskAgainIn(_) => {
                candidate.cut_off = candidate.cut_off.max(CutOffEffect::Changed);
            }
        }
    }

    /// Applies the first table.
    #[inline]
    fn action(&self, candidate: &SessionCandidate, policy: &Policy) -> Action {
        let missing = candidate.verdict.missing_keys().map(fetch_for);
        let keys = missing.map_or(KeyFetch::Allowed, |why| self.reader.keys().may_fetch(why));
        let (times, clock) = (candidate.times(), self.settings.clock());
        let circumstances = Circumstances {
            refresh: policy.refreshing(candidate),
            limit: policy.limit(times, clock),
            demand: policy.demand(candidate.cut_off, times.map(|times| times.issued_at), clock),
            keys,
            age: candidate.age,
        };
        decide(candidate.verdict, circumstances)
    }

    /// Goes on with the candidate that was read, if that is opened and was a moment ago. Otherwise the cookies are read
    /// again: what the request waits for may have come meanwhile.
    async fn wait(
        self: Arc<Self>,
        cookies: HeaderMap,
        (read_at, read): (Duration, SessionCandidate),
        policy: Policy,
    ) -> Result<Admission, Refusal> {
        let age = self.settings.clock().monotonic().saturating_sub(read_at);
        let mut read = Some(read).filter(|it| it.opened.is_some() && age < A_MOMENT);
        let deadline = Instant::now() + PATIENCE;
        let mut fetched = false;
        loop {
            let mut candidate = read.take().unwrap_or_else(|| self.reader.read_opened(&cookies));
            self.apply_history(&mut candidate);
            match self.action(&candidate, &policy) {
                Action::Admit => return self.admit(candidate),
                Action::Refuse(reason) => return Err(self.refuse(reason, &candidate)),
                Action::Refresh { or } => {
                    return self.refresh(candidate, &policy, or, deadline).await;
                }
                Action::FetchKeys => {
                    let missing = candidate.verdict.missing_keys().unwrap_or(MissingKeys::All);
                    if fetched {
                        return Err(self.refuse(missing.into(), &candidate));
                    }
                    fetched = true;
                    if let Some(keys) = self.reader.keys().fetch(fetch_for(missing)) {
                        // Keys that come too late are looked up once more, and reported missing.
                        let _ = time::timeout_at(deadline, keys.over()).await;
                    }
                }
            }
        }
    }

    /// Waits for the session's refresh, as long as a request may, and applies the second table.
    async fn refresh(
        &self,
        candidate: SessionCandidate,
        policy: &Policy,
        or: Fallback,
        deadline: Instant,
    ) -> Result<Admission, Refusal> {
        let deadline = match or {
            Fallback::Current => deadline.min(Instant::now() + PATIENCE_IF_GOOD),
            Fallback::Nothing => deadline,
        };
        let outcome: RefreshOutcome<SessionCandidate> =
            match (&candidate.opened, self.refresher.hook_status(&candidate)) {
                (Some(_), HookStatus::AskAgainIn(wait)) => {
                    Err(RefreshFailure::HookUndecided { retry_after: Some(wait) })
                }
                (Some(opened), HookStatus::Decided | HookStatus::Undecided) => {
                    let accept = |refreshed: &mut SessionCandidate| self.accept(refreshed, policy);
                    let refresh = self.refresher.refresh(opened, accept);
                    let timed_out = |_| Err(RefreshFailure::TimedOut);
                    time::timeout_at(deadline, refresh).await.unwrap_or_else(timed_out)
                }
                (None, _) => return Err(self.refuse(Reason::NotASession, &candidate)),
            };
        self.log.refreshed(&outcome, &candidate);
        let retry_after = outcome.as_ref().err().and_then(RefreshFailure::retry_after);
        let session = match after_refresh(outcome, or) {
            AfterRefresh::AdmitRefreshed(refreshed) => refreshed.session,
            AfterRefresh::AdmitCurrent => candidate.session.clone(),
            AfterRefresh::Refuse(reason) => {
                return Err(self.refuse(reason, &candidate).retry_after_at_least(retry_after));
            }
        };
        match session {
            Some(session) => {
                self.log.admitted();
                Ok(Admission::new(session, self.response_cookies(&candidate)))
            }
            None => Err(self.refuse(Reason::Unverified, &candidate)),
        }
    }

    /// Whether `policy` admits a session that a refresh brought.
    fn accept(&self, refreshed: &mut SessionCandidate, policy: &Policy) -> Acceptance {
        self.ender.mark_if_ended(refreshed);
        let undecided = match self.refresher.hook_status(refreshed) {
            HookStatus::Decided => None,
            HookStatus::Undecided => {
                Some(Acceptance::RefreshAgain { otherwise: Err(Unacceptable::HookUndecided) })
            }
            HookStatus::AskAgainIn(_) => Some(Acceptance::Reject(Unacceptable::HookUndecided)),
        };
        match (self.action(refreshed, policy), undecided) {
            (Action::Admit | Action::Refresh { or: Fallback::Current }, None) => Acceptance::Accept,
            (Action::Refresh { or: Fallback::Nothing }, None) => Acceptance::RefreshAgain {
                // The request demanded a newer session. A session as new as WorkOS makes it is enough, whatever the
                // clocks say.
                otherwise: if refreshed.verdict.is_verified() {
                    Ok(())
                } else {
                    Err(Unacceptable::Unverified)
                },
            },
            (Action::Admit | Action::Refresh { .. }, Some(undecided)) => undecided,
            (Action::Refuse(Reason::Revoked), _) => Acceptance::Reject(Unacceptable::SignedOut),
            (Action::FetchKeys | Action::Refuse(_), _) => {
                Acceptance::Reject(Unacceptable::Unverified)
            }
        }
    }

    #[inline]
    fn admit(&self, candidate: SessionCandidate) -> Result<Admission, Refusal> {
        let cookies = self.response_cookies(&candidate);
        match candidate.session {
            Some(session) => {
                self.log.admitted();
                Ok(Admission::new(session, cookies))
            }
            // Verdicts that admit come with a session; without one the request is refused.
            None => Err(Refusal::new(Reason::NotASession, cookies)),
        }
    }

    #[inline(never)]
    fn refuse(&self, reason: Reason, candidate: &SessionCandidate) -> Refusal {
        self.log.refused(reason, candidate);
        let organization = if reason == Reason::InteractionNeeded {
            candidate.opened.as_ref().and_then(|it| it.unverified().org_id.as_deref())
        } else {
            None
        };
        Refusal::new(reason, self.response_cookies(candidate)).at_organization(organization)
    }

    #[inline]
    fn response_cookies(&self, candidate: &SessionCandidate) -> ResponseCookies {
        let token = candidate.pair.map(|pair| pair.token);
        let refresher = self.sharded_refresher.shard_of(token.as_ref());
        ResponseCookies { refresher, token, received: candidate.received }
    }
}

impl fmt::Debug for RequestAuthenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestAuthenticator")
            .field("refresher", &self.refresher)
            .finish_non_exhaustive()
    }
}

/// Why keys are fetched for a cookie, which we sealed ourselves.
fn fetch_for(missing: MissingKeys) -> FetchFor {
    match missing {
        MissingKeys::All => FetchFor::None,
        MissingKeys::OfToken => FetchFor::UnknownKey,
    }
}

/// How long a request waits for a refresh that it could do without.
pub(crate) const PATIENCE_IF_GOOD: Duration = Duration::from_secs(1);

/// For so long a candidate is as good as one read anew, which would cost a refresh as much as all else that it does.
const A_MOMENT: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests;
