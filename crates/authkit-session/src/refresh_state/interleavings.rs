//! The counts in front of the lock, and the table behind it, in every interleaving.

use std::{array, sync::Arc, time::Duration};

use crate::{
    cookie::set_cookie::SessionLifetime,
    refresh_state::{
        RefreshState,
        lineage::{CookieSize, ExchangeStatus, LineageState, LineageStatus},
        lookup_filter::LookupFilter,
        successor::{ExchangeWaiter, Successor},
    },
    sync::{Flag, explore, thread},
    token::{PairId, RefreshToken, SessionIdHash},
};

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Two token pairs, each with a count of its own, and two ids of sessions with one count.
struct Names {
    pairs: [PairId; 2],
    sessions: [String; 2],
}

const COUNTS: usize = LookupFilter::COUNTS;

impl Names {
    fn new() -> Self {
        let pairs = array::from_fn(|at| {
            let mut tokens = (0..).map(|n| RefreshToken::new(format!("token_{n}")).hash());
            let token = tokens.find(|token| token.number() as usize % COUNTS == at).unwrap();
            PairId { token, issued_at: 0 }
        });
        let mut ids = (0..)
            .map(|n| format!("session_{n}"))
            .filter(|id| SessionIdHash::of(id).number() as usize % COUNTS == 2);
        Self { pairs, sessions: array::from_fn(|_| ids.next().unwrap()) }
    }
}

/// The answer to a request, which asks the counts first.
fn ask(
    state: &RefreshState,
    pair: Option<PairId>,
    session: Option<&str>,
    now: Duration,
) -> LineageStatus {
    let token = pair.as_ref().map(|pair| &pair.token);
    match state.lock_for(token, session.map(SessionIdHash::of)) {
        Some(mut tables) => tables.lineages.returned(pair, session, now),
        None => LineageStatus::Unknown,
    }
}

/// The exchange of `old`, which brings `new` half a minute ago.
fn exchanged(state: &RefreshState, [old, new]: [PairId; 2]) {
    let mut tables = state.lock();
    let (_, waiter) = ExchangeWaiter::channel(None);
    let begun = tables.lineages.exchange(old, None, s(0), || Ok(waiter));
    assert!(matches!(begun, ExchangeStatus::Start(_)));
    tables.lineages.refreshed(old.token, successor(new), LineageState::Live, s(0));
}

fn successor(id: PairId) -> Arc<Successor> {
    Arc::new(Successor {
        sealed: String::new(),
        lifetime: SessionLifetime::Configured,
        cookie_size: CookieSize::Fits,
        id,
        session_id: None,
        organization: None,
    })
}

/// By its id, by its token, and by both; while another tab signs it out once more.
#[test]
fn nobody_passes_by_a_sign_out_that_has_returned() {
    for known_by in ["id", "token", "both"] {
        let names = Arc::new(Names::new());
        explore(
            &format!("a session that is known by {known_by} is signed out twice"),
            None,
            move || {
                let state = Arc::new(RefreshState::new());
                let (has_returned, names) = (Arc::new(Flag::default()), Arc::clone(&names));
                let pair = (known_by != "id").then_some(names.pairs[0]);
                let session = (known_by != "token").then_some(&*names.sessions[0]);
                let sign_out = {
                    let (state, names) = (Arc::clone(&state), Arc::clone(&names));
                    move || {
                        let session = (known_by != "token").then_some(&*names.sessions[0]);
                        state.lock().lineages.end(pair.map(|pair| pair.token), session, s(1));
                    }
                };
                let (again, returned) = (sign_out.clone(), Arc::clone(&has_returned));
                let tabs = [
                    thread(move || {
                        sign_out();
                        returned.raise();
                    }),
                    thread(again),
                ];
                let had_returned = has_returned.is_raised();
                let status = ask(&state, pair, session, s(2));
                assert!(!had_returned || status == LineageStatus::Ended, "passes by");
                for tab in tabs {
                    tab.join().unwrap();
                }
                assert_eq!(ask(&state, pair, session, s(2)), LineageStatus::Ended);
            },
        );
    }
}

/// What is counted for the one must not be taken away with the other.
#[test]
fn nobody_passes_by_a_sign_out_while_another_one_with_its_count_is_forgotten() {
    let names = Arc::new(Names::new());
    explore("another session with the same count is forgotten", None, move || {
        let state = Arc::new(RefreshState::new());
        let [ours, theirs] = &names.sessions;
        // Of the two, only theirs is over by then.
        let (noon, later) = (s(12 * 60 * 60), s(25 * 60 * 60));
        state.lock().lineages.end(None, Some(theirs), s(0));
        let has_returned = Arc::new(Flag::default());
        let signing_out = thread({
            let (state, names) = (Arc::clone(&state), Arc::clone(&names));
            let returned = Arc::clone(&has_returned);
            move || {
                state.lock().lineages.end(None, Some(&names.sessions[0]), noon);
                returned.raise();
            }
        });
        let forgetting = thread({
            let state = Arc::clone(&state);
            move || {
                let Some(mut tables) = state.lock_to_forget(later) else { return };
                tables.lineages.returned(None, None, later);
            }
        });
        let had_returned = has_returned.is_raised();
        let status = ask(&state, None, Some(ours), noon);
        assert!(!had_returned || status == LineageStatus::Ended, "passes by");
        for thread in [signing_out, forgetting] {
            thread.join().unwrap();
        }
        assert_eq!(ask(&state, None, Some(ours), later), LineageStatus::Ended);
        assert_eq!(ask(&state, None, Some(theirs), later), LineageStatus::Unknown, "forgotten");
    });
}

/// A pair that the browser has sent back is not looked up any more, until its lineage ends.
#[test]
fn nobody_passes_by_the_end_of_a_token_whose_lookups_are_skipped() {
    let names = Arc::new(Names::new());
    explore("a token's lookups are skipped as it ends", None, move || {
        let state = Arc::new(RefreshState::new());
        let new = names.pairs[1];
        exchanged(&state, names.pairs);
        let has_returned = Arc::new(Flag::default());
        let another_request = thread({
            let state = Arc::clone(&state);
            move || ask(&state, Some(new), None, s(30))
        });
        let signing_out = thread({
            let (state, returned) = (Arc::clone(&state), Arc::clone(&has_returned));
            move || {
                state.lock().lineages.end(Some(new.token), None, s(30));
                returned.raise();
            }
        });
        let had_returned = has_returned.is_raised();
        let status = ask(&state, Some(new), None, s(30));
        assert!(!had_returned || status == LineageStatus::Ended, "passes by");
        another_request.join().unwrap();
        signing_out.join().unwrap();
        assert_eq!(ask(&state, Some(new), None, s(30)), LineageStatus::Ended);
    });
}

/// An exchange ends as its session is signed out: whichever comes first, nobody gets the new pair afterwards.
#[test]
fn what_an_exchange_brings_to_a_session_that_was_signed_out_is_handed_to_nobody() {
    let names = Arc::new(Names::new());
    explore("an exchange ends as its session is signed out", None, move || {
        let state = Arc::new(RefreshState::new());
        let [old, new] = names.pairs;
        let (_, waiter) = ExchangeWaiter::channel(None);
        let begun = state.lock().lineages.exchange(old, None, s(0), || Ok(waiter));
        assert!(matches!(begun, ExchangeStatus::Start(_)));
        let has_returned = Arc::new(Flag::default());
        let exchanging = thread({
            let (state, has_returned) = (Arc::clone(&state), Arc::clone(&has_returned));
            move || {
                let had_returned = has_returned.is_raised();
                let pair = successor(new);
                let state =
                    state.lock().lineages.refreshed(old.token, pair, LineageState::Live, s(1));
                assert!(!had_returned || state == LineageState::Ended);
            }
        });
        let signing_out = thread({
            let (state, returned) = (Arc::clone(&state), Arc::clone(&has_returned));
            move || {
                state.lock().lineages.end(Some(old.token), None, s(1));
                returned.raise();
            }
        });
        let had_returned = has_returned.is_raised();
        let head = state.lock_for(Some(&old.token), None);
        let carried = head.and_then(|mut tables| tables.lineages.pair_to_send(old.token, s(1)));
        assert!(!had_returned || carried.is_none(), "a cookie is set after the sign-out");
        for thread in [exchanging, signing_out] {
            thread.join().unwrap();
        }
        for pair in [old, new] {
            assert_eq!(ask(&state, Some(pair), None, s(2)), LineageStatus::Ended);
        }
        assert!(state.lock().lineages.pair_to_send(old.token, s(2)).is_none());
    });
}
