use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use crate::refresh_state::lineage::KEPT_ENDED;

/// The ids of sessions that ended here, in the order in which they did.
#[derive(Clone, Debug, Default)]
pub(super) struct EndedSessions {
    ids: HashSet<Arc<str>>,
    order: VecDeque<(Duration, Arc<str>)>,
}

impl EndedSessions {
    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// A session without an id never ended here.
    pub(super) fn contains(&self, session_id: Option<&str>) -> bool {
        session_id.is_some_and(|id| self.ids.contains(id))
    }

    pub(super) fn add(&mut self, session_id: Option<&str>, now: Duration) {
        let Some(id) = session_id.filter(|id| !self.ids.contains(*id)) else { return };
        let id: Arc<str> = id.into();
        self.ids.insert(Arc::clone(&id));
        self.order.push_back((now + KEPT_ENDED, id));
    }

    pub(super) fn forget_old(&mut self, now: Duration) {
        while self.order.front().is_some_and(|(until, _)| *until <= now) {
            self.forget_first();
        }
    }

    pub(super) fn shrink(&mut self, len: usize) {
        while self.order.len() > len {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some((_, id)) = self.order.pop_front() {
            self.ids.remove(&id);
        }
    }
}
