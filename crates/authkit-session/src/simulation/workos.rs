//! A model of WorkOS's exchanges.

use std::{ops::Range, time::Duration};

/// WorkOS's state of all sessions, and the count of its calls.
pub(super) struct SimulatedWorkos {
    /// The times during which it answers 503.
    pub(super) down: Range<Duration>,
    sessions: Vec<WorkosSession>,
    pub(super) exchanges: u64,
    second: u64,
    in_second: u64,
    pub(super) most_in_a_second: u64,
}

/// The valid pair of a session, and when the pair before it was exchanged.
struct WorkosSession {
    valid: Minted,
    exchanged: Option<Duration>,
}

/// A pair of tokens of a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Minted {
    pub(super) number: u32,
    /// When it was issued, in seconds of the simulation's wall clock, which begins near 0.
    pub(super) at: u32,
}

/// The answer to an exchange.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum WorkosAnswer {
    Refreshed(Minted),
    Refused,
    Unavailable,
}

impl SimulatedWorkos {
    pub(super) fn with_sessions(signed_in: impl Iterator<Item = Minted>) -> Self {
        let sessions = signed_in.map(|valid| WorkosSession { valid, exchanged: None }).collect();
        let down = Range::default();
        Self { down, sessions, exchanges: 0, second: 0, in_second: 0, most_in_a_second: 0 }
    }

    /// Exchanges a refresh token, unless it was spent more than 30 seconds ago.
    pub(super) fn exchange(
        &mut self,
        session: u32,
        number: u32,
        now: Duration,
        unix: u64,
    ) -> WorkosAnswer {
        self.count(now);
        if self.down.contains(&now) {
            return WorkosAnswer::Unavailable;
        }
        let session = &mut self.sessions[session as usize];
        if number == session.valid.number {
            session.valid = Minted { number: number + 1, at: u32::try_from(unix).unwrap() };
            session.exchanged = Some(now);
            return WorkosAnswer::Refreshed(session.valid);
        }
        let is_repetition = number + 1 == session.valid.number
            && session.exchanged.is_some_and(|at| now < at + ANSWERED_ALIKE);
        match is_repetition {
            true => WorkosAnswer::Refreshed(session.valid),
            false => WorkosAnswer::Refused,
        }
    }

    fn count(&mut self, now: Duration) {
        self.exchanges += 1;
        if self.second != now.as_secs() {
            (self.second, self.in_second) = (now.as_secs(), 0);
        }
        self.in_second += 1;
        self.most_in_a_second = self.most_in_a_second.max(self.in_second);
    }
}

/// How long WorkOS repeats its answer to an exchange.
const ANSWERED_ALIKE: Duration = Duration::from_secs(30);
