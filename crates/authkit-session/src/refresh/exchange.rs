//! The exchange of one refresh token, from the first attempt to the processing of the answer.

use std::{sync::Arc, time::Duration};

use crate::{
    candidate::{OpenedSession, jwks::FetchFor},
    decide::{
        others_exchange::{AfterRefusal, OtherProcesses, OthersExchange, after_refusal},
        refresh_outcome::{Blame, RefreshFailure, RefusalAge},
    },
    refresh::{
        Refresher,
        attempts::ExchangeAttempts,
        exchange_purpose::ExchangePurpose,
        exchanged_session::ExchangedSession,
        hook::HookDecision,
        observed_exchange::ObservedExchange,
        refresh_answer::RefreshAnswer,
        replicas::{ClaimStatus, PublishedOutcome, SharedExchange, is_for_others},
    },
    refresh_state::{
        lineage::{LineageState, RefusalDelay},
        successor::{ExchangeResult, ExchangeSender},
    },
    sync,
    tasks::Task,
    token::{RefreshToken, TokenHash},
    upstream::{
        budget::CallPermit,
        error_answer::{UpstreamError, UpstreamFailure},
    },
};

/// The exchange of one refresh token. Dropping it marks the exchange as finished, even after a panic.
pub(super) struct Exchange {
    refresher: Arc<Refresher>,
    token: RefreshToken,
    hash: TokenHash,
    purpose: ExchangePurpose,
    session: ExchangedSession,
    sender: ExchangeSender,
    recorded: Recorded,
    observed: ObservedExchange,
    _task: Task,
    _permit: CallPermit,
}

/// Whether the lineage has recorded the outcome of the exchange.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Recorded {
    No,
    Yes,
}

impl Exchange {
    pub(super) fn new(
        refresher: &Arc<Refresher>,
        token: RefreshToken,
        hash: TokenHash,
        session: &OpenedSession,
        purpose: ExchangePurpose,
        sender: ExchangeSender,
        permit: CallPermit,
    ) -> Self {
        Self {
            _task: refresher.tasks.start(),
            _permit: permit,
            observed: ObservedExchange::begin(&refresher.settings, session),
            refresher: Arc::clone(refresher),
            token,
            hash,
            session: ExchangedSession::of(session, purpose.organization(session)),
            purpose,
            sender,
            recorded: Recorded::No,
        }
    }

    /// Makes the exchange in a task of its own, which outlives the request.
    pub(super) fn start(self) {
        let span = self.observed.span();
        sync::spawn(tracing::Instrument::instrument(self.run(), span));
    }

    async fn run(mut self) {
        let Refresher { coordinator, sealer, tasks, settings, .. } = &*self.refresher;
        let tasks = tasks.clone();
        let organization = self.session.organization();
        let shared =
            SharedExchange::new(coordinator, sealer, &settings.log, self.hash, organization);
        let (result, outcome) = match shared.claim().await {
            ClaimStatus::Published(outcome, ago) if self.is_usable(&outcome, ago) => {
                (self.record(&outcome).await, None)
            }
            ClaimStatus::Alone => self.exchange(&shared, OtherProcesses::None).await,
            ClaimStatus::Contested | ClaimStatus::Published(..) => {
                self.exchange(&shared, OtherProcesses::Exchanging).await
            }
        };
        let publishing = outcome.map(|outcome| (tasks.start(), outcome));
        self.finish(result);
        if let Some((_task, outcome)) = publishing {
            shared.publish(&outcome).await;
        }
    }

    /// Makes the exchange. Publishes the outcome to the other processes, unless one of them may have caused it.
    async fn exchange(
        &mut self,
        shared: &SharedExchange,
        others: OtherProcesses,
    ) -> (ExchangeResult, Option<PublishedOutcome>) {
        let error = match self.ask_workos().await {
            Ok(answer) => {
                return self.record_for_all(PublishedOutcome::Refreshed(Arc::new(answer))).await;
            }
            Err(error) => error,
        };
        let refusal = match error.failure {
            UpstreamFailure::Refused(refusal) => refusal,
            UpstreamFailure::Transient => {
                let retry_after = error.details.retry_after;
                return (Err(RefreshFailure::Transient { retry_after }), None);
            }
        };
        self.refresher.refusals.log(refusal.blame(), &error);
        let failure = RefreshFailure::Refused {
            refusal,
            age: RefusalAge::JustNow,
            sign_in_url: error.details.authkit_redirect_url.as_deref().map(Into::into),
        };
        let outcome = PublishedOutcome::Refused(refusal);
        match (refusal.blame(), &self.purpose) {
            (Blame::Grant, ExchangePurpose::Refresh | ExchangePurpose::Switch(_)) => {}
            // The refusal is about the requested organization: the session continues where it is.
            (Blame::User | Blame::OurRequest | Blame::Unknown, ExchangePurpose::Switch(_))
            // The refusal affects all users, and ends as soon as the operator has corrected the settings.
            | (Blame::OurCredentials, ExchangePurpose::Refresh | ExchangePurpose::Switch(_)) => {
                return (Err(failure), None);
            }
            // Another process may send a different request: with another version of this crate or other settings.
            (Blame::OurRequest, ExchangePurpose::Refresh) => {
                return (self.record(&outcome).await, None);
            }
            (Blame::User | Blame::Unknown, ExchangePurpose::Refresh) => {
                return self.record_for_all(outcome).await;
            }
        }
        let known = match shared.look().await {
            ClaimStatus::Published(outcome, _) if self.session.accepts(&outcome) => {
                OthersExchange::Over(outcome)
            }
            ClaimStatus::Published(..) | ClaimStatus::Contested => OthersExchange::Begun,
            ClaimStatus::Alone => OthersExchange::None,
        };
        match after_refusal(known, others) {
            AfterRefusal::Take(published) => (self.record(&published).await, None),
            AfterRefusal::Refused => self.record_for_all(outcome).await,
            AfterRefusal::PerhapsTheirs => match self.delay_refusal() {
                RefusalDelay::Granted => {
                    tracing::info!("a refresh was refused that another process was making");
                    let retry_after = Some(NEWER_COOKIE_SOON);
                    (Err(RefreshFailure::Transient { retry_after }), None)
                }
                // The process that holds the store's marker does not hold it for ever.
                RefusalDelay::Spent => (self.record(&outcome).await, None),
            },
        }
    }

    /// Whether WorkOS would still give the answer that another process got at that time.
    fn is_usable(&self, outcome: &PublishedOutcome, ago: Duration) -> bool {
        let Refresher { state, settings, .. } = &*self.refresher;
        let now = settings.clock().monotonic();
        let counts = match outcome {
            PublishedOutcome::Refreshed(_) => true,
            PublishedOutcome::Refused(_) => {
                state.lock().lineages.counts_refusal(self.hash, ago, now)
            }
        };
        counts && self.session.accepts(outcome)
    }

    /// Delays the refusal of this token, once, because another process may have refreshed the session.
    fn delay_refusal(&self) -> RefusalDelay {
        let Refresher { state, settings, .. } = &*self.refresher;
        state.lock().lineages.delay_refusal(self.hash, settings.clock().monotonic())
    }

    async fn ask_workos(&self) -> Result<RefreshAnswer, UpstreamError> {
        let attempts = ExchangeAttempts {
            client: &self.refresher.client,
            clock: self.refresher.settings.clock(),
            token: &self.token,
            hash: self.hash,
            organization: self.session.organization(),
        };
        attempts.run().await
    }

    /// Records WorkOS's answer, and returns what to publish to the other processes.
    async fn record_for_all(
        &mut self,
        outcome: PublishedOutcome,
    ) -> (ExchangeResult, Option<PublishedOutcome>) {
        let result = self.record(&outcome).await;
        let outcome = is_for_others(&result).then_some(outcome);
        (result, outcome)
    }

    /// Records an outcome in the lineage of the token.
    async fn record(&mut self, outcome: &PublishedOutcome) -> ExchangeResult {
        match outcome {
            PublishedOutcome::Refreshed(answer) => self.record_successor(answer).await,
            PublishedOutcome::Refused(refusal) => {
                let Refresher { state, settings, .. } = &*self.refresher;
                let now = settings.clock().monotonic();
                let age = state.lock().lineages.refused(self.hash, *refusal, now);
                self.recorded = Recorded::Yes;
                Err(age.map_or(RefreshFailure::SignedOut, |age| RefreshFailure::Refused {
                    refusal: *refusal,
                    age,
                    sign_in_url: None,
                }))
            }
        }
    }

    /// Seals the new session and records it, even if the application refuses it: the old token is used up.
    async fn record_successor(&mut self, answer: &RefreshAnswer) -> ExchangeResult {
        let refresher = Arc::clone(&self.refresher);
        if !self.session.owns(&answer.claims) {
            self.observed.foreign(&refresher.settings);
            return Err(RefreshFailure::Foreign);
        }
        let keys = refresher.reader.keys();
        if keys.lacks_key_of(&answer.answer.access_token) {
            // Whoever verifies the new token waits for the keys.
            let _ = keys.fetch(FetchFor::OwnAnswer);
        }
        let Some(refreshed) = self.session.seal(&refresher, answer) else {
            return Err(RefreshFailure::Transient { retry_after: None });
        };
        // The hook cannot end this task, and requests that arrive meanwhile wait for it.
        let decision = self.session.ask_hook(&refresher, &refreshed).await;
        let state = match decision {
            HookDecision::Keep | HookDecision::Undecided => LineageState::Live,
            HookDecision::Refuse => LineageState::Ended,
        };
        let now = refresher.settings.clock().monotonic();
        let successor = Arc::clone(&refreshed.successor);
        let state = refresher.state.lock().lineages.refreshed(self.hash, successor, state, now);
        self.recorded = Recorded::Yes;
        match (decision, state) {
            (HookDecision::Keep, LineageState::Live) => Ok(refreshed),
            (HookDecision::Undecided, LineageState::Live) => {
                Err(RefreshFailure::HookUndecided { retry_after: None })
            }
            (HookDecision::Refuse, _) => {
                if let Some(id) = &refreshed.successor.session_id {
                    self.observed.hook_refused(&refresher.settings, id);
                    refresher.ender.end_elsewhere(id);
                }
                Err(RefreshFailure::HookRefused)
            }
            (HookDecision::Keep | HookDecision::Undecided, LineageState::Ended) => {
                Err(RefreshFailure::SignedOut)
            }
        }
    }

    /// Wakes the waiting requests.
    fn finish(mut self, result: ExchangeResult) {
        self.record_lost();
        self.observed.ended(&result);
        self.sender.send_replace(Some(result));
    }

    /// An exchange that ends without a recorded outcome is lost.
    fn record_lost(&mut self) {
        if self.recorded == Recorded::No {
            let Refresher { state, settings, .. } = &*self.refresher;
            state.lock().lineages.lost(self.hash, settings.clock().monotonic());
            self.recorded = Recorded::Yes;
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.record_lost();
    }
}

/// When the browser should come back after a refusal that another process's success may have caused.
const NEWER_COOKIE_SOON: Duration = Duration::from_secs(1);
