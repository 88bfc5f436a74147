use std::time::SystemTime;

use serde_json::json;

use super::*;
use crate::{
    Revocation,
    testing::{Browser, Endpoint, Reply, Service},
};

/// When a request is decided.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum When {
    AtOnce,
    LaterOn,
}

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn status(status: u16) -> Reply {
    Reply::Instead(status, Vec::new(), json!({}).to_string())
}

async fn judged(
    service: &Service,
    browser: &Browser,
    policy: &Policy,
) -> (When, Result<(), Reason>) {
    let (when, decided) = match service.authenticator.authenticate(&browser.headers(), policy) {
        Decision::Admit(admission) => (When::AtOnce, Ok(admission)),
        Decision::Refuse(refusal) => (When::AtOnce, Err(refusal)),
        Decision::Wait(waiting) => (When::LaterOn, waiting.await),
    };
    (when, decided.map(drop).map_err(|refusal| refusal.reason()))
}

#[tokio::test(start_paused = true)]
async fn a_session_is_admitted_or_refused_at_once_unless_workos_has_to_be_asked() {
    use When::{AtOnce, LaterOn};

    let any = Policy::default();
    let (young, lasting, in_use) = (
        any.with_max_token_age(s(30)),
        any.with_max_session_age(s(3_600)),
        any.with_idle_timeout(s(100)),
    );
    let (usual, expired) = (|| Reply::Usual(s(0)), Err(Reason::Expired));
    // The session's age in seconds, the layer's policy, how WorkOS answers, the decision, and whether WorkOS is asked.
    let cases = [
        ("good", 0, any, usual(), (AtOnce, Ok(())), false),
        ("young enough", 29, young, usual(), (AtOnce, Ok(())), false),
        ("too old", 30, young, usual(), (LaterOn, Ok(())), true),
        ("too old, down", 30, young, Reply::Hangs, (LaterOn, Err(Reason::TimedOut)), true),
        ("too old, no cookie kept", 30, young.without_refresh(), usual(), (AtOnce, expired), false),
        ("expiring", 280, any, usual(), (LaterOn, Ok(())), true),
        ("expiring, down", 280, any, Reply::Hangs, (LaterOn, Ok(())), true),
        ("expiring, no cookie kept", 280, any.without_refresh(), usual(), (AtOnce, Ok(())), false),
        ("expired", 310, any, usual(), (LaterOn, Ok(())), true),
        ("expired, down", 310, any, Reply::Hangs, (LaterOn, Err(Reason::TimedOut)), true),
        ("expired, no cookie kept", 310, any.without_refresh(), usual(), (AtOnce, expired), false),
        (
            "begun nobody knows when",
            0,
            lasting,
            usual(),
            (AtOnce, Err(Reason::SessionTooOld)),
            false,
        ),
        ("unused", 100, in_use, usual(), (AtOnce, Err(Reason::SessionIdle)), false),
        ("used", 50, in_use, usual(), (LaterOn, Ok(())), true),
    ];
    for (name, age, policy, reply, expected, asks) in cases {
        let service = Service::new();
        let browser = service.sign_in("user_a").await;
        service.workos.usually(Endpoint::Authenticate, reply);
        time::sleep(s(age)).await;
        assert_eq!(judged(&service, &browser, &policy).await, expected, "{name}");
        assert_eq!(service.workos.calls(Endpoint::Authenticate) > 0, asks, "{name}");
    }

    let service = Service::new();
    for (name, browser, reason) in [
        ("no cookie", Browser::default(), Reason::NoCookie),
        ("garbage", Browser::holding("garbage"), Reason::UnreadableCookie),
        ("no session", service.browser_with(&json!({})), Reason::NotASession),
    ] {
        assert_eq!(judged(&service, &browser, &any).await, (AtOnce, Err(reason)), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_became_of_a_session_decides_before_its_token() {
    type RevokedAt = fn(SystemTime) -> Revocation;

    let session: RevokedAt = |at| Revocation::session("session_0", at);
    let member: RevokedAt = |at| Revocation::membership("user_a", "org_1", at);
    let cases = [
        ("signed out", None, (When::AtOnce, Err(Reason::SignedOut)), 0),
        ("revoked", Some(session), (When::AtOnce, Err(Reason::Revoked)), 0),
        ("changed", Some(member), (When::LaterOn, Ok(())), 1),
    ];
    for (name, revocation, expected, refreshes) in cases {
        let service = Service::new();
        let browser = service.sign_in_with("user_a", json!({ "org_id": "org_1" })).await;
        time::sleep(s(5)).await;
        match revocation {
            None => drop(service.authenticator.sign_out(&browser.headers())),
            Some(revocation) => {
                let revocation = revocation(service.clock.wall());
                service.authenticator.revoke(revocation).await.unwrap();
            }
        }
        time::sleep(s(1)).await;
        let decided = judged(&service, &browser, &Policy::default()).await;
        assert_eq!(decided, expected, "{name}");
        assert_eq!(service.workos.calls(Endpoint::Authenticate), refreshes, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_for_signing_keys_once() {
    for (reply, expected) in [
        (Reply::Usual(s(0)), Ok(())),
        (Reply::Usual(s(3)), Ok(())),
        (Reply::Hangs, Err(Reason::NoKeys)),
        (status(500), Err(Reason::NoKeys)),
    ] {
        let name = format!("{reply:?}");
        let service = Service::new();
        let browser = service.sign_in("user_a").await;
        let fetched = service.workos.calls(Endpoint::Jwks);
        let replica = service.replica(|config| config);
        service.workos.usually(Endpoint::Jwks, reply);
        let decided = judged(&replica, &browser, &Policy::default()).await;
        assert_eq!(decided, (When::LaterOn, expected), "{name}");
        assert_eq!(service.workos.calls(Endpoint::Jwks), fetched + 1, "{name}");
    }
}
