//! Which log lines to write about a problem that lasts or recurs.
//!
//! 1. The first event of each kind is logged at once.
//! 2. Further events of that kind are counted; a line with the count is written at most once per interval.
//! 3. The interval is a minute. In the growing form it doubles with each line, up to an hour.
//! 4. At most 16 kinds are remembered, whatever a server sends; the rest count as one kind.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

/// The log lines about one subject.
#[derive(Debug)]
pub(crate) struct Reminders {
    grows: bool,
    kinds: HashMap<String, Kind>,
}

#[derive(Debug)]
struct Kind {
    logged: Instant,
    interval: Duration,
    unlogged: u64,
}

impl Reminders {
    /// At most one line a minute.
    pub(crate) fn steady() -> Self {
        Self { grows: false, kinds: HashMap::new() }
    }

    /// Lines at growing intervals.
    pub(crate) fn growing() -> Self {
        Self { grows: true, kinds: HashMap::new() }
    }

    /// Records an event of this kind. Returns the number of events since the last line, if a line is due.
    pub(crate) fn due(&mut self, kind: &str, now: Instant) -> Option<u64> {
        self.due_times(kind, 1, now)
    }

    /// Records several events of this kind.
    pub(crate) fn due_times(&mut self, kind: &str, times: u64, now: Instant) -> Option<u64> {
        let is_room = self.kinds.len() < KINDS || self.kinds.contains_key(kind);
        let kind = if is_room { kind } else { OTHERS };
        let Some(kind) = self.kinds.get_mut(kind) else {
            let new = Kind { logged: now, interval: MINUTE, unlogged: 0 };
            self.kinds.insert(kind.to_owned(), new);
            return Some(times);
        };
        kind.unlogged += times;
        if now < kind.logged + kind.interval {
            return None;
        }
        kind.logged = now;
        if self.grows {
            kind.interval = (2 * kind.interval).min(HOUR);
        }
        Some(std::mem::take(&mut kind.unlogged))
    }

    /// Records that the problem is over: the next event is logged at once.
    pub(crate) fn forget(&mut self) {
        self.kinds.clear();
    }
}

const KINDS: usize = 16;
const OTHERS: &str = "others";
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f7_a_kind_is_logged_once_and_then_counted() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        for (mut reminders, lines) in [
            (
                Reminders::steady(),
                vec![(0, 1), (60, 60), (120, 60), (180, 60), (240, 60), (300, 60)],
            ),
            (Reminders::growing(), vec![(0, 1), (60, 60), (180, 120)]),
        ] {
            let logged: Vec<_> =
                (0..=300).filter_map(|s| Some((s, reminders.due("kind", at(s))?))).collect();
            assert_eq!(logged, lines);
            assert_eq!(reminders.due("another", at(301)), Some(1), "another kind is news");
            reminders.forget();
            assert_eq!(reminders.due("kind", at(301)), Some(1), "news again");
        }
    }

    #[test]
    fn f4_a_reminder_comes_every_hour_at_least() {
        let start = Instant::now();
        let mut reminders = Reminders::growing();
        let day = (0..86_400)
            .filter(|second| reminders.due("kind", start + Duration::from_secs(*second)).is_some());
        assert!((24..=30).contains(&day.count()));
    }

    #[test]
    fn the_kinds_are_bounded() {
        let mut reminders = Reminders::steady();
        let now = Instant::now();
        let lines = (0..1_000).filter(|n| reminders.due(&n.to_string(), now).is_some()).count();
        assert_eq!(lines, KINDS + 1);
        assert!(reminders.kinds.len() <= KINDS + 1);
    }
}
