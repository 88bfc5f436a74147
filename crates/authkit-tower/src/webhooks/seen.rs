use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

/// The ids of the events that were taken of late. An event is harmless the second time; this only saves the work.
#[derive(Default)]
pub(super) struct Seen {
    ids: HashSet<Arc<str>>,
    order: VecDeque<Arc<str>>,
}

impl Seen {
    pub(super) fn contains(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    pub(super) fn add(&mut self, id: &str) {
        let id: Arc<str> = id.into();
        if !self.ids.insert(Arc::clone(&id)) {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > LIMIT
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }
}

/// About 1 MB.
const LIMIT: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_known_and_the_number_is_bounded() {
        let mut seen = Seen::default();
        for n in 0..=LIMIT {
            seen.add(&format!("event_{n}"));
            seen.add(&format!("event_{n}"));
        }
        assert!(seen.contains(&format!("event_{LIMIT}")) && seen.contains("event_1"));
        assert!(!seen.contains("event_0"), "the oldest went");
        assert_eq!((seen.ids.len(), seen.order.len()), (LIMIT, LIMIT));
    }
}
