use std::{ops::Deref, sync::Arc};

use crate::token::TokenHash;

/// A shared value with several reference counts.
///
/// Every request changes the count of the reference that it holds. All cores would write a single count, and its cache
/// line would move between them; each of these counts is written by the requests of some sessions only.
pub(crate) struct ShardedArc<T>(Box<[Arc<ArcShard<T>>]>);

/// One reference to the value, with a count of its own, alone in its cache lines.
#[repr(align(128))]
pub(crate) struct ArcShard<T>(Arc<T>);

impl<T> ShardedArc<T> {
    pub(crate) fn new(value: &Arc<T>) -> Self {
        Self((0..SHARDS).map(|_| Arc::new(ArcShard(Arc::clone(value)))).collect())
    }

    /// The reference for requests with this refresh token.
    #[inline]
    pub(crate) fn shard_of(&self, token: Option<&TokenHash>) -> Arc<ArcShard<T>> {
        let at = token.map_or(0, |token| usize::from(token.as_bytes()[0]) % SHARDS);
        Arc::clone(&self.0[at])
    }
}

impl<T> Deref for ArcShard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

const SHARDS: usize = 64;
