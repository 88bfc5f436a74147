use std::time::Duration;

use serde_json::json;
use url::form_urlencoded;

use super::*;
use crate::{
    endpoints::tests::{Browser, authorization},
    tests::{Reply, body, header},
};

fn callback(parameters: &[(&str, &str)]) -> String {
    format!(
        "/callback?{}",
        form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
    )
}

fn login_link(response: &Response<Bytes>) -> Option<&str> {
    body(response).split("href=\"").nth(1)?.split('"').next()
}

#[tokio::test]
async fn success_sets_the_session_and_goes_back() {
    let (mut browser, _, workos) = Browser::with_workos();
    let started = browser.start("/login?return_to=%2Fdash%3Ftab%3D1").await;
    let response = browser.go(&callback(&[("code", "code_1"), ("state", &started["state"])])).await;
    assert_eq!((response.status().as_u16(), header(&response, "location")), (303, "/dash?tab=1"));
    assert_eq!(header(&response, "referrer-policy"), "no-referrer");
    assert!(browser.is_signed_in() && browser.flows().is_empty());

    let sent: serde_json::Value = serde_json::from_str(&workos.calls()[0]).unwrap();
    assert_eq!(
        (&sent["code"], &sent["grant_type"]),
        (&json!("code_1"), &json!("authorization_code"))
    );
    let verifier =
        authkit_session::PkceVerifier::from_secret(sent["code_verifier"].as_str().unwrap().into());
    assert_eq!(verifier.challenge(), started["code_challenge"]);
}

/// CB-01: impersonation and invitations come without a state.
#[tokio::test]
async fn without_a_state_the_sign_in_starts_again() {
    let (mut browser, _, workos) = Browser::with_workos();
    for parameters in [&[("code", "code_1")][..], &[("code", "code_1"), ("state", "")], &[]] {
        let response = browser.go(&callback(parameters)).await;
        assert_eq!(response.status(), 302);
        let started = authorization(&response);
        let response =
            browser.go(&callback(&[("code", "code_2"), ("state", &started["state"])])).await;
        assert_eq!((response.status().as_u16(), header(&response, "location")), (303, "/"));
        browser.cookies.clear();
    }
    assert!(
        workos.calls().iter().all(|call| call.contains("code_2")),
        "a code without a state is nobody's"
    );
}

/// CB-02: the browser is back without the flow's cookie.
#[tokio::test]
async fn without_a_flow_the_sign_in_starts_again_twice_and_then_says_why() {
    let (mut browser, _, workos) = Browser::with_workos();
    let mut started = browser.start("/login").await;
    for _ in 0..MAX_RESTARTS {
        browser.cookies.clear();
        let response =
            browser.go(&callback(&[("code", "code_1"), ("state", &started["state"])])).await;
        assert_eq!(response.status(), 302);
        started = authorization(&response);
    }
    browser.cookies.clear();
    let response = browser.go(&callback(&[("code", "code_1"), ("state", &started["state"])])).await;
    assert_eq!(response.status(), 400);
    assert!(body(&response).contains("cookies"), "{}", body(&response));
    assert!(workos.calls().is_empty());

    let started = browser.start("/login").await;
    let back = callback(&[("code", "code_1"), ("state", &started["state"])]);
    assert_eq!(browser.go(&back).await.status(), 303);
    let response = browser.go(&back).await;
    assert_eq!(
        (response.status().as_u16(), header(&response, "location")),
        (303, "/"),
        "loaded again, signed in"
    );
    assert_eq!(workos.calls().len(), 1, "a state counts once");
}

/// CB-03: forged, foreign, late and stolen states.
#[tokio::test]
async fn a_state_counts_in_its_browser_for_ten_minutes() {
    let (mut browser, authkit, workos) = Browser::with_workos();
    let started = browser.start("/login?return_to=%2Fx").await;
    let state = &started["state"];
    let flipped = {
        let last = if state.ends_with('A') { "B" } else { "A" };
        format!("{}{last}", &state[..state.len() - 1])
    };
    for forged in [
        "x",
        "null",
        "undefined",
        &flipped,
        &format!("{state}{state}"),
        &"s".repeat(8192),
        "\u{0}",
        "%",
    ] {
        let response = browser.go(&callback(&[("code", "code_1"), ("state", forged)])).await;
        assert_eq!(response.status(), 400, "{forged:.20}");
        assert_eq!(login_link(&response), Some("/login"), "{forged:.20}");
    }
    assert_eq!(browser.flows().len(), 1, "forged states end nobody's flow");

    // The attacker's code and state in the victim's browser: the victim signs in as herself, or not at all.
    let mut attacker = Browser::new(&authkit);
    let theirs = attacker.start("/login").await;
    let response =
        browser.go(&callback(&[("code", "code_evil"), ("state", &theirs["state"])])).await;
    assert_eq!(response.status(), 302);
    assert!(!browser.is_signed_in());

    workos.clock().advance(Duration::from_secs(601));
    let response = browser.go(&callback(&[("code", "code_1"), ("state", state)])).await;
    assert_eq!(
        (response.status().as_u16(), login_link(&response)),
        (400, Some("/login?return_to=%2Fx"))
    );
    assert!(workos.calls().is_empty());
}

/// CB-04: five tabs at once, finished in another order.
#[tokio::test]
async fn tabs_end_where_they_began() {
    let (mut browser, ..) = Browser::with_workos();
    let mut tabs = Vec::new();
    for n in 0..5 {
        tabs.push((n, browser.start(&format!("/login?return_to=%2Ftab%2F{n}")).await));
    }
    for n in [3, 0, 4, 1, 2] {
        let (_, started) = &tabs[n];
        let response =
            browser.go(&callback(&[("code", "code_1"), ("state", &started["state"])])).await;
        assert_eq!(
            (response.status().as_u16(), header(&response, "location")),
            (303, format!("/tab/{n}").as_str())
        );
    }
    assert!(browser.flows().is_empty() && browser.is_signed_in());
}

/// CB-07: errors and nonsense.
#[tokio::test]
async fn errors_are_answered_with_a_page_that_repeats_nothing() {
    let hostile = "<script>alert(1)</script>";
    let cases: &[(&str, u16)] = &[
        ("access_denied", 403),
        ("server_error", 503),
        ("temporarily_unavailable", 503),
        ("oauth_failed", 400),
        ("connection_invalid", 400),
        (hostile, 400),
        ("", 400),
    ];
    for (error, status) in cases {
        let (mut browser, _, workos) = Browser::with_workos();
        let started = browser.start("/login?return_to=%2Fx").await;
        let parameters = [
            ("error", *error),
            ("error_description", hostile),
            ("state", &started["state"]),
            ("code", "c"),
        ];
        let response = browser.go(&callback(&parameters)).await;
        assert_eq!(
            (response.status().as_u16(), login_link(&response)),
            (*status, Some("/login?return_to=%2Fx")),
            "{error}"
        );
        assert!(
            !body(&response).contains("script")
                && (error.is_empty() || !body(&response).contains(error)),
            "{error}"
        );
        assert!(browser.flows().is_empty() && workos.calls().is_empty(), "{error}");

        let response =
            browser.go(&callback(&[("error", error), ("error_description", hostile)])).await;
        assert_eq!(
            (response.status().as_u16(), login_link(&response)),
            (*status, Some("/login")),
            "{error}, no state"
        );
    }
}

#[tokio::test]
async fn repeated_and_missing_parameters_end_the_flow() {
    for extra in ["&code=b", "&state=x", "&error=a&error=b", "&code="] {
        let (mut browser, _, workos) = Browser::with_workos();
        let started = browser.start("/login").await;
        let uri = callback(&[("code", "a"), ("state", &started["state"])]) + extra;
        assert_eq!(browser.go(&uri).await.status(), 400, "{extra}");
        assert!(browser.flows().is_empty() && workos.calls().is_empty(), "{extra}");
    }
    for parameters in [&[][..], &[("code", "")]] {
        let (mut browser, _, workos) = Browser::with_workos();
        let started = browser.start("/login").await;
        let uri = callback(&[&[("state", started["state"].as_str())], parameters].concat());
        assert_eq!(browser.go(&uri).await.status(), 400);
        assert!(browser.flows().is_empty() && workos.calls().is_empty());
    }
}

/// CB-08: the exchange fails.
#[tokio::test]
async fn a_failed_exchange_says_whether_to_try_again() {
    let cases: [(&str, Reply, u16); 7] = [
        (
            "refused",
            Reply::Error(400, json!({ "error": "invalid_grant", "error_description": "secret" })),
            400,
        ),
        (
            "refused, by code",
            Reply::Error(400, json!({ "code": "invalid_code", "message": "secret" })),
            400,
        ),
        ("down", Reply::Error(500, json!({ "message": "secret" })), 503),
        ("busy", Reply::Error(429, json!({})), 503),
        ("lost", Reply::Lost, 503),
        ("our key is refused", Reply::Error(401, json!({ "message": "secret" })), 503),
        ("a token that does not verify", Reply::Session(json!({ "sid": "app_consent_1" })), 503),
    ];
    for (name, reply, status) in cases {
        let (mut browser, _, workos) = Browser::with_workos();
        let started = browser.start("/login?return_to=%2Fx").await;
        workos.will(reply);
        let response =
            browser.go(&callback(&[("code", "code_1"), ("state", &started["state"])])).await;
        assert_eq!(
            (response.status().as_u16(), login_link(&response)),
            (status, Some("/login?return_to=%2Fx")),
            "{name}"
        );
        assert_eq!(response.headers().contains_key("retry-after"), status == 503, "{name}");
        assert!(
            !body(&response).contains("secret") && !body(&response).contains("code_1"),
            "{name}"
        );
        assert!(!browser.is_signed_in() && browser.flows().is_empty(), "{name}");
        assert_eq!(workos.calls().len(), 1, "{name}: a code is sent once");
    }
}

#[tokio::test]
async fn signing_in_replaces_the_session_that_was_there() {
    let (mut browser, authkit, workos) = Browser::with_workos();
    let old = workos.cookie(&authkit, json!({ "sid": "session_old" })).await;
    let old = old.strip_prefix("wos_session=").unwrap();
    browser.cookies.insert("wos_session".to_owned(), old.to_owned());
    let started = browser.start("/login").await;
    browser.go(&callback(&[("code", "code_1"), ("state", &started["state"])])).await;
    assert_ne!(browser.cookies["wos_session"], old);

    let cookie = format!("wos_session={old}");
    let decision = authkit
        .authenticator()
        .authenticate(&crate::tests::headers(&[("cookie", &cookie)]), &Policy::default());
    let Decision::Refuse(refusal) = decision else { panic!("the old session still counts") };
    assert_eq!(refusal.reason(), authkit_session::Reason::SignedOut);
}
