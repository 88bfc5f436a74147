use std::{ops::Deref, sync::Arc};

use crate::{refresh::Refresher, token::TokenHash};

/// Several reference counts for the one refresher.
///
/// Every request changes the count of the reference that it holds. All cores would write a single count, and its cache
/// line would move between them; each of these counts is written by the requests of some sessions only.
pub(crate) struct RefresherLanes(Box<[Arc<RefresherLane>]>);

/// One reference to the refresher, with its count, alone in its cache lines.
#[repr(align(128))]
pub(crate) struct RefresherLane(Arc<Refresher>);

impl RefresherLanes {
    pub(crate) fn new(refresher: &Arc<Refresher>) -> Self {
        Self((0..LANES).map(|_| Arc::new(RefresherLane(Arc::clone(refresher)))).collect())
    }

    /// The reference for requests with this refresh token.
    #[inline]
    pub(crate) fn of(&self, token: Option<&TokenHash>) -> Arc<RefresherLane> {
        let at = token.map_or(0, |token| usize::from(token.as_bytes()[0]) % LANES);
        Arc::clone(&self.0[at])
    }
}

impl Deref for RefresherLane {
    type Target = Refresher;

    fn deref(&self) -> &Refresher {
        &self.0
    }
}

const LANES: usize = 64;
