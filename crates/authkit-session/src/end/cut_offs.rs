//! Cut-offs: which tokens belong to something that has ended, or are older than a change of it.
//!
//! 1. An ended session or a deleted user refuses every token: another machine's clock issues the tokens, so a token may
//!    name a later second than the end of its session.
//! 2. Every other cut-off is compared by time: it hits tokens that were issued at or before its second.
//! 3. A cut-off is remembered for as long as tokens live, from when it was heard of: so until every token that it can
//!    hit has expired, even where the clock that dated it or the wall clock here is wrong, or was.
//! 4. A full table forgets its oldest cut-off; tokens as old as that one are refreshed, so that WorkOS decides.
//!
//! Every request reads the cut-offs, so the usual answer costs a few memory reads: only a token that may be hit locks
//! the table.

use std::{
    cmp,
    collections::{BTreeSet, HashMap},
    fmt,
    hash::BuildHasher,
    iter,
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};

use crate::{
    decide::CutOffEffect,
    end::revocation::{Reach, Revocation, Subject},
    log_limit::LogLimiter,
    sync::{AtomicU32, AtomicU64, Mutex, MutexGuard, RandomState},
    token::TokenIdentity,
};

/// The cut-offs that this process knows.
pub(crate) struct CutOffs {
    /// The latest issue time of a token that may be hit, in Unix seconds: [`u64::MAX`] while the table has a cut-off
    /// that hits every token, 0 if there is no cut-off.
    newest: AtomicU64,
    /// The second after the latest issue time of a token that a forgotten cut-off may have hit.
    floor: AtomicU64,
    buckets: Box<[Bucket]>,
    hasher: RandomState,
    table: Mutex<Table>,
    limit: usize,
    log: LogLimiter,
}

/// A summary of all subjects with one hash. Changed under the lock of the table, read without it.
#[derive(Default)]
struct Bucket {
    /// How many of the subjects refuse every token.
    ended: AtomicU32,
    /// The latest cut-off of the other subjects. Never lowered: a forgotten cut-off hits no valid token.
    changed: AtomicU64,
}

#[derive(Default)]
struct Table {
    cut_offs: HashMap<Arc<Subject>, CutOff>,
    /// The same cut-offs, oldest first.
    order: BTreeSet<(u64, Arc<Subject>)>,
    /// The same cut-offs, the first to be forgotten first.
    ends: BTreeSet<(Duration, Arc<Subject>)>,
    /// How many of the cut-offs hit every token.
    ended: usize,
    /// The latest of the other cut-offs, whether or not it is still in the table.
    changed: u64,
}

#[derive(Clone, Copy)]
struct CutOff {
    at: u64,
    reach: Reach,
    /// When it is forgotten, by the monotonic clock.
    until: Duration,
}

/// Every subject whose revocation can hit the token.
fn subjects(identity: TokenIdentity<'_>) -> impl Iterator<Item = Subject<&str>> {
    let TokenIdentity { subject: user, session, organization, .. } = identity;
    let membership = user.zip(organization);
    [
        session.map(Subject::Session),
        user.map(Subject::User),
        membership.map(|(user, organization)| Subject::Membership { user, organization }),
        organization.map(Subject::Organization),
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
            buckets: (0..BUCKETS).map(|_| Bucket::default()).collect(),
            hasher: RandomState::new(),
            table: Mutex::default(),
            limit,
            log: LogLimiter::new(Duration::from_secs(60)),
        }
    }

    /// Adds a revocation at `now` by the monotonic clock.
    pub(crate) fn add(&self, revocation: &Revocation, now: Duration) {
        let mut table = self.table();
        let bucket = self.bucket(&revocation.subject.borrowed());
        let until = now.saturating_add(Duration::from_secs(KEPT));
        match revocation.reach {
            Reach::Every if table.add(revocation, until) == Added::Newly => {
                bucket.ended.fetch_add(1, Ordering::Release);
            }
            Reach::Every => {}
            Reach::Earlier => {
                table.add(revocation, until);
                bucket.changed.fetch_max(revocation.at, Ordering::Release);
            }
        }
        while let Some((subject, cut_off)) = table.forget_old(now) {
            self.forgotten(&subject, cut_off);
        }
        let mut is_full = false;
        while let Some((subject, cut_off)) = table.forget_one_over(self.limit) {
            is_full = true;
            self.floor.fetch_max(cut_off.first_unaffected(), Ordering::Release);
            self.forgotten(&subject, cut_off);
        }
        if is_full && let Some(left_out) = self.log.admit("full", now) {
            tracing::warn!(
                left_out,
                "more revocations than are remembered: sessions as old as the oldest are refreshed instead"
            );
        }
        // Readers read this first, so it is written last.
        let below_floor = self.floor.load(Ordering::Acquire).saturating_sub(1);
        let newest = if table.ended > 0 { u64::MAX } else { table.changed.max(below_floor) };
        self.newest.store(newest, Ordering::Release);
    }

    /// Whether there may be a cut-off that hits tokens issued at this second: all that most requests have to ask.
    #[inline]
    pub(crate) fn may_affect(&self, issued_at: u64) -> bool {
        issued_at <= self.newest.load(Ordering::Acquire)
    }

    /// The effect of the cut-offs on a token.
    pub(crate) fn effect_on(&self, identity: TokenIdentity<'_>) -> CutOffEffect {
        self.worst_effect(identity.issued_at, subjects(identity))
    }

    /// The effect of the cut-offs on an API key about which WorkOS was asked at `asked_at`. Any cut-off of the key's
    /// owner means that WorkOS is asked again: a key need not end with its owner's sessions.
    pub(crate) fn effect_on_api_key(
        &self,
        id: &str,
        owner: TokenIdentity<'_>,
        asked_at: u64,
    ) -> CutOffEffect {
        let of_key = self.worst_effect(asked_at, iter::once(Subject::ApiKey(id)));
        let of_owner = self.worst_effect(asked_at, subjects(owner)).min(CutOffEffect::Changed);
        of_key.max(of_owner)
    }

    fn worst_effect<'a>(
        &self,
        at: u64,
        subjects: impl Iterator<Item = Subject<&'a str>>,
    ) -> CutOffEffect {
        if !self.may_affect(at) {
            return CutOffEffect::None;
        }
        let known = subjects.map(|subject| self.effect_of(&subject, at)).max();
        // Read last: forgetting a cut-off raises the floor before it lowers the bucket.
        let is_below = at < self.floor.load(Ordering::Acquire);
        let floor = if is_below { CutOffEffect::Changed } else { CutOffEffect::None };
        known.map_or(floor, |known| known.max(floor))
    }

    /// The effect of one subject's cut-off on a token issued at `at`.
    fn effect_of(&self, subject: &Subject<&str>, at: u64) -> CutOffEffect {
        let Bucket { ended, changed } = self.bucket(subject);
        if ended.load(Ordering::Acquire) == 0 && at > changed.load(Ordering::Acquire) {
            return CutOffEffect::None;
        }
        let Some(cut_off) = self.table().cut_offs.get(&subject.to_owned()).copied() else {
            return CutOffEffect::None;
        };
        match (cut_off.reach, at.cmp(&cut_off.at), subject) {
            (Reach::Every, _, _) => CutOffEffect::Ended,
            (Reach::Earlier, cmp::Ordering::Greater, _) => CutOffEffect::None,
            (Reach::Earlier, _, Subject::Session(_) | Subject::User(_)) => CutOffEffect::Ended,
            (
                Reach::Earlier,
                cmp::Ordering::Equal,
                Subject::Membership { .. } | Subject::Organization(_) | Subject::ApiKey(_),
            ) => CutOffEffect::MayHaveChanged,
            (
                Reach::Earlier,
                cmp::Ordering::Less,
                Subject::Membership { .. } | Subject::Organization(_) | Subject::ApiKey(_),
            ) => CutOffEffect::Changed,
        }
    }

    /// Accounts for a cut-off that has left the table.
    fn forgotten(&self, subject: &Subject, cut_off: CutOff) {
        match cut_off.reach {
            Reach::Every => {
                self.bucket(&subject.borrowed()).ended.fetch_sub(1, Ordering::Release);
            }
            Reach::Earlier => {}
        }
    }

    fn bucket(&self, subject: &Subject<&str>) -> &Bucket {
        let hash = self.hasher.hash_one(subject);
        &self.buckets[hash as usize % BUCKETS]
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Each method leaves the table consistent, so a panic elsewhere does no harm.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a subject newly refuses every token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Added {
    Newly,
    Again,
}

impl Table {
    /// Adds a cut-off, or merges it with the one of its subject: the later time and the wider reach count.
    fn add(&mut self, revocation: &Revocation, until: Duration) -> Added {
        let Revocation { subject, reach, at } = revocation;
        let before = self.cut_offs.get(subject).copied();
        let reach = before.map_or(*reach, |before| before.reach.max(*reach));
        let at = before.map_or(*at, |before| before.at.max(*at));
        if let Some(before) = before {
            self.order.remove(&(before.at, Arc::clone(subject)));
            self.ends.remove(&(before.until, Arc::clone(subject)));
        }
        self.order.insert((at, Arc::clone(subject)));
        self.ends.insert((until, Arc::clone(subject)));
        self.cut_offs.insert(Arc::clone(subject), CutOff { at, reach, until });
        match (before.map(|before| before.reach), reach) {
            (None | Some(Reach::Earlier), Reach::Every) => {
                self.ended += 1;
                Added::Newly
            }
            (_, Reach::Earlier) => {
                self.changed = self.changed.max(at);
                Added::Again
            }
            (Some(Reach::Every), Reach::Every) => Added::Again,
        }
    }

    /// Removes a cut-off that hits nothing any more: every token that it hit has expired.
    fn forget_old(&mut self, now: Duration) -> Option<(Arc<Subject>, CutOff)> {
        let (until, subject) = self.ends.first()?;
        if *until > now {
            return None;
        }
        let subject = Arc::clone(subject);
        self.forget(subject)
    }

    /// Removes the oldest cut-off if there are more than `limit`.
    fn forget_one_over(&mut self, limit: usize) -> Option<(Arc<Subject>, CutOff)> {
        if self.order.len() > limit { self.forget_oldest() } else { None }
    }

    fn forget_oldest(&mut self) -> Option<(Arc<Subject>, CutOff)> {
        let (_, subject) = self.order.first()?;
        let subject = Arc::clone(subject);
        self.forget(subject)
    }

    fn forget(&mut self, subject: Arc<Subject>) -> Option<(Arc<Subject>, CutOff)> {
        let cut_off = self.cut_offs.remove(&subject)?;
        self.order.remove(&(cut_off.at, Arc::clone(&subject)));
        self.ends.remove(&(cut_off.until, Arc::clone(&subject)));
        match cut_off.reach {
            Reach::Every => self.ended -= 1,
            Reach::Earlier => {}
        }
        Some((subject, cut_off))
    }
}

impl CutOff {
    /// The first second whose tokens it certainly does not hit.
    fn first_unaffected(self) -> u64 {
        let margin = match self.reach {
            Reach::Every => LATEST_TOKEN,
            Reach::Earlier => 0,
        };
        self.at.saturating_add(margin + 1)
    }
}

impl fmt::Debug for CutOffs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CutOffs").field("len", &self.table().order.len()).finish_non_exhaustive()
    }
}

/// How long a cut-off can hit a token, in seconds: 24 hours of lifetime and a minute of leeway.
pub(crate) const KEPT: u64 = 24 * 60 * 60 + 60;
/// How many seconds after a session's end its last token may claim to be issued, since clocks differ.
const LATEST_TOKEN: u64 = 60;
/// The greatest number of cut-offs, at about 200 bytes each.
const LIMIT: usize = 100_000;
/// 256 KiB: with 1,000 ended sessions, or as many changes later than a token, one request in five locks the table
/// unnecessarily.
const BUCKETS: usize = if cfg!(interleavings) { 4 } else { 16 * 1024 };

#[cfg(all(test, interleavings))]
mod interleavings;

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    const NOW: u64 = 1_800_000_000;
    /// The start, by the monotonic clock.
    const START: Duration = Duration::ZERO;

    fn at(second: u64) -> std::time::SystemTime {
        UNIX_EPOCH + Duration::from_millis(second * 1_000 + 999)
    }

    #[test]
    fn f9_what_ended_refuses_every_token_and_what_changed_is_compared_by_time() {
        let cut_offs = CutOffs::new();
        for revocation in [
            Revocation::session("session_ended", at(NOW)),
            Revocation::user("user_signed_out", at(NOW)),
            Revocation::deleted_user("user_deleted", at(NOW)),
            Revocation::membership("user_member", "org_acme", at(NOW)),
            Revocation::organization("org_gone", at(NOW)),
        ] {
            cut_offs.add(&revocation, START);
        }
        // What each says of tokens made before its second, in it, and after it.
        let never = [CutOffEffect::None; 3];
        let always = [CutOffEffect::Ended; 3];
        let until_then = [CutOffEffect::Ended, CutOffEffect::Ended, CutOffEffect::None];
        let changed = [CutOffEffect::Changed, CutOffEffect::MayHaveChanged, CutOffEffect::None];
        let (acme, gone) = (Some("org_acme"), Some("org_gone"));
        let cases = [
            ("another session", ("session_1", "user_1", acme), never),
            ("an ended session", ("session_ended", "user_1", None), always),
            ("a deleted user", ("session_1", "user_deleted", acme), always),
            (
                "a user who signed out everywhere",
                ("session_1", "user_signed_out", None),
                until_then,
            ),
            ("the user's id as a session's", ("user_deleted", "user_1", None), never),
            ("the session's id as a user's", ("session_1", "session_ended", None), never),
            ("a member", ("session_1", "user_member", acme), changed),
            ("a member elsewhere", ("session_1", "user_member", Some("org_b")), never),
            ("a member in no organization", ("session_1", "user_member", None), never),
            ("an organization", ("session_1", "user_1", gone), changed),
            ("the organization's id as a user's", ("session_1", "org_gone", None), never),
            ("the worst counts", ("session_ended", "user_member", acme), always),
            (
                "the worst of a user and an organization",
                ("session_1", "user_signed_out", gone),
                until_then,
            ),
        ];
        for (name, (session, user, organization), expected) in cases {
            let hit = [NOW - 1, NOW, NOW + 1].map(|at| {
                cut_offs.effect_on(TokenIdentity {
                    session: Some(session),
                    subject: Some(user),
                    organization,
                    issued_at: at,
                })
            });
            assert_eq!(hit, expected, "{name}");
        }
        for at in [0, NOW + 86_400] {
            let made = TokenIdentity {
                session: Some("session_ended"),
                subject: None,
                organization: None,
                issued_at: at,
            };
            assert_eq!(cut_offs.effect_on(made), CutOffEffect::Ended, "made at {at}");
        }
    }

    /// Buckets only say where to look: every one of them says that something has ended.
    #[test]
    fn what_shares_a_bucket_with_an_end_is_judged_by_its_own_time() {
        let cut_offs = CutOffs::new();
        for n in 0..LIMIT - 1 {
            cut_offs.add(&Revocation::session(format!("session_{n}"), at(NOW)), START);
        }
        cut_offs.add(&Revocation::user("user_1", at(NOW)), START);
        let of = |issued_at| {
            cut_offs.effect_on(TokenIdentity {
                subject: Some("user_1"),
                session: Some("session_of_nobody_else"),
                organization: None,
                issued_at,
            })
        };
        assert_eq!(of(NOW), CutOffEffect::Ended);
        assert_eq!(of(NOW + 1), CutOffEffect::None);
    }

    #[test]
    fn the_later_time_and_the_wider_reach_count_in_whichever_order_they_come() {
        let made = |at| TokenIdentity {
            session: None,
            subject: Some("user_1"),
            organization: None,
            issued_at: at,
        };
        let revocations = [
            Revocation::user("user_1", at(NOW + 5)),
            Revocation::user("user_1", at(NOW + 9)),
            Revocation::deleted_user("user_1", at(NOW + 7)),
        ];
        for order in [[0, 1], [1, 0]] {
            let cut_offs = CutOffs::new();
            for n in order {
                cut_offs.add(&revocations[n], START);
            }
            assert_eq!(cut_offs.effect_on(made(NOW + 9)), CutOffEffect::Ended, "{order:?}");
            assert_eq!(cut_offs.effect_on(made(NOW + 10)), CutOffEffect::None, "{order:?}");
            assert_eq!(cut_offs.table().order.len(), 1, "{order:?}");
        }
        for order in [[1, 2, 2], [2, 1, 2], [2, 2, 1]] {
            let cut_offs = CutOffs::new();
            for n in order {
                cut_offs.add(&revocations[n], START);
            }
            assert_eq!(cut_offs.effect_on(made(NOW + 10)), CutOffEffect::Ended, "{order:?}");
            let table = cut_offs.table();
            assert_eq!((table.order.len(), table.ended), (1, 1), "{order:?}");
            assert_eq!(table.order.first().map(|(at, _)| *at), Some(NOW + 9), "{order:?}");
        }
    }

    #[test]
    fn a_cut_off_is_forgotten_when_every_token_that_it_hits_has_expired() {
        let cut_offs = CutOffs::new();
        let ended = |id: &str, second| Revocation::session(id, at(second));
        // A token lives a day at most, and is taken a minute longer.
        let kept = Duration::from_secs(86_460);
        let second = Duration::from_secs(1);
        cut_offs.add(&ended("session_1", NOW), START);
        cut_offs.add(&ended("session_2", NOW + 1), START + kept - second);
        assert_eq!(cut_offs.table().order.len(), 2);
        let first = TokenIdentity {
            session: Some("session_1"),
            subject: None,
            organization: None,
            issued_at: NOW,
        };
        assert_eq!(cut_offs.effect_on(first), CutOffEffect::Ended);

        cut_offs.add(&ended("session_3", NOW + 2), START + kept);
        assert_eq!(cut_offs.table().order.len(), 2, "the first one's time is over");
        assert_eq!(cut_offs.effect_on(first), CutOffEffect::None);

        cut_offs.add(&ended("session_2", NOW + 1), START + kept);
        let table = cut_offs.table();
        assert_eq!((table.order.len(), table.ends.len(), table.cut_offs.len()), (2, 2, 2));
        drop(table);
        assert_eq!(cut_offs.newest.load(Ordering::Acquire), u64::MAX);

        let changed = Revocation::organization("org_1", at(NOW + 9));
        cut_offs.add(&changed, START + 2 * kept);
        assert_eq!(cut_offs.table().ended, 0);
        let ended: u32 =
            cut_offs.buckets.iter().map(|bucket| bucket.ended.load(Ordering::Acquire)).sum();
        assert_eq!(ended, 0, "nothing looks for what is forgotten");
        assert_eq!(cut_offs.newest.load(Ordering::Acquire), NOW + 9);
    }

    #[test]
    fn a_clock_that_is_wrong_by_days_makes_nothing_forgotten() {
        let cut_offs = CutOffs::new();
        let days = 3 * KEPT;
        // By a replica whose clock is behind, by ours, and by one whose clock is ahead.
        for (n, second) in [NOW - days, NOW, NOW + days].into_iter().enumerate() {
            cut_offs.add(&Revocation::session(format!("session_{n}"), at(second)), START);
        }
        for n in 0..3 {
            let session = format!("session_{n}");
            let made = TokenIdentity {
                session: Some(&session),
                subject: None,
                organization: None,
                issued_at: NOW,
            };
            assert_eq!(cut_offs.effect_on(made), CutOffEffect::Ended, "{session}");
        }
    }

    #[test]
    fn what_finds_no_room_is_refreshed_rather_than_forgotten() {
        let fill = |revocation: fn(&str, std::time::SystemTime) -> Revocation| {
            let cut_offs = CutOffs::holding(3);
            for n in 1..=5 {
                cut_offs.add(&revocation(&format!("{n}"), at(NOW + n)), START);
            }
            assert_eq!(cut_offs.table().order.len(), 3);
            cut_offs
        };
        // Another machine's clock may be a minute ahead of the one that dated the end.
        let (late, none) = (NOW + 62, NOW + 63);
        let ends = fill(|id, at| Revocation::session(id, at));
        let changes = fill(|id, at| Revocation::organization(id, at));
        let cases = [
            ("an end that fell out", &ends, "1", NOW, CutOffEffect::Changed),
            ("one that is in", &ends, "5", NOW, CutOffEffect::Ended),
            ("another as old, by a clock that is ahead", &ends, "6", late, CutOffEffect::Changed),
            ("a younger one", &ends, "6", none, CutOffEffect::None),
            ("a change that fell out", &changes, "1", NOW, CutOffEffect::Changed),
            ("one that is in", &changes, "5", NOW, CutOffEffect::Changed),
            ("another as old", &changes, "6", NOW + 2, CutOffEffect::Changed),
            ("a younger one", &changes, "6", NOW + 3, CutOffEffect::None),
        ];
        for (name, cut_offs, id, at, expected) in cases {
            let made = TokenIdentity {
                session: Some(id),
                subject: None,
                organization: Some(id),
                issued_at: at,
            };
            assert_eq!(cut_offs.effect_on(made), expected, "{name}");
        }

        // What fell out is asked about when nothing else is remembered, too.
        let ended = CutOffs::holding(0);
        ended.add(&Revocation::session("1", at(NOW)), START);
        let made = TokenIdentity {
            session: Some("1"),
            subject: None,
            organization: None,
            issued_at: NOW + 1,
        };
        assert_eq!(ended.effect_on(made), CutOffEffect::Changed);
    }
}
