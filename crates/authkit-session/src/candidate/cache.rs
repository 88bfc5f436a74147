//! Sessions that were verified, known by the cookie that they came in, so that the next request need not verify again.
//!
//! Only a session that was verified gets in, and [`SessionReader`](crate::candidate::reader::SessionReader)
//! asks again for all that may have changed before one counts that gets out.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use foldhash::quality::RandomState;
use quick_cache::{
    Equivalent, Weighter,
    sync::{Cache, DefaultLifecycle},
};

use crate::{
    candidate::kept_cookie::KeptCookie, cookie::received::CookieValue, session::VerifiedSession,
};

/// The sessions verified last, as many as fit; none where it is switched off.
///
/// The hash is fast rather than proof against chosen keys: a key gets in only if it was sealed with our password.
pub(crate) struct SessionCache(
    Option<Cache<CachedValue, Arc<VerifiedSession>, Weight, RandomState>>,
);

impl SessionCache {
    /// Holds about so many bytes at most; none at all if there are 0.
    pub(crate) fn new(bytes: usize) -> Self {
        // How many sessions there may be is all that the second number decides.
        let sized = |bytes| {
            let (hash, lifecycle) = (RandomState::default(), DefaultLifecycle::default());
            Cache::with(bytes / USUAL_WEIGHT, bytes as u64, Weight, hash, lifecycle)
        };
        Self((bytes > 0).then(|| sized(bytes)))
    }

    pub(crate) fn get(&self, value: CookieValue<'_>) -> Option<Arc<VerifiedSession>> {
        self.0.as_ref()?.get(&value)
    }

    /// The session whose cookie's value is at the start of `field`, up to the next semicolon or the end. A value that is
    /// not known need not be found by this.
    pub(crate) fn get_at_start(&self, field: &[u8]) -> Option<Arc<VerifiedSession>> {
        self.0.as_ref()?.get(&ValueAtStart(field))
    }

    /// Whether anything is remembered at all.
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

/// The value of a cookie. Compared whole; hashed by its start, which in every format is as random as a hash.
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

/// A `Cookie` field from where a value starts.
///
/// Where the value ends is not looked for: the comparison that has to be made anyway says it.
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

/// Hashes the first bytes of what the pieces make together: more than any format has before its salt or nonce.
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
        // Asked for again when the entry goes: whatever it is made of stays the same.
        session.remembered.as_ref().map_or(0, |remembered| u64::from(remembered.weight))
    }
}

/// About how many bytes a session takes that is remembered by `cookie`.
pub(crate) fn weight(cookie: &KeptCookie, session: &VerifiedSession) -> usize {
    ENTRY + cookie.value().len() + session.token.claims.len() + cookie.weight(&session.shown)
}

/// How many bytes at the start of a value are hashed.
const START: usize = 48;
/// What an entry takes beside the texts in it: its place in the table, the session, and what allocating them costs.
const ENTRY: usize = 560;
/// What an entry usually weighs.
const USUAL_WEIGHT: usize = 3_200;

#[cfg(test)]
mod tests;
