//! Pauses between attempts.
//!
//! 1. Each failure doubles the pause, up to the longest; up to a quarter is added, so that replicas do not come all at
//!    once.
//! 2. Only a success that lasts for some time makes the pause short again: something that works and soon breaks stays
//!    slow.

use std::time::Duration;

/// The pauses between attempts.
#[derive(Debug)]
pub(crate) struct Backoff {
    shortest: Duration,
    longest: Duration,
    healthy_after: Duration,
    failures: u32,
}

impl Backoff {
    /// `healthy_after` is how long a success must last before the failures are forgotten.
    pub(crate) const fn new(
        shortest: Duration,
        longest: Duration,
        healthy_after: Duration,
    ) -> Self {
        Self { shortest, longest, healthy_after, failures: 0 }
    }

    /// The pause before the next attempt.
    pub(crate) fn failed(&mut self) -> Duration {
        let doubled = self.shortest.saturating_mul(1 << self.failures.min(20));
        self.failures = self.failures.saturating_add(1);
        let pause = doubled.min(self.longest);
        let mut byte = [0];
        // Without randomness the pauses have no jitter, which does no harm.
        let _ = getrandom::fill(&mut byte);
        pause + pause.mul_f64(f64::from(byte[0]) / 1_024.0)
    }

    /// Records a success that lasted for this time. Returns whether that is long enough to forget the failures.
    pub(crate) fn worked_for(&mut self, time: Duration) -> bool {
        let is_healthy = time >= self.healthy_after;
        if is_healthy {
            self.failures = 0;
        }
        is_healthy
    }

    /// The number of failures since the last lasting success.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_start_anew_after_healthy_time_alone() {
        let ms = Duration::from_millis;
        let mut backoff = Backoff::new(ms(50), ms(800), ms(10_000));
        let expect = |backoff: &mut Backoff, pause| {
            let actual = backoff.failed();
            assert!(
                (ms(pause)..=ms(pause) + ms(pause) / 4).contains(&actual),
                "{pause}: {actual:?}"
            );
        };
        for pause in [50, 100, 200, 400, 800, 800, 800] {
            expect(&mut backoff, pause);
        }
        assert!(!backoff.worked_for(ms(9_999)));
        expect(&mut backoff, 800);
        assert!(backoff.worked_for(ms(10_000)));
        expect(&mut backoff, 50);
        backoff.failures = u32::MAX;
        expect(&mut backoff, 800);
    }
}
