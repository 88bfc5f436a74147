//! An application that signs users in by a call of its own to WorkOS begins a session with WorkOS's answer.

use std::time::Duration;

use authkit_emulator::{Emulator, Endpoint};
use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, ErrorKind, Session};
use axum::{
    Form, Router,
    extract::State,
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use support::{Browser, Harness, Running};
use url::Url;

/// The state of the handler of a password form.
#[derive(Clone)]
struct PasswordSignIn {
    authkit: AuthKit,
    authenticate: String,
    api_key: String,
}

impl PasswordSignIn {
    fn new(authkit: &AuthKit, emulator: &Emulator) -> Self {
        Self {
            authkit: authkit.clone(),
            authenticate: format!("{}/user_management/authenticate", emulator.url()),
            api_key: emulator.api_key().to_owned(),
        }
    }
}

async fn sign_in(
    State(it): State<PasswordSignIn>,
    headers: HeaderMap,
    Form(form): Form<Vec<(String, String)>>,
) -> Response {
    let mut request = json!({
        "grant_type": "password", "client_secret": it.api_key,
        "client_id": it.authkit.settings().client_id(),
    });
    for (name, value) in form {
        request[name] = value.into();
    }
    let answer = reqwest::Client::new().post(&it.authenticate).json(&request).send().await.unwrap();
    let status = answer.status();
    let answer = answer.bytes().await.unwrap();
    if status != StatusCode::OK {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let started = it.authkit.start_session(&answer, &headers).await.unwrap();
    assert_eq!(started.session.authentication_method(), Some("Password"));
    (started, Redirect::to("/dashboard")).into_response()
}

async fn running() -> Running {
    let harness = Harness::start().await;
    let app = Router::new()
        .route("/dashboard", get(async |session: Session| session.user().email.clone().unwrap()))
        .route_layer(AuthKitLayer::new(&harness.authkit))
        .route("/password", post(sign_in).layer(AuthKitLayer::optional(&harness.authkit)))
        .with_state(PasswordSignIn::new(&harness.authkit, &harness.emulator))
        .merge(Endpoints::new(&harness.authkit));
    harness.serve(app)
}

const BOB: [(&str, &str); 2] = [("email", "bob@acme.test"), ("password", "bob-password")];

#[tokio::test]
async fn a_password_form_begins_a_session_like_any_other() {
    let running = running().await;
    let browser = running.browser();

    let answer = browser.submit(&running.url("/password"), &BOB).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    assert_eq!(answer.set_cookies("wos_session").len(), 1);
    assert_eq!(answer.header("cache-control"), "private, no-store");
    let page = browser.navigate(&running.url("/dashboard")).await;
    assert_eq!(page.text(), "bob@acme.test");

    running.advance(Duration::from_secs(600));
    let page = browser.navigate(&running.url("/dashboard")).await;
    assert_eq!((page.status, running.emulator.exchanges()), (StatusCode::OK, 1), "it is refreshed");
}

/// The layer has refreshed the old session for the same request. The response sets the new session alone.
#[tokio::test]
async fn a_started_session_replaces_the_session_before_it() {
    let running = running().await;
    let browser = running.signed_in("alice@acme.test");
    let before = browser.cookie("wos_session").unwrap();
    running.advance(Duration::from_secs(600));

    let answer = browser.submit(&running.url("/password"), &BOB).await;
    assert_eq!(answer.set_cookies("wos_session").len(), 1);
    let page = browser.navigate(&running.url("/dashboard")).await;
    assert_eq!(page.text(), "bob@acme.test");

    let replay = Browser::new();
    replay.keep(&running.url("/"), "wos_session", &before);
    let page = replay.navigate(&running.url("/dashboard")).await;
    assert_eq!(page.status, StatusCode::FOUND, "the old session has ended");
}

#[tokio::test]
async fn an_answer_that_does_not_verify_begins_and_ends_no_session() {
    let running = running().await;
    let browser = running.signed_in("alice@acme.test");
    let cookies = browser.cookies_for(&Url::parse(&running.url("/")).unwrap());
    let mut headers = HeaderMap::new();
    headers.insert(header::COOKIE, HeaderValue::from_str(&cookies).unwrap());
    let emulator = &running.emulator;
    let answer = |session: authkit_emulator::TestSession| session.payload();
    let bob = || emulator.session("bob@acme.test");
    let with = |name: &str, value: Value| {
        let mut payload = answer(bob());
        payload[name] = value;
        payload
    };
    let unsigned = {
        let payload = answer(bob());
        let (token, _) = payload["access_token"].as_str().unwrap().rsplit_once('.').unwrap();
        with("access_token", format!("{token}.{}", BASE64_URL_SAFE_NO_PAD.encode([0; 256])).into())
    };
    let rows = [
        ("a made-up signature", unsigned, ErrorKind::Unverified),
        (
            "another user's token",
            with("user", answer(emulator.session("carol@example.test"))["user"].clone()),
            ErrorKind::Unverified,
        ),
        ("expired on arrival", answer(bob().expired()), ErrorKind::Clock),
        (
            "another client's",
            answer(bob().claim("client_id", "client_other")),
            ErrorKind::Unverified,
        ),
        (
            "a third party's token",
            answer(bob().claim("sid", "app_consent_1")),
            ErrorKind::Unverified,
        ),
        ("no refresh token", with("refresh_token", Value::Null), ErrorKind::Transient),
        (
            "an error",
            json!({ "code": "invalid_credentials", "message": "no" }),
            ErrorKind::Transient,
        ),
    ];
    for (name, answer, expected) in rows {
        let answer = answer.to_string();
        let error = running.authkit.start_session(answer.as_bytes(), &headers).await.unwrap_err();
        assert_eq!(error.kind(), expected, "{name}");
        assert!(!format!("{error:?} {error}").contains("eyJ"), "{name}: no token is shown");
    }
    let page = browser.navigate(&running.url("/dashboard")).await;
    assert_eq!(page.text(), "alice@acme.test", "the session before goes on");
    assert_eq!(emulator.calls(Endpoint::Authenticate), 0);
}
