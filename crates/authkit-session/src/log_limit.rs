//! Log lines that clients can cause at will: one per key and period, with a count of those left out.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{bounded_map::BoundedMap, clock::Clock};

/// Lets one log line per key through in each period.
///
/// Keys are fixed words of the program, so there are few. The time is passed in; always pass the time of the same
/// clock.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use authkit_session::integration::LogLimiter;
///
/// let limiter = LogLimiter::new(Duration::from_secs(10));
/// let at = |seconds| limiter.admit("cross-origin", Duration::from_secs(seconds));
/// assert_eq!([at(0), at(1), at(9), at(10)], [Some(0), None, None, Some(2)]);
/// ```
///
#[derive(Debug)]
pub struct LogLimiter {
    period: Duration,
    lines: Mutex<Vec<LimitedLine>>,
}

/// A key's last written line, and how many lines were left out since.
#[derive(Debug)]
struct LimitedLine {
    key: &'static str,
    at: Duration,
    left_out: u64,
}

impl LogLimiter {
    /// The period of lines that single requests cause.
    pub const PAUSE: Duration = Duration::from_secs(10);

    /// Lets one line of each key through in each `period`.
    pub const fn new(period: Duration) -> Self {
        Self { period, lines: Mutex::new(Vec::new()) }
    }

    /// Whether to write the line of `key` at `now`: `None` leaves it out; otherwise how many were left out since the
    /// last one.
    pub fn admit(&self, key: &'static str, now: Duration) -> Option<u64> {
        // No code under the lock panics half-way.
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(line) = lines.iter_mut().find(|line| line.key == key) else {
            lines.push(LimitedLine { key, at: now, left_out: 0 });
            return Some(0);
        };
        // A clock that was set back starts a new period; otherwise the line would be silent until the clock has caught
        // up.
        if now.checked_sub(line.at).is_some_and(|since| since < self.period) {
            line.left_out += 1;
            return None;
        }
        line.at = now;
        Some(std::mem::take(&mut line.left_out))
    }
}

/// A [`LogLimiter`] with its clock, for lines that an exchange or a sign-in may cause: users and applications decide how
/// many of those there are.
#[derive(Debug)]
pub(crate) struct EventLog {
    lines: LogLimiter,
    clock: Clock,
}

impl EventLog {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { lines: LogLimiter::new(LogLimiter::PAUSE), clock }
    }

    /// Whether to write the line of `key` now, and how many were left out since the last one.
    pub(crate) fn due(&self, key: &'static str) -> Option<u64> {
        self.lines.admit(key, self.clock.monotonic())
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }
}

/// Decides which lines about sessions, users and the like are written: one per id, key and period. Of the ids, the 10,000
/// that had a line last are known.
pub(crate) struct IdLogLimiter {
    period: Duration,
    lines: Mutex<BoundedMap<IdLine>>,
}

struct IdLine {
    at: Duration,
    left_out: u64,
}

impl IdLogLimiter {
    pub(crate) fn new(period: Duration) -> Self {
        Self { period, lines: Mutex::new(BoundedMap::new(MAX_IDS, Duration::MAX)) }
    }

    /// Whether the line is due at `now`, a time that only rises, and how many it stands for besides.
    pub(crate) fn admit(&self, key: &'static str, id: &str, now: Duration) -> Option<u64> {
        let id = format!("{key} {id}");
        // Nothing in here panics half-way.
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left_out = 0;
        if let Some(line) = lines.get_mut(&id) {
            if now.checked_sub(line.at).is_some_and(|since| since < self.period) {
                line.left_out += 1;
                return None;
            }
            left_out = line.left_out;
            lines.remove(&id);
        }
        lines.add(&id, IdLine { at: now, left_out: 0 }, now);
        Some(left_out)
    }
}

impl fmt::Debug for IdLogLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdLogLimiter").field("period", &self.period).finish_non_exhaustive()
    }
}

const MAX_IDS: usize = 10_000;

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

    #[test]
    fn each_id_has_lines_of_its_own_and_no_number_of_ids_fills_the_memory() {
        let limiter = IdLogLimiter::new(LogLimiter::PAUSE);
        let at = Duration::from_secs;
        assert_eq!(limiter.admit("refused", "a", at(5)), Some(0));
        assert_eq!(limiter.admit("refused", "b", at(5)), Some(0));
        assert_eq!(limiter.admit("expired", "a", at(6)), Some(0));
        for _ in 0..3 {
            assert_eq!(limiter.admit("refused", "a", at(14)), None);
        }
        assert_eq!(limiter.admit("refused", "a", at(15)), Some(3));
        assert_eq!(limiter.admit("refused", "a", at(16)), None);
        assert_eq!(limiter.admit("refused", "a", at(3)), Some(1), "a clock that was set back");
        for n in 0..3 * MAX_IDS {
            assert_eq!(limiter.admit("refused", &format!("session_{n}"), at(30)), Some(0));
        }
        assert_eq!(limiter.lines.lock().unwrap().len(), MAX_IDS);
    }
}
