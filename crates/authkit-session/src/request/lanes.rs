use std::{ops::Deref, sync::Arc};

use crate::{refresh::Refresher, token::TokenHash};

/// The refresher, with several counts of who holds it.
///
/// What every request holds is counted by every request. One count would be written by all cores, and wander between their
/// caches; of these, each is written by the requests of some sessions.
pub(crate) struct RefresherLanes(Box<[Arc<RefresherLane>]>);

/// One way to the refresher. In front of it is its count, and both are alone in their cache lines.
#[repr(align(128))]
pub(crate) struct RefresherLane(Arc<Refresher>);

impl RefresherLanes {
    pub(crate) fn new(refresher: &Arc<Refresher>) -> Self {
        Self((0..LANES).map(|_| Arc::new(RefresherLane(Arc::clone(refresher)))).collect())
    }

    /// The way for requests with this refresh token.
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
