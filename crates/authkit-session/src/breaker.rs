//! How often WorkOS is asked: a cap on exchanges at once and a second, and a pause after failures in a row.

use std::{collections::VecDeque, time::Duration};

/// Counts exchanges. Plain data: time is passed in.
#[derive(Debug)]
pub(crate) struct Breaker {
    at_once: usize,
    per_second: usize,
    under_way: usize,
    starts: VecDeque<Duration>,
    failures: u32,
    next_probe: Duration,
}

/// Why an exchange may not start now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Held {
    /// Too many are under way, or were started within the last second.
    Busy,
    /// WorkOS failed several times in a row.
    Open,
}

impl Default for Breaker {
    /// 32 at once, 40 a second: WorkOS allows 500 writes in 10 seconds.
    fn default() -> Self {
        Self {
            at_once: 32,
            per_second: 40,
            under_way: 0,
            starts: VecDeque::new(),
            failures: 0,
            next_probe: Duration::ZERO,
        }
    }
}

impl Breaker {
    /// Starts an exchange, or says why not. Each start has one [`finish`](Self::finish).
    pub(crate) fn start(&mut self, now: Duration) -> Result<(), Held> {
        while self.starts.front().is_some_and(|start| *start + SECOND <= now) {
            self.starts.pop_front();
        }
        if self.under_way >= self.at_once || self.starts.len() >= self.per_second {
            return Err(Held::Busy);
        }
        self.probe(now)?;
        self.under_way += 1;
        self.starts.push_back(now);
        Ok(())
    }

    /// Whether another attempt of an exchange that was started may go out.
    pub(crate) fn probe(&mut self, now: Duration) -> Result<(), Held> {
        if self.failures >= FAILURES {
            if now < self.next_probe {
                return Err(Held::Open);
            }
            self.next_probe = now + PROBE_EVERY;
        }
        Ok(())
    }

    /// WorkOS answered, whatever it said.
    pub(crate) fn answered(&mut self) {
        self.failures = 0;
    }

    /// WorkOS failed. Too many requests is no failure: it says itself when to come back.
    pub(crate) fn failed(&mut self, now: Duration) {
        self.failures = self.failures.saturating_add(1);
        if self.failures == FAILURES {
            self.next_probe = now + PROBE_EVERY;
        }
    }

    pub(crate) fn finish(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }
}

const SECOND: Duration = Duration::from_secs(1);
/// How many failures in a row open it.
const FAILURES: u32 = 5;
/// How often WorkOS is tried while it is open.
const PROBE_EVERY: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_one_answer_closes_it() {
        let mut breaker = Breaker::default();
        for _ in 0..4 {
            breaker.failed(at(0));
        }
        assert_eq!(breaker.start(at(0)), Ok(()));
        breaker.failed(at(0));
        assert_eq!(breaker.start(at(1_999)), Err(Held::Open));
        assert_eq!(breaker.start(at(2_000)), Ok(()), "one probe");
        assert_eq!(breaker.start(at(3_999)), Err(Held::Open), "and no second one");
        breaker.answered();
        assert_eq!(breaker.start(at(3_999)), Ok(()));
    }

    #[test]
    fn exchanges_are_capped_at_once_and_a_second() {
        let mut breaker = Breaker::default();
        for _ in 0..32 {
            assert_eq!(breaker.start(at(0)), Ok(()));
        }
        assert_eq!(breaker.start(at(0)), Err(Held::Busy));
        for _ in 0..32 {
            breaker.finish();
        }
        for _ in 0..8 {
            assert_eq!(breaker.start(at(999)), Ok(()));
        }
        assert_eq!(breaker.start(at(999)), Err(Held::Busy), "40 within a second");
        assert_eq!(breaker.start(at(1_000)), Ok(()));
    }
}
