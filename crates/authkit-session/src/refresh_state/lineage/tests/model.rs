//! The rules once more, told from a history instead of kept in a table.
//!
//! A fact is something that happened at a time. Every answer is found by looking through all of them, so nothing here
//! resembles the table but the rules.

use std::time::Duration;

use super::{Cookie, HOUR, Sids};
use crate::refresh_state::lineage::{LineageStatus, RefusalAge};

#[derive(Clone, Default)]
pub(super) struct Model {
    facts: Vec<(Cookie, What, Duration)>,
    /// Ids of sessions that ended. Unlike facts about a cookie, these outlive its being forgotten.
    ended: Vec<(u8, Duration)>,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Hash)]
enum What {
    Began,
    /// Its exchange brought the next cookie.
    Refreshed,
    Refused,
    Lost,
    Sent,
    Returned,
    SignedOut,
}

/// What a request is told that needs a refresh.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Answer {
    Start,
    UnderWay,
    Successor(Cookie, Duration),
    Refused(RefusalAge),
    Ended,
}

impl Model {
    /// The facts and ended sessions, as long ago as they are, in an order that does not tell how they came about.
    pub(super) fn ages(&self, now: Duration) -> impl std::hash::Hash + use<> {
        let mut facts: Vec<_> =
            self.facts.iter().map(|(cookie, what, at)| (*cookie, *what, now - *at)).collect();
        let mut ended: Vec<_> = self.ended.iter().map(|(id, at)| (*id, now - *at)).collect();
        facts.sort_unstable();
        ended.sort_unstable();
        (facts, ended)
    }

    pub(super) fn standing(
        &self,
        cookie: Cookie,
        sids: Sids,
        known: bool,
        now: Duration,
    ) -> LineageStatus {
        if self.is_ended(cookie) || self.has_ended(sids.of(cookie), now) {
            LineageStatus::Ended
        } else if !known {
            LineageStatus::Unknown
        } else {
            let obtained = self.newest(cookie).filter(|newest| *newest == cookie);
            LineageStatus::Known(obtained.map(|newest| now - self.obtained(newest)))
        }
    }

    pub(super) fn ask(&self, cookie: Cookie, sids: Sids, now: Duration) -> Answer {
        if self.is_ended(cookie) {
            return Answer::Ended;
        }
        if let Some(newest) = self.newest(cookie).filter(|newest| *newest != cookie) {
            return if self.has_ended(sids.of(newest), now) {
                Answer::Ended
            } else {
                Answer::Successor(newest, now - self.obtained(newest))
            };
        }
        if self.is_exchanging(cookie) {
            return Answer::UnderWay;
        }
        match (self.count(cookie, What::Refused), self.last(cookie, What::Refused)) {
            (2.., _) => Answer::Refused(RefusalAge::Repeated),
            (1, Some(at)) if now - at < Duration::from_secs(10) => {
                Answer::Refused(RefusalAge::JustNow)
            }
            (1, Some(at)) if now - at < Duration::from_secs(60) => {
                Answer::Refused(RefusalAge::Recent)
            }
            _ => Answer::Start,
        }
    }

    /// The cookie that a head carries which leaves for a request with `cookie`.
    pub(super) fn head(&self, cookie: Cookie, sids: Sids, now: Duration) -> Option<Cookie> {
        let newest = self.newest(cookie).filter(|_| !self.is_ended(cookie))?;
        let at_browser = self.count(newest, What::Returned) > 0;
        (!at_browser && !self.has_ended(sids.of(newest), now)).then_some(newest)
    }

    pub(super) fn presented(&mut self, cookie: Cookie, now: Duration) {
        if self.newest(cookie) == Some(cookie) {
            self.facts.push((cookie, What::Returned, now));
        }
    }

    pub(super) fn began(&mut self, cookie: Cookie, now: Duration) {
        self.facts.push((cookie, What::Began, now));
    }

    /// Says whether the session goes on.
    pub(super) fn refreshed(&mut self, cookie: Cookie, sids: Sids, now: Duration) -> bool {
        self.facts.push((cookie, What::Refreshed, now));
        let next = cookie.next();
        let ended = self.is_ended(cookie) || self.has_ended(sids.of(next), now);
        if ended {
            self.facts.push((next, What::SignedOut, now));
            self.end(sids.of(next), now);
        }
        !ended
    }

    pub(super) fn refused(&mut self, cookie: Cookie, now: Duration) -> Option<RefusalAge> {
        self.facts.push((cookie, What::Refused, now));
        let times = self.count(cookie, What::Refused);
        let since = if times > 1 { RefusalAge::Repeated } else { RefusalAge::JustNow };
        (!self.is_ended(cookie)).then_some(since)
    }

    pub(super) fn lost(&mut self, cookie: Cookie, now: Duration) {
        self.facts.push((cookie, What::Lost, now));
    }

    pub(super) fn sent(&mut self, cookie: Cookie, now: Duration) {
        self.facts.push((cookie, What::Sent, now));
    }

    pub(super) fn signed_out(&mut self, cookie: Cookie, sids: Sids, now: Duration) {
        self.end(sids.of(cookie), now);
        if let Some(newest) = self.newest(cookie).filter(|_| !self.is_ended(cookie)) {
            self.end(sids.of(newest), now);
        }
        self.facts.push((cookie, What::SignedOut, now));
    }

    /// Whether the table may have forgotten a cookie.
    pub(super) fn may_forget(&self, cookie: Cookie, now: Duration) -> bool {
        let within = |since: Option<Duration>, kept| since.is_some_and(|since| now < since + kept);
        let signed_out =
            self.family(cookie).filter_map(|member| self.last(member, What::SignedOut)).max();
        let wanted = match self.newest(cookie) {
            None => false,
            Some(newest) => {
                let later = || self.family(cookie).filter(|it| *it > cookie || *it == newest);
                let returned = later().filter_map(|it| self.first(it, What::Returned)).min();
                let sent = later().filter_map(|it| self.last(it, What::Sent)).max();
                match (returned, sent) {
                    (Some(_), _) => within(returned, Duration::from_secs(60)),
                    (None, Some(_)) => within(sent, Duration::from_secs(600)),
                    (None, None) => within(Some(self.obtained(newest)), 24 * HOUR),
                }
            }
        };
        let refused =
            self.last(cookie, What::Refused).filter(|_| self.count(cookie, What::Refreshed) == 0);
        !self.is_exchanging(cookie)
            && !within(refused, HOUR)
            && !within(signed_out, 24 * HOUR)
            && (!wanted || signed_out.is_some())
    }

    /// Whether anything is known of this user.
    pub(super) fn has_begun(&self, user: u8) -> bool {
        self.facts.iter().any(|(cookie, ..)| cookie.user == user)
            || self.ended.iter().any(|(id, _)| id / 16 == user)
    }

    /// Whether anything at all is known of a cookie.
    pub(super) fn knows(&self, cookie: Cookie) -> bool {
        let before = cookie.before();
        self.facts
            .iter()
            .any(|(it, what, _)| *it == cookie || (*what == What::Refreshed && Some(*it) == before))
    }

    pub(super) fn forget(&mut self, cookies: &[Cookie]) {
        if !cookies.is_empty() {
            self.facts.retain(|(it, ..)| !cookies.contains(it));
        }
    }

    pub(super) fn is_exchanging(&self, cookie: Cookie) -> bool {
        let over = [What::Refreshed, What::Refused, What::Lost];
        self.count(cookie, What::Began)
            > over.iter().map(|what| self.count(cookie, *what)).sum::<usize>()
    }

    /// When the last thing happened.
    pub(super) fn latest(&self) -> Duration {
        let facts = self.facts.iter().map(|(.., at)| *at);
        facts.chain(self.ended.iter().map(|(_, at)| *at)).max().unwrap_or_default()
    }

    /// The cookies that came from one another, the oldest first, as far as is known.
    fn family(&self, cookie: Cookie) -> impl Iterator<Item = Cookie> + use<'_> {
        let refreshed = |cookie: &Cookie| self.count(*cookie, What::Refreshed) > 0;
        let (mut first, mut last) = (cookie, cookie);
        while let Some(before) = first.before().filter(refreshed) {
            first = before;
        }
        while refreshed(&last) {
            last = last.next();
        }
        (first.n..=last.n).map(move |n| Cookie { n, ..cookie })
    }

    /// The newest cookie of a family that came from an exchange here.
    fn newest(&self, cookie: Cookie) -> Option<Cookie> {
        self.family(cookie).skip(1).last()
    }

    fn obtained(&self, cookie: Cookie) -> Duration {
        let before = cookie.before().expect("the first cookie was not obtained by a refresh");
        self.last(before, What::Refreshed).expect("newest() found it")
    }

    fn first(&self, cookie: Cookie, what: What) -> Option<Duration> {
        let times = self.facts.iter().filter(|(it, this, _)| (*it, *this) == (cookie, what));
        times.map(|(.., at)| *at).min()
    }

    fn is_ended(&self, cookie: Cookie) -> bool {
        self.family(cookie).any(|member| self.count(member, What::SignedOut) > 0)
    }

    fn has_ended(&self, id: u8, now: Duration) -> bool {
        self.ended.iter().any(|(ended, at)| *ended == id && now < *at + 24 * HOUR)
    }

    fn end(&mut self, id: u8, now: Duration) {
        if !self.has_ended(id, now) {
            self.ended.push((id, now));
        }
    }

    fn count(&self, cookie: Cookie, what: What) -> usize {
        self.facts.iter().filter(|(it, this, _)| (*it, *this) == (cookie, what)).count()
    }

    fn last(&self, cookie: Cookie, what: What) -> Option<Duration> {
        let times = self.facts.iter().filter(|(it, this, _)| (*it, *this) == (cookie, what));
        times.map(|(.., at)| *at).max()
    }
}
