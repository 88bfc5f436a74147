use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use crate::upstream::budget::RefreshOwner;

/// Counts of the running refreshes and those of the last second, by session and by user. The limits of the class bound
/// the number of entries.
#[derive(Debug, Default)]
pub(super) struct Shares {
    hasher: RandomState,
    starts: VecDeque<(Duration, ShareOwners)>,
    counts: HashMap<u64, Count>,
}

/// The hashes of a session id and a user id.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ShareOwners {
    session: Option<u64>,
    user: Option<u64>,
}

#[derive(Debug, Default)]
struct Count {
    under_way: usize,
    starts: usize,
}

impl Shares {
    /// Counts a refresh, if its session and its user have room for it.
    pub(super) fn start(&mut self, owner: RefreshOwner<'_>, now: Duration) -> Option<ShareOwners> {
        while self.starts.front().is_some_and(|(at, _)| *at + WINDOW <= now) {
            if let Some((_, owners)) = self.starts.pop_front() {
                self.count_down(owners, |count| count.starts -= 1);
            }
        }
        let hash = |kind, id: Option<&str>| id.map(|id| self.hasher.hash_one((kind, id)));
        let owners =
            ShareOwners { session: hash("session", owner.session), user: hash("user", owner.user) };
        let has_room = |key: Option<u64>, share| {
            let count = key.and_then(|key| self.counts.get(&key));
            count.is_none_or(|count| count.under_way < share && count.starts < share)
        };
        if !has_room(owners.session, PER_SESSION) || !has_room(owners.user, PER_USER) {
            return None;
        }
        for key in owners.keys() {
            let count = self.counts.entry(key).or_default();
            count.under_way += 1;
            count.starts += 1;
        }
        self.starts.push_back((now, owners));
        Some(owners)
    }

    /// Records that a refresh has finished.
    pub(super) fn finish(&mut self, owners: ShareOwners) {
        self.count_down(owners, |count| count.under_way -= 1);
    }

    /// How many sessions and users are counted.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.counts.len()
    }

    fn count_down(&mut self, owners: ShareOwners, less: impl Fn(&mut Count)) {
        for key in owners.keys() {
            let Some(count) = self.counts.get_mut(&key) else { continue };
            less(count);
            if count.under_way == 0 && count.starts == 0 {
                self.counts.remove(&key);
            }
        }
    }
}

impl ShareOwners {
    fn keys(self) -> impl Iterator<Item = u64> {
        [self.session, self.user].into_iter().flatten()
    }
}

/// How long a start counts.
const WINDOW: Duration = Duration::from_secs(1);
/// How many refreshes one session may have running, and start within a second. A browser needs one in five minutes.
const PER_SESSION: usize = 4;
/// The same for all sessions of one user together.
const PER_USER: usize = 8;
