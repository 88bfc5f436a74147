use std::{sync::Arc, time::Duration};

use crate::{
    bounded_map::BoundedMap,
    refresh_state::{
        lineage::KEPT_ENDED,
        lookup_filter::{LookupFilter, LookupMark},
    },
};

/// The ids of sessions that ended here.
#[derive(Clone, Debug)]
pub(super) struct EndedSessions {
    ids: BoundedMap<LookupMark>,
    lookup_filter: Arc<LookupFilter>,
}

impl EndedSessions {
    pub(super) fn new(limit: usize, lookup_filter: Arc<LookupFilter>) -> Self {
        Self { ids: BoundedMap::new(limit, KEPT_ENDED), lookup_filter }
    }

    #[cfg(test)]
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
        if let Some(id) = session_id {
            self.ids.add(id, self.lookup_filter.mark(id), now);
        }
    }

    pub(super) fn forget_old(&mut self, now: Duration) {
        self.ids.forget_expired(now);
    }
}
