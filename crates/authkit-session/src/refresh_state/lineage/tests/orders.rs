//! Every order of events, against the model.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    env,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use super::{
    ApiRefusal, Cookie, ExchangeStatus, HOUR, LineageState, Sids, Successor, Table,
    model::{Answer, Model},
    table,
};
use crate::{decide::JUST_NOW, refresh_state::lineage::LineageStatus};

/// What can happen next.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// The browser sends a request with this cookie.
    Request(Cookie),
    /// The request needs a refresh: an exchange begins, or it waits for one.
    Refresh(Cookie),
    Succeeds(Cookie),
    IsRefused(Cookie),
    IsLost(Cookie),
    /// The request is given up: its head will never leave.
    Dropped(Cookie),
    /// The head for the request leaves.
    Head(Cookie),
    SignOut(Cookie),
    /// Another replica exchanges this cookie, and its head reaches the browser.
    Elsewhere(Cookie),
    Passes(Duration),
}

#[derive(Clone)]
struct World {
    table: Table,
    model: Model,
    sids: Sids,
    users: u8,
    now: Duration,
    /// The requests that wait or are being answered.
    requests: BTreeSet<Cookie>,
    /// The cookies that the browsers have had.
    had: BTreeSet<Cookie>,
    /// The newest cookie that each browser was given, or gave back.
    newest: BTreeMap<u8, Cookie>,
    signed_out: BTreeMap<u8, Duration>,
}

impl World {
    fn new(sids: Sids, users: u8) -> Self {
        Self {
            table: table(),
            model: Model::default(),
            sids,
            users,
            now: Duration::ZERO,
            requests: BTreeSet::new(),
            had: (0..users).map(|user| Cookie { user, n: 0 }).collect(),
            newest: BTreeMap::new(),
            signed_out: BTreeMap::new(),
        }
    }

    fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        // Users about whom nothing is known are alike: the first of them stands for all.
        let next = (0..self.users).find(|user| !self.has_begun(*user));
        let takes_part = |user| self.has_begun(user) || next == Some(user);
        for &cookie in self.had.iter().filter(|cookie| takes_part(cookie.user)) {
            if !self.requests.contains(&cookie) {
                events.push(Event::Request(cookie));
            }
            events.push(Event::SignOut(cookie));
            if cookie.n == 0 && !self.had.contains(&cookie.next()) {
                events.push(Event::Elsewhere(cookie));
            }
        }
        for &cookie in &self.requests {
            events.extend([Event::Refresh(cookie), Event::Dropped(cookie), Event::Head(cookie)]);
        }
        for user in 0..self.users {
            for n in 0..LAST {
                let cookie = Cookie { user, n };
                if self.model.is_exchanging(cookie) {
                    events.extend([
                        Event::Succeeds(cookie),
                        Event::IsRefused(cookie),
                        Event::IsLost(cookie),
                    ]);
                }
            }
        }
        events.extend(PASSES.map(Event::Passes));
        events
    }

    /// Whether anything has happened to this user, of which somebody still knows.
    fn has_begun(&self, user: u8) -> bool {
        let is_of = |cookie: &&Cookie| cookie.user == user;
        self.model.has_begun(user)
            || self.requests.iter().any(|cookie| is_of(&cookie))
            || self.had.iter().filter(is_of).count() > 1
            || self.newest.contains_key(&user)
            || self.signed_out.contains_key(&user)
    }

    /// Every cookie that there can be.
    fn cookies(&self) -> impl Iterator<Item = Cookie> + use<> {
        (0..self.users).flat_map(|user| (0..=LAST).map(move |n| Cookie { user, n }))
    }

    /// Lets it happen, to the table and to the model; they have to say the same.
    fn happen(&mut self, event: Event) {
        let (now, sids) = (self.now, self.sids);
        match event {
            Event::Request(cookie) => {
                if self.present(cookie) != LineageStatus::Ended {
                    self.requests.insert(cookie);
                }
            }
            Event::Refresh(cookie) => self.ask(cookie),
            Event::Succeeds(cookie) => {
                let pair = Arc::new(Successor::new(cookie.next(), sids));
                let life = self.table.refreshed(cookie.token(), pair, LineageState::Live, now);
                let goes_on = self.model.refreshed(cookie, sids, now);
                assert_eq!(life, if goes_on { LineageState::Live } else { LineageState::Ended });
            }
            Event::IsRefused(cookie) => {
                let since = self.table.refused(cookie.token(), ApiRefusal::InvalidGrant, now);
                assert_eq!(since, self.model.refused(cookie, now));
            }
            Event::IsLost(cookie) => {
                self.table.lost(cookie.token(), now);
                self.model.lost(cookie, now);
            }
            Event::Dropped(cookie) => {
                self.requests.remove(&cookie);
            }
            Event::Head(cookie) => self.head(cookie),
            Event::SignOut(cookie) => {
                self.table.end(Some(cookie.token()), Some(sids.name(cookie)), now);
                self.model.signed_out(cookie, sids, now);
                self.signed_out.insert(cookie.user, now);
            }
            Event::Elsewhere(cookie) => {
                self.had.insert(cookie.next());
            }
            Event::Passes(time) => self.now += time,
        }
        self.compare_memories();
    }

    fn present(&mut self, cookie: Cookie) -> LineageStatus {
        let known = self.table.index.find(cookie.token()).is_some();
        let expected = self.model.standing(cookie, self.sids, known, self.now);
        let name = self.sids.name(cookie);
        let passes_by = !self.table.requires_lookup(cookie.token(), name);
        let standing = self.table.returned(Some(cookie.id()), Some(name), self.now);
        assert_eq!(standing, expected);
        match standing {
            LineageStatus::Unknown | LineageStatus::Known(None) => {}
            LineageStatus::Known(Some(age)) if age >= JUST_NOW => {}
            LineageStatus::Known(Some(_)) | LineageStatus::Ended => {
                assert!(!passes_by, "{cookie:?} passes by what matters to it: {standing:?}");
            }
        }
        if let LineageStatus::Known(Some(_)) = standing {
            self.model.presented(cookie, self.now);
            let newest = self.newest.entry(cookie.user).or_insert(cookie);
            *newest = cookie.max(*newest);
        }
        standing
    }

    fn ask(&mut self, cookie: Cookie) {
        // As a request that waits does, it is looked at again first.
        if self.present(cookie) == LineageStatus::Ended {
            self.requests.remove(&cookie);
            return;
        }
        let expected = self.model.ask(cookie, self.sids, self.now);
        let answer = match self.table.exchange(cookie.id(), None, self.now, || Ok(())) {
            ExchangeStatus::Start(()) => {
                assert!(!self.model.is_exchanging(cookie), "one exchange per token at once");
                self.model.began(cookie, self.now);
                Answer::Start
            }
            ExchangeStatus::UnderWay(()) => Answer::UnderWay,
            ExchangeStatus::Successor(pair, age) => {
                assert_eq!(pair.cookie.user, cookie.user, "another user's pair");
                Answer::Successor(pair.cookie, age)
            }
            ExchangeStatus::Refused(ApiRefusal::InvalidGrant, since) => Answer::Refused(since),
            ExchangeStatus::Ended => Answer::Ended,
            other => panic!("nothing here leads to {other:?}"),
        };
        assert_eq!(answer, expected);
    }

    fn head(&mut self, cookie: Cookie) {
        self.requests.remove(&cookie);
        let expected = self.model.head(cookie, self.sids, self.now);
        let asks = self.table.requires_lookup(cookie.token(), "");
        let carried = self.table.pair_to_send(cookie.token(), self.now).map(|pair| pair.cookie);
        assert_eq!(carried, expected);
        assert!(asks || carried.is_none(), "{cookie:?} passes by what its head has to carry");
        let Some(carried) = carried else { return };
        assert_eq!(carried.user, cookie.user, "another user's pair");
        let signed_out = self.signed_out.get(&cookie.user);
        if self.sids == Sids::Kept {
            let recently = signed_out.is_some_and(|at| self.now < *at + 24 * HOUR);
            assert!(!recently, "a cookie is set after the sign-out");
        }
        let newest = self.newest.get(&cookie.user);
        assert!(newest.is_none_or(|newest| *newest <= carried), "an old cookie over a newer one");
        self.newest.insert(carried.user, carried);
        self.model.sent(carried, self.now);
        self.had.insert(carried);
    }

    /// The table forgets nothing too early, and nothing that it should not know stays in it.
    fn compare_memories(&mut self) {
        self.table.forget_old(self.now);
        let mut forgotten = Vec::new();
        for cookie in self.cookies() {
            match (self.table.index.token(cookie.token()).is_some(), self.model.knows(cookie)) {
                (true, known) => assert!(known, "{cookie:?} is remembered without a reason"),
                (false, true) => {
                    assert!(self.model.may_forget(cookie, self.now), "{cookie:?} is forgotten");
                    forgotten.push(cookie);
                }
                (false, false) => {}
            }
        }
        self.model.forget(&forgotten);
        if self.model.latest() + 24 * HOUR <= self.now {
            let exchanging = self.cookies().any(|cookie| self.model.is_exchanging(cookie));
            assert!(exchanging || self.table.is_empty(), "something stays for ever");
        }
    }

    /// Tells worlds apart from which the same events lead elsewhere.
    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.model.ages(self.now).hash(&mut hasher);
        (&self.requests, &self.had, &self.newest).hash(&mut hasher);
        for (user, at) in &self.signed_out {
            (user, self.now - *at).hash(&mut hasher);
        }
        for cookie in self.cookies() {
            self.table.index.fingerprint(cookie.token(), self.now, &mut hasher);
            let newest = self.table.index.find(cookie.token()).and_then(|id| {
                let newest = self.table.index.lineage(id).newest.as_ref()?;
                Some((newest.pair.cookie, self.now - newest.obtained, newest.cookie))
            });
            newest.hash(&mut hasher);
        }
        hasher.finish()
    }
}

/// How many exchanges follow one another.
const LAST: u8 = 2;
/// Past the moment in which a refusal is new, past the minute that most things are kept, past the day.
const PASSES: [Duration; 3] =
    [Duration::from_secs(10), Duration::from_secs(60), Duration::from_secs(86_400)];

/// Lets everything happen in every order. Worlds that are alike are looked at once.
fn explore(world: &World, left: u8, seen: &mut HashMap<u64, u8>, trace: &mut Vec<Event>) -> u64 {
    let mut steps = 0;
    for event in world.events() {
        if left == 1 && matches!(event, Event::Dropped(_) | Event::Elsewhere(_)) {
            // Only what comes after them tells whether they were taken well.
            continue;
        }
        trace.push(event);
        let mut next = world.clone();
        let failed = Failing(trace);
        next.happen(event);
        std::mem::forget(failed);
        steps += 1;
        if left > 1 {
            let explored = seen.entry(next.fingerprint()).or_default();
            if *explored < left - 1 {
                *explored = left - 1;
                steps += explore(&next, left - 1, seen, trace);
            }
        }
        trace.pop();
    }
    steps
}

/// Says which events led to a failure.
struct Failing<'a>(&'a [Event]);

impl Drop for Failing<'_> {
    fn drop(&mut self) {
        eprintln!("after {:?}", self.0);
    }
}

fn explore_all(sids: Sids) {
    let set = |variable, usual| env::var(variable).map_or(usual, |set| set.parse().unwrap());
    let (events, users) = (set("AUTHKIT_EVENTS", EVENTS), set("AUTHKIT_USERS", USERS));
    let mut seen = HashMap::new();
    let steps = explore(&World::new(sids, users), events, &mut seen, &mut Vec::new());
    println!("{events} events, {users} users: {steps} steps through {} worlds", seen.len());
    assert!(seen.len() > 50_000, "{}", seen.len());
}

#[test]
fn every_order_of_events_follows_the_rules() {
    explore_all(Sids::Kept);
}

#[test]
fn every_order_of_events_follows_the_rules_where_refreshes_change_the_session_id() {
    explore_all(Sids::Changing);
}

/// How many events follow one another, unless the variable `AUTHKIT_EVENTS` says so.
const EVENTS: u8 = 8;
/// To how many users they happen, unless the variable `AUTHKIT_USERS` says so.
const USERS: u8 = 2;
