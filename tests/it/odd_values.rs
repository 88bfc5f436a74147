//! Values of unexpected types, and tokens of other environments: an odd display field refuses no session, an odd role or
//! permission satisfies no guard, and an odd security claim refuses the session.

use std::time::Duration;

use authkit_emulator::{Emulator, Endpoint, Fault, SignIn, TestSession, seal};
use authkit_tower::{AuthKit, AuthKitLayer, Config, Endpoints, Principal, Require, Session};
use axum::{Json, Router, routing::get};
use bytes::Bytes;
use http::{Method, StatusCode, header};
use serde_json::{Value, json};
use support::{Answer, Browser, Events, Harness, PASSWORD, Running};

const ALICE: &str = "alice@acme.test";
const ISSUER: &str = "https://issuer.test/user_management/client_1";
/// A text within odd values, which no log line may contain.
const WITHIN: &str = "hush-hush";

async fn me(session: Session) -> Json<Value> {
    Json(json!({ "user": session.user(), "method": session.authentication_method(),
        "impersonator": session.impersonator(), "name": session.user().display_name() }))
}

fn app(authkit: &AuthKit) -> Router {
    let guarded = |guard: Require| get(async || "let through").route_layer(guard);
    let programs = AuthKitLayer::new(authkit);
    let programs = programs.clone().with_bearer().unwrap_or(programs);
    Router::new()
        .route("/me", get(me))
        .route("/role", guarded(Require::role("admin")))
        .route("/permission", guarded(Require::permission("admin")))
        .route("/entitlement", guarded(Require::entitlement("admin")))
        .route("/feature-flag", guarded(Require::feature_flag("admin")))
        .route("/recent", guarded(Require::recent_sign_in(Duration::from_secs(3_600))))
        .route("/not-impersonated", guarded(Require::not_impersonated()))
        .route_layer(AuthKitLayer::new(authkit))
        .merge(
            Router::new()
                .route("/api", get(async |principal: Principal| principal.subject().to_owned()))
                .route_layer(programs),
        )
        .merge(Endpoints::new(authkit))
}

/// A service without a session cache, so that it verifies the session of every request anew.
async fn running_with(config: impl FnOnce(Config) -> Config) -> Running {
    let harness = Harness::with(
        |emulator| emulator.issuer(ISSUER).sign_in(SignIn::Automatic),
        |defaults| config(defaults.with_session_cache(0)),
    )
    .await;
    let app = app(&harness.authkit);
    harness.serve(app)
}

async fn running() -> Running {
    running_with(|config| config).await
}

/// A browser with this payload in its cookie.
fn holding(running: &Running, payload: &Value) -> Browser {
    let browser = Browser::new();
    browser.keep(&running.url("/"), "wos_session", &seal(payload, PASSWORD));
    browser
}

async fn fetch(running: &Running, browser: &Browser, path: &str) -> Answer {
    browser.fetch(Method::GET, &running.url(path), "").await
}

/// Asserts that three requests in a row are admitted without a refresh. Returns the last answer.
async fn is_admitted(running: &Running, browser: &Browser, name: &str) -> Value {
    let mut answer = Value::Null;
    for _ in 0..3 {
        let got = fetch(running, browser, "/me").await;
        assert_eq!(got.status, StatusCode::OK, "{name}: {}", got.text());
        assert!(got.set_cookies("wos_session").is_empty(), "{name}");
        answer = got.json();
    }
    assert_eq!(running.emulator.calls(Endpoint::Authenticate), 0, "{name}: no refresh");
    answer
}

/// Signs in while WorkOS answers the exchange of the code with `answer`. Returns the browser and the callback's answer.
async fn signs_in(running: &Running, answer: &Value) -> (Browser, Answer) {
    let browser = running.browser();
    let fault = Fault::status(200).header("content-type", "application/json");
    running.emulator.fault(fault.body(answer.to_string()));
    let login = browser.navigate(&running.url("/login?return_to=/me")).await;
    let there = browser.navigate(browser.target(&login).as_str()).await;
    let callback = browser.navigate(browser.target(&there).as_str()).await;
    running.emulator.clear_faults();
    running.emulator.reset_calls();
    (browser, callback)
}

/// The log events that name a claim or a field. Asserts that no event contains an odd value.
fn told(events: &Events) -> Vec<String> {
    let told = events.take();
    assert!(!told.iter().any(|event| event.contains(WITHIN)), "{told:#?}");
    let names = |event: &String| event.contains(" claim=") || event.contains(" field=");
    told.into_iter().filter(names).collect()
}

/// Asserts that exactly one log event names a claim or a field: a warning that contains `part`.
fn assert_told_once(events: &Events, part: &str) {
    let told = told(events);
    let [event] = &told[..] else { panic!("not one event: {told:#?}") };
    assert!(event.starts_with("WARN ") && event.contains(part), "{event}, not {part}");
}

fn odd_values() -> [Value; 5] {
    [json!(5), json!({ "en": WITHIN }), json!([WITHIN]), json!(["a", null]), json!(false)]
}

#[tokio::test]
async fn a1_an_odd_field_of_the_user_locks_nobody_out() {
    let fields = [
        "email",
        "email_verified",
        "first_name",
        "last_name",
        "name",
        "profile_picture_url",
        "external_id",
        "metadata",
        "last_sign_in_at",
        "locale",
        "created_at",
        "updated_at",
    ];
    let running = running().await;
    let session = running.emulator.session(ALICE);
    let id = session.payload()["user"]["id"].clone();
    for field in fields {
        let events = Events::listen();
        for value in odd_values().into_iter().chain([Value::Null, json!({}), json!([])]) {
            let mut payload = session.payload();
            payload["user"][field] = value.clone();
            let name = format!("{field}: {value}");
            let browser = holding(&running, &payload);
            let me = is_admitted(&running, &browser, &name).await;
            let (browser, callback) = signs_in(&running, &payload).await;
            assert_eq!(callback.header("location"), "/me", "{name}: {}", callback.text());
            for me in [me, is_admitted(&running, &browser, &name).await] {
                assert_eq!(me["user"]["id"], id, "{name}");
                // An object is a right value of `metadata`, and `false` of `email_verified`.
                let is_right = field == "metadata" && value.is_object();
                let shown = &me["user"][field];
                let is_absent = shown.is_null() || *shown == json!({}) || *shown == json!(false);
                assert!(is_right || is_absent, "{name}: {shown}");
            }
        }
        // All odd values of a field share one line.
        assert_told_once(&events, &format!(r#"field="user.{field}""#));
    }

    let mut payload = session.payload();
    payload["user"] = json!({ "id": id, "email": null, "metadata": { "seats": 5, "plan": null } });
    let me = is_admitted(&running, &holding(&running, &payload), "an id and metadata").await;
    assert_eq!(
        me["user"]["metadata"],
        json!({ "seats": 5, "plan": null }),
        "metadata keeps values of every type"
    );
    assert_eq!(
        (&me["user"]["email"], &me["name"]),
        (&Value::Null, &id),
        "no email; the id serves as the name"
    );
}

#[tokio::test]
async fn a2_an_odd_field_of_the_cookie_locks_nobody_out() {
    let fields = [
        ("authentication_method", r#"field="authentication_method""#),
        ("authenticationMethod", r#"field="authentication_method""#),
        ("impersonator", r#"field="impersonator""#),
    ];
    for (field, told_as) in fields {
        let running = running().await;
        let session = running.emulator.session(ALICE);
        let impersonated = running.emulator.session(ALICE).impersonated_by("admin@acme.test", None);
        let events = Events::listen();
        for value in odd_values().into_iter().chain([json!({}), json!([])]) {
            for (session, named) in [(&session, ""), (&impersonated, "admin@acme.test")] {
                let mut payload = session.payload();
                payload[field] = value.clone();
                let name = format!("{field}: {value}");
                let me = is_admitted(&running, &holding(&running, &payload), &name).await;
                assert_eq!(me["method"], Value::Null, "{name}");
                let email = me["impersonator"]["email"].as_str().unwrap_or_default();
                assert_eq!(email, named, "{name}: the signed claim says who impersonates");
                let (browser, callback) = signs_in(&running, &payload).await;
                assert_eq!(callback.header("location"), "/me", "{name}: {}", callback.text());
                is_admitted(&running, &browser, &name).await;
            }
        }
        assert_told_once(&events, told_as);
    }
}

#[tokio::test]
async fn a3_an_odd_claim_of_the_customers_is_held_by_nobody() {
    let rows: [(&str, &str, Value); 6] = [
        ("role", "/role", json!("admin")),
        ("roles", "/role", json!(["admin"])),
        ("permissions", "/permission", json!(["admin"])),
        ("entitlements", "/entitlement", json!(["admin"])),
        ("feature_flags", "/feature-flag", json!(["admin"])),
        ("auth_time", "/recent", Value::Null),
    ];
    let running = running().await;
    let base = || {
        let names = ["role", "roles", "permissions", "entitlements", "feature_flags", "auth_time"];
        let session = running.emulator.session(ALICE);
        names.into_iter().fold(session, |session, name| session.claim(name, Value::Null))
    };
    let now = base().claims()["iat"].clone();
    for (claim, path, right) in rows {
        let events = Events::listen();
        let right = if right.is_null() { now.clone() } else { right };
        let browser = running.holding(&base().claim(claim, right));
        assert_eq!(fetch(&running, &browser, path).await.status, StatusCode::OK, "{claim}");
        assert_eq!(told(&events), [""; 0], "{claim}: no event about a value of the right type");
        let odd = [
            json!({ "slug": "admin", "note": WITHIN }),
            json!(["admin", null]),
            json!([["admin"], WITHIN]),
            json!({}),
            json!(true),
        ];
        for value in odd {
            let name = format!("{claim}: {value}");
            let session = base().claim(claim, value);
            let browser = running.holding(&session);
            is_admitted(&running, &browser, &name).await;
            assert_eq!(
                fetch(&running, &browser, path).await.status,
                StatusCode::FORBIDDEN,
                "{name}"
            );
            let (browser, callback) = signs_in(&running, &session.payload()).await;
            assert_eq!(callback.header("location"), "/me", "{name}: {}", callback.text());
            is_admitted(&running, &browser, &name).await;
            assert_eq!(
                fetch(&running, &browser, path).await.status,
                StatusCode::FORBIDDEN,
                "{name}"
            );
        }
        assert_told_once(&events, &format!(r#"claim="{claim}""#));
    }
}

#[tokio::test]
async fn a3_an_odd_claim_appears_with_a_refresh_and_goes_with_the_next() {
    let running = running().await;
    let browser = running.holding(&running.emulator.session(ALICE).expired());
    running.emulator.set_claim(ALICE, "permissions", json!("a b"));
    running.emulator.set_claim(ALICE, "scope", json!("read:reports"));
    for (path, expected) in [("/me", StatusCode::OK), ("/permission", StatusCode::FORBIDDEN)] {
        assert_eq!(fetch(&running, &browser, path).await.status, expected, "{path}");
    }
    assert_eq!(running.emulator.exchanges(), 1, "only the refresh that was due");
    running.emulator.set_claim(ALICE, "permissions", json!(["admin"]));
    running.advance(Duration::from_secs(301));
    assert_eq!(fetch(&running, &browser, "/permission").await.status, StatusCode::OK);
    assert_eq!(running.emulator.exchanges(), 2);
}

#[tokio::test]
async fn a3_an_odd_security_claim_admits_nobody_and_is_named() {
    let with_audience = |config: Config| config.with_audiences(["api"]).with_issuers([ISSUER]);
    let running = running_with(with_audience).await;
    let claims = ["exp", "nbf", "iat", "sub", "sid", "iss", "client_id", "aud", "act", "org_id"];
    let base = || running.emulator.session(ALICE).claim("aud", "api");
    assert_eq!(fetch(&running, &running.holding(&base()), "/me").await.status, StatusCode::OK);
    for claim in claims {
        let values = [json!({ "x": WITHIN }), json!([5]), json!(true), json!([[WITHIN]])];
        for (nth, value) in values.into_iter().enumerate() {
            let (name, events) = (format!("{claim}: {value}"), Events::listen());
            let session = base().claim(claim, value);
            let browser = running.holding(&session);
            let cookie = browser.cookie("wos_session");
            for path in ["/me", "/not-impersonated"] {
                let answer = fetch(&running, &browser, path).await;
                assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name}");
            }
            let page = browser.navigate(&running.url("/me")).await;
            assert_eq!(page.status, StatusCode::FOUND, "{name}");
            assert_eq!(browser.cookie("wos_session"), cookie, "{name}: the cookie stays");
            let told = events.take();
            let for_the_operator: Vec<_> =
                told.iter().filter(|event| event.starts_with("ERROR ")).collect();
            assert_eq!(
                for_the_operator.len(),
                usize::from(nth == 0),
                "{name}: one line for each claim: {told:#?}"
            );
            let reason = format!("reason=invalid_{claim}");
            assert!(for_the_operator.iter().all(|event| event.contains(&reason)), "{told:#?}");
            assert!(!told.iter().any(|event| event.contains(WITHIN)), "{name}: {told:#?}");
            assert_eq!(bearer(&running, session.access_token()).await.status, 401, "{name}");
            assert_eq!(running.emulator.calls(Endpoint::Authenticate), 0, "{name}: no refresh");

            let (browser, callback) = signs_in(&running, &session.payload()).await;
            assert_ne!(callback.header("location"), "/me", "{name}");
            assert_eq!(browser.cookie("wos_session"), None, "{name}: nobody signed in");
        }
    }
    assert_eq!(running.emulator.calls(Endpoint::Jwks), 0, "no key is fetched");
}

/// Sends a request with an access token and no cookie.
async fn bearer(running: &Running, token: &str) -> Answer {
    let authorization = format!("Bearer {token}");
    let headers = [(header::AUTHORIZATION.as_str(), authorization.as_str())];
    running.browser().send(Method::GET, &running.url("/api"), headers, Bytes::new()).await
}

#[tokio::test]
async fn a4_a_scope_says_nothing_and_the_session_id_says_what_a_token_is() {
    let running = running_with(|config| config.with_issuers([ISSUER])).await;
    let session = || running.emulator.session(ALICE);
    for scope in [json!("read:reports"), json!("openid profile"), json!(["a"]), json!({})] {
        let session = session().claim("scope", scope.clone());
        let name = format!("scope {scope}");
        is_admitted(&running, &running.holding(&session), &name).await;
        assert_eq!(bearer(&running, session.access_token()).await.status, 200, "{name}");
        let (browser, callback) = signs_in(&running, &session.payload()).await;
        assert_eq!(callback.header("location"), "/me", "{name}");
        is_admitted(&running, &browser, &name).await;
    }
    for sid in [json!("app_consent_1"), Value::Null, json!("")] {
        let session = session().claim("sid", sid.clone());
        let answer = fetch(&running, &running.holding(&session), "/me").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "cookie of {sid}");
        let answer = bearer(&running, session.access_token()).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "token of {sid}");
    }
    assert_eq!(running.emulator.calls(Endpoint::Authenticate), 0);
}

/// Asserts that every answer to this session is a challenge, made without a call to WorkOS, and that the cookie stays.
async fn is_challenged_at_once(running: &Running, browser: &Browser, name: &str) {
    running.emulator.reset_calls();
    let cookie = browser.cookie("wos_session");
    for _ in 0..3 {
        let answer = fetch(running, browser, "/me").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name}: {}", answer.text());
        let page = browser.navigate(&running.url("/me")).await;
        assert!(page.header("location").starts_with("/login?"), "{name}: {:?}", page.headers);
    }
    assert_eq!(
        browser.cookie("wos_session"),
        cookie,
        "{name}: the cookie stays, since it is another service's"
    );
    let calls = [Endpoint::Jwks, Endpoint::Authenticate].map(|it| running.emulator.calls(it));
    assert_eq!(calls, [0, 0], "{name}: no keys fetched, no token exchanged");
}

#[tokio::test]
async fn a5_another_environments_session_is_challenged_at_once() {
    let running = running_with(|config| config.with_issuers([ISSUER])).await;
    let other = async |issuer: &str, client_id: &str| {
        let builder = Emulator::builder().frozen_at(running.emulator.now());
        builder.issuer(issuer).client_id(client_id).start().await.unwrap()
    };
    let (ours, others) = (running.emulator.client_id(), "https://other.test");
    let (client, issuer) = (other(ISSUER, "client_other").await, other(others, ours).await);
    // A token with the id of our key in its header, signed by the other environment's key.
    let header = json!({ "alg": "RS256", "kid": running.emulator.keys().signing_id() });
    let same_key_id = |session: &TestSession| {
        let mut payload = session.payload();
        payload["access_token"] = json!(client.mint_with(&header, &session.claims()));
        holding(&running, &payload)
    };
    let rows = [
        ("another client", running.holding(&client.session(ALICE))),
        ("another client, expired", running.holding(&client.session(ALICE).expired())),
        ("another client, our key id", same_key_id(&client.session(ALICE))),
        ("another issuer", running.holding(&issuer.session(ALICE))),
        ("another issuer, expired", running.holding(&issuer.session(ALICE).expired())),
    ];
    for (name, browser) in &rows {
        is_challenged_at_once(&running, browser, &format!("{name}, before keys are there")).await;
    }
    is_admitted(&running, &running.signed_in(ALICE), "ours").await;
    for (name, browser) in &rows {
        is_challenged_at_once(&running, browser, name).await;
    }
    for session in [client.session(ALICE), issuer.session(ALICE)] {
        let answer = bearer(&running, session.access_token()).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{}", answer.text());
    }
    assert_eq!(running.emulator.calls(Endpoint::Jwks), 0, "no keys are fetched");

    // Claims alone admit nobody: these are like ours, but an unknown key signed them.
    running.emulator.reset_calls();
    issuer.advance(Duration::from_secs(10));
    let like_ours = issuer.session(ALICE).claim("iss", ISSUER);
    let answer = fetch(&running, &running.holding(&like_ours), "/me").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "the key may be a new one of ours");
    assert_eq!(running.emulator.calls(Endpoint::Jwks), 1, "the service fetches the keys");
}
