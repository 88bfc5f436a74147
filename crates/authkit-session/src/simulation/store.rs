//! The store that the replicas share: marks and outcomes of exchanges, kept and counted as `authkit-redis` does.

use std::{
    collections::{HashMap, VecDeque},
    ops::Range,
    time::Duration,
};

use crate::simulation::workos::Minted;

/// The store.
#[derive(Debug, Default)]
pub(super) struct SimulatedStore {
    /// The times during which the store is gone.
    pub(super) gone: Range<Duration>,
    exchanges: HashMap<ExchangeName, StoredExchange>,
    order: VecDeque<(Duration, ExchangeName)>,
    outcomes: usize,
    pub(super) most_outcomes: usize,
    pub(super) commands: u64,
}

/// The session and the number of the pair whose token is exchanged.
pub(super) type ExchangeName = (u32, u32);

#[derive(Clone, Copy, Debug)]
struct StoredExchange {
    replica: usize,
    since: Duration,
    outcome: Option<StoredOutcome>,
}

/// The outcome of an exchange that a replica publishes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum StoredOutcome {
    Refreshed(Minted),
    Refused,
}

/// The state of an exchange in the store.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum StoredStage {
    Unbegun,
    BegunHere,
    BegunThere { ago: Duration },
    Over { outcome: StoredOutcome, ago: Duration },
}

impl SimulatedStore {
    /// `SET NX`: whether no other replica has started the exchange, as far as is known.
    pub(super) fn claim(&mut self, name: ExchangeName, replica: usize, now: Duration) -> bool {
        if self.gone.contains(&now) {
            return true;
        }
        self.commands += 1;
        self.forget(now);
        let is_unbegun = !self.exchanges.contains_key(&name);
        if is_unbegun {
            self.keep(name, StoredExchange { replica, since: now, outcome: None });
        }
        is_unbegun
    }

    /// `GET` and `PTTL`.
    pub(super) fn stage(
        &mut self,
        name: ExchangeName,
        replica: usize,
        now: Duration,
    ) -> StoredStage {
        if self.gone.contains(&now) {
            return StoredStage::Unbegun;
        }
        self.commands += 2;
        self.forget(now);
        match self.exchanges.get(&name) {
            None => StoredStage::Unbegun,
            Some(StoredExchange { outcome: Some(outcome), since, .. }) => {
                StoredStage::Over { outcome: *outcome, ago: now - *since }
            }
            Some(stored) if stored.replica == replica => StoredStage::BegunHere,
            Some(stored) => StoredStage::BegunThere { ago: now - stored.since },
        }
    }

    /// `SET`.
    pub(super) fn publish(
        &mut self,
        name: ExchangeName,
        replica: usize,
        outcome: StoredOutcome,
        now: Duration,
    ) {
        if self.gone.contains(&now) {
            return;
        }
        self.commands += 1;
        self.forget(now);
        let before =
            self.keep(name, StoredExchange { replica, since: now, outcome: Some(outcome) });
        if before.is_none_or(|before| before.outcome.is_none()) {
            self.outcomes += 1;
        }
        self.most_outcomes = self.most_outcomes.max(self.outcomes);
    }

    fn keep(&mut self, name: ExchangeName, stored: StoredExchange) -> Option<StoredExchange> {
        self.order.push_back((stored.since, name));
        self.exchanges.insert(name, stored)
    }

    fn forget(&mut self, now: Duration) {
        while let Some((since, name)) =
            self.order.front().copied().filter(|(since, _)| *since + KEPT <= now)
        {
            self.order.pop_front();
            // A key that was written again is kept longer.
            if self.exchanges.get(&name).is_some_and(|stored| stored.since == since) {
                let stored = self.exchanges.remove(&name);
                self.outcomes -= usize::from(stored.is_some_and(|it| it.outcome.is_some()));
            }
        }
    }
}

/// How long marks and outcomes are kept.
const KEPT: Duration = Duration::from_secs(60);
