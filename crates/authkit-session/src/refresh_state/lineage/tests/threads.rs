//! Threads around the table, in orders that a scheduler picks.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use shuttle::{
    rand::{Rng, thread_rng},
    sync::{Arc, Mutex},
    thread,
};

use super::{ApiRefusal, Cookie, ExchangeStatus, Limits, LineageState, Sids, Successor, Table};
use crate::{
    refresh_state::{lineage::LineageStatus, lookup_filter::LookupFilter},
    token::SessionIdHash,
};

/// What is behind the lock, and what was seen of it.
struct Observed {
    table: Table,
    /// In front of the lock; here too, to be asked while nothing changes.
    lookup_filter: std::sync::Arc<LookupFilter>,
    now: Duration,
    exchanging: BTreeSet<Cookie>,
    signed_out: BTreeSet<u8>,
    presented: BTreeMap<u8, Cookie>,
}

type Shared = Arc<Mutex<Observed>>;

/// A browser's request with `cookie`: it is refreshed if need be, and its head leaves. Returns the cookie that the
/// browser has then.
fn request(shared: &Shared, cookie: Cookie) -> Cookie {
    if !wait_for_refresh(shared, cookie) {
        return cookie;
    }
    thread::yield_now();
    let mut seen = shared.lock().unwrap();
    let now = seen.now;
    let asks = seen.lookup_filter.may_contain(Some(&cookie.token()), None);
    let Some(carried) = seen.table.pair_to_send(cookie.token(), now).map(|pair| pair.cookie) else {
        return cookie;
    };
    assert!(asks, "a head passes by the pair that it has to carry");
    assert_eq!(carried.user, cookie.user, "another user's pair");
    assert!(!seen.signed_out.contains(&cookie.user), "a cookie is set after the sign-out");
    let presented = seen.presented.get(&cookie.user);
    assert!(presented.is_none_or(|newest| *newest < carried), "an old cookie over a newer one");
    carried
}

/// Whether the request goes on.
fn wait_for_refresh(shared: &Shared, cookie: Cookie) -> bool {
    loop {
        let seen = shared.lock().unwrap();
        let (lookup_filter, is_signed_out) =
            (std::sync::Arc::clone(&seen.lookup_filter), seen.signed_out.contains(&cookie.user));
        drop(seen);
        thread::yield_now();
        // Without the lock, whatever the others do meanwhile.
        let asks = lookup_filter
            .may_contain(Some(&cookie.token()), Some(SessionIdHash::of(Sids::Kept.name(cookie))));
        assert!(asks || !is_signed_out, "a session passes by its end");
        thread::yield_now();
        let mut seen = shared.lock().unwrap();
        seen.now += Duration::from_millis(1);
        let now = seen.now;
        let name = Sids::Kept.name(cookie);
        match seen.table.returned(Some(cookie.id()), Some(name), now) {
            LineageStatus::Ended => return false,
            LineageStatus::Known(Some(_)) => {
                let newest = seen.presented.entry(cookie.user).or_insert(cookie);
                *newest = cookie.max(*newest);
            }
            LineageStatus::Unknown | LineageStatus::Known(None) => {}
        }
        match seen.table.exchange(cookie.id(), None, now, || Ok(())) {
            ExchangeStatus::Start(()) => {
                assert!(seen.exchanging.insert(cookie), "two exchanges of one token at once");
                drop(seen);
                thread::spawn({
                    let shared = Arc::clone(shared);
                    move || exchange(&shared, cookie)
                });
            }
            ExchangeStatus::UnderWay(()) => drop(seen),
            ExchangeStatus::Successor(pair, _) => {
                assert_eq!(pair.cookie.user, cookie.user, "another user's pair");
                return true;
            }
            ExchangeStatus::Refused(..) | ExchangeStatus::Ended => return false,
            ExchangeStatus::OtherOrganization | ExchangeStatus::Throttled(_) => {
                panic!("nothing here leads to this")
            }
        }
        thread::yield_now();
        if thread_rng().gen_bool(0.1) {
            // The client is gone.
            return false;
        }
    }
}

fn exchange(shared: &Shared, cookie: Cookie) {
    thread::yield_now();
    let fate = thread_rng().gen_range(0..10);
    let mut seen = shared.lock().unwrap();
    let now = seen.now;
    assert!(seen.exchanging.remove(&cookie));
    match fate {
        0 => seen.table.lost(cookie.token(), now),
        1 => {
            seen.table.refused(cookie.token(), ApiRefusal::InvalidGrant, now);
        }
        _ => {
            let pair = std::sync::Arc::new(Successor::new(cookie.next(), Sids::Kept));
            let life = seen.table.refreshed(cookie.token(), pair, LineageState::Live, now);
            let ended = seen.signed_out.contains(&cookie.user);
            assert_eq!(life, if ended { LineageState::Ended } else { LineageState::Live });
        }
    }
}

fn sign_out(shared: &Shared, cookie: Cookie) {
    let mut seen = shared.lock().unwrap();
    let now = seen.now;
    seen.table.end(Some(cookie.token()), Some(Sids::Kept.name(cookie)), now);
    seen.signed_out.insert(cookie.user);
}

#[test]
fn cc_03_threads_of_two_users_get_their_own_sessions_in_every_order() {
    let run = || {
        let lookup_filter = std::sync::Arc::new(LookupFilter::new(1_024));
        let shared = Arc::new(Mutex::new(Observed {
            table: Table::new(Limits::default(), std::sync::Arc::clone(&lookup_filter)),
            lookup_filter,
            now: Duration::ZERO,
            exchanging: BTreeSet::new(),
            signed_out: BTreeSet::new(),
            presented: BTreeMap::new(),
        }));
        let mut threads = Vec::new();
        for user in [0, 1] {
            for _ in 0..2 {
                let shared = Arc::clone(&shared);
                threads.push(thread::spawn(move || {
                    let mut cookie = Cookie { user, n: 0 };
                    for _ in 0..3 {
                        cookie = request(&shared, cookie);
                    }
                }));
            }
        }
        let signing_out = Arc::clone(&shared);
        threads.push(thread::spawn(move || {
            thread::yield_now();
            sign_out(&signing_out, Cookie { user: 0, n: 0 });
        }));
        for thread in threads {
            thread.join().unwrap();
        }
    };
    shuttle::check_random(run, 10_000);
    shuttle::check_pct(run, 2_000, 3);
}
