//! The outcomes of exchanges that replicas share: sealed for that purpose, and bound to the token that was exchanged.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use tokio::time;

use crate::{
    crypto::digest,
    decide::refresh_outcome::{ApiRefusal, RefreshFailure},
    log_limit::EventLog,
    refresh::{
        coordinator::{Claim, Coordinating, RefreshCoordinator},
        refresh_answer::RefreshAnswer,
    },
    refresh_state::successor::ExchangeResult,
    seal::{Purpose, Sealer},
    token::TokenHash,
};

/// An exchange that other replicas may be making too.
pub(super) struct SharedExchange {
    coordinator: Arc<dyn RefreshCoordinator>,
    sealer: Arc<Sealer>,
    log: Arc<EventLog>,
    name: String,
    context: Vec<u8>,
}

/// The state of an exchange among the replicas.
pub(super) enum ClaimStatus {
    Alone,
    Contested,
    /// The outcome that another process published, and its age.
    Published(PublishedOutcome, Duration),
}

/// The outcome that a replica publishes.
#[derive(Clone, Debug)]
pub(super) enum PublishedOutcome {
    Refreshed(Arc<RefreshAnswer>),
    Refused(ApiRefusal),
}

impl SharedExchange {
    /// The exchange of this token for this organization.
    pub(super) fn new(
        coordinator: &Arc<dyn RefreshCoordinator>,
        sealer: &Arc<Sealer>,
        log: &Arc<EventLog>,
        token: TokenHash,
        organization: Option<&str>,
    ) -> Self {
        let mut context = Vec::from(*token.as_bytes());
        if let Some(organization) = organization {
            context.push(b'@');
            context.extend_from_slice(organization.as_bytes());
        }
        // The name is the same on every replica, whatever passwords it has, and does not reveal the token.
        let name = digest::digest(&digest::SHA256, &sealer.context(token.as_bytes()));
        Self {
            coordinator: Arc::clone(coordinator),
            sealer: Arc::clone(sealer),
            log: Arc::clone(log),
            name: URL_SAFE_NO_PAD.encode(name),
            context,
        }
    }

    pub(super) async fn claim(&self) -> ClaimStatus {
        self.read(self.coordinator.claim(&self.name), CLAIM).await
    }

    pub(super) async fn look(&self) -> ClaimStatus {
        self.read(self.coordinator.look(&self.name), LOOK).await
    }

    pub(super) async fn publish(&self, outcome: &PublishedOutcome) {
        let mut bytes = self.log.clock().unix().to_be_bytes().to_vec();
        bytes.extend_from_slice(&outcome.to_bytes());
        let sealed = self.sealer.seal_for(Purpose::Replica, &self.context, &bytes);
        // Without randomness nothing can be sealed; then the others make the exchange themselves.
        let Ok(sealed) = sealed else { return };
        let published = self.coordinator.publish(&self.name, Bytes::from(sealed));
        if time::timeout(PUBLISH, published).await.is_err() {
            tracing::debug!("the refresh coordinator took too long to publish");
        }
    }

    async fn read(&self, answer: Coordinating<'_, Claim>, at_most: Duration) -> ClaimStatus {
        match time::timeout(at_most, answer).await {
            Ok(Claim::Alone) => ClaimStatus::Alone,
            Ok(Claim::Contested) => ClaimStatus::Contested,
            Ok(Claim::Published(sealed)) => match self.open(&sealed) {
                Some((age, outcome)) if age <= OUTCOME_LASTS => {
                    ClaimStatus::Published(outcome, age)
                }
                Some(_) => {
                    if let Some(left_out) = self.log.due("an outcome of long ago") {
                        tracing::warn!(
                            left_out,
                            "the refresh coordinator handed out an outcome of long ago"
                        );
                    }
                    ClaimStatus::Alone
                }
                None => {
                    if let Some(left_out) = self.log.due("an outcome that cannot be opened") {
                        tracing::warn!(
                            left_out,
                            "another process published a refresh that cannot be opened here"
                        );
                    }
                    ClaimStatus::Contested
                }
            },
            Err(_) => {
                tracing::debug!("the refresh coordinator took too long to answer");
                ClaimStatus::Alone
            }
        }
    }

    /// An outcome and its age; an outcome from the future is as old as it is early.
    fn open(&self, sealed: &[u8]) -> Option<(Duration, PublishedOutcome)> {
        if sealed.len() > MAX_SEALED {
            return None;
        }
        let sealed = std::str::from_utf8(sealed).ok()?;
        let opened = self.sealer.open_for(Purpose::Replica, &self.context, sealed)?;
        let (at, outcome) = opened.split_first_chunk()?;
        let age = self.log.clock().unix().abs_diff(u64::from_be_bytes(*at));
        Some((Duration::from_secs(age), PublishedOutcome::from_bytes(outcome)?))
    }
}

impl PublishedOutcome {
    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Refreshed(answer) => [RENEWED, &answer.body].concat(),
            Self::Refused(refusal) => [REFUSED, refusal.published_word().as_bytes()].concat(),
        }
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if let Some(word) = bytes.strip_prefix(REFUSED) {
            let is_this = |refusal: &ApiRefusal| refusal.published_word().as_bytes() == word;
            return ApiRefusal::ALL.into_iter().find(is_this).map(Self::Refused);
        }
        let body = Bytes::copy_from_slice(bytes.strip_prefix(RENEWED)?);
        Some(Self::Refreshed(Arc::new(RefreshAnswer::parse(body).ok()?)))
    }
}

/// Whether the other processes should learn the outcome of an exchange.
pub(super) fn is_for_others(result: &ExchangeResult) -> bool {
    match result {
        Ok(_) | Err(RefreshFailure::HookUndecided { .. } | RefreshFailure::Refused { .. }) => true,
        Err(
            RefreshFailure::Unverified
            | RefreshFailure::Foreign
            | RefreshFailure::SignedOut
            | RefreshFailure::HookRefused
            | RefreshFailure::OtherOrganization
            | RefreshFailure::Transient { .. }
            | RefreshFailure::TimedOut
            | RefreshFailure::Busy
            | RefreshFailure::CircuitOpen,
        ) => false,
    }
}

const RENEWED: &[u8] = b"renewed ";
const REFUSED: &[u8] = b"refused ";
/// The greatest age of an outcome: as long as a coordinator keeps it, so that whoever can write to the store cannot
/// replay an old one.
const OUTCOME_LASTS: Duration = Duration::from_secs(60);
/// The longest sealed outcome that is opened: WorkOS's longest answer, sealed.
const MAX_SEALED: usize = 512 * 1024;
/// How long a coordinator may take; longer than the 1.5 seconds for which it may wait.
const CLAIM: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(500);
const PUBLISH: Duration = Duration::from_secs(2);
