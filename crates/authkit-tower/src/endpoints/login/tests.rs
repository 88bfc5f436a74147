use crate::{
    endpoints::tests::{Browser, NAVIGATION},
    tests::{Fields, header},
};

#[tokio::test]
async fn the_browser_goes_to_authkit_with_pkce_and_state() {
    let (mut browser, ..) = Browser::with_workos();
    let first = browser.start("/login?return_to=%2Fdashboard").await;
    assert_eq!(first["response_type"], "code");
    assert_eq!(first["client_id"], "client_1");
    assert_eq!(first["redirect_uri"], "https://app.example.com/callback");
    assert_eq!(first["provider"], "authkit");
    assert_eq!(first["code_challenge_method"], "S256");
    assert_eq!(first["code_challenge"].len(), 43);
    assert!(first["state"].len() > 32);
    assert_eq!(first.len(), 7, "{first:?}");

    let second = browser.start("/login").await;
    assert_ne!(first["state"], second["state"]);
    assert_ne!(first["code_challenge"], second["code_challenge"]);
    assert_eq!(browser.flows().len(), 2, "tabs do not overwrite one another");
}

#[tokio::test]
async fn what_a_link_asks_for_is_passed_on() {
    let (mut browser, ..) = Browser::with_workos();
    let asked = browser
        .start("/login?screen_hint=sign-up&organization_id=org_1&login_hint=a%40b.c&invitation_token=t&max_age=0&prompt=login")
        .await;
    for (name, value) in [
        ("screen_hint", "sign-up"),
        ("organization_id", "org_1"),
        ("login_hint", "a@b.c"),
        ("invitation_token", "t"),
        ("max_age", "0"),
        ("prompt", "login"),
    ] {
        assert_eq!(asked[name], value, "{name}");
    }

    let long = "x".repeat(3_000);
    let junk = format!(
        "/login?screen_hint=evil&max_age=-1&organization_id=&redirect_uri=https://evil.example&state=x&client_id=y&code_challenge=z&provider=GoogleOAuth&login_hint={long}"
    );
    let asked = browser.start(&junk).await;
    assert_eq!(asked.len(), 7, "{asked:?}");
    assert_eq!((asked["provider"].as_str(), asked["client_id"].as_str()), ("authkit", "client_1"));
    assert_eq!(asked["redirect_uri"], "https://app.example.com/callback");
}

#[tokio::test]
async fn whatever_bytes_a_uri_has_there_is_an_answer() {
    let (mut browser, ..) = Browser::with_workos();
    for query in [
        "return_to=/é",
        "return_to=%ff%fe",
        "%",
        "&&==&",
        "return_to",
        "max_age=99999999999999999999",
        "é=é",
    ] {
        let uri = format!("/login?{query}");
        assert_eq!(browser.go(&uri).await.status(), 302, "{query}");
        let response = browser.send("GET", &uri, &[("hx-request", "true")]).await;
        assert!(header(&response, "hx-redirect").starts_with("/login?"), "{query}");
        assert_eq!(
            browser.send("GET", &format!("/callback?{query}"), &NAVIGATION).await.status(),
            302,
            "{query}"
        );
        assert_eq!(
            browser.send("POST", &format!("/logout?{query}"), &[]).await.status(),
            303,
            "{query}"
        );
    }
}

#[tokio::test]
async fn only_a_navigation_starts_a_sign_in() {
    let (mut browser, ..) = Browser::with_workos();
    let cases: &[(&str, Fields<'_>, u16)] = &[
        ("navigation", &NAVIGATION, 302),
        ("old browser", &[("accept", "text/html")], 302),
        ("command line", &[], 302),
        ("fetch", &[("sec-fetch-mode", "cors")], 401),
        ("image", &[("sec-fetch-mode", "no-cors")], 401),
        ("prefetch", &[("sec-purpose", "prefetch"), ("sec-fetch-mode", "navigate")], 401),
        (
            "prerender",
            &[("sec-purpose", "prefetch;prerender"), ("sec-fetch-mode", "navigate")],
            401,
        ),
        ("old prefetch", &[("purpose", "prefetch")], 401),
        ("htmx", &[("hx-request", "true")], 401),
    ];
    for (name, fields, expected) in cases {
        let before = browser.flows().len();
        let response = browser.send("GET", "/login?return_to=%2Fx", fields).await;
        assert_eq!(response.status(), *expected, "{name}");
        assert_eq!(browser.flows().len() > before, *expected == 302, "{name}: cookies");
        assert_eq!(
            header(&response, "hx-redirect"),
            if *name == "htmx" { "/login?return_to=%2Fx" } else { "" },
            "{name}"
        );
    }
}
