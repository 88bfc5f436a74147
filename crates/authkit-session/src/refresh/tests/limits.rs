use std::num::NonZeroUsize;

use serde_json::json;
use tokio::{task::JoinSet, time};

use super::{ms, s};
use crate::{
    Config, CookiePassword, Decision, Reason,
    testing::{Answer, Browser, Endpoint, Reply, Service, Workos, clock, key},
};

/// A service that makes one exchange at once.
fn one_at_once() -> Service {
    let [one, many] = [1, 1_000].map(|n| NonZeroUsize::new(n).unwrap());
    let clock = clock();
    let set = |config: Config| config.with_refresh_limits(one, many);
    Service::with(Workos::new(clock.clone()), clock, set)
}

#[tokio::test(start_paused = true)]
async fn dl_01_garbage_calls_nobody() {
    let service = Service::new();
    let another = CookiePassword::new("another password of at least 32 bytes").unwrap();
    let strangers = service.replica(|config| config);
    strangers.authenticator.reload_keys(&another, &[]).unwrap();
    for n in 0..10_000_u32 {
        let browser = match n % 6 {
            0 => Browser::holding(&format!("{n:040}")),
            1 => Browser::holding(&format!("Fe26.2*1*{n:064}*aaaa*bbbb**{n:064}*cccc~2")),
            2 => Browser::holding(&format!("gAAAAAB{n:096}=")),
            3 => Browser::holding(&format!("AQ{n:0200}==")),
            4 => Browser::holding(&"%".repeat(100 + n as usize % 3_000)),
            _ => strangers.browser_with(&json!({ "access_token": "a", "refresh_token": "r" })),
        };
        let Decision::Refuse(refusal) = service.decide(&browser) else {
            panic!("{browser:?} needs WorkOS");
        };
        assert_eq!(refusal.reason(), Reason::UnreadableCookie);
    }
    for endpoint in [Endpoint::Authenticate, Endpoint::Jwks, Endpoint::Revoke] {
        assert_eq!(service.workos.calls(endpoint), 0);
    }
    assert!(service.authenticator.refresh_state().lock().lineages.is_empty());
    assert_eq!(service.authenticator.reader().cache().bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn dl_01_a_sealed_value_without_a_session_calls_nobody() {
    let service = Service::new();
    for payload in
        [json!({}), json!([]), json!({ "access_token": "" }), json!({ "access_token": 1 })]
    {
        let Decision::Refuse(refusal) = service.decide(&service.browser_with(&payload)) else {
            panic!("{payload} needs WorkOS");
        };
        assert_eq!(refusal.reason(), Reason::NotASession, "{payload}");
    }
}

#[tokio::test(start_paused = true)]
async fn dl_03_five_thousand_sessions_that_expire_at_once_do_not_flood_workos() {
    let service = Service::new();
    let now = service.clock.unix();
    let browsers: Vec<_> = (0..5_000)
        .map(|n| {
            let (user, session) = (format!("user_{n}"), format!("session_{n}"));
            let claims = json!({ "sub": user, "sid": session, "iat": now - 310, "exp": now - 10 });
            let token = key(0).token(&claims);
            let refresh_token = service.workos.begin(&user, json!({}));
            service.browser_with(&json!({ "access_token": token, "refresh_token": refresh_token }))
        })
        .collect();
    let began = service.clock.monotonic();
    service.workos.usually(Endpoint::Authenticate, Reply::Usual(ms(200)));
    let mut set = JoinSet::new();
    for (n, mut browser) in browsers.into_iter().enumerate() {
        let service = service.clone();
        set.spawn(async move {
            // Those who are told to come again do, each time later.
            for attempt in 0_u32.. {
                match service.fetch(&mut browser).await {
                    Answer::Session(_) => return,
                    Answer::Refused(refusal) => {
                        assert_eq!(refusal.reason(), Reason::Busy);
                        let spread = 1.0 + f64::from(u32::try_from(n).unwrap()) / 2_500.0;
                        let wait = refusal.retry_after() * 2_u32.pow(attempt.min(5));
                        time::sleep(wait.mul_f64(spread)).await;
                    }
                }
            }
        });
    }
    set.join_all().await;
    assert!(service.workos.most_under_way() <= 32, "{}", service.workos.most_under_way());
    let exchanges = service.workos.exchanges();
    assert_eq!(exchanges.len(), 5_000);
    for second in exchanges.windows(41) {
        assert!(second[40].at - second[0].at >= s(1) - ms(1), "more than 40 in a second");
    }
    assert!(service.clock.monotonic() - began < s(600));
}

#[tokio::test(start_paused = true)]
async fn dl_03_those_that_still_last_are_served_while_others_wait() {
    let service = one_at_once();
    let mut first = service.sign_in("user_a").await;
    let mut second = service.sign_in("user_b").await;
    time::sleep(s(280)).await;
    service.workos.usually(Endpoint::Authenticate, Reply::Usual(s(4)));
    service.get(&mut first).await.session();
    assert_eq!(service.refreshes(), 1);
    let asked = time::Instant::now();
    service.get(&mut second).await.session();
    assert_eq!(asked.elapsed(), s(0));
    assert_eq!(service.refreshes(), 1, "no more than one at once");
}

#[tokio::test(start_paused = true)]
async fn cc_05_exchanges_that_vanish_give_their_places_back() {
    let service = one_at_once();
    let mut browser = service.sign_in("user_a").await;
    time::sleep(s(310)).await;
    for _ in 0..3 {
        service.workos.will(Endpoint::Authenticate, Reply::Panics);
        assert_eq!(service.get(&mut browser).await.refusal().0, Reason::Upstream);
    }
    service.get(&mut browser).await.session();
}
