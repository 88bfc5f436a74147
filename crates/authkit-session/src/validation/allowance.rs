use std::time::Duration;

/// How many calls credentials may cause that were never accepted here. Plain data: the time is passed in.
///
/// There are [`CAPACITY`] at once, and one comes back in each [`PERIOD`]. A credential that turns out to be good gives
/// its call back, so that only what WorkOS refuses uses the allowance up.
#[derive(Debug)]
pub(crate) struct Allowance {
    left: u32,
    /// Up to when what comes back was counted.
    counted: Duration,
}

impl Allowance {
    pub(crate) fn new(now: Duration) -> Self {
        Self { left: CAPACITY, counted: now }
    }

    /// Takes a call, if there is one.
    pub(crate) fn take(&mut self, now: Duration) -> bool {
        let periods = now.saturating_sub(self.counted).as_millis() / PERIOD.as_millis();
        let periods = u32::try_from(periods).unwrap_or(u32::MAX);
        self.counted = self.counted.saturating_add(PERIOD.saturating_mul(periods));
        self.left = self.left.saturating_add(periods).min(CAPACITY);
        let taken = self.left.checked_sub(1);
        self.left = taken.unwrap_or(0);
        taken.is_some()
    }

    pub(crate) fn give_back(&mut self) {
        self.left = (self.left + 1).min(CAPACITY);
    }
}

pub(crate) const CAPACITY: u32 = 10;
pub(crate) const PERIOD: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(allowance: &mut Allowance, now: Duration) -> usize {
        (0..1_000).take_while(|_| allowance.take(now)).count()
    }

    #[test]
    fn ten_calls_are_there_at_once_and_one_comes_back_every_two_seconds() {
        let start = Duration::from_secs(100);
        let mut allowance = Allowance::new(start);
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
        let mut allowance = Allowance::new(now);
        for _ in 0..1_000 {
            assert!(allowance.take(now));
            allowance.give_back();
        }
        allowance.give_back();
        assert_eq!(taken(&mut allowance, now), 10);
        assert_eq!(taken(&mut allowance, Duration::ZERO), 0, "a clock that went back");
    }
}
