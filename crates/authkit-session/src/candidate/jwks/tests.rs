use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::{task::JoinSet, time};

use super::*;
use crate::{
    Decision, Policy, Reason,
    decide::reason::RefusalKind::Unavailable,
    testing::{Answer, Browser, Endpoint, OwnerParts, Reply, Service, key},
};

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A service that has just started, and the browser of a user who signed in long before.
fn cold() -> (Service, Browser) {
    let service = Service::new();
    let answer = service.workos.sign_in("user_a", json!({}));
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let browser = service.browser_with(&answer);
    (service, browser)
}

/// A service whose keys have been fetched, and a browser whose token lasts a day.
async fn warm() -> (Service, Browser) {
    let service = Service::new();
    service.workos.lifetime(30 * 60 * 60);
    let browser = service.sign_in("user_a").await;
    assert_eq!(service.fetches(), 1);
    (service, browser)
}

impl Service {
    fn fetches(&self) -> usize {
        self.workos.calls(Endpoint::Jwks)
    }

    #[track_caller]
    fn assert_nothing_refreshed(&self) {
        assert_eq!(self.workos.calls(Endpoint::Authenticate), 0, "a refresh for want of keys");
    }

    /// The browser of somebody whose token names a key that WorkOS does not have.
    fn browser_with_unknown_key(&self, kid: &str) -> Browser {
        let now = self.clock.unix();
        let claims = json!({ "sub": "user_x", "sid": "session_x", "iat": now, "exp": now + 300 });
        // Nobody gets as far as its signature.
        let encode = |part: Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let header = encode(json!({ "alg": "RS256", "kid": kid }));
        let token = format!("{header}.{}.{}", encode(claims), "A".repeat(342));
        self.browser_with(&json!({
            "access_token": token,
            "refresh_token": "refresh_x",
            "user": { "id": "user_x", "email": "x@example.com" },
        }))
    }
}

#[tokio::test(start_paused = true)]
async fn jk_01_a_thousand_cold_requests_make_one_fetch() {
    let (service, browser) = cold();
    service.workos.usually(Endpoint::Jwks, Reply::Usual(ms(500)));
    let first = tokio::spawn({
        let (service, browser) = (service.clone(), browser.clone());
        async move { service.open(&browser).await.map(drop) }
    });
    time::sleep(ms(100)).await;
    let mut set = JoinSet::new();
    for _ in 0..1_000 {
        let (service, browser) = (service.clone(), browser.clone());
        set.spawn(async move { service.open(&browser).await.unwrap().session().user_id().len() });
    }
    time::sleep(ms(100)).await;
    first.abort();
    assert_eq!(set.join_all().await.len(), 1_000);
    assert_eq!(service.fetches(), 1);
    service.assert_nothing_refreshed();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn jk_01_on_several_threads_too() {
    let (service, browser) = cold();
    let mut set = JoinSet::new();
    for _ in 0..1_000 {
        let (service, browser) = (service.clone(), browser.clone());
        set.spawn(async move { drop(service.open(&browser).await.unwrap()) });
    }
    set.join_all().await;
    assert_eq!(service.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn jk_02_ten_thousand_unknown_keys_make_one_fetch() {
    let (service, browser) = warm().await;
    time::sleep(s(2)).await;
    service.workos.usually(Endpoint::Jwks, Reply::Usual(ms(50)));
    for round in 0..100 {
        for n in 0..100 {
            let unknown = service.browser_with_unknown_key(&format!("unknown {round} {n}"));
            match service.decide(&unknown) {
                Decision::Refuse(refusal) => assert_eq!(refusal.reason(), Reason::UnknownKey),
                Decision::Wait(waiting) => {
                    assert_eq!(waiting.await.unwrap_err().kind(), Unavailable);
                }
                Decision::Admit(_) => panic!("an unknown key admits"),
            }
        }
        let known = service.decide(&browser);
        assert!(matches!(known, Decision::Admit(_)), "a known key waits in round {round}");
    }
    assert_eq!(service.fetches(), 2, "one for them all");
    service.assert_nothing_refreshed();

    // A token made in the second in which keys were fetched last, or later, may be of a newer key.
    time::sleep(s(29)).await;
    let unknown = service.browser_with_unknown_key("unknown, too early");
    assert_eq!(service.open(&unknown).await.unwrap_err().reason(), Reason::UnknownKey);
    assert_eq!(service.fetches(), 2, "not yet");
    time::sleep(s(1)).await;
    let unknown = service.browser_with_unknown_key("unknown");
    assert_eq!(service.open(&unknown).await.unwrap_err().reason(), Reason::UnknownKey);
    assert_eq!(service.fetches(), 3, "and one every 30 seconds");
}

#[tokio::test(start_paused = true)]
async fn jk_03_a_new_key_is_found_and_a_removed_one_serves_no_longer() {
    let (service, mut old) = warm().await;
    time::sleep(s(60)).await;
    service.workos.publish(json!({ "keys": [key(0).jwk(), key(1).jwk()] }).to_string());
    service.workos.sign_with(1);
    let answer: Value = serde_json::from_str(&service.workos.sign_in("user_b", json!({}))).unwrap();
    let mut new = service.browser_with(&answer);
    assert_eq!(service.get(&mut new).await.session().user_id(), "user_b");
    assert_eq!(service.fetches(), 2);
    service.get(&mut old).await.session();

    // Nobody comes for some minutes; whoever comes then is not served by a key that is gone.
    service.workos.publish(json!({ "keys": [key(1).jwk()] }).to_string());
    time::sleep(s(600)).await;
    let before = old.clone();
    let session = service.get(&mut old).await.session();
    assert_eq!(session.user_id(), "user_a");
    assert_ne!(old, before, "refreshed: what was sealed and fails");
    assert_eq!(service.fetches(), 3);
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_again_in_the_background() {
    let (service, browser) = warm().await;
    time::sleep(s(299)).await;
    assert!(matches!(service.decide(&browser), Decision::Admit(_)));
    time::sleep(s(1)).await;
    assert_eq!(service.fetches(), 1, "fresh for five minutes");
    time::sleep(s(1)).await;
    service.workos.usually(Endpoint::Jwks, Reply::Usual(s(1)));
    for _ in 0..10 {
        assert!(matches!(service.decide(&browser), Decision::Admit(_)), "nobody waits for it");
        time::sleep(ms(10)).await;
    }
    assert_eq!(service.fetches(), 2);
    time::sleep(s(2)).await;
    assert!(matches!(service.decide(&browser), Decision::Admit(_)));
    time::sleep(s(1)).await;
    assert_eq!(service.fetches(), 2, "fresh again");
}

#[tokio::test(start_paused = true)]
async fn jk_04_an_outage_of_the_keys_is_not_noticed_for_a_day() {
    for outage in [
        Reply::Instead(500, Vec::new(), String::new()),
        Reply::NotSent,
        Reply::Hangs,
        Reply::Instead(404, Vec::new(), json!({ "message": "Not Found" }).to_string()),
    ] {
        let (service, mut browser) = warm().await;
        service.workos.usually(Endpoint::Jwks, outage.clone());
        for minutes in [4, 6, 11, 60, 600, 1_380] {
            let until = s(minutes * 60);
            time::sleep(until - service.clock.monotonic()).await;
            let asked = time::Instant::now();
            service.get(&mut browser).await.session();
            assert!(asked.elapsed() < s(5), "{outage:?}: {:?}", asked.elapsed());
            let asked = time::Instant::now();
            service.get(&mut browser).await.session();
            assert_eq!(asked.elapsed(), s(0), "once it is known, nobody waits");
        }
        service.assert_nothing_refreshed();
        let fetches = service.fetches();
        for _ in 0..100 {
            service.get(&mut browser).await.session();
            time::sleep(ms(100)).await;
        }
        assert!(service.fetches() <= fetches + 1, "not more often than every 30 seconds");

        time::sleep(s(24 * 60 * 60) - service.clock.monotonic()).await;
        let answer = service.get(&mut browser).await;
        assert_eq!(answer.refusal(), (Reason::NoKeys, Unavailable), "not for ever");
        service.assert_nothing_refreshed();
        assert!(browser.is_signed_in());
    }
}

#[tokio::test(start_paused = true)]
async fn jk_04_whoever_finds_the_outage_gets_the_cached_keys_in_time() {
    let (service, mut browser) = warm().await;
    service.workos.usually(Endpoint::Jwks, Reply::Hangs);
    time::sleep(s(601)).await;
    let asked = time::Instant::now();
    service.get(&mut browser).await.session();
    assert_eq!(asked.elapsed(), s(4));
}

#[tokio::test(start_paused = true)]
async fn jk_05_without_keys_a_session_is_neither_believed_nor_lost() {
    for outage in [
        Reply::Instead(503, Vec::new(), String::new()),
        Reply::NotSent,
        Reply::Hangs,
        Reply::Instead(200, Vec::new(), "{}".to_owned()),
    ] {
        let (service, mut browser) = cold();
        let before = browser.clone();
        service.workos.usually(Endpoint::Jwks, outage);
        for _ in 0..5 {
            let asked = time::Instant::now();
            let Answer::Refused(refusal) = service.get(&mut browser).await else {
                panic!("believed without a key");
            };
            assert_eq!((refusal.reason(), refusal.kind()), (Reason::NoKeys, Unavailable));
            assert!(refusal.retry_after() >= s(1));
            assert!(asked.elapsed() <= s(5));
        }
        assert!(service.fetches() <= 2, "{} fetches", service.fetches());
        assert_eq!(browser, before);
        service.assert_nothing_refreshed();

        service.workos.usually(Endpoint::Jwks, Reply::Usual(ms(20)));
        time::sleep(s(2)).await;
        service.get(&mut browser).await.session();
        service.assert_nothing_refreshed();
    }
}

/// Whoever comes meanwhile learns at once what the last fetch has found.
#[tokio::test(start_paused = true)]
async fn after_a_failed_fetch_there_is_a_pause_and_a_longer_one_with_keys() {
    let failing = Reply::Instead(503, Vec::new(), String::new());
    let (service, mut browser) = cold();
    service.workos.usually(Endpoint::Jwks, failing.clone());
    for (after, fetches) in [(ms(0), 1), (ms(1_999), 1), (ms(1), 2), (ms(1_999), 2), (ms(1), 3)] {
        time::sleep(after).await;
        assert_eq!(service.get(&mut browser).await.refusal(), (Reason::NoKeys, Unavailable));
        assert_eq!(service.fetches(), fetches, "after {after:?} more, without keys");
    }

    let (service, mut browser) = warm().await;
    service.workos.usually(Endpoint::Jwks, failing);
    for (after, fetches) in [(s(301), 2), (s(29), 2), (s(1), 3), (s(29), 3), (s(1), 4)] {
        time::sleep(after).await;
        service.get(&mut browser).await.session();
        time::sleep(ms(1)).await;
        assert_eq!(service.fetches(), fetches, "after {after:?} more, with keys");
    }
}

#[tokio::test(start_paused = true)]
async fn jk_06_what_is_no_key_set_leaves_the_last_good_one() {
    let large = json!({ "keys": [key(0).jwk()], "padding": "x".repeat(300_000) }).to_string();
    let cases = [
        (200, large.as_str()),
        (200, "<html>hello</html>"),
        (200, "{}"),
        (200, r#"{"keys":[]}"#),
        (200, r#"{"keys":{}}"#),
        (200, r#"{"keys":[1,null,"x",{"kty":"RSA"}]}"#),
        (200, "\u{1f}\u{8b}\u{8}"),
        (302, ""),
        (200, ""),
    ];
    for (status, body) in cases {
        let (service, mut browser) = warm().await;
        service.workos.usually(
            Endpoint::Jwks,
            Reply::Instead(
                status,
                vec![("location", "https://evil.test/".to_owned())],
                body.into(),
            ),
        );
        time::sleep(s(301)).await;
        service.get(&mut browser).await.session();
        time::sleep(s(600)).await;
        service.get(&mut browser).await.session();
        assert!(service.fetches() >= 2, "{body:.100}");
        service.assert_nothing_refreshed();
    }
}

#[tokio::test(start_paused = true)]
async fn jk_07_the_keys_of_two_services_are_apart() {
    // The same key id, another key: another environment's.
    let (ours, browser) = warm().await;
    let theirs = Service::new();
    let mut jwk = key(1).jwk();
    jwk["kid"] = json!(key(0).kid);
    theirs.workos.publish(json!({ "keys": [jwk] }).to_string());
    theirs.workos.usually(Endpoint::Authenticate, Reply::NotSent);
    let refusal = theirs.open(&browser).await.unwrap_err();
    assert_eq!(refusal.kind(), Unavailable, "{}", refusal.reason());
    let admitted = ours.open_under(&browser, &Policy::default()).await;
    assert!(admitted.is_ok());
}

#[tokio::test(start_paused = true)]
async fn nobody_fetches_for_want_of_keys_while_those_that_are_there_serve() {
    let parts = OwnerParts::new(|config| config);
    let keys = parts.reader.keys();
    let start = parts.clock.monotonic();
    keys.fetch(FetchFor::None).unwrap().over().await;
    for (age, is_fetched) in [(s(1), false), (s(600) - ms(1), false), (s(600), true)] {
        time::sleep(start + age - parts.clock.monotonic()).await;
        assert_eq!(keys.fetch(FetchFor::None).is_some(), is_fetched, "{age:?}");
    }
}
