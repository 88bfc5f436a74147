//! Sessions that were verified, known by the cookie that they came in, so that the next request need not verify again.
//!
//! Only a session that was verified gets in, and [`SessionReader`](crate::candidate::reader::SessionReader)
//! asks again for all that may have changed before one counts that gets out.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use foldhash::quality::RandomState;
use quick_cache::{
    Equivalent, Weighter,
    sync::{Cache, DefaultLifecycle},
};

use crate::{
    candidate::kept_cookie::KeptCookie, cookie::received::CookieValue, seal::PasswordId,
    session::VerifiedSession, token::PairId,
};

/// The sessions verified last, as many as fit; none where it is switched off.
///
/// The hash is fast rather than proof against chosen keys: a key gets in only if it was sealed with our password.
pub(crate) struct SessionCache(Option<Cache<CachedValue, CachedSession, Weight, RandomState>>);

/// A session as it was verified, without its refresh token.
#[derive(Clone)]
pub(crate) struct CachedSession {
    pub(crate) session: Arc<VerifiedSession>,
    /// What its lineage is known by.
    pub(crate) pair: Option<PairId>,
    /// What opened its cookie.
    pub(crate) password: PasswordId,
    /// As they were before the cookie was opened.
    pub(crate) generations: KeyGenerations,
    /// When its token ends by the monotonic clock, whatever becomes of the other one.
    pub(crate) until: Duration,
    /// About how many bytes it takes beside the cookie's value.
    weight: usize,
}

impl CachedSession {
    /// The verified session of `cookie`.
    pub(crate) fn new(
        cookie: &KeptCookie,
        session: Arc<VerifiedSession>,
        pair: Option<PairId>,
        password: PasswordId,
        generations: KeyGenerations,
        until: Duration,
    ) -> Self {
        let claims = &session.claims;
        let ids = [Some(&claims.sub), Some(&claims.sid), claims.org_id.as_ref()];
        let ids: usize = ids.into_iter().flatten().map(|id| id.len()).sum();
        let weight = ENTRY + ids + session.user.weight() + cookie.token_weight();
        Self { session, pair, password, generations, until, weight }
    }
}

/// Generation counters of the cookie passwords and the signing keys; equal counters mean that nothing was removed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct KeyGenerations {
    /// How often the passwords were replaced.
    pub(crate) passwords: u64,
    /// When the signing keys were fetched; `None` where they are not fresh.
    pub(crate) keys: Option<Duration>,
}

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

    pub(crate) fn get(&self, value: CookieValue<'_>) -> Option<CachedSession> {
        self.0.as_ref()?.get(&value)
    }

    /// Whether anything is remembered at all.
    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn insert(&self, cookie: Arc<KeptCookie>, remembered: CachedSession) {
        if let Some(cache) = &self.0 {
            cache.insert(CachedValue(cookie), remembered);
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

/// The value of a cookie. Compared whole; hashed by its end, which in every format is as random as a hash.
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

/// Hashes the last bytes of what the pieces make together.
fn hash<H: Hasher>(pieces: &[&[u8]], state: &mut H) {
    let mut end = [0; 16];
    let mut left = end.len();
    for piece in pieces.iter().rev() {
        let taken = piece.len().min(left);
        end[left - taken..left].copy_from_slice(&piece[piece.len() - taken..]);
        left -= taken;
    }
    state.write(&end);
}

/// About how much memory an entry takes, as measured by `cargo xtask bench`.
#[derive(Clone)]
struct Weight;

impl Weighter<CachedValue, CachedSession> for Weight {
    fn weight(&self, value: &CachedValue, remembered: &CachedSession) -> u64 {
        // Asked for again when the entry goes: whatever it is made of stays the same.
        (value.0.value().len() + remembered.weight) as u64
    }
}

/// What an entry takes beside the texts in it: its place in the table, the session, and what allocating them costs.
const ENTRY: usize = 1_008;
/// What an entry usually weighs.
const USUAL_WEIGHT: usize = 3_900;

#[cfg(test)]
mod tests;
