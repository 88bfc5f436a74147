//! Webhooks end sessions at once: those of our emulator and those of WorkOS's emulator.

use std::{
    process::Command,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use authkit_emulator::seal;
use authkit_tower::{AuthKit, AuthKitLayer, Config, CookiePassword, Endpoints, Session, Webhooks};
use aws_lc_rs::hmac;
use axum::{Router, routing::get};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use support::{Browser, Events, Harness, PASSWORD, Port, Running, peers::OfficialEmulator};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const SECRET: &str = "whsec_of_all_these_tests";

fn app(authkit: &AuthKit) -> Router {
    Router::new()
        .route("/dashboard", get(async |session: Session| session.user().email.clone().unwrap()))
        .route_layer(AuthKitLayer::new(authkit))
        .merge(Endpoints::new(authkit))
        .route_service("/webhooks/workos", Webhooks::new(authkit, SECRET).unwrap())
}

async fn running() -> Running {
    let harness = Harness::start().await;
    let router = app(&harness.authkit);
    harness.serve(router)
}

/// Sends a body, signed with `secret` as WorkOS signs at `now`.
async fn deliver(running: &Running, secret: &str, now: SystemTime, body: String) -> StatusCode {
    let time = now.duration_since(UNIX_EPOCH).unwrap().as_millis().to_string();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{time}.{body}").as_bytes());
    let tag: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let request = reqwest::Client::new().post(running.url("/webhooks/workos"));
    let request = request.header("WorkOS-Signature", format!("t={time}, v1={tag}")).body(body);
    request.send().await.unwrap().status()
}

/// A time as WorkOS writes it.
fn timestamp(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap().as_secs();
    let date = Command::new("date")
        .args(["--utc", &format!("--date=@{seconds}"), "+%Y-%m-%dT%H:%M:%S.000Z"])
        .output()
        .unwrap();
    String::from_utf8(date.stdout).unwrap().trim().to_owned()
}

fn event(name: &str, data: &Value, created_at: &str) -> String {
    let id = format!("event_{name}_{created_at}");
    json!({ "object": "event", "id": id, "event": name, "created_at": created_at, "data": data })
        .to_string()
}

/// Asks until the session is refused.
async fn until_refused(browser: &Browser, url: &str) {
    support::until("the webhook ends the session", async || {
        browser.fetch(Method::GET, url, "").await.status == StatusCode::UNAUTHORIZED
    })
    .await;
}

#[tokio::test]
async fn lo_04_a_cookie_that_is_replayed_after_signing_out_elsewhere_is_refused() {
    let running = running().await;
    running.emulator.add_webhook(&running.url("/webhooks/workos"), SECRET);
    let session = running.emulator.session("alice@acme.test");
    let [browser, other] = [running.holding(&session), running.signed_in("alice@acme.test")];
    let url = running.url("/dashboard");
    assert_eq!(browser.navigate(&url).await.status, StatusCode::OK);

    // As if WorkOS's dashboard or another application had ended it.
    running.emulator.revoke(session.session_id());
    until_refused(&browser, &url).await;
    assert!(browser.cookie("wos_session").is_some(), "the answer to a script deletes no cookie");
    assert!(browser.navigate(&url).await.status.is_redirection());
    assert_eq!(browser.cookie("wos_session"), None, "the answer to a page deletes it");
    assert_eq!(
        other.navigate(&url).await.status,
        StatusCode::OK,
        "the user's other session goes on"
    );

    running.emulator.remove_user("alice@acme.test");
    until_refused(&other, &url).await;
}

/// The machine that stamps an event and the one that makes tokens have clocks of their own.
#[tokio::test]
async fn f9_what_ended_is_refused_though_its_end_is_stamped_before_its_token() {
    let running = running().await;
    let now = running.emulator.now();
    let url = running.url("/dashboard");
    for (name, field) in [("session.revoked", "sid"), ("user.deleted", "sub")] {
        let session = running.emulator.session("alice@acme.test");
        let browser = running.holding(&session);
        assert_eq!(browser.navigate(&url).await.status, StatusCode::OK);

        // A minute before the token was issued.
        let data = json!({ "id": session.claims()[field] });
        let event = event(name, &data, &timestamp(now - Duration::from_secs(60)));
        assert_eq!(deliver(&running, SECRET, now, event).await, StatusCode::OK);
        assert_eq!(browser.fetch(Method::GET, &url, "").await.status, StatusCode::UNAUTHORIZED);
    }
    let other = running.signed_in("bob@acme.test");
    assert_eq!(other.navigate(&url).await.status, StatusCode::OK);
}

#[tokio::test]
async fn f11_an_organization_that_is_deleted_or_changes_has_its_sessions_refreshed() {
    let running = running().await;
    let url = running.url("/dashboard");
    let session = running.emulator.session("alice@acme.test");
    let organization = session.claims()["org_id"].clone();
    let others = running.emulator.session("alice@acme.test").without_organization();
    let [browser, other] = [&session, &others].map(|session| running.holding(session));
    for browser in [&browser, &other] {
        assert_eq!(browser.navigate(&url).await.status, StatusCode::OK);
    }
    for (exchanges, name, field) in [
        (1, "organization.deleted", "id"),
        (2, "organization_role.updated", "organization_id"),
        (3, "organization_role.deleted", "organization_id"),
    ] {
        running.advance(Duration::from_secs(2));
        let now = running.emulator.now();
        let body = event(name, &json!({ field: organization }), &timestamp(now));
        assert_eq!(deliver(&running, SECRET, now, body).await, StatusCode::OK);
        running.advance(Duration::from_secs(2));
        for _ in 0..2 {
            assert_eq!(browser.navigate(&url).await.status, StatusCode::OK, "{name}");
            assert_eq!(other.navigate(&url).await.status, StatusCode::OK, "{name}");
        }
        assert_eq!(
            running.emulator.exchanges(),
            exchanges,
            "{name}: only the session of the organization is refreshed"
        );
    }
}

#[tokio::test]
async fn e16_a_signed_webhook_of_no_concern_is_taken_however_large() {
    let running = running().await;
    let now = running.emulator.now();
    for len in [70 * 1024, 1024 * 1024, 3 * 1024 * 1024] {
        let data = json!({ "raw_attributes": "x".repeat(len) });
        let body = event("dsync.user.updated", &data, "2026-11-01T00:00:00.000Z");
        assert_eq!(deliver(&running, SECRET, now, body).await, StatusCode::OK, "{len}");
    }
}

#[tokio::test]
async fn f10_strangers_fill_no_log_and_their_bodies_are_not_waited_for() {
    let events = Events::listen();
    let running = running().await;
    let now = running.emulator.now();
    let session = running.emulator.session("alice@acme.test");
    let browser = running.holding(&session);
    let goes_on = async |after: &str| {
        let page = browser.navigate(&running.url("/dashboard")).await;
        assert_eq!(
            (page.status, page.text().as_str()),
            (StatusCode::OK, "alice@acme.test"),
            "{after}"
        );
    };
    goes_on("at first").await;
    let body = |created_at: &str| {
        event("user.deleted", &json!({ "id": session.claims()["sub"] }), created_at)
    };
    for number in 0..40 {
        let body = body(&format!("2026-11-01T00:00:{number:02}.000Z"));
        let refused = deliver(&running, "a_secret_of_somebody_else", now, body).await;
        assert_eq!(refused, StatusCode::UNAUTHORIZED);
        let unsigned = reqwest::Client::new().post(running.url("/webhooks/workos")).send().await;
        assert_eq!(unsigned.unwrap().status(), StatusCode::BAD_REQUEST);
    }
    let lines = |events: &Events| {
        let events = events.take();
        events.iter().filter(|event| event.contains("webhooks were refused")).count()
    };
    assert_eq!(lines(&events), 2, "one of each kind");
    goes_on("what strangers signed").await;
    running.advance(Duration::from_secs(61));
    reqwest::Client::new().post(running.url("/webhooks/workos")).send().await.unwrap();
    assert_eq!(lines(&events), 1);

    // A body that never comes, without a signature.
    let mut stream = TcpStream::connect(running.served().address()).await.unwrap();
    let head = "POST /webhooks/workos HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    timeout(Duration::from_secs(5), stream.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 400");
    goes_on("a body that never came").await;

    // 180 seconds are allowed, of which the test itself takes some.
    for (ago, status) in [(181, StatusCode::UNAUTHORIZED), (120, StatusCode::OK)] {
        let signed_at = running.emulator.now() - Duration::from_secs(ago);
        let body = body(&timestamp(signed_at));
        assert_eq!(deliver(&running, SECRET, signed_at, body).await, status, "{ago} s ago");
        if status == StatusCode::UNAUTHORIZED {
            goes_on("what WorkOS signed long ago").await;
        }
    }
    let page = browser.fetch(Method::GET, &running.url("/dashboard"), "").await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED, "the last event counted");
}

#[tokio::test]
async fn webhooks_of_the_official_emulator_are_accepted() {
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
