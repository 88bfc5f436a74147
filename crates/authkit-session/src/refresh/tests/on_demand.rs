//! What a handler asks for, beside requests and beside other handlers.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex},
};

use serde_json::json;
use tokio::time;

use super::{ms, s};
use crate::{
    Config, ErrorKind, HookDecision, Reason, RefreshedSession, VerifiedSession,
    testing::{Browser, Endpoint, Reply, Service, Workos, clock},
};

fn refused(code: &str) -> Reply {
    Reply::Instead(400, Vec::new(), json!({ "error": code }).to_string())
}

/// A session in `org_a`, whose user is in `org_b` too; its token has expired.
async fn in_org_a(set: impl FnOnce(Config) -> Config) -> (Service, Browser, Arc<VerifiedSession>) {
    let clock = clock();
    let service = Service::with(Workos::new(clock.clone()), clock, set);
    let mut browser = service.sign_in_with("user_a", json!({ "org_id": "org_a" })).await;
    service.workos.join("session_0", "org_b");
    let session = service.get(&mut browser).await.session();
    time::sleep(s(310)).await;
    (service, browser, session)
}

#[tokio::test(start_paused = true)]
async fn a_request_is_not_refused_for_the_organization_that_a_switch_beside_it_asks_for() {
    for (code, goes_on) in [("organization_not_found", true), ("invalid_client", false)] {
        let (service, browser, session) = in_org_a(|config| config).await;
        service.workos.will(Endpoint::Authenticate, refused(code));
        let headers = browser.headers();
        let switch = service.authenticator.switch_organization(&headers, &session, "org_b");
        let (switched, opened) = tokio::join!(switch, service.open(&browser));
        assert!(switched.is_err(), "{code}");
        assert_eq!(opened.is_ok(), goes_on, "{code}");
        assert_eq!(service.refreshes(), if goes_on { 2 } else { 1 }, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_switch_is_not_refused_for_what_a_request_beside_it_asks_for() {
    let (service, browser, session) = in_org_a(|config| config).await;
    service.workos.will(Endpoint::Authenticate, refused("invalid_client"));
    let headers = browser.headers();
    let switch = service.authenticator.switch_organization(&headers, &session, "org_b");
    let (opened, switched) = tokio::join!(service.open(&browser), switch);
    assert_eq!(opened.unwrap_err().reason(), Reason::Misconfigured);
    assert_eq!(switched.unwrap().session().organization_id(), Some("org_b"));
    assert_eq!(service.refreshes(), 2);
}

#[tokio::test(start_paused = true)]
async fn two_switches_to_one_organization_are_refused_alike() {
    let (service, browser, session) = in_org_a(|config| config).await;
    service.workos.will(Endpoint::Authenticate, refused("organization_not_found"));
    let headers = browser.headers();
    let switch = || service.authenticator.switch_organization(&headers, &session, "org_b");
    let (one, another) = tokio::join!(switch(), switch());
    for switched in [one, another] {
        assert_eq!(switched.unwrap_err().kind(), ErrorKind::OrganizationGone);
    }
    assert_eq!(service.refreshes(), 1);
}

/// Otherwise a handler would ask WorkOS again and again for what was refused.
#[tokio::test(start_paused = true)]
async fn only_a_switch_asks_again_after_the_sessions_organization_was_refused() {
    let (service, browser, session) = in_org_a(|config| config).await;
    service.workos.will(Endpoint::Authenticate, refused("organization_not_found"));
    service.open(&browser).await.unwrap_err();
    let headers = browser.headers();
    let refreshed = service.authenticator.refresh(&headers, &session).await;
    assert_eq!(refreshed.unwrap_err().kind(), ErrorKind::OrganizationGone);
    assert_eq!(service.refreshes(), 1, "as remembered");
    let switched = service.authenticator.switch_organization(&headers, &session, "org_b").await;
    assert_eq!(switched.unwrap().session().organization_id(), Some("org_b"));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_comes_too_soon_is_told_so_and_one_that_finds_no_room_is_not() {
    let (service, browser, session) = in_org_a(|config| config).await;
    let headers = browser.headers();
    let refresh = || service.authenticator.refresh(&headers, &session);
    refresh().await.unwrap();
    time::sleep(ms(500)).await;
    let error = refresh().await.unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::TooSoon, Some(ms(1_500))));

    let [one, many] = [1, 1_000].map(|n| NonZeroUsize::new(n).unwrap());
    let (service, browser, session) =
        in_org_a(|config| config.with_refresh_limits(one, many)).await;
    let other = service.sign_in("user_b").await;
    time::sleep(s(310)).await;
    service.workos.usually(Endpoint::Authenticate, Reply::Usual(s(3)));
    let headers = browser.headers();
    let refresh = service.authenticator.refresh(&headers, &session);
    let (opened, refreshed) = tokio::join!(service.open(&other), refresh);
    assert!(opened.is_ok());
    assert_eq!(refreshed.unwrap_err().kind(), ErrorKind::Transient);
}

/// A session about which the application has not decided is handed to no handler, however it asks.
#[tokio::test(start_paused = true)]
async fn a_switch_that_the_hook_has_not_decided_about_is_not_finished_by_asking_again() {
    let hook = async |_| HookDecision::Undecided;
    let (service, browser, session) = in_org_a(|config| config.with_refresh_hook(hook)).await;
    let headers = browser.headers();
    for _ in 0..2 {
        let switch = service.authenticator.switch_organization(&headers, &session, "org_b");
        assert_eq!(switch.await.unwrap_err().kind(), ErrorKind::HookUndecided);
    }
    assert_eq!(service.refreshes(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_hook_is_told_the_session_before_as_long_as_that_verifies() {
    let told: Arc<Mutex<Vec<Option<String>>>> = Arc::default();
    let hook = {
        let told = Arc::clone(&told);
        move |RefreshedSession { previous, .. }| {
            let previous = previous.map(|it| it.organization_id().unwrap_or_default().to_owned());
            told.lock().unwrap().push(previous);
            async { HookDecision::Keep }
        }
    };
    let (service, browser, session) = in_org_a(|config| config.with_refresh_hook(hook)).await;
    let headers = browser.headers();
    service.authenticator.switch_organization(&headers, &session, "org_b").await.unwrap();
    assert_eq!(*told.lock().unwrap(), [Some("org_a".to_owned())]);
}

/// A session goes on to the end of its token, and a page may say so.
#[tokio::test(start_paused = true)]
async fn an_admission_tells_whether_its_session_can_be_refreshed() {
    let service = Service::new();
    let browser = service.sign_in("user_a").await;
    assert!(!service.open(&browser).await.unwrap().is_refresh_refused());
    time::sleep(s(280)).await;
    service.workos.usually(Endpoint::Authenticate, refused("invalid_grant"));
    assert!(service.open(&browser).await.unwrap().is_refresh_refused());
}
