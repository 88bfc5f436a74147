//! How often a session may be refreshed on demand.

use std::time::Duration;

use crate::bounded_map::BoundedMap;

/// The sessions that were refreshed on demand within the last two seconds. Plain data: time is passed in.
#[derive(Debug)]
pub(crate) struct Pace(BoundedMap<Duration>);

impl Default for Pace {
    fn default() -> Self {
        Self(BoundedMap::new(LIMIT, PAUSE))
    }
}

impl Pace {
    /// How long the session still has to wait.
    pub(crate) fn wait(&mut self, session_id: &str, now: Duration) -> Option<Duration> {
        self.0.forget_expired(now);
        self.0.get(session_id).map(|began| (*began + PAUSE).saturating_sub(now))
    }

    /// Records that an exchange of the session starts.
    pub(crate) fn begun(&mut self, session_id: &str, now: Duration) {
        self.0.add(session_id, now, now);
    }
}

/// The least time between two exchanges on demand of one session.
const PAUSE: Duration = Duration::from_secs(2);
/// The greatest number of sessions; a process starts far fewer exchanges in that time.
const LIMIT: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_waits_two_seconds_and_others_do_not() {
        let mut pace = Pace::default();
        let at = Duration::from_millis;
        assert_eq!(pace.wait("a", at(0)), None);
        pace.begun("a", at(0));
        pace.begun("b", at(500));
        assert_eq!(pace.wait("a", at(500)), Some(at(1_500)));
        assert_eq!(pace.wait("b", at(2_000)), Some(at(500)));
        assert_eq!(pace.wait("c", at(2_000)), None);
        assert_eq!(pace.wait("a", at(2_000)), None);
        assert_eq!(pace.0.len(), 1, "what is over is forgotten");
    }

    #[test]
    fn no_more_are_remembered_than_the_limit() {
        let mut pace = Pace::default();
        for n in 0..=LIMIT {
            pace.begun(&n.to_string(), Duration::ZERO);
        }
        assert_eq!(pace.0.len(), LIMIT);
        assert_eq!(pace.wait("0", Duration::ZERO), None, "the oldest went");
    }
}
