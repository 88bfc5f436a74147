//! Which tokens and sessions a request must look up: read by every request, without a lock.

use std::sync::{Arc, atomic::Ordering};

use crate::{
    sync::AtomicU32,
    token::{SessionIdHash, TokenHash},
};

/// Counts, by hash, the tokens and session ids about which the tables know something.
///
/// A zero is certain; any other count may come from another entry with the same hash, so the table behind the lock
/// decides. Counts change under that lock, before the table does: a request that reads a zero comes before the event.
#[derive(Debug)]
pub(crate) struct LookupFilter {
    counts: Box<[AtomicU32]>,
}

impl LookupFilter {
    /// As many counts as there usually are entries, and a few: 512 KiB.
    pub(crate) const COUNTS: usize = if cfg!(interleavings) { 16 } else { 1 << 17 };

    /// No marks, in about so many counts.
    pub(crate) fn new(counts: usize) -> Self {
        let counts = (0..counts.next_power_of_two()).map(|_| AtomicU32::new(0)).collect();
        Self { counts }
    }

    /// Whether a request with this token, of this session, has to be looked up.
    #[inline]
    pub(crate) fn may_contain(
        &self,
        token: Option<&TokenHash>,
        session: Option<SessionIdHash>,
    ) -> bool {
        token.is_some_and(|token| self.is_counted(token.into()))
            || session.is_some_and(|session| self.is_counted(session.into()))
    }

    /// Counts a token or a session id until the mark is dropped.
    pub(crate) fn mark(self: &Arc<Self>, entry: impl Into<LookupEntry>) -> LookupMark {
        LookupMark::at(Arc::clone(self), self.slot(entry.into()))
    }

    #[inline]
    fn is_counted(&self, entry: LookupEntry) -> bool {
        self.counts[self.slot(entry)].load(Ordering::Acquire) > 0
    }

    /// Which count is an entry's.
    #[inline]
    fn slot(&self, LookupEntry(hash): LookupEntry) -> usize {
        // A power of two.
        hash as usize & (self.counts.len() - 1)
    }
}

/// What can be counted: a token, which is a hash already, or a session id, by its hash.
#[derive(Clone, Copy)]
pub(crate) struct LookupEntry(u32);

impl From<&TokenHash> for LookupEntry {
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "any of its bits are as good as random")]
    fn from(token: &TokenHash) -> Self {
        Self(token.number() as u32)
    }
}

impl From<SessionIdHash> for LookupEntry {
    #[inline]
    fn from(id: SessionIdHash) -> Self {
        Self(id.number())
    }
}

impl From<&str> for LookupEntry {
    fn from(session_id: &str) -> Self {
        SessionIdHash::of(session_id).into()
    }
}

/// Counts an entry as long as this lives.
#[derive(Debug)]
pub(crate) struct LookupMark {
    lookup_filter: Arc<LookupFilter>,
    slot: usize,
}

impl LookupMark {
    fn at(lookup_filter: Arc<LookupFilter>, slot: usize) -> Self {
        lookup_filter.counts[slot].fetch_add(1, Ordering::Release);
        Self { lookup_filter, slot }
    }
}

impl Clone for LookupMark {
    fn clone(&self) -> Self {
        Self::at(Arc::clone(&self.lookup_filter), self.slot)
    }
}

impl Drop for LookupMark {
    fn drop(&mut self) {
        self.lookup_filter.counts[self.slot].fetch_sub(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::RefreshToken;

    #[test]
    fn an_entry_counts_as_long_as_a_mark_of_it_lives() {
        let lookup_filter = Arc::new(LookupFilter::new(LookupFilter::COUNTS));
        let [one, other] = ["one", "other"].map(|token| RefreshToken::new(token).hash());
        let concerns =
            |token, id: Option<&str>| lookup_filter.may_contain(token, id.map(SessionIdHash::of));
        assert!(!concerns(None, None) && !concerns(Some(&one), Some("session_1")));

        let (token, session) = (lookup_filter.mark(&one), lookup_filter.mark("session_1"));
        assert!(concerns(Some(&one), None) && concerns(Some(&one), Some("session_2")));
        assert!(concerns(None, Some("session_1")) && concerns(Some(&other), Some("session_1")));
        assert!(!concerns(Some(&other), Some("session_2")));

        let again = token.clone();
        drop(token);
        assert!(concerns(Some(&one), None));
        drop((again, session));
        assert!(!concerns(Some(&one), Some("session_1")));
    }

    /// As where the table is full.
    #[test]
    fn entries_of_one_hash_are_counted_together() {
        let lookup_filter = Arc::new(LookupFilter::new(1));
        let marks: Vec<_> =
            (0..100).map(|n| lookup_filter.mark(&*format!("session_{n}"))).collect();
        let another = Some(SessionIdHash::of("another"));
        for mark in marks {
            assert!(lookup_filter.may_contain(None, another));
            drop(mark);
        }
        assert!(!lookup_filter.may_contain(None, another));
    }
}
