//! The exchanges that replicas make, step by step.

use std::{collections::HashMap, time::Duration};

use crate::{
    decide::{
        Action, Fallback,
        others_exchange::{AfterRefusal, OtherProcesses, OthersExchange, after_refusal},
        refresh_outcome::{ApiRefusal, RefreshFailure, RefreshOutcome, RefusalAge},
    },
    refresh::attempt_plan::AttemptPlan,
    refresh_state::lineage::{ExchangeStatus, RefusalDelay},
    request::{authenticate::PATIENCE_IF_GOOD, waiting::PATIENCE},
    simulation::{
        Simulation,
        replica::{Answer, SimulatedReplica, WaitingRequest, pair_id},
        store::{ExchangeName, SimulatedStore, StoredOutcome, StoredStage},
        timeline::{Event, ExchangeStep, Timeline},
        workos::{Minted, SimulatedWorkos, WorkosAnswer},
    },
    token::{PairId, TokenHash},
    upstream::budget::CallPermit,
};

/// The running exchanges, and the replicas that make them.
pub(super) struct Exchanges {
    pub(super) simulation: Simulation,
    /// All replicas, including those that were replaced, since they finish the exchanges that they have started.
    pub(super) replicas: Vec<SimulatedReplica>,
    pub(super) store: SimulatedStore,
    pub(super) workos: SimulatedWorkos,
    pub(super) under_way: HashMap<u64, SimulatedExchange>,
    pub(super) next_exchange: u64,
}

/// An exchange that a replica makes.
pub(super) struct SimulatedExchange {
    name: ExchangeName,
    token: TokenHash,
    pub(super) replica: usize,
    pub(super) waiting: Vec<WaitingRequest>,
    others: OtherProcesses,
    plan: Option<AttemptPlan>,
    answer: Option<WorkosAnswer>,
    _permit: CallPermit,
}

/// Whether the client of a request stays for the answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Client {
    Stays,
    Leaves,
}

impl Exchanges {
    /// Starts or joins the exchange of this pair. `None` if the request waits for it.
    pub(super) fn refresh(
        &mut self,
        request: WaitingRequest,
        client: Client,
        (id, pair): (PairId, u32),
        at: usize,
        now: Duration,
        timeline: &mut Timeline,
    ) -> Option<RefreshOutcome<()>> {
        let (session, unix, number) =
            (request.session, self.simulation.unix(now), self.next_exchange);
        let (status, permit) = self.replicas[at].start_or_join(session, id, number, now);
        let exchange = match (status, permit) {
            (ExchangeStatus::Start(number), Some(_permit)) => {
                self.next_exchange += 1;
                let (name, token) = ((session, pair), id.token);
                let (waiting, others) = (Vec::new(), OtherProcesses::None);
                let (plan, answer) = (None, None);
                let replica = at;
                let exchange = SimulatedExchange {
                    name,
                    token,
                    replica,
                    waiting,
                    others,
                    plan,
                    answer,
                    _permit,
                };
                self.under_way.insert(number, exchange);
                let step = match self.store.claim(name, at, now) {
                    true => ExchangeStep::Attempt,
                    false => ExchangeStep::Look { times: 0 },
                };
                timeline.add(now, Event::Exchange { number, step });
                number
            }
            (ExchangeStatus::UnderWay(number), _) => number,
            (ExchangeStatus::Successor(pair, age), _) => {
                let (new, next) = (pair.minted, pair_id(session, pair.minted));
                return match self.replicas[at].judge(new.at, Some(age), unix) {
                    Action::Admit | Action::Refresh { or: Fallback::Current } => Some(Ok(())),
                    Action::Refresh { or: Fallback::Nothing } => {
                        self.refresh(request, client, (next, new.number), at, now, timeline)
                    }
                    Action::FetchKeys | Action::Refuse(_) => Some(Err(RefreshFailure::Unverified)),
                };
            }
            (ExchangeStatus::Refused(refusal, age), _) => {
                return Some(Err(RefreshFailure::Refused { refusal, age, sign_in_url: None }));
            }
            (ExchangeStatus::Throttled(why), _) => return Some(Err(why.into())),
            (
                ExchangeStatus::Start(_)
                | ExchangeStatus::OtherOrganization
                | ExchangeStatus::Ended,
                _,
            ) => {
                panic!(
                    "an exchange starts with a permit, and no session ends or has an organization"
                )
            }
        };
        if client == Client::Stays
            && let Some(exchange) = self.under_way.get_mut(&exchange)
        {
            exchange.waiting.push(request);
        }
        None
    }

    /// Takes the next step of an exchange. If that is its end, returns the answers of the requests that waited for it.
    pub(super) fn step(
        &mut self,
        number: u64,
        step: ExchangeStep,
        now: Duration,
        timeline: &mut Timeline,
    ) -> Vec<Answer> {
        // The exchange of a killed process is over.
        if !self.under_way.contains_key(&number) {
            return Vec::new();
        }
        match step {
            ExchangeStep::Look { times } => self.look(number, times, now, timeline),
            ExchangeStep::Attempt => self.attempt(number, now, timeline),
            ExchangeStep::Answer => self.answer(number, now, timeline),
        }
    }

    /// Waits for the outcome of the replica that has started the exchange, for at most 1.5 seconds.
    fn look(
        &mut self,
        number: u64,
        times: u16,
        now: Duration,
        timeline: &mut Timeline,
    ) -> Vec<Answer> {
        let SimulatedExchange { name, token, replica, .. } = self.under_way[&number];
        let stage = self.store.stage(name, replica, now);
        let lineages = &self.replicas[replica].lineages;
        let others = match stage {
            StoredStage::Over { outcome: StoredOutcome::Refreshed(minted), .. } => {
                return self.refreshed(number, minted, now);
            }
            StoredStage::Over { outcome: StoredOutcome::Refused, ago }
                if lineages.counts_refusal(token, ago, now) =>
            {
                return self.refused(number, now);
            }
            StoredStage::BegunThere { ago } if ago < SOON && times < LOOKS => {
                let pause = LOOK_AFTER_MS.get(usize::from(times)).copied().unwrap_or(150);
                let step = ExchangeStep::Look { times: times + 1 };
                timeline.add(now + Duration::from_millis(pause), Event::Exchange { number, step });
                return Vec::new();
            }
            StoredStage::BegunHere => OtherProcesses::None,
            StoredStage::Over { .. } | StoredStage::BegunThere { .. } | StoredStage::Unbegun => {
                OtherProcesses::Exchanging
            }
        };
        if let Some(exchange) = self.under_way.get_mut(&number) {
            exchange.others = others;
        }
        self.attempt(number, now, timeline)
    }

    fn attempt(&mut self, number: u64, now: Duration, timeline: &mut Timeline) -> Vec<Answer> {
        let unix = self.simulation.unix(now);
        let exchange = self.under_way.get_mut(&number).expect("it is under way");
        let budget = &self.replicas[exchange.replica].budget;
        let early = match exchange.plan {
            // The permit of the exchange includes its first attempt.
            None => Duration::ZERO,
            Some(_) => budget.attempt(now).err().unwrap_or_default(),
        };
        let plan = exchange.plan.get_or_insert_with(|| AttemptPlan::beginning(exchange.token, now));
        if !early.is_zero() {
            let Some(pause) = plan.too_early(early, now) else { return self.lost(number, now) };
            let step = ExchangeStep::Attempt;
            timeline.add(now + pause, Event::Exchange { number, step });
            return Vec::new();
        }
        let (session, pair) = exchange.name;
        exchange.answer = Some(self.workos.exchange(session, pair, now, unix));
        let step = ExchangeStep::Answer;
        timeline.add(now + WORKOS_TAKES, Event::Exchange { number, step });
        Vec::new()
    }

    fn answer(&mut self, number: u64, now: Duration, timeline: &mut Timeline) -> Vec<Answer> {
        let exchange = self.under_way.get_mut(&number).expect("it is under way");
        let SimulatedExchange { name, token, replica: at, others, .. } = *exchange;
        let answer = exchange.answer.take();
        let budget = &self.replicas[at].budget;
        match answer {
            Some(WorkosAnswer::Refreshed(minted)) => {
                budget.answered();
                self.store.publish(name, at, StoredOutcome::Refreshed(minted), now);
                return self.refreshed(number, minted, now);
            }
            Some(WorkosAnswer::Refused) => budget.answered(),
            Some(WorkosAnswer::Unavailable) | None => {
                budget.failed(now);
                let plan = exchange.plan.as_mut().expect("it has asked");
                let Some(pause) = plan.after_failure(Duration::ZERO, now) else {
                    return self.lost(number, now);
                };
                let step = ExchangeStep::Attempt;
                timeline.add(now + pause, Event::Exchange { number, step });
                return Vec::new();
            }
        }
        let stage = self.store.stage(name, at, now);
        let known = match stage {
            StoredStage::Over { outcome, .. } => OthersExchange::Over(outcome),
            StoredStage::BegunThere { .. } => OthersExchange::Begun,
            StoredStage::BegunHere | StoredStage::Unbegun => OthersExchange::None,
        };
        match after_refusal(known, others) {
            AfterRefusal::Take(StoredOutcome::Refreshed(minted)) => {
                self.refreshed(number, minted, now)
            }
            AfterRefusal::Take(StoredOutcome::Refused) => self.refused(number, now),
            AfterRefusal::Refused => {
                self.store.publish(name, at, StoredOutcome::Refused, now);
                self.refused(number, now)
            }
            AfterRefusal::PerhapsTheirs => {
                match self.replicas[at].lineages.delay_refusal(token, now) {
                    RefusalDelay::Granted => self.lost(number, now),
                    RefusalDelay::Spent => self.refused(number, now),
                }
            }
        }
    }

    fn refreshed(&mut self, number: u64, minted: Minted, now: Duration) -> Vec<Answer> {
        let SimulatedExchange { name: (session, _), token, replica, .. } = self.under_way[&number];
        self.replicas[replica].refreshed(session, token, minted, now);
        self.end(number, &Ok(()), now)
    }

    fn refused(&mut self, number: u64, now: Duration) -> Vec<Answer> {
        let SimulatedExchange { token, replica, .. } = self.under_way[&number];
        let refusal = ApiRefusal::InvalidGrant;
        let age = self.replicas[replica].lineages.refused(token, refusal, now);
        let age = age.unwrap_or(RefusalAge::JustNow);
        self.end(number, &Err(RefreshFailure::Refused { refusal, age, sign_in_url: None }), now)
    }

    fn lost(&mut self, number: u64, now: Duration) -> Vec<Answer> {
        let SimulatedExchange { token, replica, .. } = self.under_way[&number];
        self.replicas[replica].lineages.lost(token, now);
        self.end(number, &Err(RefreshFailure::Transient { retry_after: None }), now)
    }

    /// Ends an exchange, and answers the requests that have waited.
    fn end(&mut self, number: u64, outcome: &RefreshOutcome<()>, now: Duration) -> Vec<Answer> {
        let Some(exchange) = self.under_way.remove(&number) else { return Vec::new() };
        let waiting = exchange.waiting.into_iter();
        let answers = waiting.map(|request| {
            let patience = match request.or {
                Fallback::Current => PATIENCE_IF_GOOD,
                Fallback::Nothing => PATIENCE,
            };
            let outcome = match now - request.since > patience {
                true => Err(RefreshFailure::TimedOut),
                false => outcome.clone(),
            };
            self.replicas[exchange.replica].after_refresh(request, outcome, now)
        });
        answers.collect()
    }
}

const WORKOS_TAKES: Duration = Duration::from_millis(200);
/// The pauses between looks into the store, and how many there are in 1.5 seconds.
const LOOK_AFTER_MS: [u64; 3] = [20, 40, 80];
const LOOKS: u16 = 12;
/// How long ago an exchange may have started for a request to wait for it.
const SOON: Duration = Duration::from_secs(10);
