//! Cut-off times: which tokens are older than the end, or the change, of what they stand for.
//!
//! Asked for every request, so the usual answer costs a few memory reads: only a token that is old enough to be hit
//! makes the table be locked and looked into.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    decide::CutOffEffect,
    end::revocation::{Revocation, Subject},
    token::TokenIdentity,
};

/// The cut-offs that this process knows.
pub(crate) struct CutOffs {
    /// The latest of all; 0 where there is none.
    newest: AtomicU64,
    /// The second after the latest of those that fell out of the full table.
    floor: AtomicU64,
    /// The latest of each bucket's subjects. Never lowered: what is forgotten hits no token that is alive.
    buckets: Box<[AtomicU64]>,
    hasher: RandomState,
    table: Mutex<Table>,
    limit: usize,
}

#[derive(Default)]
struct Table {
    cut_offs: HashMap<Arc<Subject>, u64>,
    /// The same, oldest first.
    order: BTreeSet<(u64, Arc<Subject>)>,
}

/// Whatever a revocation of could hit the token.
fn subjects(identity: TokenIdentity<'_>) -> impl Iterator<Item = Subject<&str>> {
    let TokenIdentity { subject: user, session, organization, .. } = identity;
    let membership = user.zip(organization);
    [
        session.map(Subject::Session),
        user.map(Subject::User),
        membership.map(|(user, organization)| Subject::Membership { user, organization }),
    ]
    .into_iter()
    .flatten()
}

impl CutOffs {
    pub(crate) fn new() -> Self {
        Self::holding(LIMIT)
    }

    fn holding(limit: usize) -> Self {
        Self {
            newest: AtomicU64::new(0),
            floor: AtomicU64::new(0),
            buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::new(),
            table: Mutex::default(),
            limit,
        }
    }

    /// Remembers a revocation, unless every token that it could hit has expired at `now`.
    pub(crate) fn add(&self, revocation: &Revocation, now: u64) {
        let Revocation { subject, at } = revocation;
        let mut table = self.table();
        if at.saturating_add(KEPT) > now {
            table.add(subject, *at);
            self.bucket(&subject.borrowed()).fetch_max(*at, Ordering::Release);
        }
        table.forget_old(now);
        if let Some(floor) = table.shrink(self.limit) {
            tracing::warn!(
                "more revocations than are remembered: sessions as old as the oldest are refreshed instead"
            );
            self.floor.fetch_max(floor.saturating_add(1), Ordering::Release);
        }
        // Readers look here first, so this comes last.
        self.newest.fetch_max(*at, Ordering::Release);
    }

    /// What the cut-offs say of a token.
    pub(crate) fn effect_on(&self, identity: TokenIdentity<'_>) -> CutOffEffect {
        let at = identity.issued_at;
        if at > self.newest.load(Ordering::Acquire) {
            return CutOffEffect::None;
        }
        let is_below = at < self.floor.load(Ordering::Acquire);
        let floor = if is_below { CutOffEffect::Changed } else { CutOffEffect::None };
        subjects(identity)
            .map(|subject| self.effect_of(&subject, at))
            .fold(floor, CutOffEffect::max)
    }

    /// What the cut-off of one subject says of a token issued at `at`.
    fn effect_of(&self, subject: &Subject<&str>, at: u64) -> CutOffEffect {
        if at > self.bucket(subject).load(Ordering::Acquire) {
            return CutOffEffect::None;
        }
        match (self.table().cut_offs.get(&subject.to_owned()), subject) {
            (Some(cut_off), _) if at > *cut_off => CutOffEffect::None,
            (Some(_), Subject::Session(_) | Subject::User(_)) => CutOffEffect::Ended,
            (Some(cut_off), Subject::Membership { .. }) if at == *cut_off => {
                CutOffEffect::MayHaveChanged
            }
            (Some(_), Subject::Membership { .. }) => CutOffEffect::Changed,
            (None, _) => CutOffEffect::None,
        }
    }

    fn bucket(&self, subject: &Subject<&str>) -> &AtomicU64 {
        let hash = self.hasher.hash_one(subject);
        &self.buckets[hash as usize % BUCKETS]
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Each of its methods leaves it whole, so a panic elsewhere says nothing about it.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn add(&mut self, subject: &Arc<Subject>, at: u64) {
        let known = self.cut_offs.entry(Arc::clone(subject)).or_insert(0);
        if *known >= at {
            return;
        }
        self.order.remove(&(*known, Arc::clone(subject)));
        *known = at;
        self.order.insert((at, Arc::clone(subject)));
    }

    fn forget_old(&mut self, now: u64) {
        while self.order.first().is_some_and(|(at, _)| at.saturating_add(KEPT) <= now) {
            self.forget_oldest();
        }
    }

    /// Forgets the oldest until the rest fits; says the cut-off of the last of them.
    fn shrink(&mut self, limit: usize) -> Option<u64> {
        let mut forgotten = None;
        while self.order.len() > limit {
            forgotten = self.forget_oldest();
        }
        forgotten
    }

    fn forget_oldest(&mut self) -> Option<u64> {
        let (at, subject) = self.order.pop_first()?;
        self.cut_offs.remove(&subject);
        Some(at)
    }
}

impl fmt::Debug for CutOffs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CutOffs").field("len", &self.table().order.len()).finish_non_exhaustive()
    }
}

/// How long after its time a cut-off can hit a token, in seconds: 24 hours of lifetime and a minute of leeway.
pub(crate) const KEPT: u64 = 24 * 60 * 60 + 60;
/// How many are remembered, at about 200 bytes each.
const LIMIT: usize = 100_000;
/// 64 KiB: with 1,000 cut-offs younger than a token, one request in eight locks the table for nothing.
const BUCKETS: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn at(second: u64) -> std::time::SystemTime {
        UNIX_EPOCH + Duration::from_millis(second * 1_000 + 999)
    }

    fn made(
        session: &str,
        user: &str,
        organization: Option<&'static str>,
        at: u64,
    ) -> CutOffEffect {
        let cut_offs = CutOffs::new();
        for revocation in [
            Revocation::session("session_ended", self::at(NOW)),
            Revocation::user("user_deleted", self::at(NOW)),
            Revocation::membership("user_member", "org_acme", self::at(NOW)),
        ] {
            cut_offs.add(&revocation, NOW);
        }
        cut_offs.effect_on(TokenIdentity {
            session: Some(session),
            subject: Some(user),
            organization,
            issued_at: at,
        })
    }

    #[test]
    fn a_cut_off_hits_the_tokens_of_its_subject_made_at_or_before_its_second() {
        let acme = Some("org_acme");
        let cases = [
            ("another session", made("session_1", "user_1", None, NOW - 1), CutOffEffect::None),
            (
                "an ended session",
                made("session_ended", "user_1", None, NOW - 1),
                CutOffEffect::Ended,
            ),
            ("in its second", made("session_ended", "user_1", None, NOW), CutOffEffect::Ended),
            ("after it", made("session_ended", "user_1", None, NOW + 1), CutOffEffect::None),
            ("no time of its own", made("session_ended", "user_1", None, 0), CutOffEffect::Ended),
            ("a deleted user", made("session_1", "user_deleted", acme, NOW), CutOffEffect::Ended),
            (
                "the user's id as a session's",
                made("user_deleted", "user_1", None, 0),
                CutOffEffect::None,
            ),
            ("a member", made("session_1", "user_member", acme, NOW - 1), CutOffEffect::Changed),
            (
                "in that second",
                made("session_1", "user_member", acme, NOW),
                CutOffEffect::MayHaveChanged,
            ),
            ("a member since", made("session_1", "user_member", acme, NOW + 1), CutOffEffect::None),
            (
                "elsewhere",
                made("session_1", "user_member", Some("org_b"), NOW - 1),
                CutOffEffect::None,
            ),
            (
                "in no organization",
                made("session_1", "user_member", None, NOW - 1),
                CutOffEffect::None,
            ),
            (
                "the worst counts",
                made("session_ended", "user_member", acme, NOW - 1),
                CutOffEffect::Ended,
            ),
        ];
        for (name, hit, expected) in cases {
            assert_eq!(hit, expected, "{name}");
        }
    }

    #[test]
    fn the_later_of_two_cut_offs_counts_in_whichever_order_they_come() {
        let made = |at| TokenIdentity {
            session: Some("session_1"),
            subject: None,
            organization: None,
            issued_at: at,
        };
        for order in [[5, 9], [9, 5]] {
            let cut_offs = CutOffs::new();
            for second in order {
                cut_offs.add(&Revocation::session("session_1", at(NOW + second)), NOW);
            }
            assert_eq!(cut_offs.effect_on(made(NOW + 9)), CutOffEffect::Ended, "{order:?}");
            assert_eq!(cut_offs.effect_on(made(NOW + 10)), CutOffEffect::None, "{order:?}");
            assert_eq!(cut_offs.table().order.len(), 1, "{order:?}");
        }
    }

    #[test]
    fn a_cut_off_is_forgotten_when_every_token_that_it_hits_has_expired() {
        let cut_offs = CutOffs::new();
        let ended = |id: &str, second| Revocation::session(id, at(second));
        cut_offs.add(&ended("session_1", NOW), NOW);
        cut_offs.add(&ended("session_2", NOW + 1), NOW + KEPT - 1);
        assert_eq!(cut_offs.table().order.len(), 2);

        cut_offs.add(&ended("session_3", NOW + 2), NOW + KEPT);
        assert_eq!(cut_offs.table().order.len(), 2, "the first one's time is over");

        cut_offs.add(&ended("session_4", NOW - 1), NOW + KEPT);
        assert_eq!(cut_offs.table().order.len(), 2, "one that comes too late is not kept");
        assert_eq!(cut_offs.table().cut_offs.len(), 2);
    }

    #[test]
    fn what_finds_no_room_is_refreshed_rather_than_forgotten() {
        let cut_offs = CutOffs::holding(3);
        for n in 1..=5 {
            cut_offs.add(&Revocation::session(format!("session_{n}"), at(NOW + n)), NOW);
        }
        let hit = |session, at| {
            cut_offs.effect_on(TokenIdentity {
                session: Some(session),
                subject: None,
                organization: None,
                issued_at: at,
            })
        };

        assert_eq!(cut_offs.table().order.len(), 3);
        assert_eq!(hit("session_1", NOW), CutOffEffect::Changed, "fell out");
        assert_eq!(hit("session_5", NOW), CutOffEffect::Ended, "is in");
        assert_eq!(hit("another", NOW + 2), CutOffEffect::Changed, "as old as what fell out");
        assert_eq!(hit("another", NOW + 3), CutOffEffect::None, "younger");
    }
}
