use serde_json::json;
use tokio::time;

use super::{expired, ms, s};
use crate::{
    ErrorKind, Policy, Reason,
    decide::{
        reason::RefusalKind::{Challenge, ChallengeDocuments, Unavailable},
        refresh_outcome::ApiRefusal,
    },
    integration::RefusalKind,
    testing::{Answer, Browser, Endpoint, Reply, Rotation, Service, Workos},
    upstream::error_answer::{
        UpstreamFailure,
        tests::{DOCUMENTED, OF_PROXIES},
    },
};

fn refused_with(status: u16, body: &serde_json::Value) -> Reply {
    Reply::Instead(status, Vec::new(), body.to_string())
}

#[tokio::test(start_paused = true)]
async fn rf_01_an_expired_session_is_refreshed_in_the_same_request() {
    let (service, mut browser) = expired().await;
    let old = browser.clone();
    let admission = service.open(&browser).await.unwrap();
    assert!(admission.session().expires_at() > service.clock.wall());
    let cookies = admission.set_cookie_headers();
    assert_eq!(cookies.len(), 1, "one cookie");
    browser.take(&cookies);
    assert_ne!(browser, old);
    assert_eq!(service.refreshes(), 1);

    let session = service.get(&mut browser).await.session();
    assert_eq!(session.access_token().expose(), admission.session().access_token().expose());
    assert_eq!(service.refreshes(), 1, "the new cookie is good");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_fits_one_cookie_again_leaves_no_parts_behind() {
    let service = Service::new();
    let permissions: Vec<_> = (0..150).map(|n| format!("permission:{n}")).collect();
    let mut browser = service.sign_in_with("user_a", json!({ "permissions": permissions })).await;
    assert_eq!(browser.cookie().unwrap().0, "wos_session.0");
    service.workos.claim("session_0", "permissions", json!([]));
    time::sleep(s(310)).await;
    service.get(&mut browser).await.session();
    let field = browser.headers()[http::header::COOKIE].to_str().unwrap().to_owned();
    assert!(field.starts_with("wos_session=") && !field.contains(';'), "{field:.40}");
}

#[tokio::test(start_paused = true)]
async fn rf_03_the_new_cookie_holds_what_the_answer_says_and_keeps_the_rest() {
    let service = Service::new();
    let claims = json!({ "org_id": "org_a", "act": { "sub": "admin@example.com" } });
    service.workos.sign_in("nobody", json!({}));
    let mut browser = service.sign_in_with("user_a", claims).await;
    service.workos.answer_field(
        "session_1",
        "impersonator",
        json!({ "email": "admin@example.com", "reason": "a ticket" }),
    );
    service.workos.change_user("session_1", "first_name", json!("Ada"));
    time::sleep(s(310)).await;

    let session = service.get(&mut browser).await.session();
    assert_eq!(session.user().first_name.as_deref(), Some("Ada"));
    assert_eq!(session.organization_id(), Some("org_a"));
    let impersonator = session.impersonator().unwrap();
    assert_eq!(impersonator.email, "admin@example.com");
    assert_eq!(impersonator.reason.as_deref(), Some("a ticket"));

    time::sleep(s(310)).await;
    assert_eq!(service.get(&mut browser).await.session().user().id, "user_a");
    let exchanges = service.workos.exchanges();
    assert_ne!(exchanges[0].token, exchanges[1].token, "the second exchange used the new token");
    for exchange in exchanges {
        assert_eq!(exchange.organization.as_deref(), Some("org_a"), "of an expired token too");
    }
}

#[tokio::test(start_paused = true)]
async fn rf_04_a_new_pair_that_cannot_be_verified_is_set_but_not_believed() {
    let (service, mut browser) = expired().await;
    let old = browser.clone();
    service.workos.sign_with(1);
    service.workos.usually(Endpoint::Jwks, refused_with(500, &json!({})));
    assert_eq!(service.get(&mut browser).await.refusal(), (Reason::Unverified, Unavailable));
    assert_ne!(browser, old, "the old token is spent");

    // Whichever cookie comes meanwhile, WorkOS is not asked for another pair.
    let (reason, kind) = service.get(&mut browser.clone()).await.refusal();
    assert_eq!(kind, Unavailable, "{reason}");
    let (reason, kind) = service.get(&mut old.clone()).await.refusal();
    assert_eq!(kind, Unavailable, "{reason}");
    assert_eq!(service.refreshes(), 1);

    service.workos.usually(Endpoint::Jwks, Reply::Usual(ms(20)));
    time::sleep(s(31)).await;
    service.get(&mut browser).await.session();
    assert_eq!(service.refreshes(), 1);
}

/// Nobody can be asked about a session of which nothing is known yet.
#[tokio::test(start_paused = true)]
async fn the_application_is_asked_about_a_new_pair_once_it_can_be_verified() {
    for (says, expected) in [
        (crate::HookDecision::Keep, Ok("user_a".to_owned())),
        (crate::HookDecision::Refuse, Err(Reason::HookRefused)),
    ] {
        let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let clock = crate::testing::clock();
        let workos = crate::testing::Workos::new(clock.clone());
        let service = Service::with(workos, clock, |config| {
            let asked = asked.clone();
            config.with_refresh_hook(move |_| {
                asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                std::future::ready(says)
            })
        });
        let asked = || asked.load(std::sync::atomic::Ordering::SeqCst);
        let mut browser = service.sign_in("user_a").await;
        time::sleep(s(310)).await;
        service.workos.sign_with(1);
        service.workos.usually(Endpoint::Jwks, refused_with(500, &json!({})));
        let (_, kind) = service.get(&mut browser).await.refusal();
        assert_eq!((kind, asked()), (Unavailable, 0), "{says:?}");

        service.workos.usually(Endpoint::Jwks, Reply::Usual(ms(20)));
        time::sleep(s(31)).await;
        let found = match service.get(&mut browser).await {
            crate::testing::Answer::Session(session) => Ok(session.user_id().to_owned()),
            crate::testing::Answer::Refused(refusal) => Err(refusal.reason()),
        };
        // What the application refuses ends at WorkOS too.
        let revokes = usize::from(expected.is_err());
        assert_eq!((found, asked()), (expected, 1), "{says:?}");
        assert!(service.authenticator.drain(s(5)).await);
        assert_eq!(service.workos.calls(Endpoint::Revoke), revokes, "{says:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_pair_waits_for_the_key_that_it_names() {
    let (service, mut browser) = expired().await;
    service.workos.sign_with(1);
    service.workos.usually(Endpoint::Jwks, Reply::Usual(ms(300)));
    let asked = time::Instant::now();
    service.get(&mut browser).await.session();
    assert_eq!(asked.elapsed(), ms(300));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_newer_than_our_clock_says_is_looked_for_all_the_same() {
    // Our clock is a minute ahead: the keys seem newer than the token.
    let clock = crate::testing::clock();
    let workos = crate::testing::Workos::new(clock.clone());
    let ours = clock.clone();
    let ahead = crate::Clock::simulated(ours.wall() + s(60));
    let service = Service::with(workos, ahead, |config| config.with_leeway(s(60)));
    let mut browser = service.sign_in("user_a").await;
    time::sleep(s(400)).await;
    service.workos.lifetime(900);
    service.get(&mut browser).await.session();
    time::sleep(s(1_000)).await;
    // The keys have just been fetched when the key changes.
    let mut other = service.sign_in("user_b").await;
    service.get(&mut other).await.session();
    service.workos.sign_with(1);
    let session = service.get(&mut browser).await.session();
    assert_eq!(session.user_id(), "user_a");
}

#[tokio::test(start_paused = true)]
async fn rf_05_a_refusal_ends_a_session_only_when_it_is_repeated_and_for_a_document() {
    for (status, body) in [
        (400, json!({ "error": "invalid_grant" })),
        (400, json!({ "code": "invalid_grant" })),
        (401, json!({ "error": "invalid_grant", "error_description": "gone" })),
        (403, json!({ "code": "invalid_grant", "message": "gone" })),
    ] {
        let (service, mut browser) = expired().await;
        service.workos.usually(Endpoint::Authenticate, refused_with(status, &body));
        let just_now = (Reason::RefusedJustNow, ChallengeDocuments);
        assert_eq!(service.get(&mut browser).await.refusal(), just_now);
        time::sleep(ms(9_900)).await;
        assert_eq!(service.fetch(&mut browser).await.refusal(), just_now);
        time::sleep(ms(200)).await;
        for _ in 0..3 {
            assert_eq!(service.get(&mut browser).await.refusal(), (Reason::Refused, Challenge));
        }
        assert_eq!(service.refreshes(), 1, "remembered");
        assert!(browser.is_signed_in(), "kept");

        time::sleep(s(50)).await;
        let again = (Reason::RefusedAgain, Challenge);
        assert_eq!(service.fetch(&mut browser).await.refusal(), again);
        assert_eq!(service.refreshes(), 2, "asked once more");
        assert!(browser.is_signed_in(), "only a document's answer may delete it");
        time::sleep(s(600)).await;
        assert_eq!(service.get(&mut browser).await.refusal(), again);
        assert!(!browser.is_signed_in());
        assert_eq!(service.refreshes(), 2, "dead");
    }
}

#[tokio::test(start_paused = true)]
async fn rf_06_our_own_mistakes_sign_nobody_out() {
    // Credentials are refused for everybody, and good again as soon as they are mended; a request is this user's.
    for (status, body, remembered) in [
        (401, json!({ "message": "Unauthorized" }), s(0)),
        (403, json!({ "message": "Forbidden" }), s(0)),
        (400, json!({ "error": "invalid_client" }), s(0)),
        (400, json!({ "error": "unauthorized_client" }), s(0)),
        (400, json!({ "error": "invalid_request" }), s(60)),
        (404, json!({ "message": "Not Found" }), s(60)),
        (422, json!({ "code": "invalid_request_parameters", "message": "no" }), s(60)),
    ] {
        let (service, mut browser) = expired().await;
        let old = browser.clone();
        service.workos.will(Endpoint::Authenticate, refused_with(status, &body));
        let refusal = service.get(&mut browser).await.refusal();
        assert_eq!(refusal, (Reason::Misconfigured, Unavailable), "{status} {body}");
        assert_eq!(browser, old);
        time::sleep(remembered).await;
        service.get(&mut browser).await.session();
    }
}

#[tokio::test(start_paused = true)]
async fn any_other_4xx_is_a_challenge_that_keeps_the_cookie() {
    let (service, mut browser) = expired().await;
    for (status, body) in [
        (400, json!({ "message": "Something else" })),
        (400, json!({ "error": "a_word_of_the_future" })),
        (409, json!({})),
    ] {
        service.workos.will(Endpoint::Authenticate, refused_with(status, &body));
        assert_eq!(service.get(&mut browser).await.refusal(), (Reason::Rejected, Challenge));
        time::sleep(s(60)).await;
    }
    service.get(&mut browser).await.session();
}

#[tokio::test(start_paused = true)]
async fn rf_07_what_the_user_has_to_do_is_a_challenge_at_the_organization_remembered_a_minute() {
    for (status, word) in [
        (400, "sso_required"),
        (403, "sso_required"),
        (400, "mfa_enrollment"),
        (403, "mfa_enrollment"),
        (403, "mfa_challenge"),
        (403, "organization_selection_required"),
        (400, "organization_authentication_methods_required"),
        (403, "email_verification_required"),
        (403, "radar_challenge"),
    ] {
        let service = Service::new();
        let mut browser = service.sign_in_with("user_a", json!({ "org_id": "org_a" })).await;
        time::sleep(s(310)).await;
        let field = if status == 400 { "error" } else { "code" };
        service.workos.will(Endpoint::Authenticate, refused_with(status, &json!({ field: word })));
        for _ in 0..3 {
            let Answer::Refused(refusal) = service.get(&mut browser).await else {
                panic!("{word} admits");
            };
            assert_eq!(refusal.reason(), Reason::InteractionNeeded, "{word}");
            assert_eq!(refusal.kind(), Challenge);
            assert_eq!(refusal.organization(), Some("org_a"));
            time::sleep(s(19)).await;
        }
        assert_eq!(service.refreshes(), 1, "no loop on {word}");
        assert!(browser.is_signed_in());
        time::sleep(s(4)).await;
        service.get(&mut browser).await.session();
    }
}

#[tokio::test(start_paused = true)]
async fn an_organization_that_is_gone_is_a_challenge_without_it() {
    for word in
        ["organization_not_found", "organization_membership_not_found", "invalid_organization_id"]
    {
        let service = Service::new();
        let mut browser = service.sign_in_with("user_a", json!({ "org_id": "org_a" })).await;
        time::sleep(s(310)).await;
        service.workos.will(Endpoint::Authenticate, refused_with(400, &json!({ "error": word })));
        let Answer::Refused(refusal) = service.get(&mut browser).await else {
            panic!("{word} admits");
        };
        assert_eq!((refusal.reason(), refusal.kind()), (Reason::OrganizationGone, Challenge));
        assert_eq!(refusal.organization(), None);
        assert!(browser.is_signed_in());
    }
}

#[tokio::test(start_paused = true)]
async fn another_users_or_organizations_session_is_never_set() {
    let cases = [
        ("sub", json!("user_b")),
        ("org_id", json!("org_b")),
        // A token without one of them is nobody's, and would move the user out of the organization.
        ("sub", json!(null)),
        ("org_id", json!(null)),
    ];
    for (claim, value) in cases {
        let service = Service::new();
        let mut browser = service.sign_in_with("user_a", json!({ "org_id": "org_a" })).await;
        let old = browser.clone();
        time::sleep(s(310)).await;
        let mut claims = json!({ "sub": "user_a", "org_id": "org_a", "sid": "session_0" });
        claims["exp"] = json!(service.clock.unix() + 300);
        claims[claim] = value.clone();
        let answer = json!({
            "access_token": crate::testing::key(0).token(&claims),
            "refresh_token": "refresh_x",
            "user": { "id": claims["sub"].as_str().unwrap_or("user_a"), "email": "b@example.com" },
        });
        service.workos.will(Endpoint::Authenticate, refused_with(200, &answer));
        let refusal = service.get(&mut browser).await.refusal();
        assert_eq!(refusal, (Reason::Foreign, Unavailable), "{claim}: {value}");
        assert_eq!(browser, old, "{claim}: {value}");
    }
}

#[tokio::test(start_paused = true)]
async fn rf_08_a_refresh_that_is_not_needed_yet_harms_nobody() {
    let failures = [
        ("429", refused_with(429, &json!({ "code": "rate_limit_exceeded" }))),
        ("500", refused_with(500, &json!({}))),
        ("401", refused_with(401, &json!({ "message": "Unauthorized" }))),
        ("invalid_grant", refused_with(400, &json!({ "error": "invalid_grant" }))),
        ("sso_required", refused_with(400, &json!({ "error": "sso_required" }))),
        ("organization", refused_with(400, &json!({ "error": "organization_not_found" }))),
        ("unknown", refused_with(418, &json!({}))),
        ("not sent", Reply::NotSent),
        ("hangs", Reply::Hangs),
        ("slow", Reply::Usual(ms(1_500))),
        ("garbled", refused_with(200, &json!("<html>"))),
    ];
    for (name, failure) in failures {
        let service = Service::new();
        let mut browser = service.sign_in("user_a").await;
        let before = service.get(&mut browser).await.session();
        service.workos.usually(Endpoint::Authenticate, failure);
        time::sleep(s(280)).await;

        let asked = time::Instant::now();
        let session = service.get(&mut browser).await.session();
        assert_eq!(session.access_token().expose(), before.access_token().expose(), "{name}");
        assert!(asked.elapsed() <= s(1), "{name} took {:?}", asked.elapsed());
        assert!(service.refreshes() > 0, "{name}");
        assert!(browser.is_signed_in());
    }
}

#[tokio::test(start_paused = true)]
async fn rf_08_a_refresh_in_the_window_is_in_time() {
    for (lifetime, good, expiring) in [(300, 269, 271), (3_600, 3_539, 3_541), (30, 19, 21)] {
        let service = Service::new();
        service.workos.lifetime(lifetime);
        let mut browser = service.sign_in("user_a").await;
        time::sleep(s(good)).await;
        service.get(&mut browser).await.session();
        assert_eq!(service.refreshes(), 0, "{lifetime} s");
        time::sleep(s(expiring - good)).await;
        let session = service.get(&mut browser).await.session();
        assert_eq!(service.refreshes(), 1, "{lifetime} s");
        assert!(session.issued_at() > service.clock.wall() - s(2));
    }
}

#[tokio::test(start_paused = true)]
async fn rf_08_a_handlers_refresh_goes_on_from_the_layers() {
    let (service, browser) = expired().await;
    let admission = service.open(&browser).await.unwrap();
    time::sleep(s(3)).await;
    let again =
        service.authenticator.refresh(&browser.headers(), admission.session()).await.unwrap();
    assert!(again.session().issued_at() > admission.session().issued_at());
    let exchanges = service.workos.exchanges();
    assert_eq!(exchanges.len(), 2);
    assert_ne!(exchanges[0].token, exchanges[1].token, "not the request's, which is spent");
}

/// A handler may hold a session that is not the one of these cookies.
#[tokio::test(start_paused = true)]
async fn another_users_session_is_neither_refreshed_nor_switched_on_demand() {
    let service = Service::new();
    let mut alices = service.sign_in("user_a").await;
    let bobs = service.sign_in("user_b").await.headers();
    let alice = service.get(&mut alices).await.session();
    time::sleep(s(10)).await;
    let refreshed = service.authenticator.refresh(&bobs, &alice).await;
    let switched = service.authenticator.switch_organization(&bobs, &alice, "org_b").await;
    for result in [refreshed, switched] {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::NoSession);
    }
    assert!(service.workos.exchanges().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_older_than_the_layer_wants_is_renewed_or_refused() {
    let service = Service::new();
    let mut browser = service.sign_in("user_a").await;
    let old = browser.clone();
    let policy = Policy::default().with_max_token_age(s(30));
    time::sleep(s(31)).await;
    let admission = service.open_under(&browser, &policy).await.unwrap();
    browser.take(&admission.set_cookie_headers());
    assert_eq!(service.refreshes(), 1);

    // A straggler gets the successor while that is young enough, and then a newer one.
    time::sleep(s(20)).await;
    service.open_under(&old, &policy).await.unwrap();
    assert_eq!(service.refreshes(), 1);
    time::sleep(s(20)).await;
    let admission = service.open_under(&old, &policy).await.unwrap();
    assert_eq!(service.refreshes(), 2);
    assert!(admission.session().issued_at() > service.clock.wall() - s(2));

    // A token that is good but too old admits nobody.
    service.workos.usually(Endpoint::Authenticate, refused_with(500, &json!({})));
    browser.take(&admission.set_cookie_headers());
    time::sleep(s(35)).await;
    let refusal = service.open_under(&browser, &policy).await.unwrap_err();
    assert_eq!(refusal.kind(), RefusalKind::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_token_that_workos_does_not_rotate_serves_on() {
    let (service, mut browser) = expired().await;
    service.workos.rotate(Rotation::None);
    let mut straggler = browser.clone();
    service.get(&mut browser).await.session();
    service.get(&mut straggler).await.session();
    assert_eq!(browser, straggler, "both have the new cookie");
    assert_eq!(service.refreshes(), 1);
    for round in 2..5 {
        time::sleep(s(310)).await;
        service.get(&mut browser).await.session();
        assert_eq!(service.refreshes(), round);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cookie_without_a_refresh_token_is_good_until_it_expires() {
    let service = Service::new();
    let answer = service.workos.sign_in("user_a", json!({}));
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let mut browser: Browser = service
        .browser_with(&json!({ "access_token": answer["access_token"], "user": answer["user"] }));
    time::sleep(s(280)).await;
    service.get(&mut browser).await.session();
    time::sleep(s(30)).await;
    assert_eq!(service.get(&mut browser).await.refusal(), (Reason::Expired, Challenge));
    assert_eq!(service.refreshes(), 0);
    assert!(browser.is_signed_in());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_names_no_user_makes_no_loop() {
    let service = Service::new();
    let answer = service.workos.sign_in("user_a", json!({}));
    let mut answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    answer.as_object_mut().unwrap().remove("user");
    service.workos.answer_field("session_0", "user", json!(null));
    let mut browser = service.browser_with(&answer);
    for _ in 0..10 {
        assert_eq!(service.get(&mut browser).await.refusal(), (Reason::Unverified, Unavailable));
        time::sleep(ms(900)).await;
    }
    assert_eq!(service.refreshes(), 1, "once in ten seconds");

    let user = json!({ "object": "user", "id": "user_a", "email": "user_a@example.com" });
    service.workos.answer_field("session_0", "user", user);
    time::sleep(s(2)).await;
    assert_eq!(service.get(&mut browser).await.session().user_id(), "user_a");
    assert_eq!(service.refreshes(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_far_ahead_makes_no_loop() {
    let theirs = crate::testing::clock();
    let ours = crate::Clock::simulated(theirs.wall());
    let service = Service::with(Workos::new(theirs), ours.clone(), |config| config);
    let mut browser = service.sign_in("user_a").await;
    ours.advance(s(600));
    let before = browser.clone();
    assert_eq!(service.get(&mut browser).await.refusal().1, Unavailable);
    assert_ne!(browser, before, "the old token is spent");
    for _ in 0..20 {
        assert_eq!(service.get(&mut browser).await.refusal(), (Reason::Clock, Unavailable));
        time::sleep(ms(480)).await;
    }
    assert_eq!(service.refreshes(), 1);
    time::sleep(s(1)).await;
    assert_eq!(service.get(&mut browser).await.refusal().1, Unavailable);
    assert_eq!(service.refreshes(), 2, "once in ten seconds");
    assert!(browser.is_signed_in());
}

/// B4 and its kind: a gateway that rewrites texts spends nobody's token.
#[tokio::test(start_paused = true)]
async fn b4_an_answer_behind_a_byte_order_mark_is_an_answer() {
    let service = Service::new();
    for front in ["", "\u{feff}", " \r\n", "\u{feff}\n"] {
        let mut browser = service.sign_in("user_a").await;
        service.clock.advance(s(600));
        let answer = service.workos.sign_in("user_a", json!({ "sid": "session_next" }));
        let reply = Reply::Instead(200, Vec::new(), format!("{front}{answer}"));
        service.workos.will(Endpoint::Authenticate, reply);
        service.get(&mut browser).await.session();
    }
    assert_eq!(service.refreshes(), 4);
}

/// A3 and its kind: what names no organization is not sent back as one.
#[tokio::test(start_paused = true)]
async fn a3_an_empty_organization_is_not_asked_for() {
    let service = Service::new();
    let mut browser = service.sign_in_with("user_a", json!({ "org_id": "" })).await;
    assert_eq!(service.get(&mut browser).await.session().organization_id(), None);
    service.clock.advance(s(600));
    assert_eq!(service.get(&mut browser).await.session().organization_id(), None);
    let session = service.get(&mut browser).await.session();
    let switch = service.authenticator.switch_organization(&browser.headers(), &session, "").await;
    assert_eq!(switch.unwrap_err().kind(), ErrorKind::OrganizationGone);
    let asked: Vec<_> =
        service.workos.exchanges().into_iter().map(|exchange| exchange.organization).collect();
    assert_eq!(asked, [None]);
}

/// B2 of docs/cases.md, for every answer that WorkOS documents and some that it does not.
#[tokio::test(start_paused = true)]
async fn b2_every_definite_refusal_is_asked_about_once_a_minute() {
    for (row, status, body, failure) in DOCUMENTED.iter().chain(OF_PROXIES) {
        let (reason, kind, calls) = match failure {
            UpstreamFailure::Refused(ApiRefusal::InvalidGrant) => {
                (Reason::RefusedJustNow, RefusalKind::ChallengeDocuments, 1)
            }
            UpstreamFailure::Refused(ApiRefusal::OrganizationGone) => {
                (Reason::OrganizationGone, Challenge, 1)
            }
            UpstreamFailure::Refused(ApiRefusal::InteractionNeeded) => {
                (Reason::InteractionNeeded, Challenge, 1)
            }
            UpstreamFailure::Refused(ApiRefusal::Rejected) => (Reason::Rejected, Challenge, 1),
            UpstreamFailure::Refused(ApiRefusal::Request) => {
                (Reason::Misconfigured, Unavailable, 1)
            }
            // Bounded by the budget, not by what is remembered of a token: it is about everybody's.
            UpstreamFailure::Refused(ApiRefusal::Credentials) => {
                (Reason::Misconfigured, Unavailable, 4)
            }
            UpstreamFailure::Transient => continue,
        };
        let (service, mut browser) = expired().await;
        let reply = Reply::Instead(*status, Vec::new(), (*body).to_owned());
        service.workos.usually(Endpoint::Authenticate, reply);
        let cookie = browser.clone();
        for _ in 0..4 {
            assert_eq!(service.get(&mut browser).await.refusal(), (reason, kind), "row {row}");
        }
        assert_eq!(service.refreshes(), calls, "row {row}");
        assert_eq!(browser, cookie, "row {row}");
    }
}

/// B1, and its kind: what a switch of the organization is told.
#[tokio::test(start_paused = true)]
async fn b1_a_switch_says_what_the_user_has_to_do_and_leaves_the_session_as_it_is() {
    for (row, status, body, failure) in DOCUMENTED.iter().chain(OF_PROXIES) {
        let kind = match failure {
            UpstreamFailure::Refused(ApiRefusal::InvalidGrant) => ErrorKind::Refused,
            UpstreamFailure::Refused(ApiRefusal::OrganizationGone) => ErrorKind::OrganizationGone,
            UpstreamFailure::Refused(ApiRefusal::InteractionNeeded) => ErrorKind::InteractionNeeded,
            UpstreamFailure::Refused(ApiRefusal::Rejected) => ErrorKind::Rejected,
            UpstreamFailure::Refused(ApiRefusal::Request | ApiRefusal::Credentials) => {
                ErrorKind::Misconfigured
            }
            UpstreamFailure::Transient => ErrorKind::Transient,
        };
        let service = Service::new();
        let mut browser = service.sign_in("user_a").await;
        let session = service.get(&mut browser).await.session();
        let reply = Reply::Instead(*status, Vec::new(), (*body).to_owned());
        service.workos.usually(Endpoint::Authenticate, reply);
        let headers = browser.headers();
        let switch = service.authenticator.switch_organization(&headers, &session, "org_b");
        assert_eq!(switch.await.unwrap_err().kind(), kind, "row {row}");
        service.get(&mut browser).await.session();
    }
}

/// B5 of docs/cases.md: the first attempt is swallowed, and new connections work.
#[tokio::test(start_paused = true)]
async fn b5_a_second_attempt_is_answered_while_the_request_still_waits() {
    let (service, mut browser) = expired().await;
    service.workos.will(Endpoint::Authenticate, Reply::Hangs);
    let asked = time::Instant::now();
    service.get(&mut browser).await.session();
    assert_eq!(asked.elapsed(), ms(2_500));
    assert_eq!(service.refreshes(), 2);
}

/// The second attempt is refused, and the first one, which is still out, is not: it was late.
#[tokio::test(start_paused = true)]
async fn b5_a_refusal_counts_only_when_no_attempt_is_out() {
    let body = r#"{"error":"invalid_grant"}"#.to_owned();
    let refused = || Reply::Instead(400, Vec::new(), body.clone());
    let (service, mut browser) = expired().await;
    service.workos.will(Endpoint::Authenticate, Reply::Late(s(4)));
    service.workos.will(Endpoint::Authenticate, refused());
    let asked = time::Instant::now();
    service.get(&mut browser).await.session();
    assert_eq!(asked.elapsed(), s(4));

    let (service, mut browser) = expired().await;
    service.workos.will(Endpoint::Authenticate, Reply::Hangs);
    service.workos.will(Endpoint::Authenticate, refused());
    assert_eq!(service.get(&mut browser).await.refusal().0, Reason::TimedOut);
    time::sleep(s(1)).await;
    let refused = service.get(&mut browser).await.refusal();
    assert_eq!(refused, (Reason::RefusedJustNow, ChallengeDocuments));
    assert_eq!(service.refreshes(), 2);
}
