//! Webhooks end sessions at once: those of our emulator, and those of WorkOS's own.

use std::time::Duration;

use authkit_emulator::seal;
use authkit_tower::{AuthKit, AuthKitLayer, Config, CookiePassword, Endpoints, Session, Webhooks};
use axum::{Router, routing::get};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use support::{Browser, Harness, PASSWORD, Port, peers::OfficialEmulator};
use tokio::time::{sleep, timeout};

const SECRET: &str = "whsec_of_a_test";

fn app(authkit: &AuthKit) -> Router {
    Router::new()
        .route("/dashboard", get(async |session: Session| session.user().email.clone().unwrap()))
        .route_layer(AuthKitLayer::new(authkit))
        .merge(Endpoints::new(authkit))
        .route_service("/webhooks/workos", Webhooks::new(authkit, SECRET))
}

/// Asks until the session is refused.
async fn until_refused(browser: &Browser, url: &str) {
    let refused = async {
        while browser.fetch(Method::GET, url, "").await.status != StatusCode::UNAUTHORIZED {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(5), refused).await.expect("the webhook ends it");
}

#[tokio::test]
async fn lo_04_a_cookie_that_is_replayed_after_signing_out_elsewhere_is_refused() {
    let harness = Harness::start().await;
    let router = app(&harness.authkit);
    let running = harness.serve(router);
    running.emulator.add_webhook(&running.url("/webhooks/workos"), SECRET);
    let session = running.emulator.session("alice@acme.test");
    let [browser, other] = [running.holding(&session), running.signed_in("alice@acme.test")];
    let url = running.url("/dashboard");
    assert_eq!(browser.navigate(&url).await.status, StatusCode::OK);

    // In the dashboard of WorkOS, or at another application.
    running.emulator.revoke(session.session_id());
    until_refused(&browser, &url).await;
    assert!(browser.cookie("wos_session").is_some(), "a script's answer deletes nothing");
    assert!(browser.navigate(&url).await.status.is_redirection());
    assert_eq!(browser.cookie("wos_session"), None, "a page's does");
    assert_eq!(
        other.navigate(&url).await.status,
        StatusCode::OK,
        "the user's other session goes on"
    );

    running.emulator.remove_user("alice@acme.test");
    until_refused(&other, &url).await;
}

#[tokio::test]
async fn the_official_emulator_signs_what_we_take() {
    let emulator = OfficialEmulator::start();
    let port = Port::bind().await;
    let password = CookiePassword::new(PASSWORD).unwrap();
    let redirect_uri = format!("{}/callback", port.url());
    let config = Config::new("client_peer", OfficialEmulator::API_KEY, redirect_uri, password)
        .with_base_url(emulator.base_url());
    let served = port.serve_axum(app(&AuthKit::new(config).unwrap()));
    let url = format!("{}/dashboard", served.url());
    let call = async |path: &str, body: Value| {
        let request = reqwest::Client::new().post(format!("{}{path}", emulator.base_url()));
        let response = request.bearer_auth(OfficialEmulator::API_KEY).json(&body).send().await;
        let response = response.unwrap();
        assert!(response.status().is_success(), "{path}: {}", response.status());
    };
    let endpoint = format!("http://127.0.0.1:{}/webhooks/workos", served.address().port());
    let endpoint =
        json!({ "endpoint_url": endpoint, "url": endpoint, "secret": SECRET, "events": [] });
    call("/webhook_endpoints", endpoint).await;

    let answer = emulator.sign_in().await;
    let browser = Browser::new();
    browser.keep(&url, "wos_session", &seal(&answer, PASSWORD));
    assert_eq!(browser.navigate(&url).await.status, StatusCode::OK);

    let token = answer["access_token"].as_str().unwrap();
    call("/user_management/sessions/revoke", json!({ "session_id": session_id(token) })).await;

    until_refused(&browser, &url).await;
}

fn session_id(token: &str) -> String {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

    let claims = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    claims["sid"].as_str().unwrap().to_owned()
}
