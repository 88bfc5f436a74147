//! A cookie that was forged, swapped or made for another purpose is refused, and the answer does not say why.

use authkit_emulator::{Endpoint, TestSession, seal};
use authkit_session::{Authenticator, integration::Purpose};
use authkit_tower::{
    AuthKit, AuthKitLayer, Config, CookiePassword, Denial, Endpoints, Reason, SealFormat, Session,
};
use axum::{Router, body::Body, routing::get};
use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use support::{Browser, Events, Harness, PASSWORD};
use tower::ServiceExt;

const APP: &str = "https://app.example.com";

fn app(authkit: &AuthKit) -> Router {
    Router::new()
        .route("/api/me", get(async |session: Session| session.user_id().to_owned()))
        .route_layer(AuthKitLayer::new(authkit))
        .merge(Endpoints::new(authkit))
}

/// Everything in an answer that a client sees.
type Seen = (StatusCode, Vec<(String, Vec<u8>)>, Vec<u8>);

async fn seen(app: &Router, accept: &'static str, value: &[u8]) -> Option<Seen> {
    let cookie = HeaderValue::from_bytes(&[b"wos_session=", value].concat()).ok()?;
    let request =
        Request::get("/api/me").header(header::ACCEPT, accept).header(header::COOKIE, cookie);
    let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    let headers =
        head.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
    Some((head.status, headers.collect(), body.collect().await.unwrap().to_bytes().to_vec()))
}

/// The reason for which this cookie is refused; `None` if it is admitted.
async fn refused(app: &Router, value: &str) -> Option<Reason> {
    let request = Request::get("/api/me").header(header::COOKIE, format!("wos_session={value}"));
    let request = request.body(Body::empty()).unwrap();
    let response: Response<Body> = app.clone().oneshot(request).await.unwrap();
    assert!(!response.headers().contains_key(header::SET_COOKIE), "no session changes");
    let reason = response.extensions().get::<Denial>().and_then(Denial::reason);
    assert_eq!(response.status() == StatusCode::OK, reason.is_none());
    reason
}

/// The value of a session cookie in the handle's format, without the escaping of `+`.
async fn sealed(authkit: &AuthKit, session: &TestSession) -> String {
    let answer = session.payload().to_string();
    let signed_in = authkit.start_session(answer.as_bytes(), &HeaderMap::new()).await.unwrap();
    let cookie = signed_in.set_cookies[0].to_str().unwrap();
    let value = cookie.strip_prefix("wos_session=").unwrap().split(';').next().unwrap();
    value.replace("%2B", "+")
}

#[tokio::test]
async fn se_03_whatever_was_changed_the_answer_is_the_same() {
    let harness = Harness::start().await;
    let session = harness.emulator.session("carol@example.test");
    let hex = "0123456789abcdef".repeat(4);
    let formats = [
        (SealFormat::Ruby, PASSWORD),
        (SealFormat::Ruby6, "0123456789abcdefghijklmnopqrstuv"),
        (SealFormat::Go, PASSWORD),
        (SealFormat::Rust, &hex),
        (SealFormat::Python, PASSWORD),
        (SealFormat::Node, PASSWORD),
    ];
    for (format, password) in formats {
        let authkit = {
            let password = CookiePassword::new(password).unwrap();
            let (id, key) = (harness.emulator.client_id(), harness.emulator.api_key());
            let config = Config::new(id, key, format!("{APP}/callback"), password)
                .with_base_url(harness.emulator.url())
                .with_clock(harness.clock.clone())
                .with_seal_format(format);
            AuthKit::new(config).unwrap()
        };
        let app = app(&authkit);
        let sealed = sealed(&authkit, &session).await.into_bytes();
        let (status, ..) = seen(&app, "*/*", &sealed).await.unwrap();
        assert_eq!(status, StatusCode::OK, "{format}: untouched");

        for (accept, expected) in
            [("*/*", StatusCode::UNAUTHORIZED), ("text/html", StatusCode::FOUND)]
        {
            let reference = seen(&app, accept, b"garbage").await.unwrap();
            assert_eq!(reference.0, expected, "{format}");
            let mut flipped = 0;
            // Every byte once, each time another bit. Pages differ in the answer alone: every 29th byte is enough.
            let step = if expected == StatusCode::FOUND { 29 } else { 1 };
            for at in (0..sealed.len()).step_by(step) {
                let mut changed = sealed.clone();
                changed[at] ^= 1 << (at % 7);
                if let Some(answer) = seen(&app, accept, &changed).await {
                    assert_eq!(answer, reference, "{format}: byte {at}");
                    flipped += 1;
                }
            }
            assert!(flipped > sealed.len() / step / 2, "{format}: {flipped} of {}", sealed.len());
            for len in (0..sealed.len() - 4).step_by(97) {
                let answer = seen(&app, accept, &sealed[..len]).await.unwrap();
                assert_eq!(answer, reference, "{format}: the first {len} bytes");
            }
        }
    }
    assert_eq!(harness.emulator.calls(Endpoint::Authenticate), 0, "WorkOS is not asked");
}

#[tokio::test]
async fn se_06_a_sign_in_under_way_is_no_session_and_a_session_none() {
    let harness = Harness::start().await;
    let authkit = harness.authkit_at(APP, |config| config);
    let app = app(&authkit);
    let browser = Browser::new();

    let login = browser.visit(&app, &format!("{APP}/login")).await;
    let name = browser.cookie_names().remove(0);
    assert!(name.starts_with("__Host-wos_auth_"), "{name}");
    let flow = browser.cookie(&name).unwrap();
    let there = browser.navigate(browser.target(&login).as_str()).await;
    let callback = browser.target(&there);
    let state = callback.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    for (what, value) in [("the flow", &flow), ("the state", &state)] {
        assert_eq!(refused(&app, value).await, Some(Reason::UnreadableCookie), "{what}");
        // The session formats spell base64 in the other alphabet.
        let respelt = value.replace('-', "+").replace('_', "/");
        assert_eq!(
            refused(&app, &respelt).await,
            Some(Reason::UnreadableCookie),
            "{what}, respelt"
        );
    }

    let session = sealed(&authkit, &harness.emulator.session("alice@acme.test")).await;
    let respelt = session.replace('+', "-").replace('/', "_").replace('=', "");
    harness.emulator.reset_calls();
    for value in [&session, &respelt] {
        let other = Browser::new();
        other.keep(APP, &name, value);
        let answer = other.visit(&app, callback.as_str()).await;
        assert!(answer.set_cookies("wos_session").is_empty(), "as the flow: {:?}", answer.headers);

        let mut forged = callback.clone();
        forged.query_pairs_mut().clear().append_pair("code", "code").append_pair("state", value);
        let answer = browser.visit(&app, forged.as_str()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "as the state");
    }
    assert_eq!(harness.emulator.calls(Endpoint::Authenticate), 0, "no code was exchanged");

    let answer = browser.visit(&app, callback.as_str()).await;
    assert_eq!(answer.set_cookies("wos_session").len(), 1, "the real one still works");
}

#[tokio::test]
async fn se_06_a_value_for_other_replicas_is_no_session_and_a_session_none() {
    let harness = Harness::start().await;
    let authkit = harness.authkit_at(APP, |config| config);
    let app = app(&authkit);
    let config = Harness::config(&harness.emulator, &format!("{APP}/callback"));
    let replica = Authenticator::new(config).unwrap();
    let session = harness.emulator.session("alice@acme.test");
    let payload = session.payload().to_string();

    let sealed_there = replica.seal_for(Purpose::Replica, b"", payload.as_bytes()).unwrap();
    let respelt = sealed_there.replace('-', "+").replace('_', "/");
    for value in [&sealed_there, &respelt] {
        assert_eq!(refused(&app, value).await, Some(Reason::UnreadableCookie));
    }
    assert!(
        replica.open_for(Purpose::Replica, b"", &sealed_there).is_some(),
        "the replica opens its own value"
    );
    let sealed = sealed(&authkit, &session).await;
    assert_eq!(refused(&app, &sealed).await, None, "a sealed session is a session");
    for value in [sealed.replace('+', "-").replace('/', "_").replace('=', ""), sealed] {
        assert!(replica.open_for(Purpose::Replica, b"", &value).is_none());
    }
}

#[tokio::test]
async fn se_06_another_client_s_session_and_sign_in_are_not_ours() {
    let harness = Harness::start().await;
    let ours = app(&harness.authkit_at(APP, |config| config));
    let events = Events::listen();

    let session = harness.emulator.session("alice@acme.test").claim("client_id", "client_other");
    assert_eq!(refused(&ours, &session.cookie(PASSWORD)).await, Some(Reason::NotOurs));
    let told = events.take().join("\n");
    assert!(told.contains("ERROR") && told.contains("reason=not_ours"), "{told}");
    assert_eq!(harness.emulator.calls(Endpoint::Authenticate), 0, "nothing is refreshed");

    let theirs = {
        let password = CookiePassword::new(PASSWORD).unwrap();
        let config =
            Config::new("client_other", "sk_test_other", format!("{APP}/callback"), password)
                .with_base_url(harness.emulator.url())
                .with_clock(harness.clock.clone());
        app(&AuthKit::new(config).unwrap())
    };
    let browser = Browser::new();
    let login = browser.visit(&theirs, &format!("{APP}/login")).await;
    let state = browser
        .target(&login)
        .query_pairs()
        .find(|(name, _)| name == "state")
        .unwrap()
        .1
        .into_owned();
    let answer = browser.visit(&ours, &format!("{APP}/callback?code=code&state={state}")).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "its state is not ours");
    assert_eq!(harness.emulator.calls(Endpoint::Authenticate), 0);
}

#[tokio::test]
async fn se_08_what_is_not_sealed_is_refused() {
    let harness = Harness::start().await;
    let app = app(&harness.authkit);
    let plain = harness.emulator.session("alice@acme.test").payload().to_string();
    let escaped: String = plain.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let token = harness.emulator.session("alice@acme.test");
    for value in [&escaped, &BASE64_STANDARD.encode(&plain), token.access_token()] {
        assert_eq!(refused(&app, value).await, Some(Reason::UnreadableCookie));
    }
}

#[tokio::test]
async fn se_08_a_cookie_that_contradicts_its_token_is_refused() {
    let harness = Harness::start().await;
    let app = app(&harness.authkit);
    let bob = harness.emulator.session("bob@acme.test").payload();
    let support = json!({ "email": "support@acme.test", "reason": null });
    let other = json!({ "email": "mallory@acme.test", "reason": null });
    type Change<'a> = Box<dyn Fn(&mut Value) + 'a>;
    let with = |name: &'static str, value: &Value| -> Change<'_> {
        let value = value.clone();
        Box::new(move |payload| payload[name] = value.clone())
    };
    let impersonated = |session: TestSession| session.impersonated_by("support@acme.test", None);
    let same = |session: TestSession| session;
    type Kind<'a> = &'a dyn Fn(TestSession) -> TestSession;
    let rows: [(&str, Kind<'_>, Change<'_>, Option<Reason>); 7] = [
        ("as it was", &same, Box::new(|_| {}), None),
        ("another user", &same, with("user", &bob["user"]), Some(Reason::WrongSubject)),
        (
            "an impersonator out of nowhere",
            &same,
            with("impersonator", &support),
            Some(Reason::WrongSubject),
        ),
        ("impersonated", &impersonated, Box::new(|_| {}), None),
        (
            "another impersonator",
            &impersonated,
            with("impersonator", &other),
            Some(Reason::WrongSubject),
        ),
        ("no access token", &same, with("access_token", &Value::Null), Some(Reason::NotASession)),
        ("unknown fields", &same, with("theme", &json!({ "dark": [1, 2] })), None),
    ];
    for (name, kind, change, expected) in rows {
        let mut payload = kind(harness.emulator.session("alice@acme.test")).payload();
        change(&mut payload);
        let cookie = seal(&payload, PASSWORD);
        assert_eq!(refused(&app, &cookie).await, expected, "{name}");
        assert_eq!(harness.emulator.calls(Endpoint::Authenticate), 0, "{name}");
    }
}
