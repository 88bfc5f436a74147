//! The queue of events, in the order of their time.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

/// An event.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Event {
    /// A browser sends requests.
    Requests { session: u32 },
    /// An exchange takes its next step.
    Exchange { number: u64, step: ExchangeStep },
    /// A replica is replaced.
    Replace { place: usize },
}

/// The next step of an exchange.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum ExchangeStep {
    /// It looks in the store for another replica's outcome, after this many earlier looks.
    Look { times: u16 },
    /// It calls WorkOS, unless the budget makes it wait.
    Attempt,
    /// WorkOS answers.
    Answer,
}

/// The events to come. Events of the same time come in the order in which they were added.
#[derive(Default)]
pub(super) struct Timeline {
    events: BinaryHeap<Reverse<(Duration, u64, Event)>>,
    added: u64,
}

impl Timeline {
    /// Adds an event at a time.
    pub(super) fn add(&mut self, at: Duration, event: Event) {
        self.events.push(Reverse((at, self.added, event)));
        self.added += 1;
    }

    /// Removes and returns the next event and its time.
    pub(super) fn next(&mut self) -> Option<(Duration, Event)> {
        self.events.pop().map(|Reverse((at, _, event))| (at, event))
    }
}
