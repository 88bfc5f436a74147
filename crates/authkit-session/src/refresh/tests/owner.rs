//! The refresher alone: no request is decided about.

use std::sync::Arc;

use crate::{
    candidate::SessionCandidate,
    cookie::received::ReceivedCookies,
    decide::refresh_outcome::{ApiRefusal, RefreshFailure, RefusalAge},
    refresh::{Acceptance, Unacceptable},
    seal::Attempts,
    testing::{Endpoint, OwnerParts, Reply},
};

fn candidate(parts: &OwnerParts, sealed: &str) -> SessionCandidate {
    parts.reader.open(sealed.as_bytes(), ReceivedCookies::default(), &mut Attempts::new())
}

#[tokio::test(start_paused = true)]
async fn requests_at_once_share_one_exchange_and_one_head_carries_what_it_brought() {
    let parts = OwnerParts::new(|config| config);
    let sealed = parts.sealed_session("user_a");
    let candidate = candidate(&parts, &sealed);
    let workos = Arc::clone(&parts.workos);
    let refresher = parts.refresher();
    let session = candidate.opened.as_deref().unwrap();
    let received = ReceivedCookies::default();
    let refresh = || refresher.refresh(session, |_| Acceptance::Accept);

    let (one, another) = tokio::join!(refresh(), refresh());

    let ids = [one, another].map(|outcome| outcome.unwrap().pair.unwrap());
    assert_eq!(ids[0], ids[1]);
    assert_ne!(Some(ids[0]), candidate.pair, "a new pair");
    assert_eq!(workos.calls(Endpoint::Authenticate), 1);
    let token = session.token().unwrap();
    assert_eq!(refresher.cookies_to_send(token, received).len(), 1);
    let later = refresher.refresh(session, |_| Acceptance::Accept).await;
    assert_eq!(later.unwrap().pair, Some(ids[0]), "the successor, without another exchange");
    assert_eq!(workos.calls(Endpoint::Authenticate), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_acceptable_is_the_outcome() {
    for (why, failure) in [
        (Unacceptable::SignedOut, RefreshFailure::SignedOut),
        (Unacceptable::Unverified, RefreshFailure::Unverified),
        (Unacceptable::HookUndecided, RefreshFailure::HookUndecided { retry_after: None }),
    ] {
        let parts = OwnerParts::new(|config| config);
        let sealed = parts.sealed_session("user_a");
        let candidate = candidate(&parts, &sealed);
        let session = candidate.opened.as_deref().unwrap();
        let refresher = parts.refresher();
        let reject = |_: &mut SessionCandidate| Acceptance::Reject(why);
        let outcome = refresher.refresh(session, reject).await;
        assert_eq!(outcome.map(|_| ()), Err(failure));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_the_outcome_of_the_next_request_too() {
    let parts = OwnerParts::new(|config| config);
    let sealed = parts.sealed_session("user_a");
    let candidate = candidate(&parts, &sealed);
    let session = candidate.opened.as_deref().unwrap();
    let workos = Arc::clone(&parts.workos);
    let body = r#"{"error":"invalid_grant"}"#.to_owned();
    workos.usually(Endpoint::Authenticate, Reply::Instead(400, Vec::new(), body));
    let refresher = parts.refresher();
    for _ in 0..2 {
        let accept = |_: &mut SessionCandidate| Acceptance::Accept;
        let outcome = refresher.refresh(session, accept).await;
        let expected = RefreshFailure::Refused {
            refusal: ApiRefusal::InvalidGrant,
            age: RefusalAge::JustNow,
            sign_in_url: None,
        };
        assert_eq!(outcome.map(|_| ()), Err(expected));
    }
    assert_eq!(workos.calls(Endpoint::Authenticate), 1);
    assert!(refresher.is_refused(session.token().unwrap()));
}
