//! Whoever has no session is told so in a way they understand, and nothing else happens.

use authkit_emulator::Endpoint;
use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, Session};
use axum::{Router, routing::get};
use http::{Method, StatusCode};
use support::{Browser, Harness, Running};

fn app(authkit: &AuthKit) -> Router {
    Router::new()
        .route("/dashboard", get(async |session: Session| session.user().email.clone()))
        .route("/api/me", get(async |session: Session| session.user_id().to_owned()))
        .route_layer(AuthKitLayer::new(authkit))
        .merge(Endpoints::new(authkit))
}

async fn running() -> Running {
    let harness = Harness::start().await;
    let app = app(&harness.authkit);
    harness.serve(app)
}

fn upstream(running: &Running) -> u64 {
    [Endpoint::Authorize, Endpoint::Authenticate, Endpoint::Jwks]
        .map(|to| running.emulator.calls(to))
        .iter()
        .sum()
}

#[tokio::test]
async fn a_page_leads_to_signing_in_and_back() {
    let running = running().await;
    let browser = running.browser();

    let page = browser.navigate(&running.url("/dashboard?tab=1&x=a%20b")).await;
    assert_eq!(page.status, StatusCode::FOUND);
    assert_eq!(page.header("location"), "/login?return_to=%2Fdashboard%3Ftab%3D1%26x%3Da%2520b");
    assert!(page.set_cookies("wos_session").is_empty());

    let page = browser.open(&running.url("/dashboard?tab=1&x=a%20b")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.url.as_str(), running.url("/dashboard?tab=1&x=a%20b"));
    assert_eq!(page.text(), "alice@acme.test");
    assert_eq!(browser.cookie_names(), ["wos_session"], "the flow's cookie is gone");
}

#[tokio::test]
async fn a_script_gets_a_problem() {
    let running = running().await;
    let answer = running.browser().fetch(Method::GET, &running.url("/api/me"), "").await;

    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert!(
        answer.header("www-authenticate").starts_with("Cookie "),
        "{}",
        answer.header("www-authenticate")
    );
    assert_eq!(answer.json()["login_url"], "/login");
    assert_eq!(answer.json()["status"], 401);
    assert_eq!(upstream(&running), 0);
}

#[tokio::test]
async fn a_garbage_cookie_is_no_cookie_and_stays() {
    let running = running().await;
    for garbage in
        ["garbage", "Fe26.2*1*x*y*z**a*b~2", "gAAAAABnonsense", "AQAAAAAAAAAAAAAAAAAA", "%zz", ""]
    {
        let browser = Browser::new();
        browser.keep(&running.url("/"), "wos_session", garbage);

        let page = browser.navigate(&running.url("/dashboard")).await;
        assert_eq!(page.status, StatusCode::FOUND, "{garbage}");
        assert!(page.set_cookies("wos_session").is_empty(), "{garbage}");

        let answer = browser.fetch(Method::GET, &running.url("/api/me"), "").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{garbage}");
        assert!(answer.set_cookies("wos_session").is_empty(), "{garbage}");
    }
    assert_eq!(upstream(&running), 0);
}
