//! The layer refuses requests that another site makes a browser send, and no others.

use std::time::Duration;

use authkit_emulator::Endpoint;
use authkit_tower::{AuthKit, AuthKitLayer, Denial, DenialKind, Endpoints, Session};
use axum::{Router, response::Response, routing::any};
use bytes::Bytes;
use http::{Method, StatusCode};
use support::{Answer, Browser, DOCUMENT, Harness, PASSWORD, Running};
use tower_http::csrf::CsrfLayer;

const ORIGIN: &str = "https://app.example.com";
const FRIEND: &str = "https://admin.example.com";

fn app(authkit: &AuthKit) -> Router {
    let route =
        || Router::new().route("/", any(async |session: Session| session.user_id().to_owned()));
    let layer = AuthKitLayer::new(authkit);
    let trusting = layer.clone().with_trusted_origins([FRIEND]).unwrap();
    let kind = async |response: Response| {
        let denial = response.extensions().get::<Denial>().map(Denial::kind);
        let is_cross_origin = denial == Some(DenialKind::CrossOrigin);
        ([("x-cross-origin", if is_cross_origin { "yes" } else { "no" })], response)
    };
    Router::new()
        .nest("/strict", route().layer(layer))
        .nest("/trusting", route().layer(trusting))
        .layer(axum::middleware::map_response(kind))
        .merge(Endpoints::new(authkit))
}

async fn running() -> Running {
    let harness = Harness::start().await;
    let authkit = harness.authkit_at(ORIGIN, |config| config);
    harness.serve(app(&authkit))
}

/// Header fields by name and value.
type Fields<'a> = &'a [(&'a str, &'a str)];

async fn post(browser: &Browser, url: &str, headers: &[(&str, &str)]) -> Answer {
    browser.send(Method::POST, url, headers.iter().copied(), Bytes::from("amount=100")).await
}

/// The status of a form that a browser with an expired session sends with these headers. Asserts that the refusal comes
/// before the refresh, and sets no cookie.
async fn status_of(running: &Running, path: &str, headers: &[(&str, &str)]) -> StatusCode {
    running.advance(Duration::from_secs(1));
    let before = running.emulator.calls(Endpoint::Authenticate);
    let expired = running.emulator.session("alice@acme.test").expired();
    let answer = post(&running.holding(&expired), &running.url(path), headers).await;
    let refreshed = running.emulator.calls(Endpoint::Authenticate) - before;
    let passed = answer.status == StatusCode::OK;
    assert_eq!(refreshed, u64::from(passed), "{headers:?}: a refused request is not refreshed");
    assert_eq!(answer.header("x-cross-origin"), if passed { "no" } else { "yes" }, "{headers:?}");
    assert!(passed || answer.set_cookies("wos_session").is_empty(), "{headers:?}");
    answer.status
}

#[tokio::test]
async fn cs_01_a_form_of_another_site_is_refused_before_anything_else() {
    let running = running().await;
    for site in ["cross-site", "same-site", "Same-Origin", "unheard-of"] {
        for origin in ["https://evil.example", "https://www.example.com", ORIGIN, "null"] {
            let headers = [("sec-fetch-site", site), ("origin", origin)];
            assert_eq!(status_of(&running, "/strict", &headers).await, 403, "{site} {origin}");
        }
        assert_eq!(
            status_of(&running, "/strict", &[("sec-fetch-site", site)]).await,
            403,
            "{site}"
        );
    }
    for site in ["same-origin", "none"] {
        assert_eq!(
            status_of(&running, "/strict", &[("sec-fetch-site", site)]).await,
            200,
            "{site}"
        );
    }
}

#[tokio::test]
async fn cs_02_without_fetch_metadata_the_origin_counts() {
    let running = running().await;
    let cases = [
        ("another host", "https://evil.example", 403),
        ("opaque", "null", 403),
        ("ours and more", "https://app.example.com.evil", 403),
        ("ours as a user name", "https://app.example.com@evil.example", 403),
        ("another scheme", "http://app.example.com", 403),
        ("another port", "https://app.example.com:8443", 403),
        ("a slash more", "https://app.example.com/", 403),
        ("another case", "HTTPS://APP.EXAMPLE.COM", 403),
        ("ours", ORIGIN, 200),
    ];
    for (name, origin, status) in cases {
        assert_eq!(status_of(&running, "/strict", &[("origin", origin)]).await, status, "{name}");
    }
    assert_eq!(
        status_of(&running, "/strict", &[]).await,
        200,
        "a browser sends at least one of them"
    );
}

#[tokio::test]
async fn cs_03_trusted_origins_match_byte_for_byte_whatever_the_proxy_says() {
    let running = running().await;
    let cross = ("sec-fetch-site", "cross-site");
    let cases: &[(&str, Fields<'_>, u16)] = &[
        ("trusted", &[cross, ("origin", FRIEND)], 200),
        ("trusted, no metadata", &[("origin", FRIEND)], 200),
        ("a slash more", &[cross, ("origin", "https://admin.example.com/")], 403),
        ("a port more", &[cross, ("origin", "https://admin.example.com:443")], 403),
        ("another case", &[cross, ("origin", "https://Admin.example.com")], 403),
        ("another scheme", &[cross, ("origin", "http://admin.example.com")], 403),
        ("opaque", &[cross, ("origin", "null")], 403),
        ("none", &[cross], 403),
        ("Host rewritten by a proxy", &[("origin", ORIGIN), ("host", "10.0.0.1:8080")], 200),
        (
            "Host names the other origin",
            &[("origin", "https://evil.example"), ("host", "evil.example")],
            403,
        ),
        (
            "X-Forwarded-Host names the other origin",
            &[("origin", "https://evil.example"), ("x-forwarded-host", "evil.example")],
            403,
        ),
    ];
    for (name, headers, status) in cases {
        assert_eq!(status_of(&running, "/trusting", headers).await, *status, "{name}");
    }
    assert_eq!(
        status_of(&running, "/strict", &[("origin", FRIEND)]).await,
        403,
        "the other layer does not trust it"
    );
}

#[tokio::test]
async fn cs_04_a_link_in_a_mail_opens_its_page() {
    let running = running().await;
    let expired = running.emulator.session("alice@acme.test").expired();
    let browser = running.holding(&expired);
    let mut link = DOCUMENT.to_vec();
    link.retain(|(name, _)| *name != "sec-fetch-site");
    link.push(("sec-fetch-site", "cross-site"));

    let page = browser.send(Method::GET, &running.url("/strict"), link, Bytes::new()).await;
    assert_eq!((page.status, page.set_cookies("wos_session").len()), (StatusCode::OK, 1));
    assert!(page.set_cookies("wos_session")[0].contains("; SameSite=Lax"));
    assert_eq!(running.emulator.exchanges(), 1, "one refresh");
}

#[tokio::test]
async fn a_cross_site_form_without_a_session_is_denied_as_unauthenticated() {
    let running = running().await;
    let headers = [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")];
    let answer = post(&Browser::new(), &running.url("/strict"), &headers).await;
    assert_eq!((answer.status, answer.header("x-cross-origin")), (StatusCode::UNAUTHORIZED, "no"));
}

/// Sends each request to our layer and to the one of tower-http, which have the same trusted origins.
#[tokio::test]
async fn cs_02_cs_03_the_rules_are_those_of_tower_http() {
    let harness = Harness::start().await;
    let authkit = harness.authkit_at(ORIGIN, |config| config);
    let route = || Router::new().route("/", any(async || ()));
    let ours = route().layer(AuthKitLayer::new(&authkit).with_trusted_origins([FRIEND]).unwrap());
    let theirs = route().layer(CsrfLayer::new().add_trusted_origin(FRIEND).unwrap());
    let browser = Browser::new();
    browser.keep(
        ORIGIN,
        "wos_session",
        &harness.emulator.session("alice@acme.test").cookie(PASSWORD),
    );

    let methods = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"];
    let sites =
        ["", "same-origin", "same-site", "cross-site", "none", "Same-Origin", "new", "null"];
    let origins = [
        "",
        "null",
        ORIGIN,
        FRIEND,
        "https://evil.example",
        "https://www.example.com",
        "https://app.example.com.evil",
        "https://app.example.com:443",
        "https://app.example.com:8443",
        "https://app.example.com@evil.example",
        "https://APP.example.com",
        "https://admin.example.com:443",
        "https://admin.example.com.evil",
        "app.example.com",
        "garbage",
    ];
    let mut refused = 0;
    for method in methods {
        for site in sites {
            for origin in origins {
                // Both layers treat an empty field as an absent one.
                let fields =
                    [("host", "app.example.com"), ("sec-fetch-site", site), ("origin", origin)];
                let answers = [&ours, &theirs]
                    .map(|app| browser.send_to(app, method.parse().unwrap(), ORIGIN, fields));
                let [ours, theirs] = answers;
                let (ours, theirs) = (ours.await.status, theirs.await.status);
                assert_eq!(ours, theirs, "{method} from {origin:?}, {site:?}");
                refused += usize::from(ours == StatusCode::FORBIDDEN);
            }
        }
    }
    assert!((400..700).contains(&refused), "{refused} of 1080 are refused");
}
