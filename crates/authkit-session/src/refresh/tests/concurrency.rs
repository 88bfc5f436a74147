use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use http::{HeaderMap, header};
use serde_json::json;
use tokio::{task::JoinSet, time};

use super::{expired, ms, s};
use crate::{
    Decision, HookDecision, Policy, Reason,
    decide::reason::RefusalKind::{Challenge, ChallengeDocuments, Unavailable},
    testing::{Answer, Browser, Endpoint, Reply, Rotation, Service, Workos, clock},
};

/// Sends so many requests with the same cookies at once.
async fn storm(service: &Service, browser: &Browser, requests: usize) -> Vec<(Answer, Browser)> {
    let mut set = JoinSet::new();
    for _ in 0..requests {
        let (service, mut browser) = (service.clone(), browser.clone());
        set.spawn(async move { (service.fetch(&mut browser).await, browser) });
    }
    set.join_all().await
}

#[tokio::test(start_paused = true)]
async fn cc_01_a_hundred_requests_make_one_exchange() {
    let (service, browser) = expired().await;
    service.workos.rotate(Rotation::Strict);
    service.workos.usually(Endpoint::Authenticate, Reply::Usual(ms(300)));
    let answers = storm(&service, &browser, 100).await;
    assert_eq!(service.refreshes(), 1);
    let mut tokens = Vec::new();
    let mut sessions = Vec::new();
    for (answer, browser) in answers {
        let session = answer.session();
        tokens.push(session.access_token().expose().to_owned());
        sessions.push(session);
        tokens.push(format!("{:?}", browser.headers()));
    }
    tokens.sort_unstable();
    tokens.dedup();
    assert_eq!(tokens.len(), 2, "one session, one cookie");
    let is_shared = |session| Arc::ptr_eq(session, &sessions[0]);
    assert!(sessions.iter().all(is_shared), "verified once, for all who waited");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn cc_01_on_several_threads_too() {
    for _ in 0..20 {
        let service = Service::new();
        service.workos.rotate(Rotation::Strict);
        service.workos.lifetime(1);
        let browser = service.sign_in("user_a").await;
        service.workos.lifetime(300);
        service.clock.advance(s(60));
        service.workos.usually(Endpoint::Authenticate, Reply::Usual(ms(5)));
        for (answer, _) in storm(&service, &browser, 100).await {
            answer.session();
        }
        assert_eq!(service.refreshes(), 1);
    }
}

/// D3 of docs/cases.md: three threads hammer while the application refuses what a refresh brought.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn d3_a_session_that_the_hook_refuses_is_admitted_to_nobody() {
    let clock = clock();
    let workos = Workos::new(clock.clone());
    let service = Service::with(workos, clock, |config| {
        config.with_refresh_hook(async |_| HookDecision::Refuse)
    });
    for n in 0..200 {
        service.workos.lifetime(1);
        let browser = service.sign_in(&format!("user_{n}")).await;
        service.workos.lifetime(300);
        service.clock.advance(s(60));
        let hammering = (0..3).map(|_| {
            let (service, browser) = (service.clone(), browser.clone());
            tokio::spawn(async move {
                for _ in 0..170 {
                    assert!(service.open(&browser).await.is_err(), "admitted");
                }
            })
        });
        for task in hammering.collect::<Vec<_>>() {
            task.await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn cc_02_a_straggler_is_given_the_successor_without_a_call() {
    // The browser has not shown yet that the answer reached it.
    for late in [ms(100), s(3), s(29), s(31), s(59), s(250)] {
        let (service, mut browser) = expired().await;
        let mut straggler = browser.clone();
        let session = service.get(&mut browser).await.session();
        time::sleep(late).await;
        let same = service.get(&mut straggler).await.session();
        assert_eq!(same.access_token().expose(), session.access_token().expose(), "{late:?}");
        assert_eq!(service.refreshes(), 1, "{late:?}");
    }
    let (service, mut browser) = expired().await;
    let mut straggler = browser.clone();
    service.get(&mut browser).await.session();
    service.get(&mut browser).await.session();
    time::sleep(s(61)).await;
    let refused = service.get(&mut straggler).await.refusal();
    assert_eq!(refused, (Reason::RefusedJustNow, ChallengeDocuments));
    assert_eq!(
        service.refreshes(),
        2,
        "a minute after the browser has shown the new cookie it is WorkOS's to say"
    );
    service.get(&mut browser).await.session();
}

#[tokio::test(start_paused = true)]
async fn cc_03_nobody_gets_anothers_session() {
    let service = Service::new();
    let mut browsers = Vec::new();
    for n in 0..30 {
        browsers.push((format!("user_{n}"), service.sign_in(&format!("user_{n}")).await));
    }
    time::sleep(s(310)).await;
    let mut set = JoinSet::new();
    for (n, (user, browser)) in browsers.iter().cycle().take(300).enumerate() {
        let wait = ms(u64::try_from(n * 37 % 400).unwrap());
        service.workos.will(Endpoint::Authenticate, Reply::Usual(ms(400) - wait));
        let (service, user, mut browser) = (service.clone(), user.clone(), browser.clone());
        set.spawn(async move {
            time::sleep(wait).await;
            let session = service.get(&mut browser).await.session();
            assert_eq!(session.user_id(), user);
            assert_eq!(service.get(&mut browser).await.session().user_id(), user);
        });
    }
    set.join_all().await;
    assert_eq!(service.refreshes(), 30);
}

/// Polls a request so often, at most, while time goes on, and then drops it.
async fn cut_off(service: &Service, browser: &Browser, polls: usize) {
    let Decision::Wait(waiting) = service.decide(browser) else { panic!("nothing to wait for") };
    let mut waiting = pin!(waiting);
    for _ in 0..polls {
        let mut context = Context::from_waker(Waker::noop());
        if let Poll::Ready(answer) = waiting.as_mut().poll(&mut context) {
            // Cut off between the answer and its head.
            drop(answer);
            return;
        }
        time::sleep(ms(60)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn cc_04_a_client_that_leaves_at_any_point_loses_nothing() {
    for later in [ms(1), s(5), s(61), s(3_600), s(23 * 3_600)] {
        for polls in 0..8 {
            let (service, mut browser) = expired().await;
            service.workos.rotate(Rotation::Strict);
            service.workos.usually(Endpoint::Authenticate, Reply::Usual(ms(200)));
            cut_off(&service, &browser, polls).await;
            time::sleep(later).await;
            service.get(&mut browser).await.session();
            let session = service.get(&mut browser).await.session();
            assert!(session.expires_at() > service.clock.wall());
            let expected = match polls {
                0 => 1,
                // The first successor expired before anybody came for it.
                _ if later > s(300) => 2,
                _ => 1,
            };
            assert_eq!(service.refreshes(), expected, "{polls} polls, {later:?} later");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn cc_05_a_slow_exchange_holds_a_request_for_five_seconds_and_is_not_made_twice() {
    let (service, browser) = expired().await;
    // Each attempt takes 5 seconds, and a second one goes out after 2.5; the fifth is answered.
    for _ in 0..4 {
        service.workos.will(Endpoint::Authenticate, Reply::Hangs);
    }
    let asked = time::Instant::now();
    let mut first = browser.clone();
    assert_eq!(service.get(&mut first).await.refusal(), (Reason::TimedOut, Unavailable));
    assert_eq!(asked.elapsed(), s(5));
    assert_eq!(first, browser);
    let answers = storm(&service, &browser, 10).await;
    assert_eq!(service.workos.most_under_way(), 2, "one exchange, in two attempts at a time");
    assert!(answers.iter().all(|(answer, _)| matches!(answer, Answer::Refused(_))));
    time::sleep(s(5)).await;
    service.get(&mut first).await.session();
    assert_eq!(service.refreshes(), 5);
}

#[tokio::test(start_paused = true)]
async fn cc_05_an_exchange_that_vanishes_leaves_nobody_waiting() {
    let (service, browser) = expired().await;
    service.workos.will(Endpoint::Authenticate, Reply::Panics);
    let answers = storm(&service, &browser, 10).await;
    for (answer, _) in answers {
        assert_eq!(answer.refusal(), (Reason::Upstream, Unavailable));
    }
    assert_eq!(service.refreshes(), 1);
    for (answer, _) in storm(&service, &browser, 10).await {
        answer.session();
    }
    assert_eq!(service.refreshes(), 2);
    assert!(service.authenticator.drain(s(1)).await);
}

#[tokio::test(start_paused = true)]
async fn cc_06_a_head_that_leaves_after_a_newer_cookie_came_back_sets_nothing() {
    let (service, mut browser) = expired().await;
    let slow = service.open(&browser).await.unwrap();
    let slower = service.open(&browser).await.unwrap();
    service.get(&mut browser).await.session();
    assert_eq!(slow.set_cookie_headers().len(), 1, "the browser has not shown that it has it");
    service.get(&mut browser).await.session();
    assert!(slower.set_cookie_headers().is_empty());
    assert!(slow.set_cookie_headers().is_empty());
}

#[tokio::test(start_paused = true)]
async fn cc_06_a_head_carries_the_newest_cookie_whichever_its_request_got() {
    let service = Service::new();
    let policy = Policy::default().with_max_token_age(s(20));
    let mut browser = service.sign_in("user_a").await;
    time::sleep(s(21)).await;
    let slow = service.open_under(&browser, &policy).await.unwrap();
    browser.take(&slow.set_cookie_headers());
    time::sleep(s(21)).await;
    let newer = service.open_under(&browser, &policy).await.unwrap();
    let (mut one, mut other) = (browser.clone(), browser.clone());
    one.take(&newer.set_cookie_headers());
    other.take(&slow.set_cookie_headers());
    assert_eq!(one, other);
    assert_ne!(one, browser);
}

#[tokio::test(start_paused = true)]
async fn cc_06_nothing_is_set_after_sign_out() {
    let (service, mut browser) = expired().await;
    let old = browser.clone();
    let slow = service.open(&browser).await.unwrap();
    // Another tab signs out with the cookie that it has.
    let signed_out = service.authenticator.sign_out(&browser.headers());
    browser.take(&signed_out.set_cookies);
    assert!(!browser.is_signed_in());
    assert!(slow.set_cookie_headers().is_empty());
    for mut late in [old, browser] {
        let before = late.clone();
        assert_eq!(service.get(&mut late).await.refusal().1, Challenge);
        assert_eq!(late, before);
    }
    assert_eq!(service.refreshes(), 1, "nothing is asked about it any more");
    assert!(service.authenticator.drain(s(1)).await);
    assert_eq!(service.workos.calls(Endpoint::Revoke), 1);
}

#[tokio::test(start_paused = true)]
async fn cc_06_a_refresh_that_lands_after_sign_out_sets_nothing() {
    let (service, browser) = expired().await;
    service.workos.usually(Endpoint::Authenticate, Reply::Usual(ms(500)));
    let request = tokio::spawn({
        let (service, mut browser) = (service.clone(), browser.clone());
        async move { (service.get(&mut browser).await, browser) }
    });
    time::sleep(ms(100)).await;
    service.authenticator.sign_out(&browser.headers());
    let (answer, after) = request.await.unwrap();
    assert_eq!(answer.refusal(), (Reason::SignedOut, Challenge));
    assert_eq!(after, browser, "neither set nor deleted");
}

/// As where one cookie is for the host and one for its domain.
#[tokio::test(start_paused = true)]
async fn signing_out_ends_every_session_that_the_browser_sends() {
    let service = Service::new();
    let old = service.sign_in("user_a").await;
    time::sleep(s(1)).await;
    let new = service.sign_in("user_a").await;
    let session = service.get(&mut new.clone()).await.session();
    let [one, two] = [&old, &new].map(|browser| browser.headers()[header::COOKIE].clone());
    for cookies in [[&one, &two], [&two, &one]] {
        let headers = HeaderMap::from_iter(cookies.map(|one| (header::COOKIE, one.clone())));
        let signed_out = service.authenticator.sign_out(&headers);
        assert_eq!(signed_out.session_id.as_deref(), Some(session.session_id()), "the latest");
    }
    assert!(service.authenticator.drain(s(1)).await);
    assert_eq!(service.workos.calls(Endpoint::Revoke), 2, "each session once");
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_that_replaces_a_session_ends_it() {
    let (service, mut browser) = expired().await;
    let slow = service.open(&browser).await.unwrap();
    let answer = service.workos.sign_in("user_a", json!({}));
    let begun =
        service.authenticator.start_session(answer.as_bytes(), &browser.headers()).await.unwrap();
    browser.take(&begun.set_cookies);
    assert!(slow.set_cookie_headers().is_empty(), "the old session does not come back");
    assert_eq!(service.get(&mut browser).await.session().session_id(), "session_1");
}

#[tokio::test(start_paused = true)]
async fn an_organization_switch_waits_for_the_exchange_under_way() {
    let service = Service::new();
    let mut browser = service.sign_in_with("user_a", json!({ "org_id": "org_a" })).await;
    service.workos.join("session_0", "org_b");
    let session = service.get(&mut browser).await.session();
    time::sleep(s(310)).await;
    service.workos.usually(Endpoint::Authenticate, Reply::Usual(ms(300)));
    let refreshing = tokio::spawn({
        let (service, browser) = (service.clone(), browser.clone());
        async move { service.open(&browser).await.unwrap() }
    });
    time::sleep(ms(100)).await;
    let headers = browser.headers();
    let switched =
        service.authenticator.switch_organization(&headers, &session, "org_b").await.unwrap();
    assert_eq!(switched.session().organization_id(), Some("org_b"));
    let refreshed = refreshing.await.unwrap();
    assert_eq!(refreshed.session().organization_id(), Some("org_a"));
    let exchanges = service.workos.exchanges();
    assert_eq!(exchanges.len(), 2);
    assert_ne!(exchanges[0].token, exchanges[1].token);

    // The old cookie's organization is not the newest pair's.
    let mut straggler = browser.clone();
    let refused = service.fetch(&mut straggler).await.refusal();
    assert_eq!(refused, (Reason::OtherOrganization, ChallengeDocuments));
    let session = service.get(&mut straggler).await.session();
    assert_eq!(session.organization_id(), Some("org_b"), "the head carried the newest cookie");
    assert!(refreshed.set_cookie_headers().is_empty(), "and the slow one does not go back");
}

#[tokio::test(start_paused = true)]
async fn mr_01_the_replica_that_loses_a_race_signs_nobody_out() {
    let (service, mut browser) = expired().await;
    service.workos.rotate(Rotation::Strict);
    let other = service.replica(|config| config);
    let mut loser = browser.clone();
    service.get(&mut browser).await.session();
    let (reason, kind) = other.fetch(&mut loser).await.refusal();
    assert_eq!((reason, kind), (Reason::RefusedJustNow, ChallengeDocuments));
    assert!(loser.is_signed_in());
    // The browser holds the winner's cookie by now.
    other.get(&mut browser).await.session();
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_what_is_under_way() {
    let (service, mut browser) = expired().await;
    service.workos.usually(Endpoint::Authenticate, Reply::Usual(s(2)));
    let waiting = tokio::spawn({
        let (service, browser) = (service.clone(), browser.clone());
        async move { service.open(&browser).await.map(drop) }
    });
    time::sleep(ms(10)).await;
    waiting.abort();
    assert!(!service.authenticator.drain(s(1)).await, "not over yet");
    assert!(service.authenticator.drain(s(5)).await);
    let session = service.get(&mut browser).await.session();
    assert_eq!(service.refreshes(), 1);
    drop::<Arc<_>>(session);
}
