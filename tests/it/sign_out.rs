//! Signing out ends the session here and at WorkOS, whatever state it is in.

use std::time::Duration;

use authkit_emulator::Endpoint;
use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, Session};
use axum::{Router, routing::get};
use http::StatusCode;
use support::{Browser, Harness, Running};

fn app(authkit: &AuthKit) -> Router {
    Router::new()
        .route("/dashboard", get(async |session: Session| session.user().email.clone()))
        .route_layer(AuthKitLayer::new(authkit))
        .route("/", get(async || "home"))
        .merge(Endpoints::new(authkit))
}

async fn running() -> Running {
    let harness = Harness::start().await;
    let app = app(&harness.authkit);
    harness.serve(app)
}

#[tokio::test]
async fn lo_01_an_expired_session_is_signed_out_like_any_other() {
    let running = running().await;
    let browser = running.signed_in("alice@acme.test");
    running.advance(Duration::from_secs(3600));
    let old = browser.cookie("wos_session").unwrap();

    let answer = browser.submit(&running.url("/logout"), &[]).await;

    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let target = browser.target(&answer);
    assert!(target.as_str().starts_with(&format!(
        "{}/user_management/sessions/logout?session_id=session_",
        running.emulator.url()
    )));
    assert_eq!(answer.set_cookies("wos_session").len(), 1);
    assert_eq!(browser.cookie("wos_session"), None);

    running.authkit.drain(Duration::from_secs(5)).await;
    assert_eq!(running.emulator.calls(Endpoint::Revoke), 1);
    let page = browser.open(target.as_str()).await;
    assert_eq!(
        (page.status, page.text().as_str()),
        (StatusCode::OK, "home"),
        "back at {}",
        page.url
    );

    let replay = Browser::new();
    replay.keep(&running.url("/"), "wos_session", &old);
    let page = replay.navigate(&running.url("/dashboard")).await;
    assert_eq!(page.status, StatusCode::FOUND, "the old cookie opens nothing");
    assert_eq!(running.emulator.calls(Endpoint::Authenticate), 0);
}

#[tokio::test]
async fn lo_02_an_unreadable_session_is_deleted_all_the_same() {
    let running = running().await;
    let browser = Browser::new();
    browser.keep(&running.url("/"), "wos_session", "garbage");

    let answer = browser.submit(&running.url("/logout"), &[]).await;

    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.target(&answer).as_str(), running.url("/"));
    assert_eq!(browser.cookie("wos_session"), None);
}
