//! What a session was opened and verified with, and who replaces it meanwhile, in every interleaving.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, header};

use crate::{
    CookiePassword,
    candidate::{jwks::FetchFor, reader::SessionReader},
    decide::Verdict,
    seal::Sealer,
    sync::{Fate, Flag, block_on, explore, tasks_are, thread},
    testing::OwnerParts,
};

/// A reader with keys, and the cookie of a session; in a model, each thread fetches keys by itself.
fn parts() -> (OwnerParts, HeaderMap) {
    tasks_are([Fate::Inline; 2]);
    let parts = OwnerParts::new(|config| config);
    // A fetch at time zero would count as none.
    parts.clock.advance(Duration::from_secs(1));
    fetch(&parts.reader);
    let field = format!("wos_session={}", parts.sealed_session("user_a"));
    let mut cookie = HeaderMap::new();
    cookie.insert(header::COOKIE, HeaderValue::from_str(&field).unwrap());
    (parts, cookie)
}

fn fetch(reader: &SessionReader) {
    block_on(reader.keys().fetch(FetchFor::OwnAnswer).unwrap().over());
}

fn reload(sealer: &Sealer) {
    let other = CookiePassword::new("another password of 32 bytes or more").unwrap();
    sealer.reload(&other, &[]).unwrap();
}

/// Reads a session while `replace` takes away what it is read with: two requests at once, each of which may be the first to open
/// and remember it; or one, where the session is known before.
fn read_while(
    name: &str,
    replace: impl Fn(&OwnerParts) + Copy + Send + Sync + 'static,
    afterwards: Verdict,
) {
    for is_known in [false, true] {
        let known = if is_known { "known" } else { "new" };
        explore(&format!("{name} a {known} session is read with"), BOUND, move || {
            let (parts, cookie) = parts();
            let parts = Arc::new(parts);
            if is_known {
                assert_eq!(parts.reader.read(&cookie).verdict, Verdict::Good);
            }
            let has_returned = Arc::new(Flag::default());
            let replacing = thread({
                let (parts, returned) = (Arc::clone(&parts), Arc::clone(&has_returned));
                move || {
                    replace(&parts);
                    returned.raise();
                }
            });
            let another_request = thread({
                let (parts, cookie) = (Arc::clone(&parts), cookie.clone());
                move || parts.reader.read(&cookie).verdict
            });
            let had_returned = has_returned.is_raised();
            let verdict = parts.reader.read(&cookie).verdict;
            for verdict in [verdict, another_request.join().unwrap()] {
                assert!([Verdict::Good, afterwards].contains(&verdict), "{verdict:?}");
            }
            assert!(!had_returned || verdict == afterwards, "it counts afterwards");
            replacing.join().unwrap();
            for _ in 0..2 {
                assert_eq!(parts.reader.read(&cookie).verdict, afterwards);
            }
        });
    }
}

#[test]
fn what_was_opened_with_a_password_that_is_taken_away_does_not_count_afterwards() {
    read_while("a password is taken away that", |parts| reload(&parts.sealer), Verdict::Unreadable);
}

#[test]
fn what_was_verified_with_a_key_that_is_taken_away_does_not_count_afterwards() {
    let replace = |parts: &OwnerParts| {
        parts.workos.sign_with(1);
        parts.clock.advance(Duration::from_secs(1));
        fetch(&parts.reader);
    };
    read_while("a key is taken away that", replace, Verdict::BadSignature);
}

/// Whoever waits for keys has them when the wait is over, whether or not it was the one who fetched them.
#[test]
fn whoever_waits_for_keys_gets_them() {
    explore("two requests wait for keys", BOUND, || {
        tasks_are([Fate::Runs; 2]);
        let parts = Arc::new(OwnerParts::new(|config| config));
        parts.clock.advance(Duration::from_secs(1));
        let wait = {
            let parts = Arc::clone(&parts);
            move || {
                if let Some(keys) = parts.reader.keys().fetch(FetchFor::None) {
                    block_on(keys.over());
                }
                assert!(parts.reader.keys().current().is_some(), "the wait is over without keys");
            }
        };
        let another = thread(wait.clone());
        wait();
        another.join().unwrap();
    });
}

/// A fetch begins as the one before it ends, since a token names a key that came after that.
#[test]
fn whoever_waits_for_a_key_waits_for_the_fetch_that_brings_it() {
    explore("a key is replaced while keys are fetched", BOUND, || {
        tasks_are([Fate::Runs; 2]);
        let parts = Arc::new(OwnerParts::new(|config| config));
        parts.clock.advance(Duration::from_secs(1));
        let earlier = parts.reader.keys().fetch(FetchFor::None);
        assert!(earlier.is_some());
        let another = thread({
            let parts = Arc::clone(&parts);
            move || {
                let keys = parts.reader.keys();
                // Joins the fetch that is under way, or begins one.
                block_on(keys.fetch(FetchFor::OwnAnswer).unwrap().over());
                assert!(keys.under_way().is_none(), "its own fetch is still under way");
            }
        });
        another.join().unwrap();
    });
}

/// How often a thread that could go on is interrupted.
const BOUND: Option<usize> = Some(2);
