//! Sessions that are larger than a cookie may be, in a browser that keeps no cookie over 4096 bytes.

use std::time::Duration;

use authkit_emulator::Endpoint;
use authkit_tower::{AuthKit, AuthKitLayer, Config, Endpoints, ErrorKind, SealFormat, Session};
use axum::{Router, routing::get};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};
use support::{Answer, Browser, Events, Harness, Running};
use url::Url;

fn app(authkit: &AuthKit) -> Router {
    Router::new()
        .route("/dashboard", get(async |session: Session| session.user().email.clone().unwrap()))
        .route("/id", get(async |session: Session| session.session_id().to_owned()))
        .route_layer(AuthKitLayer::new(authkit))
        .merge(Endpoints::new(authkit))
}

async fn running(config: impl FnOnce(Config) -> Config) -> Running {
    let lifetime = Duration::from_secs(60);
    let harness = Harness::with(|emulator| emulator.token_ttl(lifetime), config).await;
    let app = app(&harness.authkit);
    harness.serve(app)
}

/// Adds a claim of this many bytes to the tokens that the user gets from now on.
fn weigh(running: &Running, bytes: usize) {
    let claim = if bytes == 0 { Value::Null } else { json!("x".repeat(bytes)) };
    running.emulator.set_claim("alice@acme.test", "weight", claim);
}

/// Opens the page after the access token has expired, so that the layer refreshes the session.
async fn refreshed(running: &Running, browser: &Browser) -> Answer {
    running.advance(Duration::from_secs(600));
    let page = browser.navigate(&running.url("/dashboard")).await;
    assert_eq!((page.status, page.text().as_str()), (StatusCode::OK, "alice@acme.test"));
    page
}

fn session_cookies(browser: &Browser) -> Vec<String> {
    let mut names = browser.cookie_names();
    names.retain(|name| name.starts_with("wos_session"));
    names.sort();
    names
}

/// How many bytes of cookies the browser sends.
fn sent(running: &Running, browser: &Browser) -> usize {
    browser.cookies_for(&Url::parse(&running.url("/dashboard")).unwrap()).len()
}

const WHOLE: [&str; 1] = ["wos_session"];
const TWO_PARTS: [&str; 2] = ["wos_session.0", "wos_session.1"];
/// Makes the sealed session about 6 KiB.
const HEAVY: usize = 2_350;

#[tokio::test]
async fn ck_05_a_session_of_6_kib_travels_in_two_parts() {
    for format in [SealFormat::Ruby, SealFormat::Go, SealFormat::Python, SealFormat::Node] {
        let running = running(|config| config.with_seal_format(format)).await;
        weigh(&running, HEAVY);
        let browser = running.browser();

        let page = browser.open(&running.url("/dashboard")).await;
        assert_eq!(page.status, StatusCode::OK, "{format}");
        assert_eq!(session_cookies(&browser), TWO_PARTS, "{format}");
        let parts = TWO_PARTS.map(|name| browser.cookie(name).unwrap());
        assert!(parts[0].starts_with("2."), "{format}");
        assert!(parts.iter().all(|part| part.len() <= 3_800), "{format}");
        let bytes = sent(&running, &browser);
        assert!((6_000..7_168).contains(&bytes), "{format}: {bytes}");

        let page = browser.navigate(&running.url("/dashboard")).await;
        assert_eq!(page.status, StatusCode::OK, "{format}");
        assert!(!page.headers.contains_key(header::SET_COOKIE), "{format}: nothing has changed");

        let page = refreshed(&running, &browser).await;
        assert_eq!(page.headers.get_all(header::SET_COOKIE).iter().count(), 2, "{format}");
        assert_eq!(session_cookies(&browser), TWO_PARTS, "{format}");

        browser.submit(&running.url("/logout"), &[]).await;
        assert_eq!(session_cookies(&browser), [""; 0], "{format}");
    }
}

#[tokio::test]
async fn ck_06_a_session_that_grows_or_shrinks_leaves_no_part_behind() {
    let running = running(|config| config).await;
    let browser = running.signed_in("alice@acme.test");
    let sizes: [(usize, &[&str]); 6] = [
        (0, &WHOLE),
        (HEAVY, &TWO_PARTS),
        (HEAVY + 300, &TWO_PARTS),
        (0, &WHOLE),
        (HEAVY, &TWO_PARTS),
        (200, &WHOLE),
    ];
    for (step, (bytes, expected)) in sizes.into_iter().enumerate() {
        weigh(&running, bytes);
        refreshed(&running, &browser).await;
        assert_eq!(session_cookies(&browser), expected, "step {step}");
    }
    assert_eq!(running.emulator.exchanges(), 6);
}

/// Another service may have written more parts than the session has now.
#[tokio::test]
async fn ck_06_surplus_parts_are_ignored_and_deleted() {
    let running = running(|config| config).await;
    weigh(&running, HEAVY);
    let browser = running.browser();
    browser.open(&running.url("/dashboard")).await;
    for surplus in ["wos_session.2", "wos_session.9"] {
        browser.keep(&running.url("/"), surplus, "surplus");
    }

    let page = browser.navigate(&running.url("/dashboard")).await;
    assert_eq!(page.status, StatusCode::OK);
    refreshed(&running, &browser).await;
    assert_eq!(session_cookies(&browser), TWO_PARTS);
}

/// A response that was cut off leaves parts of two sessions, which must not be joined into one.
#[tokio::test]
async fn ck_06_parts_of_two_sessions_are_no_session() {
    let running = running(|config| config).await;
    weigh(&running, HEAVY);
    let browser = running.browser();
    browser.open(&running.url("/dashboard")).await;
    let [_, old] = TWO_PARTS.map(|name| browser.cookie(name).unwrap());
    refreshed(&running, &browser).await;
    let [new, _] = TWO_PARTS.map(|name| browser.cookie(name).unwrap());
    let rows = [
        ("parts of two", vec![(TWO_PARTS[0], new.as_str()), (TWO_PARTS[1], old.as_str())]),
        ("the first alone", vec![(TWO_PARTS[0], new.as_str())]),
        ("the second alone", vec![(TWO_PARTS[1], old.as_str())]),
    ];
    for (name, parts) in rows {
        let browser = Browser::new();
        for (part, value) in parts {
            browser.keep(&running.url("/"), part, value);
        }
        running.emulator.reset_calls();
        let page = browser.navigate(&running.url("/dashboard")).await;
        assert_eq!(page.status, StatusCode::FOUND, "{name}");
        assert!(!page.headers.contains_key(header::SET_COOKIE), "{name}: the parts are kept");
        assert_eq!(running.emulator.calls(Endpoint::Authenticate), 0, "{name}");

        weigh(&running, 0);
        let page = browser.open(&running.url("/dashboard")).await;
        assert_eq!(page.status, StatusCode::OK, "{name}: a sign-in replaces the parts");
        assert_eq!(session_cookies(&browser), WHOLE, "{name}");
    }
}

/// Another path or a neighbouring host may have set parts with the same names. Of two sessions, the one that was issued last
/// counts.
#[tokio::test]
async fn c4_parts_of_the_same_number_do_not_hide_a_session() {
    let running = running(|config| config).await;
    weigh(&running, HEAVY);
    let signed_in = async || {
        let browser = running.browser();
        let id = browser.open(&running.url("/id")).await.text();
        (id, TWO_PARTS.map(|name| browser.cookie(name).unwrap()))
    };
    let (_, old) = signed_in().await;
    running.advance(Duration::from_secs(20));
    let (id, new) = signed_in().await;
    let field = |set: &[&str]| {
        let pairs = set.iter().enumerate().map(|(n, value)| format!("wos_session.{n}={value}"));
        pairs.collect::<Vec<_>>().join("; ")
    };
    let (old, new) =
        (field(&old.each_ref().map(String::as_str)), field(&new.each_ref().map(String::as_str)));
    let garbage = field(&["2.garbage", "garbage"]);
    running.emulator.reset_calls();
    for (name, sets) in [
        ("alone", vec![&new]),
        ("a set of garbage in front", vec![&garbage, &new]),
        ("a set of garbage behind", vec![&new, &garbage]),
        ("an older one in front", vec![&old, &new]),
        ("an older one behind", vec![&new, &old]),
        ("the same one twice", vec![&new, &new]),
    ] {
        let cookies = sets.iter().map(|set| set.as_str()).collect::<Vec<_>>().join("; ");
        let headers = [("cookie", cookies.as_str()), ("accept", "text/html")];
        let url = running.url("/id");
        let page = Browser::new().send(Method::GET, &url, headers, Bytes::new()).await;
        assert_eq!((page.status, page.text()), (StatusCode::OK, id.clone()), "{name}");
        assert_eq!(running.emulator.calls(Endpoint::Authenticate), 0, "{name}");
    }
}

/// Makes the sealed session about 20 KiB.
const TOO_HEAVY: usize = 10_300;

#[tokio::test]
async fn ck_05_signing_in_with_20_kib_ends_on_a_page_that_names_the_cause() {
    let running = running(|config| config).await;
    let events = Events::listen();
    weigh(&running, TOO_HEAVY);
    let browser = running.browser();

    // `open` panics after ten redirects, so a loop fails the test.
    let page = browser.open(&running.url("/dashboard")).await;

    assert_eq!(page.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(page.url.path().ends_with("/callback"), "{}", page.url);
    assert!(page.text().contains("session is too large"), "{}", page.text());
    assert_eq!(browser.cookie_names(), [""; 0]);
    let told = events.take().join("\n");
    assert!(told.contains("ERROR") && told.contains("too large for cookies"), "{told}");
}

#[tokio::test]
async fn ck_05_20_kib_is_a_typed_error_that_leaves_the_session_before_it_alone() {
    let running = running(|config| config).await;
    let browser = running.signed_in("alice@acme.test");
    let url = running.url("/dashboard");
    browser.navigate(&url).await;
    let mut headers = HeaderMap::new();
    let cookies = browser.cookies_for(&Url::parse(&url).unwrap());
    headers.insert(header::COOKIE, HeaderValue::from_str(&cookies).unwrap());
    let session =
        running.emulator.session("alice@acme.test").claim("weight", "x".repeat(TOO_HEAVY));

    let answer = session.payload().to_string();
    let error = running.authkit.start_session(answer.as_bytes(), &headers).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(!error.is_transient());
    assert_eq!(error.to_string(), "the session is too large for cookies");
    let page = browser.navigate(&url).await;
    assert_eq!(page.status, StatusCode::OK, "the old session goes on");
}

/// The new refresh token cannot reach the browser, and the old one is spent: this process alone keeps the user signed in.
#[tokio::test]
async fn ck_05_a_refresh_to_20_kib_signs_nobody_out_and_sets_nothing() {
    let running = running(|config| config).await;
    let browser = running.signed_in("alice@acme.test");
    let before = browser.cookie("wos_session");
    let events = Events::listen();
    weigh(&running, TOO_HEAVY);

    for round in 1..=4 {
        let page = refreshed(&running, &browser).await;
        assert!(!page.headers.contains_key(header::SET_COOKIE), "round {round}");
        let page = browser.navigate(&running.url("/dashboard")).await;
        assert_eq!(page.status, StatusCode::OK, "round {round}");
        assert_eq!(running.emulator.exchanges(), round, "one exchange in the lifetime of a token");
        let told = events.take();
        let heard = told.iter().filter(|event| event.contains("too large for cookies")).count();
        assert_eq!(heard, 1, "round {round}: {told:?}");
    }
    assert_eq!(browser.cookie("wos_session"), before);

    // Another process gets only the spent token. It sends the browser to sign in, which ends on the page, not in a loop.
    let replica = running.beside(|config| config, app).await;
    let page = browser.open(&replica.url("/dashboard")).await;
    assert_eq!(page.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(page.text().contains("session is too large"), "{}", page.text());

    weigh(&running, 0);
    let page = refreshed(&running, &browser).await;
    assert_eq!(page.set_cookies("wos_session").len(), 1, "the session fits into a cookie again");
    assert_ne!(browser.cookie("wos_session"), before);
}

/// By default nginx accepts a head of 4 KiB from a service, and answers 502 to a larger one.
#[tokio::test]
async fn e7_a_head_that_is_too_large_for_nginx_is_warned_of_once_in_a_while() {
    for (weight, expected) in [(0, 0), (HEAVY, 1)] {
        let running = running(|config| config).await;
        let browser = running.signed_in("alice@acme.test");
        weigh(&running, weight);
        let events = Events::listen();
        for _ in 0..3 {
            refreshed(&running, &browser).await;
        }
        let warnings = || {
            let told = events.take();
            let is_warning =
                |event: &&String| event.starts_with("WARN") && event.contains("proxy_buffer_size");
            told.iter().filter(is_warning).count()
        };
        assert_eq!(warnings(), expected, "{weight}: refreshed");

        running.advance(Duration::from_secs(3_600));
        let page = running.browser().open(&running.url("/dashboard")).await;
        assert_eq!((page.status, warnings()), (StatusCode::OK, expected), "{weight}: signed in");
    }
}
