use std::time::{Duration, SystemTime};

use serde_json::json;

use super::*;
use crate::{
    authenticator::Authenticator,
    decide::reason::{Reason, RefusalKind},
    request::admission::FetchDestination,
    testing::{Browser, Endpoint, Reply, Service},
};

const MINUTE: Duration = Duration::from_secs(60);

fn now(service: &Service) -> SystemTime {
    service.authenticator.settings().clock().wall()
}

fn advance(service: &Service, by: Duration) {
    service.authenticator.settings().clock().advance(by);
}

async fn revoke(service: &Service, revocation: Revocation) {
    service.authenticator.revoke(revocation).await.unwrap();
}

/// A member of an organization, with a role.
async fn admin(service: &Service) -> Browser {
    service.sign_in_with("user_1", json!({ "org_id": "org_1", "role": "admin" })).await
}

fn demoted(service: &Service) -> Revocation {
    Revocation::membership("user_1", "org_1", now(service))
}

#[tokio::test(start_paused = true)]
async fn an_ended_session_is_refused_without_a_call_and_only_a_document_deletes_it() {
    for of_user in [false, true] {
        let service = Service::new();
        let mut browser = service.sign_in("user_1").await;
        let mut other = service.sign_in("user_2").await;
        let session = service.get(&mut browser).await.session();
        let revocation = if of_user {
            Revocation::user(session.user_id(), now(&service))
        } else {
            Revocation::session(session.session_id(), now(&service))
        };
        revoke(&service, revocation).await;

        for wait in [Duration::ZERO, 10 * MINUTE] {
            advance(&service, wait);
            let refusal = service.fetch(&mut browser).await.refusal();
            assert_eq!(refusal, (Reason::Revoked, RefusalKind::Challenge));
            assert!(browser.is_signed_in(), "a script's answer leaves the cookie alone");
        }
        assert_eq!(service.workos.calls(Endpoint::Authenticate), 0, "expired or not");
        assert_eq!(service.get(&mut browser).await.refusal().0, Reason::Revoked);
        assert!(!browser.is_signed_in());
        assert_eq!(service.get(&mut other).await.session().user_id(), "user_2");
    }
}

/// The refresh was under way already, and WorkOS made its token before the end.
#[tokio::test(start_paused = true)]
async fn a_session_that_a_refresh_brings_after_its_end_is_refused() {
    type End = fn(&str, &str, SystemTime) -> Revocation;
    let ends: [(&str, End); 3] = [
        ("the session", |_, session, at| Revocation::session(session, at)),
        ("the user's sessions", |user, _, at| Revocation::user(user, at)),
        ("the user", |user, _, at| Revocation::deleted_user(user, at)),
    ];
    for (name, end) in ends {
        let service = Service::new();
        let mut browser = service.sign_in("user_1").await;
        let session = service.get(&mut browser).await.session();
        advance(&service, 10 * MINUTE);
        // The fake WorkOS makes the token as it answers, in two seconds.
        let at = now(&service) + Duration::from_secs(3);
        let end = end(session.user_id(), session.session_id(), at);
        service.workos.usually(Endpoint::Authenticate, Reply::Usual(Duration::from_secs(2)));
        let (refused, ()) = tokio::join!(service.get(&mut browser), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            revoke(&service, end).await;
        });
        assert_eq!(service.workos.calls(Endpoint::Authenticate), 1, "{name}");
        assert_eq!(refused.refusal(), (Reason::SignedOut, RefusalKind::Challenge), "{name}");
        assert_eq!(service.fetch(&mut browser).await.refusal().1, RefusalKind::Challenge, "{name}");
        assert_eq!(service.workos.calls(Endpoint::Authenticate), 1, "{name}: and it is over");
    }
}

/// WorkOS's clock and the one that stamps an event are not one: the token may name the later second.
#[tokio::test(start_paused = true)]
async fn f9_what_ended_for_ever_is_refused_though_its_token_looks_younger() {
    for of_user in [false, true] {
        let service = Service::new();
        let mut browser = service.sign_in("user_1").await;
        let session = service.get(&mut browser).await.session();
        let before = now(&service) - MINUTE;
        let revocation = if of_user {
            Revocation::deleted_user(session.user_id(), before)
        } else {
            Revocation::session(session.session_id(), before)
        };
        revoke(&service, revocation).await;
        assert_eq!(service.fetch(&mut browser).await.refusal().0, Reason::Revoked);
        assert_eq!(service.workos.calls(Endpoint::Authenticate), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn f11_an_organization_that_changed_has_its_sessions_refreshed_and_no_others() {
    let service = Service::new();
    let mut browser = admin(&service).await;
    let mut other = service.sign_in_with("user_2", json!({ "org_id": "org_2" })).await;
    let id = service.get(&mut browser).await.session().session_id().to_owned();
    service.get(&mut other).await.session();

    advance(&service, MINUTE);
    service.workos.claim(&id, "role", json!("member"));
    revoke(&service, Revocation::organization("org_1", now(&service))).await;
    advance(&service, Duration::from_secs(1));
    assert_eq!(service.fetch(&mut browser).await.session().role(), Some("member"));
    assert_eq!(service.workos.calls(Endpoint::Authenticate), 1);
    service.get(&mut other).await.session();
    assert_eq!(service.workos.calls(Endpoint::Authenticate), 1, "another organization's");

    advance(&service, MINUTE);
    revoke(&service, Revocation::organization("org_1", now(&service))).await;
    let gone = r#"{"error":"organization_not_found","error_description":""}"#;
    service.workos.will(Endpoint::Authenticate, Reply::Instead(400, Vec::new(), gone.to_owned()));
    let refusal = service.get(&mut browser).await.refusal();
    assert_eq!(refusal, (Reason::OrganizationGone, RefusalKind::Challenge));
}

#[tokio::test(start_paused = true)]
async fn who_signs_in_after_signing_out_everywhere_is_let_in() {
    let service = Service::new();
    revoke(&service, Revocation::user("user_1", now(&service))).await;
    advance(&service, Duration::from_secs(1));
    let mut browser = service.sign_in("user_1").await;
    assert_eq!(service.get(&mut browser).await.session().user_id(), "user_1");
}

#[tokio::test(start_paused = true)]
async fn a_changed_role_is_seen_at_the_next_request_however_new_the_token_is() {
    let service = Service::new();
    let mut browser = admin(&service).await;
    let id = service.get(&mut browser).await.session().session_id().to_owned();
    let old = browser.clone();

    // By a token from the sign-in, by one that was refreshed a moment ago, and by an old cookie that comes late.
    for (wait, role) in [(MINUTE, "member"), (Duration::from_secs(3), "guest")] {
        advance(&service, wait);
        service.workos.claim(&id, "role", json!(role));
        revoke(&service, demoted(&service)).await;
        advance(&service, Duration::from_secs(1));
        assert_eq!(service.fetch(&mut browser).await.session().role(), Some(role));
    }
    assert_eq!(service.fetch(&mut old.clone()).await.session().role(), Some("guest"));
    let exchanges = service.workos.calls(Endpoint::Authenticate);
    assert_eq!(service.fetch(&mut browser).await.session().role(), Some("guest"));
    assert_eq!(service.workos.calls(Endpoint::Authenticate), exchanges, "once seen, it is seen");
}

#[tokio::test(start_paused = true)]
async fn a_change_in_the_second_of_the_token_is_asked_about_once() {
    let service = Service::new();
    let mut browser = admin(&service).await;
    revoke(&service, demoted(&service)).await;

    for _ in 0..3 {
        service.fetch(&mut browser).await.session();
    }
    assert_eq!(
        service.workos.calls(Endpoint::Authenticate),
        1,
        "the new token is of that second too"
    );
}

#[tokio::test(start_paused = true)]
async fn a_change_by_a_clock_that_is_ahead_shuts_nobody_out() {
    let service = Service::new();
    let mut browser = admin(&service).await;
    let ahead = Revocation::membership("user_1", "org_1", now(&service) + Duration::from_secs(5));
    revoke(&service, ahead).await;

    for second in 0..8 {
        service.fetch(&mut browser).await.session();
        advance(&service, Duration::from_secs(1));
        let calls = service.workos.calls(Endpoint::Authenticate);
        assert!(calls <= 2 * (second + 1), "{calls} exchanges for {} requests", second + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn while_workos_is_away_a_changed_member_waits_and_stays_signed_in() {
    let service = Service::new();
    let mut browser = admin(&service).await;
    advance(&service, MINUTE);
    revoke(&service, demoted(&service)).await;
    service.workos.usually(Endpoint::Authenticate, Reply::NotSent);

    let (_, kind) = service.get(&mut browser).await.refusal();
    assert_eq!(kind, RefusalKind::Unavailable, "what the token says of the role may be untrue");
    assert!(browser.is_signed_in());

    service.workos.usually(Endpoint::Authenticate, Reply::Usual(Duration::ZERO));
    // The exchange under way is given up meanwhile.
    tokio::time::sleep(MINUTE).await;
    assert_eq!(service.get(&mut browser).await.session().user_id(), "user_1");
}

#[tokio::test(start_paused = true)]
async fn who_signed_out_here_is_not_told_of_a_revocation() {
    let service = Service::new();
    let browser = service.sign_in("user_1").await;
    let signed_out = service.authenticator.sign_out(&browser.headers());
    let id = signed_out.session_id.unwrap();
    revoke(&service, Revocation::session(id, now(&service))).await;

    let refusal = service.open(&browser).await.unwrap_err();
    assert_eq!(refusal.reason(), Reason::SignedOut);
    // The browser may have signed in again since: its cookie is another one by now.
    assert!(refusal.set_cookie_headers(FetchDestination::Document).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_member_that_was_removed_is_asked_to_sign_in_without_the_organization() {
    let service = Service::new();
    let mut browser = admin(&service).await;
    advance(&service, MINUTE);
    revoke(&service, demoted(&service)).await;
    let gone = r#"{"error":"organization_membership_not_found","error_description":""}"#;
    service.workos.will(Endpoint::Authenticate, Reply::Instead(400, Vec::new(), gone.to_owned()));

    let refusal = service.get(&mut browser).await.refusal();
    assert_eq!(refusal, (Reason::OrganizationGone, RefusalKind::Challenge));
}

/// Nothing is published where nobody is to be told, and nobody waits for that.
#[tokio::test]
async fn without_replicas_it_holds_here() {
    let service = Service::new();
    let authenticator: &Authenticator = &service.authenticator;
    let revocation = Revocation::session("session_1", now(&service));
    assert_eq!(authenticator.revoke(revocation).await, Ok(()));
}

#[test]
fn whoever_revokes_is_told_that_others_may_not_have_heard() {
    let words = "the other replicas could not be told of a revocation";
    assert_eq!(super::NotPublished::new().to_string(), words);
}
