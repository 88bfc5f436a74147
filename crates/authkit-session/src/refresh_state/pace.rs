//! How often a session may be refreshed on demand.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

/// The sessions that were refreshed on demand within the last two seconds. Plain data: time is passed in.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    sessions: HashSet<Arc<str>>,
    /// The same, in the order of their times.
    order: VecDeque<(Duration, Arc<str>)>,
}

impl Pace {
    /// How long the session still has to wait.
    pub(crate) fn wait(&mut self, session_id: &str, now: Duration) -> Option<Duration> {
        while self.order.front().is_some_and(|(at, _)| *at + PAUSE <= now) {
            self.forget_first();
        }
        if !self.sessions.contains(session_id) {
            return None;
        }
        let (at, _) = self.order.iter().find(|(_, id)| **id == *session_id)?;
        Some((*at + PAUSE).saturating_sub(now))
    }

    /// An exchange of the session begins.
    pub(crate) fn begun(&mut self, session_id: &str, now: Duration) {
        let id: Arc<str> = session_id.into();
        if self.sessions.insert(Arc::clone(&id)) {
            self.order.push_back((now, id));
        }
        while self.order.len() > LIMIT {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some((_, id)) = self.order.pop_front() {
            self.sessions.remove(&id);
        }
    }
}

/// How far apart two exchanges on demand of one session are.
const PAUSE: Duration = Duration::from_secs(2);
/// How many are remembered at most; a process begins far fewer exchanges in that time.
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
        assert_eq!((pace.order.len(), pace.sessions.len()), (1, 1), "what is over is forgotten");
    }

    #[test]
    fn no_more_are_remembered_than_the_limit() {
        let mut pace = Pace::default();
        for n in 0..=LIMIT {
            pace.begun(&n.to_string(), Duration::ZERO);
        }
        assert_eq!((pace.order.len(), pace.sessions.len()), (LIMIT, LIMIT));
        assert_eq!(pace.wait("0", Duration::ZERO), None, "the oldest went");
    }
}
