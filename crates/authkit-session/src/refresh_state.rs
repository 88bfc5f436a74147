//! What is remembered of refreshes and of those under way: plain tables behind one lock, with the time passed in.
//!
//! Nearly every request is about a session of which nothing is remembered. It learns that from the [`Presence`] in front
//! of the lock, and takes none.

pub(crate) mod lineage;
pub(crate) mod pace;
pub(crate) mod presence;
pub(crate) mod successor;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use self::{
    lineage::{Limits, Lineages},
    pace::Pace,
    presence::Presence,
    successor::{ExchangeWaiter, Successor},
};
use crate::token::TokenHash;

/// The tables, shared by every request.
pub(crate) struct RefreshState {
    tables: Mutex<RefreshTables>,
    presence: Arc<Presence>,
}

/// The tables themselves.
#[derive(Debug)]
pub(crate) struct RefreshTables {
    pub(crate) lineages: Lineages<ExchangeWaiter, Successor>,
    pub(crate) pace: Pace,
}

impl RefreshState {
    pub(crate) fn new() -> Self {
        let presence = Arc::new(Presence::new(Presence::COUNTS));
        let lineages = Lineages::new(Limits::default(), Arc::clone(&presence));
        let tables = RefreshTables { lineages, pace: Pace::default() };
        Self { tables: Mutex::new(tables), presence }
    }

    /// Locks the tables. Never held across an await.
    pub(crate) fn lock(&self) -> MutexGuard<'_, RefreshTables> {
        // Each method of a table leaves it whole, so a panic elsewhere says nothing about it.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, if anything that matters to a request with this token, of this session, may be remembered.
    pub(crate) fn lock_for(
        &self,
        token: Option<TokenHash>,
        session_id: Option<&str>,
    ) -> Option<MutexGuard<'_, RefreshTables>> {
        self.presence.may_concern(token, session_id).then(|| self.lock())
    }
}

impl fmt::Debug for RefreshState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshState").finish_non_exhaustive()
    }
}
