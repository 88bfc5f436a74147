//! The state of past and running refreshes: plain tables behind one lock, with the time passed in.
//!
//! Nearly every request brings a session about which the tables know nothing. The [`LookupFilter`] in front of the
//! lock show that, so such a request takes no lock.

pub(crate) mod lineage;
pub(crate) mod lookup_filter;
pub(crate) mod pace;
pub(crate) mod successor;

use std::{
    fmt,
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};

use self::{
    lineage::{Limits, Lineages},
    lookup_filter::LookupFilter,
    pace::Pace,
    successor::{ExchangeWaiter, Successor},
};
use crate::{
    sync::{AtomicU64, Mutex, MutexGuard},
    token::{SessionIdHash, TokenHash},
};

/// The tables, shared by every request.
pub(crate) struct RefreshState {
    tables: Mutex<RefreshTables>,
    lookup_filter: Arc<LookupFilter>,
    /// When the tables should next remove old entries, in seconds of the monotonic clock.
    forget_from: AtomicU64,
}

/// The tables themselves.
#[derive(Debug)]
pub(crate) struct RefreshTables {
    pub(crate) lineages: Lineages<ExchangeWaiter, Successor>,
    pub(crate) pace: Pace,
}

impl RefreshState {
    pub(crate) fn new() -> Self {
        let lookup_filter = Arc::new(LookupFilter::new(LookupFilter::COUNTS));
        let lineages = Lineages::new(Limits::default(), Arc::clone(&lookup_filter));
        let tables = RefreshTables { lineages, pace: Pace::default() };
        Self { tables: Mutex::new(tables), lookup_filter, forget_from: AtomicU64::new(0) }
    }

    /// Locks the tables. Never held across an await.
    pub(crate) fn lock(&self) -> MutexGuard<'_, RefreshTables> {
        // Each method of a table leaves it consistent, so a panic elsewhere does no harm.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the tables if they may know anything that matters to a request with this token, of this session.
    #[inline]
    pub(crate) fn lock_for(
        &self,
        token: Option<&TokenHash>,
        session: Option<SessionIdHash>,
    ) -> Option<MutexGuard<'_, RefreshTables>> {
        self.lookup_filter.may_contain(token, session).then(|| self.lock())
    }

    /// Locks the tables once a minute, so that they remove old entries: every event removes them too, but events may be
    /// rare.
    pub(crate) fn lock_to_forget(&self, now: Duration) -> Option<MutexGuard<'_, RefreshTables>> {
        let is_due = self.forget_from.load(Ordering::Relaxed) <= now.as_secs();
        is_due.then(|| {
            self.forget_from.store(now.as_secs() + FORGET_EVERY, Ordering::Relaxed);
            self.lock()
        })
    }
}

/// How often the tables remove old entries, in seconds.
const FORGET_EVERY: u64 = 60;

impl fmt::Debug for RefreshState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshState").finish_non_exhaustive()
    }
}

#[cfg(all(test, interleavings))]
mod interleavings;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_locked_once_a_minute_to_forget() {
        let state = RefreshState::new();
        for (second, is_due) in
            [(0, true), (0, false), (59, false), (60, true), (61, false), (500, true)]
        {
            let lock = state.lock_to_forget(Duration::from_secs(second));
            assert_eq!(lock.is_some(), is_due, "second {second}");
        }
    }
}
