//! Requests with one refresh token, and what ends meanwhile, in every interleaving.

use std::sync::Arc;

use super::s;
use crate::{
    candidate::{OpenedSession, SessionCandidate, jwks::FetchFor},
    cookie::received::ReceivedCookies,
    decide::{
        Verdict,
        refresh_outcome::{RefreshFailure, RefreshOutcome},
    },
    refresh::{Acceptance, Refresher},
    seal::Attempts,
    sync::{Fate, Flag, block_on, explore, tasks_are, thread},
    testing::{Endpoint, OwnerParts, Reply, Rotation, Workos},
};

/// A service with keys, and a session whose refresh token can be exchanged once.
#[derive(Clone)]
struct Refreshing {
    workos: Arc<Workos>,
    refresher: Arc<Refresher>,
    session: Arc<OpenedSession>,
}

impl Refreshing {
    fn new(fates: impl IntoIterator<Item = Fate>) -> Self {
        let parts = OwnerParts::new(|config| config);
        parts.clock.advance(s(1));
        tasks_are([Fate::Inline]);
        block_on(parts.reader.keys().fetch(FetchFor::None).unwrap().over());
        tasks_are(fates);
        let workos = Arc::clone(&parts.workos);
        workos.rotate(Rotation::Strict);
        let sealed = parts.sealed_session("user_a");
        let session = parts.reader.open(sealed.as_bytes(), received(), &mut Attempts::new());
        Self { workos, refresher: parts.refresher(), session: session.opened.unwrap() }
    }

    fn refresh(&self) -> RefreshOutcome<SessionCandidate> {
        let accept = |candidate: &mut SessionCandidate| {
            assert_eq!(candidate.verdict, Verdict::Good);
            Acceptance::Accept
        };
        block_on(self.refresher.refresh(&self.session, accept))
    }

    /// The number of cookies that the head of a response carries which leaves now.
    fn head(&self) -> usize {
        self.refresher.cookies_to_send(self.session.token().unwrap(), received()).len()
    }

    fn sign_out(&self) {
        let now = self.refresher.settings.clock().monotonic();
        let id = self.session.unverified().sid.as_deref();
        self.refresher.state.lock().lineages.end(self.session.token(), id, now);
    }
}

fn received() -> ReceivedCookies {
    ReceivedCookies::default()
}

/// WorkOS would refuse a second exchange.
#[test]
fn requests_with_one_token_make_one_exchange_and_every_head_carries_what_it_brought() {
    explore("two requests with one refresh token", BOUND, || {
        let service = Refreshing::new([Fate::Runs; 2]);
        let request = {
            let service = service.clone();
            move || {
                let pair = service.refresh().unwrap().pair.unwrap();
                assert_eq!(service.head(), 1, "a head leaves without the new cookie");
                pair
            }
        };
        let another = thread(request.clone());
        assert_eq!(request(), another.join().unwrap());
        assert_eq!(service.workos.calls(Endpoint::Authenticate), 1);
    });
}

/// The task of an exchange ends with the runtime, or at a panic.
#[test]
fn when_the_one_who_exchanges_is_dropped_nobody_waits_for_ever_and_the_next_one_exchanges() {
    for fate in [Fate::NeverBegins, Fate::DroppedWaiting] {
        explore(&format!("the one who exchanges is dropped: {fate:?}"), BOUND, move || {
            let service = Refreshing::new([fate, Fate::Runs]);
            if fate == Fate::DroppedWaiting {
                service.workos.will(Endpoint::Authenticate, Reply::Hangs);
            }
            let request = {
                let service = service.clone();
                move || service.refresh().map(|candidate| candidate.pair)
            };
            let another = thread(request.clone());
            let outcomes = [request(), another.join().unwrap()];
            let vanished = Err(RefreshFailure::Transient { retry_after: None });
            assert!(outcomes.contains(&vanished), "the first one's");
            assert!(outcomes.iter().all(|it| it.is_ok() || *it == vanished), "{outcomes:?}");
            tasks_are([Fate::Inline]);
            assert!(service.refresh().is_ok(), "the next one");
            assert_eq!(service.head(), 1);
        });
    }
}

#[test]
fn an_exchange_that_ends_as_its_session_is_signed_out_is_handed_to_nobody_afterwards() {
    explore("a session is signed out while it is refreshed", BOUND, || {
        let service = Refreshing::new([Fate::Runs]);
        let has_returned = Arc::new(Flag::default());
        let signing_out = thread({
            let (service, returned) = (service.clone(), Arc::clone(&has_returned));
            move || {
                service.sign_out();
                returned.raise();
            }
        });
        let had_returned = has_returned.is_raised();
        let outcome = service.refresh().map(drop);
        let has_returned = has_returned.is_raised();
        let head = service.head();
        assert!(!had_returned || outcome == Err(RefreshFailure::SignedOut), "{outcome:?}");
        assert!([Ok(()), Err(RefreshFailure::SignedOut)].contains(&outcome), "{outcome:?}");
        assert!(!has_returned || head == 0, "a cookie is set after the sign-out");
        signing_out.join().unwrap();
        assert_eq!(service.head(), 0);
        assert_eq!(service.refresh().map(drop), Err(RefreshFailure::SignedOut));
    });
}

/// How often a thread that could go on is interrupted.
const BOUND: Option<usize> = Some(2);
