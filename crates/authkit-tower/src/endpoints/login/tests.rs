use std::time::Duration;

use serde_json::json;

use crate::{
    AuthKit, Endpoints,
    endpoints::tests::{Browser, NAVIGATION},
    tests::{Fields, Reply, Workos, authkit_of, body, header, request},
};

#[tokio::test]
async fn cb_06_the_browser_goes_to_authkit_with_pkce_and_state() {
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
async fn cb_06_every_flow_has_a_verifier_of_its_own_that_no_url_betrays() {
    let (mut browser, _, workos) = Browser::with_workos();
    let mut urls = String::new();
    for _ in 0..2 {
        let started = browser.start("/login").await;
        let back = format!("/callback?code=code_1&state={}", started["state"]);
        let answer = browser.go(&back).await;
        urls.extend(started.into_values().chain([back, header(&answer, "location").to_owned()]));
    }
    let sent = |call: &String| {
        let body: serde_json::Value = serde_json::from_str(call).unwrap();
        body["code_verifier"].as_str().unwrap().to_owned()
    };
    let [one, two] = &workos.calls().iter().map(sent).collect::<Vec<_>>()[..] else {
        panic!("two exchanges")
    };
    assert_ne!(one, two);
    for verifier in [one, two] {
        assert!((43..=128).contains(&verifier.len()), "{}", verifier.len());
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        assert!(verifier.bytes().all(unreserved), "{verifier}");
        assert!(!urls.contains(verifier.as_str()), "{urls}");
    }
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
        "/login?screen_hint=evil&max_age=-1&organization_id=&redirect_uri=https://evil.example&state=x&client_id=y&code_challenge=z&provider=EvilOAuth&connection_id=evil&domain_hint=evil&login_hint={long}"
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
            200,
            "{query}"
        );
    }
}

#[tokio::test]
async fn cb_05_only_a_navigation_starts_a_sign_in() {
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

/// Its pages may send users here and get them back; what is posted here is of our own pages.
#[tokio::test]
async fn a_form_of_an_origin_that_sign_ins_may_return_to_begins_none() {
    let spa = "https://spa.example.com";
    let (authkit, _) = authkit_of(|config| config.with_return_origins([spa]));
    let document = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    for (uri, status) in [
        ("/login?organization_id=org_1&return_to=%2Fx", 403),
        ("/callback?return_to=%2Fx", 403),
        // Its pages sign users out.
        ("/logout", 303),
    ] {
        for from in ["cross-site", "same-site", ""] {
            let mut browser = Browser::new(&authkit);
            let mut fields = vec![("origin", spa), document[0], document[1]];
            fields.extend((!from.is_empty()).then_some(("sec-fetch-site", from)));
            let response = browser.send("POST", uri, &fields).await;
            assert_eq!(response.status(), status, "{uri}, {from}");
            assert!(browser.flows().is_empty(), "{uri}, {from}");
        }
    }
}

/// A browser with this session.
async fn holding(
    browser: &mut Browser,
    authkit: &AuthKit,
    workos: &Workos,
    claims: serde_json::Value,
) {
    let cookie = workos.cookie(authkit, claims).await;
    let (name, value) = cookie.split_once('=').unwrap();
    browser.cookies.insert(name.to_owned(), value.to_owned());
}

#[tokio::test]
async fn whoever_is_signed_in_and_only_wants_back_goes_back() {
    for (name, age, uri, expected) in [
        ("signed in", 0, "/login?return_to=%2Fx%3Fy", Some("/x?y")),
        ("signed in, to another site", 0, "/login?return_to=%2F%2Fevil.example", Some("/")),
        ("without a way back", 0, "/login", None),
        ("to an organization", 0, "/login?return_to=%2Fx&organization_id=org_1", None),
        ("again, recently", 0, "/login?max_age=0&return_to=%2Fx", None),
        ("to sign up", 0, "/login?screen_hint=sign-up&return_to=%2Fx", None),
        ("twice", 0, "/login?return_to=%2Fx&return_to=%2Fy", None),
        ("has to wait for a refresh", 280, "/login?return_to=%2Fx", None),
        ("expired", 400, "/login?return_to=%2Fx", None),
    ] {
        let (mut browser, authkit, workos) = Browser::with_workos();
        holding(&mut browser, &authkit, &workos, json!({})).await;
        workos.clock().advance(Duration::from_secs(age));
        let response = browser.go(uri).await;
        match expected {
            Some(to) => assert_eq!(
                (response.status().as_u16(), header(&response, "location")),
                (303, to),
                "{name}"
            ),
            None => assert_eq!(response.status(), 302, "{name}"),
        }
        assert_eq!(browser.flows().len(), usize::from(expected.is_none()), "{name}");
        assert!(workos.calls().is_empty(), "{name}");
    }
}

#[tokio::test]
async fn a_session_that_workos_does_not_refresh_signs_in_again() {
    for (name, reply, status) in [
        ("refused", Reply::Error(400, json!({ "error": "invalid_grant" })), 302),
        ("interaction needed", Reply::Error(403, json!({ "code": "mfa_enrollment" })), 302),
        ("our key is refused", Reply::Error(401, json!({})), 303),
    ] {
        let (mut browser, authkit, workos) = Browser::with_workos();
        holding(&mut browser, &authkit, &workos, json!({})).await;
        // A layer that wants newer tokens than the browser has sends it here.
        let strict = crate::AuthKitLayer::new(&authkit).with_max_token_age(Duration::from_secs(60));
        let service = tower::Layer::layer(
            &strict,
            tower::service_fn(async |_| Ok::<_, std::convert::Infallible>(http::Response::new(()))),
        );
        workos.clock().advance(Duration::from_secs(100));
        workos.will(reply);
        let cookie = format!("wos_session={}", browser.cookies["wos_session"]);
        let request = request("GET", "/x", &[("cookie", &cookie), ("accept", "text/html")]);
        let challenge = tower::ServiceExt::oneshot(service, request).await.unwrap();
        assert_eq!(challenge.status(), if status == 302 { 302 } else { 503 }, "{name}");

        assert_eq!(browser.go("/login?return_to=%2Fx").await.status(), status, "{name}");
    }
}

/// The page sends everybody here, signed in or not: what is wrong is not the sign-in.
#[tokio::test]
async fn rd_12_after_three_bounces_there_is_a_page_that_names_the_cause() {
    /// What becomes of the session's cookie on its way to the browser and back.
    type Fate = fn(&mut Browser, &Workos);
    let dropped: Fate = |browser, _| drop(browser.cookies.remove("wos_session"));
    let garbled: Fate =
        |browser, _| drop(browser.cookies.insert("wos_session".to_owned(), "garbled".to_owned()));
    let kept: Fate = |_, _| {};
    let large: Fate =
        |browser, _| browser.cookies.retain(|name, _| !name.starts_with("wos_session"));
    let http = [NAVIGATION[0], NAVIGATION[1], NAVIGATION[2], ("x-forwarded-proto", "http")];
    let padding = "x".repeat(2_400);
    let cases: [(&str, Fate, serde_json::Value, Fields<'_>, &str, u16); 5] = [
        ("no cookies", dropped, json!({}), &NAVIGATION, "does not keep our cookies", 400),
        ("another scheme", dropped, json!({}), &http, "This address is not secure", 400),
        ("too large", large, json!({ "padding": padding }), &NAVIGATION, "too large", 500),
        (
            "another password",
            garbled,
            json!({}),
            &NAVIGATION,
            "may not share one cookie password",
            500,
        ),
        ("the page's own fault", kept, json!({}), &NAVIGATION, "Signing in worked each time", 500),
    ];
    for (name, fate, claims, fields, words, status) in cases {
        let (mut browser, _, workos) = Browser::with_workos();
        for bounce in 0..3 {
            workos.will(Reply::Session(claims.clone()));
            let response = browser.sign_in("/login?return_to=%2Fx&prompt=").await;
            assert_eq!(response.status(), 303, "{name}, {bounce}");
            fate(&mut browser, &workos);
            workos.clock().advance(Duration::from_secs(3));
        }
        let page = browser.send("GET", "/login?return_to=%2Fx&prompt=", fields).await;
        assert_eq!(page.status(), status, "{name}");
        assert!(body(&page).contains(words), "{name}: {}", body(&page));
        assert!(body(&page).contains("/login?return_to=%2Fx\""), "{name}: {}", body(&page));

        assert_eq!(
            browser.go("/login?return_to=%2Fx&prompt=").await.status(),
            302,
            "{name}: it may try again"
        );
    }
}

/// Whoever is signed in is sent back without a sign-in, once; a page that sends them here again does not get far.
#[tokio::test]
async fn rd_12_a_page_that_does_not_take_the_session_is_no_endless_loop() {
    for begins_signed_in in [true, false] {
        let (mut browser, authkit, workos) = Browser::with_workos();
        if begins_signed_in {
            holding(&mut browser, &authkit, &workos, json!({})).await;
        }
        let (mut uri, mut visits) = ("/login?return_to=%2Floop".to_owned(), 0);
        let page = loop {
            visits += 1;
            assert!(visits < 10, "browsers give up after 20 redirects");
            let answer = browser.go(&uri).await;
            uri = match header(&answer, "location") {
                "" => break answer,
                "/loop" => "/login?return_to=%2Floop".to_owned(),
                _ => {
                    let state = &crate::endpoints::tests::authorization(&answer)["state"];
                    format!("/callback?code=code_1&state={state}")
                }
            };
        };
        assert_eq!(page.status(), 500);
        assert!(body(&page).contains("Signing in worked each time"), "{}", body(&page));
    }
}

/// A link to `/login`, followed by somebody who has just signed in, is no loop yet.
#[tokio::test]
async fn rd_12_whoever_is_signed_in_is_sent_back_twice_and_then_signs_in() {
    let (mut browser, authkit, workos) = Browser::with_workos();
    holding(&mut browser, &authkit, &workos, json!({})).await;
    for (visit, status) in [(1, 303), (2, 303), (3, 302)] {
        let response = browser.go("/login?return_to=%2Fx").await;
        assert_eq!(response.status(), status, "visit {visit}");
    }
    workos.clock().advance(Duration::from_secs(11));
    assert_eq!(browser.go("/login?return_to=%2Fx").await.status(), 303, "that is long ago");
}

#[tokio::test]
async fn rd_12_slow_sign_ins_and_tabs_are_no_bounces() {
    let (mut browser, _, workos) = Browser::with_workos();
    for _ in 0..5 {
        assert_eq!(browser.sign_in("/login").await.status(), 303);
        browser.cookies.remove("wos_session");
        workos.clock().advance(Duration::from_secs(6));
    }

    let (mut browser, ..) = Browser::with_workos();
    let mut tabs = Vec::new();
    for _ in 0..5 {
        tabs.push(browser.start("/login").await);
    }
    for started in tabs {
        let back = format!("/callback?code=code_1&state={}", started["state"]);
        assert_eq!(browser.go(&back).await.status(), 303);
    }
    for _ in 0..5 {
        browser.start("/login?prompt=login").await;
    }
}

const ELSEWHERE: [(&str, &str); 3] = [
    ("sec-fetch-site", "cross-site"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
];
const FORM: [(&str, &str); 3] = [
    ("sec-fetch-site", "same-origin"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
];

#[tokio::test]
async fn e1_another_site_chooses_neither_organization_nor_invitation_without_a_click() {
    let sibling = [("sec-fetch-site", "same-site"), ELSEWHERE[1], ELSEWHERE[2]];
    let unheard_of = [("sec-fetch-site", "Same-Origin"), ELSEWHERE[1], ELSEWHERE[2]];
    let old = [("referer", "https://evil.example/"), ("accept", "text/html")];
    let lookalike = [("referer", "https://app.example.com.evil/"), ("accept", "text/html")];
    let own = [("referer", "https://app.example.com/teams"), ("accept", "text/html")];
    let (organization, invitation) = ("organization_id=org_evil", "invitation_token=t");
    let connection = "connection_id=conn_evil";
    let cases: &[(&str, Fields<'_>, &str, bool)] = &[
        ("another site, an organization", &ELSEWHERE, organization, true),
        ("another site, an invitation", &ELSEWHERE, invitation, true),
        ("another site, a connection", &ELSEWHERE, connection, true),
        ("another site, a provider", &ELSEWHERE, "provider=GitHubOAuth", false),
        ("another site, spelt in another way", &ELSEWHERE, "organization%5Fid=org_evil", true),
        (
            "another site, a second one",
            &ELSEWHERE,
            "organization_id=&organization_id=org_evil",
            true,
        ),
        ("a sibling", &sibling, organization, true),
        ("a word unheard of", &unheard_of, organization, true),
        ("an old browser", &old, organization, true),
        ("an old browser, a lookalike", &lookalike, organization, true),
        ("another site, nothing of both", &ELSEWHERE, "prompt=login", false),
        ("another site, an empty one", &ELSEWHERE, "organization_id=", false),
        ("our own page", &FORM, organization, false),
        ("our own page, old browser", &own, organization, false),
        ("by hand", &NAVIGATION, organization, false),
        ("an old browser without a word", &[("accept", "text/html")], organization, false),
    ];
    for (name, fields, query, asks) in cases {
        let (mut browser, ..) = Browser::with_workos();
        let uri = format!("/login?return_to=%2Fx&{query}");
        let response = browser.send("GET", &uri, fields).await;
        assert_eq!(response.status(), if *asks { 200 } else { 302 }, "{name}");
        assert_eq!(browser.flows().len(), usize::from(!asks), "{name}");
        if !asks {
            let asked = crate::endpoints::tests::authorization(&response);
            let passed_on = asked.contains_key("organization_id");
            assert_eq!(passed_on, query == &organization, "{name}: {asked:?}");
            continue;
        }
        let page = body(&response);
        assert!(page.contains("<form method=\"post\"><button"), "{name}: {page}");
        assert!(!page.contains("org_evil") && !page.contains("return_to"), "{name}: {page}");
        assert_eq!(header(&response, "referrer-policy"), "same-origin", "{name}");

        // The form posts to the same address.
        let refused = browser.send("POST", &uri, &ELSEWHERE).await;
        assert_eq!((refused.status().as_u16(), browser.flows().len()), (403, 0), "{name}");
        let agreed = browser.send("POST", &uri, &FORM).await;
        assert_eq!(agreed.status(), 303, "{name}");
        let asked = crate::endpoints::tests::authorization(&agreed);
        let hint = match *query {
            query if query == invitation => "invitation_token",
            query if query == connection => "connection_id",
            _ => "organization_id",
        };
        assert!(asked.contains_key(hint), "{name}: {asked:?}");
    }
}

/// Applications on one host, each with a session cookie of its own name.
#[tokio::test]
async fn e5_applications_on_one_host_do_not_count_one_anothers_redirects() {
    let (_, workos) = crate::tests::authkit();
    let mut cookies = std::collections::BTreeMap::new();
    for (n, name) in ["one", "two", "three", "four", "five"].into_iter().enumerate() {
        let app = workos.authkit_of(|config| config.with_cookie_name(name));
        let mut browser = Browser::new(&app);
        browser.cookies = cookies;
        let tab = browser.start("/login?return_to=%2Ftab&prompt=login").await;
        assert_eq!(browser.sign_in("/login?return_to=%2Fx").await.status(), 303, "{name}");
        assert_eq!(browser.flows().len(), n + 1, "{name}: the flows of the others stay");
        assert!(browser.cookies.contains_key(name) && tab.contains_key("state"), "{name}");
        workos.clock().advance(Duration::from_secs(1));
        cookies = browser.cookies;
    }
    // Signing out of one deletes nothing of the others.
    let app = workos.authkit_of(|config| config.with_cookie_name("three"));
    let mut browser = Browser::new(&app);
    browser.cookies = cookies;
    let before = browser.cookies.len();
    assert_eq!(browser.send("POST", "/logout", &FORM).await.status(), 303);
    // Gone are its session, its flow and its count; the mark of the sign-out is new.
    assert_eq!(browser.cookies.len(), before - 3 + 1);
}

/// Whoever has not signed in here is not told why a cookie does not count, whatever else it sends.
#[tokio::test]
async fn e14_the_cause_is_named_only_to_a_browser_that_was_sent_back_here() {
    let (mut signed_in, authkit, workos) = Browser::with_workos();
    assert_eq!(signed_in.sign_in("/login").await.status(), 303);
    let counted = |name: &&String| name.starts_with("__Host-wos_bounces_");
    let name = signed_in.cookies.keys().find(counted).unwrap().clone();
    let now = workos.clock().unix();
    let another = crate::tests::authkit_of(|config| config.with_cookie_name("another")).0;
    let foreign = crate::endpoints::helper_cookie::seal(&another, &name, "3.b.1.1").unwrap();
    let other_name = crate::endpoints::helper_cookie::seal(&authkit, "x", &format!("3.b.{now}.9"));
    for forged in [
        format!("3.b.{now}.9"),
        format!("9.b.{now}.9999"),
        String::new(),
        "x".repeat(5_000),
        other_name.unwrap(),
        foreign,
    ] {
        let mut stranger = Browser::new(&authkit);
        stranger.cookies.insert(name.clone(), forged.clone());
        stranger.cookies.insert("__Host-wos_bounces".to_owned(), format!("3.b.{now}.9"));
        stranger.cookies.insert("wos_session".to_owned(), "garbage".to_owned());
        let response = stranger.go("/login?return_to=%2Fx").await;
        assert_eq!(response.status(), 302, "{forged:.20}: {}", body(&response));
    }
}

/// The page that asks for the fragment, and what comes of it.
#[tokio::test]
async fn a_fragment_survives_a_sign_in_that_the_user_began() {
    let (authkit, _) = crate::tests::authkit();
    let endpoints = Endpoints::new(&authkit).with_fragments();
    let mut browser = Browser::of(endpoints.clone());
    let asked = browser.go("/login?return_to=%2Freports&organization_id=org_1").await;
    assert_eq!((asked.status().as_u16(), browser.flows().len()), (200, 0));
    let page = body(&asked);
    assert!(page.contains("<script>location.replace("), "{page}");
    assert!(page.contains(r#"href="/login?return_to=%2Freports&amp;fragment=""#), "{page}");
    assert!(!page.contains("org_1"), "{page}");
    assert!(header(&asked, "content-security-policy").contains("script-src 'sha256-"));

    for (path, fragment, expected) in [
        ("%2Freports", "march%201", "/reports#march%201"),
        ("%2Freports", "", "/reports"),
        ("%2Freports", "%2F%2Fevil.example", "/reports#//evil.example"),
        ("%2Freports", "a%0D%0Ab", "/reports"),
        ("%2Freports%23june", "march", "/reports#march"),
        ("%2Freports%23june", "", "/reports#june"),
    ] {
        let mut browser = Browser::of(endpoints.clone());
        let uri = format!("/login?return_to={path}&fragment={fragment}");
        let done = browser.sign_in(&uri).await;
        assert_eq!(header(&done, "location"), expected);
    }
    // Another site's sign-in does not become the user's own by way of our page.
    let mut browser = Browser::of(endpoints);
    let response = browser.send("GET", "/login?return_to=%2Freports", &ELSEWHERE).await;
    assert_eq!(response.status(), 302);
    // Without the setting there is no page, and the parameter says nothing.
    let mut browser = Browser::new(&authkit);
    let done = browser.sign_in("/login?return_to=%2Freports&fragment=march").await;
    assert_eq!(header(&done, "location"), "/reports");
}
