//! How often WorkOS is asked: a cap on exchanges at once and a second, a pause after failures in a row, and the one
//! that WorkOS asks for.

use std::{collections::VecDeque, time::Duration};

use crate::decide::refresh_outcome::RefreshFailure;

/// Counts exchanges. Plain data: time is passed in.
#[derive(Debug)]
pub(crate) struct Breaker {
    limits: RefreshLimits,
    under_way: usize,
    starts: VecDeque<Duration>,
    failures: u32,
    next_probe: Duration,
    /// Until when WorkOS asked not to be called.
    retry_at: Duration,
}

/// How many exchanges there may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RefreshLimits {
    pub(crate) at_once: usize,
    pub(crate) per_second: usize,
}

impl Default for RefreshLimits {
    /// 32 at once, 40 a second: WorkOS allows 500 writes in 10 seconds.
    fn default() -> Self {
        Self { at_once: 32, per_second: 40 }
    }
}

/// Why an exchange may not start now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Throttled {
    /// Too many exchanges are under way, or were started within the last second.
    Busy,
    /// WorkOS failed several times in a row.
    CircuitOpen,
    /// WorkOS asked not to be called for this long (`Retry-After`), which is longer than a request waits.
    RetryAfter(Duration),
}

impl Throttled {
    /// When it may be worth trying again.
    pub(crate) fn wait(self) -> Duration {
        match self {
            Self::Busy => SECOND,
            Self::CircuitOpen => PROBE_EVERY,
            Self::RetryAfter(wait) => wait,
        }
    }
}

impl From<Throttled> for RefreshFailure {
    fn from(throttled: Throttled) -> Self {
        match throttled {
            Throttled::Busy => Self::Busy,
            Throttled::CircuitOpen => Self::CircuitOpen,
            Throttled::RetryAfter(wait) => Self::Transient { retry_after: Some(wait) },
        }
    }
}

impl Breaker {
    pub(crate) fn new(limits: RefreshLimits) -> Self {
        Self {
            limits,
            under_way: 0,
            starts: VecDeque::new(),
            failures: 0,
            next_probe: Duration::ZERO,
            retry_at: Duration::ZERO,
        }
    }

    /// Starts an exchange, or says why not. Each start has one [`finish`](Self::finish). Its first attempt may go out
    /// after [`retry_after`](Self::retry_after).
    pub(crate) fn start(&mut self, now: Duration) -> Result<(), Throttled> {
        while self.starts.front().is_some_and(|start| *start + SECOND <= now) {
            self.starts.pop_front();
        }
        let retry_after = self.retry_after(now);
        if retry_after > WORTH_WAITING {
            return Err(Throttled::RetryAfter(retry_after));
        }
        if self.under_way >= self.limits.at_once || self.starts.len() >= self.limits.per_second {
            return Err(Throttled::Busy);
        }
        self.probe(now).map_err(|_| Throttled::CircuitOpen)?;
        self.under_way += 1;
        self.starts.push_back(now);
        Ok(())
    }

    /// For how long WorkOS still asked not to be called.
    pub(crate) fn retry_after(&self, now: Duration) -> Duration {
        self.retry_at.saturating_sub(now)
    }

    /// Lets another attempt of an exchange that was started go out, or says how long that is too early.
    pub(crate) fn attempt(&mut self, now: Duration) -> Result<(), Duration> {
        match self.retry_after(now) {
            Duration::ZERO => self.probe(now),
            wait => Err(wait),
        }
    }

    fn probe(&mut self, now: Duration) -> Result<(), Duration> {
        if self.failures >= FAILURES {
            if now < self.next_probe {
                return Err(self.next_probe - now);
            }
            self.next_probe = now + PROBE_EVERY;
        }
        Ok(())
    }

    /// WorkOS answered, whatever it said.
    pub(crate) fn answered(&mut self) {
        self.failures = 0;
    }

    /// WorkOS failed.
    pub(crate) fn failed(&mut self, now: Duration) {
        self.failures = self.failures.saturating_add(1);
        if self.failures == FAILURES {
            self.next_probe = now + PROBE_EVERY;
        }
    }

    /// WorkOS asked not to be called for `wait` (`Retry-After`); a minute of it is honoured.
    pub(crate) fn honour_retry_after(&mut self, wait: Duration, now: Duration) {
        self.retry_at = self.retry_at.max(now + wait.min(LONGEST_PAUSE));
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
/// How long an exchange waits in line for WorkOS to be asked again: less than a request waits for the exchange.
const WORTH_WAITING: Duration = Duration::from_secs(3);
/// The longest time for which a `Retry-After` is believed.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_one_answer_closes_it() {
        let mut breaker = Breaker::new(RefreshLimits::default());
        for _ in 0..4 {
            breaker.failed(at(0));
        }
        assert_eq!(breaker.start(at(0)), Ok(()));
        breaker.failed(at(0));
        assert_eq!(breaker.start(at(1_999)), Err(Throttled::CircuitOpen));
        assert_eq!(breaker.attempt(at(1_999)), Err(at(1)));
        assert_eq!(breaker.start(at(2_000)), Ok(()), "one probe");
        assert_eq!(breaker.start(at(3_999)), Err(Throttled::CircuitOpen), "and no second one");
        assert_eq!(breaker.attempt(at(4_000)), Ok(()), "but of an exchange that was started");
        breaker.answered();
        assert_eq!(breaker.start(at(4_000)), Ok(()));
    }

    #[test]
    fn exchanges_are_capped_at_once_and_a_second() {
        let mut breaker = Breaker::new(RefreshLimits::default());
        for _ in 0..32 {
            assert_eq!(breaker.start(at(0)), Ok(()));
        }
        assert_eq!(breaker.start(at(0)), Err(Throttled::Busy));
        for _ in 0..32 {
            breaker.finish();
        }
        for _ in 0..8 {
            assert_eq!(breaker.start(at(999)), Ok(()));
        }
        assert_eq!(breaker.start(at(999)), Err(Throttled::Busy), "40 within a second");
        assert_eq!(breaker.start(at(1_000)), Ok(()));
    }

    #[test]
    fn a_short_pause_that_workos_asks_for_is_waited_out_and_a_long_one_holds_exchanges() {
        let mut breaker = Breaker::new(RefreshLimits::default());
        breaker.honour_retry_after(at(2_000), at(0));
        assert_eq!(breaker.start(at(0)), Ok(()));
        assert_eq!(breaker.retry_after(at(500)), at(1_500));
        assert_eq!(breaker.attempt(at(500)), Err(at(1_500)));
        assert_eq!(breaker.attempt(at(2_000)), Ok(()));

        breaker.honour_retry_after(at(3_600_000), at(2_000));
        assert_eq!(
            breaker.start(at(2_000)),
            Err(Throttled::RetryAfter(at(60_000))),
            "believed for a minute"
        );
        breaker.honour_retry_after(at(1_000), at(2_000));
        assert_eq!(
            breaker.start(at(58_999)),
            Err(Throttled::RetryAfter(at(3_001))),
            "the longest counts"
        );
        assert_eq!(breaker.start(at(59_000)), Ok(()));
    }
}
