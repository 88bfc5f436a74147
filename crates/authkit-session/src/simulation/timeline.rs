//! What will happen, in the order of its time.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

/// Something that happens at its time.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Event {
    /// A browser asks.
    Requests { session: u32 },
    /// An exchange goes on.
    Exchange { number: u64, step: ExchangeStep },
    /// A replica is replaced.
    Replace { place: usize },
}

/// What an exchange does next.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum ExchangeStep {
    /// It looks in the store for the outcome of another replica's, after so many looks.
    Look { times: u16 },
    /// It asks WorkOS, or finds that the budget does not let it yet.
    Attempt,
    /// WorkOS answers.
    Answer,
}

/// The events to come. Those of one moment come in the order in which they were added.
#[derive(Default)]
pub(super) struct Timeline {
    events: BinaryHeap<Reverse<(Duration, u64, Event)>>,
    added: u64,
}

impl Timeline {
    /// Has something happen at its time.
    pub(super) fn add(&mut self, at: Duration, event: Event) {
        self.events.push(Reverse((at, self.added, event)));
        self.added += 1;
    }

    /// What happens next, and when.
    pub(super) fn next(&mut self) -> Option<(Duration, Event)> {
        self.events.pop().map(|Reverse((at, _, event))| (at, event))
    }
}
