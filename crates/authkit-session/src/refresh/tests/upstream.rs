use std::time::Duration;

use serde_json::json;
use tokio::{task::JoinSet, time};

use super::{expired, ms, s};
use crate::{
    Decision, Reason,
    decide::reason::RefusalKind::Unavailable,
    testing::{Answer, Browser, Endpoint, Reply, Service},
};

fn status(status: u16) -> Reply {
    Reply::Instead(status, Vec::new(), json!({ "message": "no" }).to_string())
}

fn too_many(retry_after: Option<String>) -> Reply {
    let fields = retry_after.map(|after| ("retry-after", after)).into_iter().collect();
    Reply::Instead(429, fields, json!({ "code": "rate_limit_exceeded" }).to_string())
}

/// How long a request took, and what it got.
async fn timed(service: &Service, browser: &mut Browser) -> (Duration, Answer) {
    let asked = time::Instant::now();
    let answer = service.get(browser).await;
    (asked.elapsed(), answer)
}

#[tokio::test(start_paused = true)]
async fn up_01_a_rate_limit_is_waited_out_if_that_is_short() {
    for (after, least, most) in
        [(Some("0"), ms(100), s(1)), (Some("1"), s(1), s(2)), (None, ms(100), s(1))]
    {
        let (service, mut browser) = expired().await;
        service.workos.will(Endpoint::Authenticate, too_many(after.map(str::to_owned)));
        let (took, answer) = timed(&service, &mut browser).await;
        answer.session();
        assert!(least <= took && took <= most, "{after:?}: {took:?}");
        assert_eq!(service.refreshes(), 2, "{after:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn up_01_a_long_pause_is_passed_on_and_kept() {
    let (service, mut browser) = expired().await;
    let other = service.sign_in("user_b").await;
    time::sleep(s(310)).await;
    for form in ["seconds", "a date"] {
        let before = service.refreshes();
        let after = match form {
            "seconds" => "120".to_owned(),
            _ => httpdate::fmt_http_date(service.clock.wall() + s(120)),
        };
        service.workos.will(Endpoint::Authenticate, too_many(Some(after)));
        let Answer::Refused(refusal) = service.get(&mut browser).await else { panic!("admitted") };
        assert_eq!((refusal.reason(), refusal.kind()), (Reason::Upstream, Unavailable));
        let wait = refusal.retry_after();
        assert!(s(119) <= wait && wait <= s(120), "{form}: {wait:?}");

        // Nobody asks WorkOS meanwhile, for a minute at most.
        for browser in [&browser, &other] {
            let refusal = service.open(browser).await.unwrap_err();
            assert_eq!(refusal.kind(), Unavailable);
            let after = refusal.retry_after();
            assert!(s(55) < after && after <= s(60), "{after:?}");
        }
        assert_eq!(service.refreshes(), before + 1);
        time::sleep(s(60)).await;
    }
    service.get(&mut browser).await.session();
    service.get(&mut other.clone()).await.session();
}

#[tokio::test(start_paused = true)]
async fn up_01_rate_limits_do_not_open_the_circuit() {
    let service = Service::new();
    let mut browsers = Vec::new();
    for n in 0..10 {
        browsers.push(service.sign_in(&format!("user_{n}")).await);
    }
    time::sleep(s(310)).await;
    for _ in 0..10 {
        service.workos.will(Endpoint::Authenticate, too_many(None));
    }
    let mut set = JoinSet::new();
    for mut browser in browsers {
        let service = service.clone();
        set.spawn(async move {
            let (took, answer) = timed(&service, &mut browser).await;
            answer.session();
            took
        });
    }
    for took in set.join_all().await {
        assert!(took < s(1), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn up_02_a_failing_workos_signs_nobody_out() {
    for code in [408, 500, 502, 503, 504, 520, 302, 204] {
        let (service, mut browser) = expired().await;
        let old = browser.clone();
        service.workos.usually(Endpoint::Authenticate, status(code));
        let (took, answer) = timed(&service, &mut browser).await;
        assert_eq!(answer.refusal().1, Unavailable, "{code}");
        assert!(took <= s(5), "{code}: {took:?}");
        assert_eq!(browser, old, "{code}");
        service.workos.usually(Endpoint::Authenticate, Reply::Usual(ms(0)));
        time::sleep(s(30)).await;
        service.get(&mut browser).await.session();
    }
}

#[tokio::test(start_paused = true)]
async fn up_02_one_failure_is_not_noticed() {
    for failure in [status(500), status(503), Reply::NotSent, Reply::Lost] {
        let (service, mut browser) = expired().await;
        service.workos.will(Endpoint::Authenticate, failure.clone());
        let (took, answer) = timed(&service, &mut browser).await;
        answer.session();
        assert!(took < s(1), "{failure:?}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn up_03_a_lost_answer_is_asked_for_again_within_the_replay_and_not_after() {
    let (service, mut browser) = expired().await;
    // The exchange happens at once, but its answers are lost for 20 seconds.
    for _ in 0..200 {
        service.workos.will(Endpoint::Authenticate, Reply::Lost);
    }
    let began = service.clock.monotonic();
    assert_eq!(service.get(&mut browser).await.refusal().1, Unavailable);
    time::sleep(s(30)).await;
    let exchanges = service.workos.exchanges();
    assert!(exchanges.len() > 5, "{}", exchanges.len());
    let last = exchanges.last().unwrap().at;
    assert!(last - began < s(25), "the last attempt is within the replay: {:?}", last - began);
}

#[tokio::test(start_paused = true)]
async fn up_03_an_answer_lost_for_twenty_seconds_is_found_again() {
    let (service, mut browser) = expired().await;
    service.workos.usually(Endpoint::Authenticate, Reply::Lost);
    assert_eq!(service.get(&mut browser).await.refusal().1, Unavailable);
    time::sleep(s(13)).await;
    service.workos.usually(Endpoint::Authenticate, Reply::Usual(ms(10)));
    // Nobody waits for it any more, and it lands all the same.
    time::sleep(s(7)).await;
    let before = service.refreshes();
    time::sleep(s(60)).await;
    service.get(&mut browser).await.session();
    assert_eq!(service.refreshes(), before, "it was there");
}

#[tokio::test(start_paused = true)]
async fn up_03_an_exchange_is_given_up_after_25_seconds() {
    for reply in [Reply::Hangs, Reply::Lost, Reply::NotSent, status(503)] {
        let (service, mut browser) = expired().await;
        service.workos.usually(Endpoint::Authenticate, reply.clone());
        let began = time::Instant::now();
        assert_eq!(service.get(&mut browser).await.refusal().1, Unavailable);
        assert!(!service.authenticator.drain(s(10)).await, "{reply:?} is no reason to give up");
        assert!(service.authenticator.drain(s(60)).await);
        let took = began.elapsed();
        assert!(s(20) < took && took <= s(25) + ms(1), "{reply:?}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn up_03_no_attempt_is_begun_that_nobody_would_hear_the_answer_of() {
    for quarters in 80..100 {
        let (service, mut browser) = expired().await;
        service.workos.usually(Endpoint::Authenticate, Reply::NotSent);
        assert_eq!(service.get(&mut browser).await.refusal().1, Unavailable);
        // Shortly before the exchange is given up, WorkOS can be reached again, and takes its time.
        time::sleep(ms(250) * quarters - s(5)).await;
        service.workos.usually(Endpoint::Authenticate, Reply::Late(ms(2_500)));
        time::sleep(s(60)).await;
        service.get(&mut browser).await.session();
    }
}

#[tokio::test(start_paused = true)]
async fn up_04_a_bad_line_costs_at_most_five_seconds() {
    for (name, reply) in [
        ("latency", Reply::Usual(ms(4_900))),
        ("more latency", Reply::Usual(s(60))),
        ("no answer", Reply::Hangs),
        ("reset before", Reply::NotSent),
        ("reset after", Reply::Lost),
    ] {
        let (service, mut browser) = expired().await;
        service.workos.usually(Endpoint::Authenticate, reply);
        let (took, _) = timed(&service, &mut browser).await;
        assert!(took <= s(5), "{name}: {took:?}");
        assert!(browser.is_signed_in(), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn up_05_an_unreadable_answer_changes_nothing() {
    let tokens = r#"{"access_token":"a","refresh_token":"r","padding":""#;
    let five_mib = format!("{tokens}{}\"}}", "x".repeat(5 << 20));
    for body in [
        five_mib.as_str(),
        "",
        "{",
        "<html>502 Bad Gateway</html>",
        "[]",
        "null",
        r#"{"access_token":"a"}"#,
        r#"{"refresh_token":"r"}"#,
        r#"{"access_token":"","refresh_token":"r"}"#,
        r#"{"access_token":1,"refresh_token":"r"}"#,
    ] {
        // What was asked for is done, and the answer is spoilt on the way.
        let (service, mut browser) = expired().await;
        let old = browser.clone();
        service.workos.usually(Endpoint::Authenticate, Reply::Garbled(body.to_owned()));
        assert_eq!(service.get(&mut browser).await.refusal().1, Unavailable, "{body:.100}");
        assert_eq!(browser, old, "{body:.100}");
        service.workos.usually(Endpoint::Authenticate, Reply::Usual(ms(0)));
        time::sleep(s(10)).await;
        service.get(&mut browser).await.session();
    }
}

#[tokio::test(start_paused = true)]
async fn up_06_an_outage_is_probed_and_its_end_is_noticed() {
    let service = Service::new();
    let mut browsers = Vec::new();
    for n in 0..50 {
        browsers.push(service.sign_in(&format!("user_{n}")).await);
    }
    time::sleep(s(310)).await;
    service.workos.usually(Endpoint::Authenticate, status(503));
    let began = service.clock.monotonic();
    let mut reasons = Vec::new();
    for second in 0..60_usize {
        for browser in browsers.iter().skip(second % 5).step_by(5) {
            let service = service.clone();
            let browser = browser.clone();
            reasons.push(tokio::spawn(async move {
                service.open(&browser).await.map(drop).map_err(|refusal| refusal.kind())
            }));
        }
        time::sleep(s(1)).await;
    }
    for reason in reasons {
        assert_eq!(reason.await.unwrap(), Err(Unavailable));
    }
    let attempts = service.workos.exchanges();
    let steady: Vec<_> =
        attempts.iter().map(|attempt| attempt.at).filter(|at| *at > began + s(5)).collect();
    assert!(steady.len() > 20, "{} probes", steady.len());
    for pair in steady.windows(2) {
        assert!(pair[1] - pair[0] >= s(2), "{:?}", pair[1] - pair[0]);
    }

    service.workos.usually(Endpoint::Authenticate, Reply::Usual(ms(50)));
    time::sleep(s(8)).await;
    for mut browser in browsers {
        let (took, answer) = timed(&service, &mut browser).await;
        answer.session();
        assert!(took < s(1), "{took:?}");
    }
}

/// What was read is gone on with, so that it is not opened twice, but only where it is as good as new.
#[tokio::test(start_paused = true)]
async fn a_request_that_waits_is_judged_by_what_holds_when_it_is_polled() {
    for (late, expected) in [(s(0), Ok(())), (s(60), Err(Unavailable))] {
        let service = Service::new().replica(|config| config.with_session_cache(0));
        let browser = service.sign_in("user_a").await;
        time::sleep(s(280)).await;
        service.workos.usually(Endpoint::Authenticate, status(503));
        let Decision::Wait(waiting) = service.decide(&browser) else { panic!("it is expiring") };
        time::sleep(late).await;
        let answer = waiting.await.map(drop).map_err(|refusal| refusal.kind());
        assert_eq!(answer, expected, "{late:?}");
    }

    let (service, browser) = expired().await;
    let Decision::Wait(waiting) = service.decide(&browser) else { panic!("it has expired") };
    let _ = service.authenticator.sign_out(&browser.headers());
    let refusal = waiting.await.unwrap_err();
    assert_eq!((refusal.reason(), service.refreshes()), (Reason::SignedOut, 0));
}
