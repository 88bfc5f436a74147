use std::time::Duration;

use serde_json::json;
use url::Url;

use super::*;
use crate::{
    endpoints::tests::{Browser, NAVIGATION},
    tests::{Fields, Workos, body, header},
};

const CLICKED: [(&str, &str); 3] = [
    ("sec-fetch-site", "same-origin"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
];

/// What browsers say of a form on our own page.
const FORM: [(&str, &str); 3] = CLICKED;

const OLD_FORM: [(&str, &str); 2] =
    [("origin", "https://app.example.com"), ("accept", "text/html,application/xhtml+xml")];

/// A browser with a session, and a sign-in under way in another tab.
async fn signed_in() -> (Browser, AuthKit, std::sync::Arc<Workos>) {
    let (mut browser, authkit, workos) = Browser::with_workos();
    let cookie = workos.cookie(&authkit, json!({ "sid": "session_1" })).await;
    browser
        .cookies
        .insert("wos_session".to_owned(), cookie.strip_prefix("wos_session=").unwrap().to_owned());
    browser.start("/login").await;
    (browser, authkit, workos)
}

/// Where WorkOS sends the browser after it has ended `session_1`.
fn after_workos(to: &str) -> String {
    let url = Url::parse(to).unwrap();
    assert_eq!(
        (url.host_str(), url.path()),
        (Some("api.workos.com"), "/user_management/sessions/logout")
    );
    let query: std::collections::BTreeMap<_, _> = url.query_pairs().into_owned().collect();
    assert_eq!(query["session_id"], "session_1");
    query["return_to"].clone()
}

/// An expired token still says which session ends.
#[tokio::test]
async fn lo_01_signing_out_ends_the_session_expired_or_not() {
    for age in [0, 400, 400_000] {
        let (mut browser, authkit, workos) = signed_in().await;
        workos.clock().advance(Duration::from_secs(age));
        let session = format!("wos_session={}", browser.cookies["wos_session"]);
        let response = browser.send("POST", "/logout", &FORM).await;
        assert_eq!(response.status(), 303, "after {age} s");
        assert_eq!(after_workos(header(&response, "location")), "https://app.example.com/");
        assert!(browser.has_nothing(), "after {age} s: {:?}", browser.cookies.keys());

        let headers = crate::tests::headers(&[("cookie", &session)]);
        let decision =
            authkit.authenticator().authenticate(&headers, &authkit_session::Policy::default());
        assert!(
            matches!(decision, authkit_session::Decision::Refuse(_)),
            "its cookie counts no more"
        );
    }
}

/// Nothing to read is no reason not to sign out.
#[tokio::test]
async fn lo_02_without_a_readable_session_the_browser_goes_where_it_would() {
    for cookie in [None, Some("garbage")] {
        let (mut browser, ..) = Browser::with_workos();
        browser.cookies.extend(cookie.map(|cookie| ("wos_session".to_owned(), cookie.to_owned())));
        let response = browser.send("POST", "/logout?return_to=%2Fbye", &FORM).await;
        assert_eq!(
            (response.status().as_u16(), header(&response, "location")),
            (303, "https://app.example.com/bye")
        );
        assert!(browser.has_nothing(), "{cookie:?}");
    }
}

/// Only the user signs the user out.
#[tokio::test]
async fn lo_03_a_get_signs_out_only_if_the_user_clicked_it_here() {
    let with = |name: &'static str, value: &'static str| {
        CLICKED.map(|(field, usual)| (field, if field == name { value } else { usual }))
    };
    let prefetch = [CLICKED[0], CLICKED[1], CLICKED[2], ("sec-purpose", "prefetch")];
    let cases: &[(&str, &str, Fields<'_>, u16)] = &[
        ("clicked", "GET", &CLICKED, 303),
        ("posted", "POST", &FORM, 303),
        ("posted by an old browser", "POST", &OLD_FORM, 303),
        ("typed in", "GET", &NAVIGATION, 200),
        ("another site's link", "GET", &with("sec-fetch-site", "cross-site"), 200),
        ("a sibling site's link", "GET", &with("sec-fetch-site", "same-site"), 200),
        ("image", "GET", &with("sec-fetch-dest", "image"), 200),
        ("frame", "GET", &with("sec-fetch-dest", "iframe"), 200),
        ("fetch", "GET", &with("sec-fetch-mode", "cors"), 200),
        ("prefetch", "GET", &prefetch, 200),
        ("old browser", "GET", &[("accept", "text/html")], 200),
        ("HEAD", "HEAD", &CLICKED, 200),
        ("another site's form", "POST", &[("sec-fetch-site", "cross-site")], 403),
        ("another site's form, old browser", "POST", &[("origin", "https://evil.example")], 403),
    ];
    for (name, method, fields, status) in cases {
        let (mut browser, ..) = signed_in().await;
        let response = browser.send(method, "/logout", fields).await;
        assert_eq!(response.status(), *status, "{name}");
        assert_eq!(browser.is_signed_in(), *status != 303, "{name}");
        assert_eq!(
            body(&response).contains("<form method=\"post\" action=\"/logout\">"),
            *status == 200 && *method != "HEAD",
            "{name}"
        );
    }
}

#[tokio::test]
async fn the_way_back_stays_on_our_origin() {
    for (return_to, expected) in [
        ("%2Fbye%3Fx%3D1", "https://app.example.com/bye?x=1"),
        ("https%3A%2F%2Fevil.example", "https://app.example.com/"),
        ("%2F%2Fevil.example", "https://app.example.com/"),
        ("%2F%5Cevil.example", "https://app.example.com/"),
        ("%2F%09%2Fevil.example", "https://app.example.com/"),
        ("%2Flogout", "https://app.example.com/"),
    ] {
        let (mut browser, ..) = signed_in().await;
        let response = browser.send("POST", &format!("/logout?return_to={return_to}"), &FORM).await;
        assert_eq!(after_workos(header(&response, "location")), expected, "{return_to}");
    }
    let (mut browser, ..) = signed_in().await;
    let asked = browser.go("/logout?return_to=%2Fbye%3Fa%26b").await;
    assert!(
        body(&asked).contains("action=\"/logout?return_to=%2Fbye%3Fa%26b\""),
        "{}",
        body(&asked)
    );
}

#[tokio::test]
async fn htmx_leaves_the_page_itself() {
    let (mut browser, ..) = signed_in().await;
    let response = browser
        .send("POST", "/logout", &[("hx-request", "true"), ("sec-fetch-site", "same-origin")])
        .await;
    assert_eq!(response.status(), 204);
    after_workos(header(&response, "hx-redirect"));
    assert!(browser.has_nothing());
}

#[tokio::test]
async fn e3_every_client_is_signed_out_in_its_own_protocol() {
    let site = ("sec-fetch-site", "same-origin");
    let cases: &[(&str, Fields<'_>, u16)] = &[
        ("form", &FORM, 303),
        ("form of an old browser", &OLD_FORM, 303),
        ("fetch", &[site, ("sec-fetch-mode", "cors"), ("accept", "*/*")], 200),
        ("fetch on plain http", &[("origin", "https://app.example.com"), ("accept", "*/*")], 200),
        ("program", &[], 200),
        ("JSON client", &[("accept", "application/json")], 200),
        ("gRPC", &[("content-type", "application/grpc-web"), site], 200),
        ("beacon", &[site, ("sec-fetch-mode", "no-cors")], 200),
        ("htmx", &[site, ("hx-request", "true"), ("sec-fetch-mode", "cors")], 204),
    ];
    for (name, fields, status) in cases {
        let (mut browser, ..) = signed_in().await;
        let response = browser.send("POST", "/logout?return_to=%2Fbye", fields).await;
        assert_eq!(response.status(), *status, "{name}");
        let to = match status {
            303 => header(&response, "location").to_owned(),
            204 => header(&response, "hx-redirect").to_owned(),
            _ => {
                assert_eq!(header(&response, "content-type"), "application/json", "{name}");
                let body: serde_json::Value = serde_json::from_str(body(&response)).unwrap();
                body["logout_url"].as_str().unwrap().to_owned()
            }
        };
        assert_eq!(after_workos(&to), "https://app.example.com/bye", "{name}");
        assert_eq!(*status == 303, response.headers().contains_key("location"), "{name}");
        assert!(browser.has_nothing(), "{name}");
    }

    let cross = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors")];
    let (mut browser, ..) = signed_in().await;
    let response = browser.send("POST", "/logout", &cross).await;
    assert_eq!(response.status(), 403, "another site's script");
    assert_eq!(header(&response, "content-type"), "application/problem+json");
    assert!(browser.is_signed_in());
}

#[tokio::test]
async fn d7_signing_out_drops_the_pages_that_were_loaded_in_advance() {
    let htmx = [("hx-request", "true"), CLICKED[0]];
    let cases: &[(&str, &str, Fields<'_>, bool)] = &[
        ("form", "POST", &FORM, true),
        ("link", "GET", &CLICKED, true),
        ("script", "POST", &[("sec-fetch-mode", "cors"), CLICKED[0]], true),
        ("htmx", "POST", &htmx, true),
        ("only asked", "GET", &NAVIGATION, false),
        ("refused", "POST", &[("sec-fetch-site", "cross-site")], false),
    ];
    for (name, method, fields, is_cleared) in cases {
        let (mut browser, ..) = signed_in().await;
        let response = browser.send(method, "/logout", fields).await;
        let expected = if *is_cleared { r#""prefetchCache", "prerenderCache""# } else { "" };
        assert_eq!(header(&response, "clear-site-data"), expected, "{name}");
    }
}

/// Browsers send `Origin: null` with a form whose page has the policy `no-referrer`, and on plain http nothing else.
#[tokio::test]
async fn e2_the_button_of_our_own_page_signs_out_where_browsers_name_only_the_origin() {
    let (mut browser, ..) = signed_in().await;
    let page = browser.send("GET", "/logout", &[("accept", "text/html")]).await;
    assert_eq!(header(&page, "referrer-policy"), "same-origin");
    assert!(body(&page).contains("<form method=\"post\" action=\"/logout\">"));
    let pressed = browser.send("POST", "/logout", &OLD_FORM).await;
    assert_eq!(pressed.status(), 303);
    assert!(browser.has_nothing());
}
