use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    ErrorKind, HookDecision, PkceVerifier, Reason, Replacing,
    testing::{Browser, Endpoint, Reply, Service},
};

/// D2 of docs/cases.md: whoever signs in over another session ends it as a sign-out does.
#[tokio::test(start_paused = true)]
async fn d2_a_session_that_a_sign_in_replaces_is_revoked_at_workos() {
    let service = Service::new();
    let bob = service.sign_in("user_b").await;
    let answer = service.workos.sign_in("user_a", json!({}));
    let mut browser = bob.clone();
    let headers = browser.headers();
    let signed_in = service.authenticator.start_session(answer.as_bytes(), &headers).await.unwrap();
    browser.take(&signed_in.set_cookies);

    assert!(service.authenticator.drain(Duration::from_secs(5)).await);
    assert_eq!(service.workos.calls(Endpoint::Revoke), 1);
    let mut old = bob;
    assert_eq!(service.get(&mut old).await.refusal().0, Reason::SignedOut);
    assert_eq!(service.get(&mut browser).await.session().user_id(), "user_a");
}

/// Emulators give a session a new id whenever it is refreshed: what is replaced is known by its tokens too.
#[tokio::test(start_paused = true)]
async fn every_token_of_a_session_that_a_sign_in_replaces_has_ended() {
    let service = Service::new();
    let mut browser = service.sign_in("user_b").await;
    let mut straggler = browser.clone();
    let id = service.get(&mut browser).await.session().session_id().to_owned();
    service.clock.advance(Duration::from_secs(600));
    let refreshed = Reply::Instead(200, Vec::new(), service.workos.sign_in("user_b", json!({})));
    service.workos.will(Endpoint::Authenticate, refreshed);
    assert_ne!(service.get(&mut browser).await.session().session_id(), id);
    assert_eq!(service.workos.calls(Endpoint::Authenticate), 1);

    let answer = service.workos.sign_in("user_a", json!({}));
    let headers = browser.headers();
    service.authenticator.start_session(answer.as_bytes(), &headers).await.unwrap();
    // Longer than a pair is kept that a request may still ask for.
    service.clock.advance(Duration::from_secs(1_200));
    assert_eq!(service.get(&mut straggler).await.refusal().0, Reason::SignedOut);
    assert_eq!(service.workos.calls(Endpoint::Authenticate), 1);
}

/// Nobody gets its cookie, so WorkOS must not keep it either.
#[tokio::test(start_paused = true)]
async fn a_session_that_the_application_does_not_let_begin_is_revoked_at_workos() {
    for (decision, refused) in [
        (HookDecision::Keep, None),
        (HookDecision::Refuse, Some(ErrorKind::HookRefused)),
        (HookDecision::Undecided, Some(ErrorKind::HookUndecided)),
    ] {
        let service = Service::new();
        let answer = service.workos.sign_in("user_a", json!({}));
        service.workos.will(Endpoint::Code, Reply::Instead(200, Vec::new(), answer));
        let (verifier, headers) = (PkceVerifier::generate(), http::HeaderMap::new());
        let rule = async move |_, _| decision;
        let any = Replacing::AnyUser;
        let begun =
            service.authenticator.exchange_code("code", &verifier, &headers, any, rule).await;
        assert_eq!(begun.err().map(|error| error.kind()), refused, "{decision:?}");
        assert!(service.authenticator.drain(Duration::from_secs(5)).await);
        let revoked = service.workos.calls(Endpoint::Revoke);
        assert_eq!(revoked, usize::from(refused.is_some()), "{decision:?}");
    }
}

/// A browser keeps and sends both, and may send the older one first.
#[tokio::test(start_paused = true)]
async fn where_a_domain_is_configured_the_cookie_of_this_host_alone_is_deleted() {
    let clock = crate::testing::clock();
    let workos = crate::testing::Workos::new(clock.clone());
    let service = Service::with(workos, clock, |config| config.with_cookie_domain("example.com"));
    let headers = service.sign_in("user_a").await.headers();
    let answer = service.workos.sign_in("user_a", json!({}));
    let started = service.authenticator.start_session(answer.as_bytes(), &headers).await.unwrap();
    let signed_out = service.authenticator.sign_out(&headers);
    let all = [(&started.set_cookies, [true, false]), (&signed_out.set_cookies, [true, true])];
    for (fields, are_deleted) in all {
        let cookies = fields.iter().map(|it| cookie::Cookie::parse(it.to_str().unwrap()).unwrap());
        let mut scopes: Vec<_> = cookies
            .map(|it| (it.domain().is_some(), it.max_age().is_some_and(|age| age.is_zero())))
            .collect();
        scopes.sort_unstable();
        assert_eq!(scopes, [(false, are_deleted[0]), (true, are_deleted[1])], "{fields:?}");
    }
}

/// Support staff sign in as a user, and shut the browser: no session of theirs is left on that machine.
#[tokio::test(start_paused = true)]
async fn an_impersonators_cookie_goes_with_the_browser_from_the_sign_in_on() {
    let service = Service::new();
    let claims = [(json!({}), true), (json!({ "act": { "sub": "admin@example.com" } }), false)];
    for (claims, is_kept) in claims {
        let mut answer: Value =
            serde_json::from_str(&service.workos.sign_in("user_a", claims.clone())).unwrap();
        if !is_kept {
            answer["impersonator"] = json!({ "email": "admin@example.com", "reason": "a ticket" });
        }
        let answer = answer.to_string();
        let headers = http::HeaderMap::new();
        let started = service.authenticator.start_session(answer.as_bytes(), &headers).await;
        service.workos.will(Endpoint::Code, Reply::Instead(200, Vec::new(), answer));
        let (verifier, keep) = (PkceVerifier::generate(), async |_, _| HookDecision::Keep);
        let any = Replacing::AnyUser;
        let exchanged =
            service.authenticator.exchange_code("code", &verifier, &headers, any, keep).await;
        for signed_in in [started.unwrap(), exchanged.unwrap()] {
            let [cookie] = &signed_in.set_cookies[..] else { panic!("one cookie") };
            let cookie = cookie::Cookie::parse(cookie.to_str().unwrap()).unwrap();
            assert_eq!(cookie.max_age().is_some(), is_kept, "{claims}");
            assert!(cookie.expires().is_none(), "{claims}");
        }
    }
}

/// The same answer of WorkOS installed twice, as when a callback is loaded again, ends nothing.
#[tokio::test(start_paused = true)]
async fn a_session_that_replaces_itself_goes_on() {
    let service = Service::new();
    let answer = service.workos.sign_in("user_a", json!({}));
    let mut browser = Browser::default();
    for _ in 0..2 {
        let headers = browser.headers();
        let signed_in =
            service.authenticator.start_session(answer.as_bytes(), &headers).await.unwrap();
        browser.take(&signed_in.set_cookies);
    }
    assert_eq!(service.workos.calls(Endpoint::Revoke), 0);
    service.get(&mut browser).await.session();
}

/// Somebody else may have started the sign-in: it replaces no session of another user that goes on.
#[tokio::test(start_paused = true)]
async fn a_sign_in_that_the_user_did_not_start_replaces_nobody_else() {
    let cases = [
        ("nobody", vec![], false),
        ("the same user", vec!["user_a"], false),
        ("another user", vec!["user_b"], true),
        ("the same user and another one", vec!["user_a", "user_b"], true),
    ];
    for (name, users, is_refused) in cases {
        for (has_ended, has_expired) in [(false, false), (false, true), (true, false)] {
            let service = Service::new();
            let mut headers = http::HeaderMap::new();
            for user in &users {
                let present = service.sign_in(user).await.headers();
                headers.append(http::header::COOKIE, present[http::header::COOKIE].clone());
            }
            if has_ended {
                service.authenticator.sign_out(&headers);
            }
            if has_expired {
                tokio::time::sleep(Duration::from_secs(3_600)).await;
            }
            for replacing in [Replacing::SameUser, Replacing::AnyUser] {
                let answer = service.workos.sign_in("user_a", json!({}));
                service.workos.will(Endpoint::Code, Reply::Instead(200, Vec::new(), answer));
                let (verifier, keep) = (PkceVerifier::generate(), async |_, _| HookDecision::Keep);
                let begun = service
                    .authenticator
                    .exchange_code("code", &verifier, &headers, replacing, keep)
                    .await;
                let expected = is_refused && !has_ended && replacing == Replacing::SameUser;
                let refused = begun.err().map(|error| error.kind());
                let name = format!("{name}, {has_ended} {has_expired} {replacing:?}");
                assert_eq!(refused, expected.then_some(ErrorKind::AnotherUser), "{name}");
            }
        }
    }
}
