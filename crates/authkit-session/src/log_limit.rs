//! Log lines that others can cause as often as they like: one per key and period, with a count of those left out.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Lets one log line per key through in each period.
///
/// Keys are words of the program, never of a request, so that there are only so many. The time is passed in: any clock
/// will do, as long as it is the same one each time.
#[derive(Debug)]
pub struct LogLimiter {
    period: Duration,
    lines: Mutex<Vec<LimitedLine>>,
}

/// A line that was written, and how many like it were not.
#[derive(Debug)]
struct LimitedLine {
    key: &'static str,
    at: Duration,
    left_out: u64,
}

impl LogLimiter {
    /// Lets a line of each key through in each `period`.
    pub const fn new(period: Duration) -> Self {
        Self { period, lines: Mutex::new(Vec::new()) }
    }

    /// Whether the line of `key` is to be written at `now`: `None` if it is left out, else how many were left out since
    /// the last one.
    pub fn admit(&self, key: &'static str, now: Duration) -> Option<u64> {
        // Nothing in here panics half-way.
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(line) = lines.iter_mut().find(|line| line.key == key) else {
            lines.push(LimitedLine { key, at: now, left_out: 0 });
            return Some(0);
        };
        // A clock that was set back starts a new period: it would silence the line for as long as it was ahead.
        if now.checked_sub(line.at).is_some_and(|since| since < self.period) {
            line.left_out += 1;
            return None;
        }
        line.at = now;
        Some(std::mem::take(&mut line.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_per_key_and_period_is_written_with_a_count_of_the_others() {
        let limiter = LogLimiter::new(Duration::from_secs(60));
        let steps = [
            ("role", 100, Some(0)),
            ("role", 100, None),
            ("roles", 101, Some(0)),
            ("role", 159, None),
            ("role", 160, Some(2)),
            ("role", 161, None),
            ("roles", 500, Some(0)),
            ("role", 220, Some(1)),
            ("role", 219, Some(0)),
            ("role", 220, None),
        ];
        for (step, (key, now, expected)) in steps.into_iter().enumerate() {
            let admitted = limiter.admit(key, Duration::from_secs(now));
            assert_eq!(admitted, expected, "step {step}: {key} at {now}");
        }
    }
}
