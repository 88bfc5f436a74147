//! When an exchange is tried again, and until when: plain arithmetic, with the time passed in.

use std::time::Duration;

use crate::token::TokenHash;

/// The times of the attempts of one exchange.
///
/// How its pauses differ from those of others is drawn from the token's hash, as good as random where nobody gains from
/// guessing it, so that what a test went through can be repeated.
pub(crate) struct AttemptPlan {
    hash: TokenHash,
    began: Duration,
    drawn: usize,
    attempts: u32,
}

impl AttemptPlan {
    /// The first attempt goes out now.
    pub(crate) fn beginning(hash: TokenHash, now: Duration) -> Self {
        Self { hash, began: now, drawn: 0, attempts: 0 }
    }

    /// For how long WorkOS still answers a repetition alike.
    pub(crate) fn left(&self, now: Duration) -> Duration {
        REPLAYABLE.saturating_sub(now.saturating_sub(self.began))
    }

    /// An attempt has failed: how long to wait for the next one, `at_least` where WorkOS said so. `None` where that is
    /// too long.
    pub(crate) fn after_failure(&mut self, at_least: Duration, now: Duration) -> Option<Duration> {
        // 200 ms, doubled each time up to 4 s, give or take a half.
        let base = Duration::from_millis(200) * 2_u32.pow(self.attempts.min(5));
        let base = base.min(Duration::from_secs(4));
        self.attempts += 1;
        let pause = base / 2 + self.up_to(base);
        self.within(at_least, pause.max(at_least), now)
    }

    /// The budget says that the next attempt is so much too early: how long to wait. `None` where that is too long.
    pub(crate) fn too_early(&mut self, early: Duration, now: Duration) -> Option<Duration> {
        let pause = early + self.up_to(SPREAD);
        self.within(early, pause, now)
    }

    fn within(&self, at_least: Duration, pause: Duration, now: Duration) -> Option<Duration> {
        let at_most = self.left(now).saturating_sub(LAST);
        (!at_most.is_zero() && at_least <= at_most).then(|| pause.min(at_most))
    }

    /// Any time up to `most`.
    fn up_to(&mut self, most: Duration) -> Duration {
        let hash = self.hash.as_bytes();
        let at = 2 * self.drawn % hash.len();
        self.drawn += 1;
        let share = u16::from_le_bytes([hash[at], hash[at + 1]]);
        most.mul_f64(f64::from(share) / f64::from(u16::MAX))
    }
}

/// How long the last one may take: were it cut off sooner, it might spend the token for nobody.
const LAST: Duration = Duration::from_secs(3);
/// WorkOS answers a repeated exchange alike for 30 seconds; this leaves 5 for the way.
const REPLAYABLE: Duration = Duration::from_secs(25);
/// How far apart exchanges that waited for the same moment go on.
const SPREAD: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::RefreshToken;

    #[test]
    fn an_exchange_is_tried_again_as_long_as_an_answer_would_be_of_use() {
        let hash = RefreshToken::new("a token").hash();
        let mut now = Duration::from_secs(100);
        let mut plan = AttemptPlan::beginning(hash, now);
        let mut attempts = 1;
        while let Some(pause) = plan.after_failure(Duration::ZERO, now) {
            assert!(pause <= Duration::from_secs(6), "{pause:?}");
            now += pause;
            attempts += 1;
        }
        assert_eq!(now, Duration::from_secs(122), "the last one has 3 seconds");
        assert!((7..=15).contains(&attempts), "{attempts}");
    }

    /// Exchanges that fail together are tried again at times that differ.
    #[test]
    fn each_pause_is_drawn_from_the_next_two_bytes_of_the_hash() {
        let hash = RefreshToken::new("a token").hash();
        let mut plan = AttemptPlan::beginning(hash, Duration::ZERO);
        let bytes = hash.as_bytes();
        let (pairs, _) = bytes.as_chunks::<2>();
        for pair in pairs.iter().chain(pairs) {
            let share = u32::from(pair[0]) + 256 * u32::from(pair[1]);
            let drawn = plan.up_to(Duration::from_nanos(65_535));
            assert_eq!(drawn, Duration::from_nanos(share.into()));
        }
    }

    #[test]
    fn a_wait_that_leaves_no_time_for_an_attempt_is_not_waited() {
        let hash = RefreshToken::new("a token").hash();
        let mut plan = AttemptPlan::beginning(hash, Duration::ZERO);
        let s = Duration::from_secs;
        assert_eq!(plan.after_failure(s(22), Duration::ZERO), Some(s(22)));
        assert_eq!(plan.after_failure(s(23), Duration::ZERO), None);
        assert!(plan.too_early(s(2), s(10)).is_some_and(|pause| pause >= s(2)));
        assert_eq!(plan.too_early(s(13), s(10)), None);
    }
}
