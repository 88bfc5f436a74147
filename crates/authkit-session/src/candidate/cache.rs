//! Verified sessions, keyed by the cookie value that they came in, so that the next request need not verify again.
//!
//! Only verified sessions get in. [`SessionReader`](crate::candidate::reader::SessionReader) checks everything that may
//! have changed since before it uses one.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use foldhash::quality::RandomState;
use quick_cache::{Equivalent, Weighter, sync::DefaultLifecycle};

use crate::{
    candidate::kept_cookie::KeptCookie, cookie::received::CookieValue, session::VerifiedSession,
    sync::Cache,
};

/// The sessions verified last, as many as fit; none if the cache is off.
///
/// The hash is fast but not collision-resistant: a key gets in only if it was sealed with our password.
pub(crate) struct SessionCache(
    Option<Cache<CachedValue, Arc<VerifiedSession>, Weight, RandomState>>,
);

impl SessionCache {
    /// Holds about `bytes` bytes at most; 0 turns the cache off.
    pub(crate) fn new(bytes: usize) -> Self {
        // The second number only decides how many sessions there may be.
        let sized = |bytes| {
            let (hash, lifecycle) = (RandomState::default(), DefaultLifecycle::default());
            Cache::with(bytes / USUAL_WEIGHT, bytes as u64, Weight, hash, lifecycle)
        };
        Self((bytes > 0).then(|| sized(bytes)))
    }

    pub(crate) fn get(&self, value: CookieValue<'_>) -> Option<Arc<VerifiedSession>> {
        self.0.as_ref()?.get(&value)
    }

    /// The session whose cookie value starts `field` and ends at the next semicolon or the end. May miss a value that
    /// is known.
    pub(crate) fn get_at_start(&self, field: &[u8]) -> Option<Arc<VerifiedSession>> {
        self.0.as_ref()?.get(&ValueAtStart(field))
    }

    /// Whether the cache is on.
    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn insert(&self, cookie: Arc<KeptCookie>, session: Arc<VerifiedSession>) {
        if let Some(cache) = &self.0 {
            cache.insert(CachedValue(cookie), session);
        }
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> u64 {
        self.0.as_ref().map_or(0, Cache::weight)
    }
}

impl fmt::Debug for SessionCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionCache").field(&self.0.as_ref().map(Cache::len)).finish()
    }
}

/// A cookie value. Compared whole; hashed by its start, which in every format is as random as a hash.
struct CachedValue(Arc<KeptCookie>);

impl PartialEq for CachedValue {
    fn eq(&self, other: &Self) -> bool {
        self.0.value() == other.0.value()
    }
}

impl Eq for CachedValue {}

impl Hash for CachedValue {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash(&[self.0.value()], state);
    }
}

impl Hash for CookieValue<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash(self.pieces(), state);
    }
}

impl Equivalent<CachedValue> for CookieValue<'_> {
    fn equivalent(&self, value: &CachedValue) -> bool {
        let whole = value.0.value();
        let rest = self.pieces().iter().try_fold(whole, |rest, piece| rest.strip_prefix(*piece));
        rest.is_some_and(<[u8]>::is_empty)
    }
}

/// The rest of a `Cookie` field, from where a value starts.
///
/// The end of the value is not searched for: the comparison with the known value finds it.
struct ValueAtStart<'a>(&'a [u8]);

impl Hash for ValueAtStart<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash(&[self.0], state);
    }
}

impl Equivalent<CachedValue> for ValueAtStart<'_> {
    fn equivalent(&self, value: &CachedValue) -> bool {
        let rest = self.0.strip_prefix(value.0.value());
        rest.is_some_and(|rest| matches!(rest, [] | [b';', ..]))
    }
}

/// Hashes the first bytes of the joined pieces: more than any format has before its salt or nonce.
#[inline]
fn hash<H: Hasher>(pieces: &[&[u8]], state: &mut H) {
    match pieces.first().and_then(|piece| piece.first_chunk()) {
        Some(start) => hash_start(start, state),
        None => hash_short(pieces, state),
    }
}

/// The same where the first piece is shorter than that.
#[inline(never)]
fn hash_short<H: Hasher>(pieces: &[&[u8]], state: &mut H) {
    let mut start = [0; START];
    let mut filled = 0;
    for piece in pieces {
        let taken = piece.len().min(start.len() - filled);
        start[filled..filled + taken].copy_from_slice(&piece[..taken]);
        filled += taken;
    }
    hash_start(&start, state);
}

/// A salt or a nonce is random in many of the numbers that are taken together here, wherever it starts.
fn hash_start<H: Hasher>(start: &[u8; START], state: &mut H) {
    let (numbers, _) = start.as_chunks();
    let folded = numbers.iter().fold(0, |folded, number| folded ^ u64::from_le_bytes(*number));
    state.write_u64(folded);
}

/// About how much memory an entry takes, as measured by `cargo xtask bench`.
#[derive(Clone)]
struct Weight;

impl Weighter<CachedValue, Arc<VerifiedSession>> for Weight {
    fn weight(&self, _: &CachedValue, session: &Arc<VerifiedSession>) -> u64 {
        // The cache asks again when the entry is removed: the weight must not change in between.
        session.remembered.as_ref().map_or(0, |remembered| u64::from(remembered.weight))
    }
}

/// About how many bytes a session takes that is cached under `cookie`.
pub(crate) fn weight(cookie: &KeptCookie, session: &VerifiedSession) -> usize {
    ENTRY + cookie.value().len() + session.token.claims.len() + cookie.weight(&session.shown)
}

/// How many bytes at the start of a value are hashed.
const START: usize = 48;
/// The size of an entry without its texts: its place in the table, the session, and the allocator's overhead.
const ENTRY: usize = 560;
/// What an entry usually weighs.
const USUAL_WEIGHT: usize = 3_200;

#[cfg(test)]
mod tests;
