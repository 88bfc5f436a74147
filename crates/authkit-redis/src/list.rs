//! The list of a service's revocations in Redis: a sorted set, in which each notice stands at the Unix second until which
//! it holds.
//!
//! 1. It holds the latest 100,000 notices, until an hour after they are over, and goes when nobody has added to it for
//!    26 hours.
//! 2. The process that starts the list gives it a mark: a random number, which is the score of a member that is not a
//!    notice. A process that restores lost notices gives the list a new mark.
//! 3. Its head, which is the mark and the newest notice, shows with one command whether the list is unchanged.
//! 4. A member that is not text, or longer than 16 KiB, is ignored.

use std::{cmp::Ordering, sync::Arc, time::SystemTime};

use redis::Pipeline;

use crate::{command_group::CommandGroup, fault::CommandFailure, keys::KeyNames, notices::unix};

/// The lists of revocations.
pub(crate) struct RevocationList {
    commands: CommandGroup,
    keys: KeyNames,
}

/// A notice, and the Unix second until which it is valid. Ordered as in the list.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct ListedNotice {
    pub(crate) until: u64,
    pub(crate) sealed: Arc<str>,
}

/// The upper end of the list in Redis.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct ListHead {
    /// Distinguishes this list from one that replaces it.
    pub(crate) mark: Option<u64>,
    pub(crate) newest: Option<ListedNotice>,
}

/// What happened to the list since this process last read it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ListChange {
    None,
    /// It has a notice that this process does not know.
    Added,
    /// It was replaced, or has lost notices.
    Replaced,
}

/// Some notices of the list, the newest first.
pub(crate) struct ListPage {
    pub(crate) notices: Vec<ListedNotice>,
    /// Where the next page starts.
    pub(crate) next: Option<ListPosition>,
}

/// A position in the list: below the first members of this score, as many as given. Counting members from the top would
/// make Redis count them for each page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ListPosition {
    score: f64,
    below: usize,
}

impl ListPosition {
    pub(crate) const TOP: Self = Self { score: f64::INFINITY, below: 0 };

    /// The position below these members, which were read from this position on.
    fn below(self, entries: &[ListEntry]) -> Self {
        let Some((_, last)) = entries.last() else { return self };
        let alike = entries.iter().rev().take_while(|(_, score)| score == last).count();
        let before = if self.score == *last { self.below } else { 0 };
        Self { score: *last, below: before + alike }
    }
}

impl RevocationList {
    pub(crate) fn new(commands: CommandGroup, keys: KeyNames) -> Self {
        Self { commands, keys }
    }

    /// Whether Redis accepts the commands, as far as known.
    pub(crate) fn is_on(&self) -> bool {
        self.commands.is_on()
    }

    /// Adds a notice, and a mark if there is none.
    pub(crate) async fn add(
        &self,
        group: &str,
        notice: &ListedNotice,
    ) -> Result<(), CommandFailure> {
        let key = self.keys.revocations(group);
        let mut add = redis::pipe();
        add.cmd("ZADD").arg(&key).arg(notice.until).arg(&*notice.sealed).ignore();
        add.cmd("ZADD").arg(&key).arg("NX").arg(new_mark()).arg(MARK).ignore();
        trim(&mut add, &key);
        self.commands.run(&add).await
    }

    /// Restores notices that the list has lost.
    pub(crate) async fn put_back(
        &self,
        group: &str,
        lost: &[ListedNotice],
    ) -> Result<(), CommandFailure> {
        let key = self.keys.revocations(group);
        for lost in lost.chunks(PAGE) {
            let mut add = redis::pipe();
            add.cmd("ZADD").arg(&key);
            for notice in lost {
                add.arg(notice.until).arg(&*notice.sealed);
            }
            add.ignore();
            trim(&mut add, &key);
            self.commands.run::<()>(&add).await?;
        }
        Ok(())
    }

    /// Gives the list a new mark, and returns it.
    pub(crate) async fn mark(&self, group: &str) -> Result<u64, CommandFailure> {
        let mark = new_mark();
        let mut add = redis::pipe();
        add.cmd("ZADD").arg(self.keys.revocations(group)).arg(mark).arg(MARK).ignore();
        self.commands.run::<()>(&add).await?;
        Ok(mark)
    }

    pub(crate) async fn head(&self, group: &str) -> Result<ListHead, CommandFailure> {
        let entries = self.entries(group, ListPosition::TOP, 2).await?;
        let mark = entries.first().filter(|(member, _)| member == MARK.as_bytes());
        let newest = entries.iter().find(|(member, _)| member != MARK.as_bytes());
        Ok(ListHead { mark: mark.map(|(_, score)| *score as u64), newest: newest.and_then(notice) })
    }

    pub(crate) async fn page(
        &self,
        group: &str,
        from: ListPosition,
    ) -> Result<ListPage, CommandFailure> {
        let entries = self.entries(group, from, PAGE).await?;
        let next = (entries.len() == PAGE).then(|| from.below(&entries));
        Ok(ListPage { notices: entries.iter().filter_map(notice).collect(), next })
    }

    async fn entries(
        &self,
        group: &str,
        from: ListPosition,
        length: usize,
    ) -> Result<Vec<ListEntry>, CommandFailure> {
        let mut ask = redis::pipe();
        ask.cmd("ZREVRANGEBYSCORE").arg(self.keys.revocations(group)).arg(from.score).arg("-inf");
        ask.arg("WITHSCORES").arg("LIMIT").arg(from.below).arg(length);
        let (entries,) = self.commands.run(&ask).await?;
        Ok(entries)
    }
}

impl ListHead {
    /// Compares the list's previous head with its present one.
    pub(crate) fn change(&self, now: &Self) -> ListChange {
        self.change_at(now, unix(SystemTime::now()).saturating_sub(SLACK))
    }

    fn change_at(&self, now: &Self, second: u64) -> ListChange {
        if self.mark != now.mark {
            return ListChange::Replaced;
        }
        match now.newest.cmp(&self.newest) {
            Ordering::Equal => ListChange::None,
            Ordering::Greater => ListChange::Added,
            // Expired notices may be removed.
            Ordering::Less if self.newest.as_ref().is_some_and(|newest| newest.until <= second) => {
                ListChange::None
            }
            Ordering::Less => ListChange::Replaced,
        }
    }
}

/// A member of the list and its score.
type ListEntry = (Vec<u8>, f64);

/// Removes expired notices, and those beyond the limit.
fn trim(commands: &mut Pipeline, key: &str) {
    let over = unix(SystemTime::now()).saturating_sub(SLACK);
    commands.cmd("ZREMRANGEBYSCORE").arg(key).arg("-inf").arg(over).ignore();
    commands.cmd("ZREMRANGEBYRANK").arg(key).arg(0).arg(format!("-{}", LISTED + 2)).ignore();
    commands.cmd("EXPIRE").arg(key).arg(LIST_KEPT).ignore();
}

fn notice((member, score): &ListEntry) -> Option<ListedNotice> {
    let is_notice = member != MARK.as_bytes() && member.len() <= LONGEST_NOTICE;
    let sealed = std::str::from_utf8(member).ok().filter(|_| is_notice)?;
    // A score that is not a time becomes the nearest time.
    Some(ListedNotice { until: *score as u64, sealed: sealed.into() })
}

/// A mark that no other list has. It is above every time.
fn new_mark() -> u64 {
    let mut bytes = [0; 8];
    // Without randomness, the process that restores first reads the list once more.
    let _ = getrandom::fill(&mut bytes);
    LOWEST_MARK | (u64::from_be_bytes(bytes) & (LOWEST_MARK - 1))
}

/// The member whose score is the mark. It cannot be a notice: notices are base64.
const MARK: &str = "*";
/// Marks have 53 bits, which a score holds exactly.
const LOWEST_MARK: u64 = 1 << 52;
/// The greatest number of revocations in the list, at some 200 bytes each.
const LISTED: usize = 100_000;
/// The greatest number of pages of such a list.
pub(crate) const PAGES: usize = LISTED / PAGE + 1;
/// How many are read or written at once: some 40 kB, which a server with small output buffers sends too.
const PAGE: usize = 200;
/// The longest notice, in bytes; most have some 200.
pub(crate) const LONGEST_NOTICE: usize = 16 * 1024;
/// How far a process's clock may be ahead, in seconds, before it removes notices that others still need.
const SLACK: u64 = 60 * 60;
/// How long an unchanged list is kept: longer than any revocation in it, in seconds.
const LIST_KEPT: u64 = 26 * 60 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(until: u64, sealed: &str) -> ListedNotice {
        ListedNotice { until, sealed: sealed.into() }
    }

    #[test]
    fn f1_the_head_of_the_list_tells_what_became_of_it() {
        let head = |mark, newest: Option<(u64, &str)>| ListHead {
            mark,
            newest: newest.map(|(until, sealed)| notice(until, sealed)),
        };
        let (mine, later) = (Some((100, "m")), Some((200, "a")));
        let cases = [
            ("no list as yet", head(None, None), head(None, None), ListChange::None),
            ("as it was", head(Some(1), mine), head(Some(1), mine), ListChange::None),
            ("begun", head(None, None), head(Some(1), mine), ListChange::Replaced),
            ("gone", head(Some(1), mine), head(None, None), ListChange::Replaced),
            ("another mark", head(Some(1), mine), head(Some(2), mine), ListChange::Replaced),
            ("no mark", head(Some(1), mine), head(None, mine), ListChange::Replaced),
            ("a later one", head(Some(1), mine), head(Some(1), later), ListChange::Added),
            (
                "of one second",
                head(Some(1), mine),
                head(Some(1), Some((100, "z"))),
                ListChange::Added,
            ),
            ("the latest gone", head(Some(1), later), head(Some(1), mine), ListChange::Replaced),
            ("all gone", head(Some(1), mine), head(Some(1), None), ListChange::Replaced),
            ("over", head(Some(1), Some((50, "o"))), head(Some(1), None), ListChange::None),
        ];
        for (case, before, now, expected) in cases {
            assert_eq!(before.change_at(&now, 50), expected, "{case}");
        }
    }

    #[test]
    fn a_page_begins_below_the_one_before() {
        let entries = |scores: &[f64]| -> Vec<ListEntry> {
            scores.iter().map(|score| (Vec::new(), *score)).collect()
        };
        let at = |score, below| ListPosition { score, below };
        let cases = [
            (ListPosition::TOP, vec![], ListPosition::TOP),
            (ListPosition::TOP, vec![9.0, 8.0, 7.0], at(7.0, 1)),
            (ListPosition::TOP, vec![9.0, 7.0, 7.0], at(7.0, 2)),
            (ListPosition::TOP, vec![f64::INFINITY; 3], at(f64::INFINITY, 3)),
            (at(f64::INFINITY, 3), vec![f64::INFINITY, 9.0], at(9.0, 1)),
            (at(7.0, 2), vec![7.0, 7.0], at(7.0, 4)),
            (at(7.0, 2), vec![7.0, 6.0, 6.0], at(6.0, 2)),
            (at(7.0, 2), vec![6.0], at(6.0, 1)),
        ];
        for (from, scores, expected) in cases {
            assert_eq!(from.below(&entries(&scores)), expected, "{from:?} {scores:?}");
        }
    }

    #[test]
    fn marks_differ_and_are_exact_as_scores() {
        let marks: Vec<_> = (0..100).map(|_| new_mark()).collect();
        for mark in &marks {
            assert!((LOWEST_MARK..2 * LOWEST_MARK).contains(mark));
            assert_eq!(*mark as f64 as u64, *mark);
        }
        assert!(marks.iter().any(|mark| *mark != marks[0]));
    }

    #[test]
    fn d5_what_is_no_notice_counts_for_nothing() {
        let cases = [
            (b"sealed".to_vec(), 5.0, Some((5, "sealed"))),
            (b"sealed".to_vec(), f64::INFINITY, Some((u64::MAX, "sealed"))),
            (b"sealed".to_vec(), f64::NEG_INFINITY, Some((0, "sealed"))),
            (MARK.into(), 5.0, None),
            (vec![0xff, 0xfe], 5.0, None),
            (vec![b'x'; LONGEST_NOTICE + 1], 5.0, None),
        ];
        for (member, score, expected) in cases {
            let read = super::notice(&(member, score));
            let read = read.as_ref().map(|notice| (notice.until, &*notice.sealed));
            assert_eq!(read, expected);
        }
    }
}
