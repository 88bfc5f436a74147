//! One replica, with the production code's tables, budget and decisions.

use std::{sync::Arc, time::Duration};

use crate::{
    candidate::verify,
    decide::{
        Action, Circumstances, Demand, Fallback, KeyFetch, PairAge, Refreshing, SessionLimit,
        decide,
        reason::Reason,
        refresh_outcome::{AfterRefresh, RefreshOutcome, after_refresh},
    },
    meter::Meter,
    refresh_state::{
        lineage::{
            CookieSize, ExchangeStatus, Limits, LineageState, LineageStatus, Lineages, TokenPair,
        },
        lookup_filter::LookupFilter,
    },
    simulation::{SimulatedLimits, workos::Minted},
    token::{PairId, RefreshToken, TokenHash},
    upstream::budget::{Budget, CallPermit, RefreshLimits, RefreshOwner},
};

/// A replica. A running exchange has a number.
pub(super) struct SimulatedReplica {
    pub(super) lineages: Lineages<u64, SimulatedPair>,
    pub(super) budget: Budget,
    pub(super) most_bytes: usize,
    lifetime: u64,
}

/// A pair that a refresh brought.
#[derive(Clone, Copy, Debug)]
pub(super) struct SimulatedPair {
    id: PairId,
    pub(super) minted: Minted,
}

/// A request that waits for an exchange.
#[derive(Clone, Copy)]
pub(super) struct WaitingRequest {
    pub(super) session: u32,
    /// The token in the request.
    pub(super) token: TokenHash,
    pub(super) or: Fallback,
    pub(super) since: Duration,
}

/// The answer that a browser gets.
pub(super) struct Answer {
    pub(super) session: u32,
    pub(super) kind: AnswerKind,
    /// The pair in the cookie that its head sets.
    pub(super) cookie: Option<Minted>,
}

/// The fate of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum AnswerKind {
    Admitted,
    Refused(Reason),
    /// The process in which it waited was killed.
    CutOff,
}

impl SimulatedReplica {
    pub(super) fn new(limits: SimulatedLimits, lifetime: Duration) -> Self {
        let limits = match limits {
            SimulatedLimits::Default => RefreshLimits::default(),
            SimulatedLimits::None => RefreshLimits { at_once: usize::MAX, per_second: usize::MAX },
        };
        // The counts exist to avoid the lock of the tables, which has no cost here.
        let lookup_filter = Arc::new(LookupFilter::new(1));
        Self {
            lineages: Lineages::new(Limits::default(), lookup_filter),
            budget: Budget::new(limits, Meter::new()),
            most_bytes: 0,
            lifetime: lifetime.as_secs(),
        }
    }

    /// The action for a request with this pair, by what this replica knows.
    pub(super) fn decide(&mut self, id: PairId, made: u32, now: Duration, unix: u64) -> Action {
        match self.lineages.returned(Some(id), None, now) {
            LineageStatus::Unknown => self.judge(made, None, unix),
            LineageStatus::Known(age) => self.judge(made, age, unix),
            LineageStatus::Ended => panic!("no session ends here"),
        }
    }

    /// The action for a pair that this replica obtained `age` ago, if it did.
    pub(super) fn judge(&self, made: u32, age: Option<Duration>, unix: u64) -> Action {
        let verdict =
            verify::verdict_by_expiry(u64::from(made) + self.lifetime, self.lifetime, LEEWAY, unix);
        let circumstances = Circumstances {
            refresh: Refreshing::Possible,
            limit: SessionLimit::Within,
            demand: Demand::Nothing,
            keys: KeyFetch::Allowed,
            age: PairAge::of(age, Duration::from_secs(self.lifetime)),
        };
        decide(verdict, circumstances)
    }

    /// Starts an exchange with this number, if none is running and the budget permits it.
    pub(super) fn start_or_join(
        &mut self,
        session: u32,
        id: PairId,
        number: u64,
        now: Duration,
    ) -> (ExchangeStatus<u64, SimulatedPair>, Option<CallPermit>) {
        let (name, mut permit) = (session.to_string(), None);
        let owner = RefreshOwner { session: Some(&name), user: None };
        let status = self.lineages.exchange(id, None, now, || {
            permit = Some(self.budget.start_refresh(owner, now)?);
            Ok(number)
        });
        (status, permit)
    }

    /// Records the pair that an exchange of a session's token brought.
    pub(super) fn refreshed(
        &mut self,
        session: u32,
        token: TokenHash,
        minted: Minted,
        now: Duration,
    ) {
        let pair = Arc::new(SimulatedPair { id: pair_id(session, minted), minted });
        self.lineages.refreshed(token, pair, LineageState::Live, now);
        self.most_bytes = self.most_bytes.max(self.lineages.bytes());
    }

    /// Answers a request. The head carries the newest pair.
    pub(super) fn after_refresh(
        &mut self,
        request: WaitingRequest,
        outcome: RefreshOutcome<()>,
        now: Duration,
    ) -> Answer {
        let kind = match after_refresh(outcome, request.or) {
            AfterRefresh::AdmitRefreshed(()) | AfterRefresh::AdmitCurrent => AnswerKind::Admitted,
            AfterRefresh::Refuse(reason) => AnswerKind::Refused(reason),
        };
        let pair = self.lineages.pair_to_send(request.token, now);
        Answer { session: request.session, kind, cookie: pair.map(|pair| pair.minted) }
    }
}

impl TokenPair for SimulatedPair {
    fn id(&self) -> PairId {
        self.id
    }

    fn session_id(&self) -> Option<&str> {
        None
    }

    fn organization(&self) -> Option<&str> {
        None
    }

    fn cookie_size(&self) -> CookieSize {
        CookieSize::Fits
    }

    fn bytes(&self) -> usize {
        SEALED + 512
    }
}

/// The id of a session's pair in the tables.
pub(super) fn pair_id(session: u32, minted: Minted) -> PairId {
    let token = RefreshToken::new(format!("{session} {}", minted.number)).hash();
    PairId { token, issued_at: minted.at.into() }
}

/// The usual size of a sealed session, in bytes.
const SEALED: usize = 2_048;
/// `Config::with_leeway`'s default, in seconds.
const LEEWAY: u64 = 5;
