use std::time::Duration;

use crate::{bounded_map::BoundedMap, refresh_state::lineage::KEPT_ENDED};

/// The ids of sessions that ended here.
#[derive(Clone, Debug)]
pub(super) struct EndedSessions(BoundedMap);

impl EndedSessions {
    pub(super) fn new(limit: usize) -> Self {
        Self(BoundedMap::new(limit, KEPT_ENDED))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// A session without an id never ended here.
    pub(super) fn contains(&self, session_id: Option<&str>) -> bool {
        session_id.is_some_and(|id| self.0.contains(id))
    }

    pub(super) fn add(&mut self, session_id: Option<&str>, now: Duration) {
        if let Some(id) = session_id {
            self.0.add(id, (), now);
        }
    }

    pub(super) fn forget_old(&mut self, now: Duration) {
        self.0.forget_expired(now);
    }
}
