use std::time::Duration;

/// Limits the calls about credentials that were never accepted here. Plain data: the time is passed in.
///
/// `capacity` calls may start at once, and one more in each period. A credential that WorkOS accepts gives its call back,
/// so that only refused credentials use the allowance up.
#[derive(Debug)]
pub(crate) struct Allowance {
    capacity: u32,
    period: Duration,
    left: u32,
    /// Up to when periods have been counted.
    counted: Duration,
}

impl Allowance {
    pub(crate) fn new(capacity: u32, period: Duration, now: Duration) -> Self {
        Self { capacity, period, left: capacity, counted: now }
    }

    /// Takes a call, and returns whether one was left.
    pub(crate) fn take(&mut self, now: Duration) -> bool {
        let periods = now.saturating_sub(self.counted).as_millis() / self.period.as_millis().max(1);
        let periods = u32::try_from(periods).unwrap_or(u32::MAX);
        self.counted = self.counted.saturating_add(self.period.saturating_mul(periods));
        self.left = self.left.saturating_add(periods).min(self.capacity);
        let taken = self.left.checked_sub(1);
        self.left = taken.unwrap_or(0);
        taken.is_some()
    }

    pub(crate) fn give_back(&mut self) {
        self.left = (self.left + 1).min(self.capacity);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_secs(2);

    fn taken(allowance: &mut Allowance, now: Duration) -> usize {
        (0..1_000).take_while(|_| allowance.take(now)).count()
    }

    #[test]
    fn all_calls_are_there_at_once_and_one_comes_back_in_each_period() {
        let start = Duration::from_secs(100);
        let mut allowance = Allowance::new(10, PERIOD, start);
        let rows =
            [(0, 10), (0, 0), (1_999, 0), (2_000, 1), (9_000, 3), (10_000, 1), (1_000_000, 10)];
        for (millis, expected) in rows {
            let now = start + Duration::from_millis(millis);
            assert_eq!(taken(&mut allowance, now), expected, "{millis} ms");
        }
    }

    #[test]
    fn what_is_given_back_can_be_taken_again_and_never_exceeds_the_whole() {
        let now = Duration::from_secs(1);
        let mut allowance = Allowance::new(10, PERIOD, now);
        for _ in 0..1_000 {
            assert!(allowance.take(now));
            allowance.give_back();
        }
        allowance.give_back();
        assert_eq!(taken(&mut allowance, now), 10);
        assert_eq!(taken(&mut allowance, Duration::ZERO), 0, "a clock that went back");
    }
}
