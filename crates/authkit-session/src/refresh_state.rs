//! What is remembered of refreshes and of those under way: plain tables behind one lock, with the time passed in.

pub(crate) mod lineage;
pub(crate) mod pace;
pub(crate) mod successor;

use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use self::{
    lineage::{Limits, Lineages},
    pace::Pace,
    successor::{ExchangeWaiter, Successor},
};

/// The tables, shared by every request.
pub(crate) struct RefreshState {
    tables: Mutex<RefreshTables>,
    /// Whether a lineage is remembered; written under the lock.
    remembers_any: AtomicBool,
}

/// The tables themselves.
#[derive(Debug)]
pub(crate) struct RefreshTables {
    pub(crate) lineages: Lineages<ExchangeWaiter, Successor>,
    pub(crate) pace: Pace,
}

impl RefreshState {
    pub(crate) fn new() -> Self {
        let tables =
            RefreshTables { lineages: Lineages::new(Limits::default()), pace: Pace::default() };
        Self { tables: Mutex::new(tables), remembers_any: AtomicBool::new(false) }
    }

    /// Locks the tables. Never held across an await.
    pub(crate) fn lock(&self) -> LockedTables<'_> {
        // Each method of a table leaves it whole, so a panic elsewhere says nothing about it.
        let tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        LockedTables { tables, remembers_any: &self.remembers_any }
    }

    /// The same where a lineage is remembered. Every request asks, so nothing is locked for an empty table.
    pub(crate) fn lock_if_any(&self) -> Option<LockedTables<'_>> {
        self.remembers_any.load(Ordering::Acquire).then(|| self.lock())
    }
}

impl fmt::Debug for RefreshState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshState")
            .field("remembers_any", &self.remembers_any)
            .finish_non_exhaustive()
    }
}

/// The tables while they are locked.
pub(crate) struct LockedTables<'s> {
    tables: MutexGuard<'s, RefreshTables>,
    remembers_any: &'s AtomicBool,
}

impl Deref for LockedTables<'_> {
    type Target = RefreshTables;

    fn deref(&self) -> &RefreshTables {
        &self.tables
    }
}

impl DerefMut for LockedTables<'_> {
    fn deref_mut(&mut self) -> &mut RefreshTables {
        &mut self.tables
    }
}

impl Drop for LockedTables<'_> {
    fn drop(&mut self) {
        // Still locked, so that the last writer is the latest one.
        self.remembers_any.store(!self.tables.lineages.is_empty(), Ordering::Release);
    }
}
