//! Signing out ends the session here and at WorkOS, whatever state the session is in.

use std::{
    future,
    sync::Arc,
    time::{Duration, Instant},
};

use authkit_emulator::{Endpoint, Fault};
use authkit_tower::{
    AuthKit, AuthKitLayer, Endpoints, Inbox, NotPublished, Notice, Publishing, Revocations, Session,
};
use axum::{Router, routing::get};
use http::{HeaderValue, Method, StatusCode, header::SET_COOKIE};
use support::{Browser, Events, Harness, PASSWORD, Running, until};
use url::Url;

fn app(authkit: &AuthKit) -> Router {
    Router::new()
        .route("/dashboard", get(async |session: Session| session.user().email.clone().unwrap()))
        .route_layer(AuthKitLayer::new(authkit))
        .route("/", get(async || "home"))
        .merge(Endpoints::new(authkit))
}

async fn running() -> Running {
    let harness = Harness::start().await;
    let app = app(&harness.authkit);
    harness.serve(app)
}

fn without_query(url: &Url) -> &str {
    url.as_str().split('?').next().unwrap()
}

/// The value of a parameter, which has to be there once.
fn parameter(url: &Url, name: &str) -> String {
    let values: Vec<_> = url.query_pairs().filter(|(other, _)| other == name).collect();
    assert_eq!(values.len(), 1, "{name} in {url}");
    values[0].1.clone().into_owned()
}

#[tokio::test]
async fn lo_01_an_expired_session_is_signed_out_like_any_other() {
    let running = running().await;
    let [session, another] = [0, 1].map(|_| running.emulator.session("alice@acme.test"));
    let browser = running.holding(&session);
    running.advance(Duration::from_secs(3600));
    let old = browser.cookie("wos_session").unwrap();

    let answer = browser.submit(&running.url("/logout"), &[]).await;

    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let target = browser.target(&answer);
    assert_eq!(
        without_query(&target),
        format!("{}/user_management/sessions/logout", running.emulator.url())
    );
    assert_eq!(parameter(&target, "session_id"), session.session_id());
    assert_eq!(parameter(&target, "return_to"), running.url("/"));
    assert_eq!(answer.set_cookies("wos_session").len(), 1);
    assert_eq!(browser.cookie("wos_session"), None);

    running.authkit.drain(Duration::from_secs(5)).await;
    assert_eq!(running.emulator.calls(Endpoint::Revoke), 1);
    assert!(!running.emulator.is_active(session.session_id()), "WorkOS was told");
    assert!(running.emulator.is_active(another.session_id()), "the user's other session goes on");
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
    let page = running.holding(&another).navigate(&running.url("/dashboard")).await;
    assert_eq!((page.status, page.text().as_str()), (StatusCode::OK, "alice@acme.test"));
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

#[tokio::test]
async fn lo_03_an_address_that_somebody_opens_asks_before_it_signs_out() {
    let running = running().await;
    let browser = running.signed_in("alice@acme.test");

    let page = browser.navigate(&running.url("/logout?return_to=%2Fdashboard")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().contains("Sign out?"), "{}", page.text());
    for (site, mode, dest, purpose) in [
        ("cross-site", "navigate", "document", ""),
        ("same-origin", "no-cors", "image", ""),
        ("same-origin", "navigate", "document", "prefetch"),
        ("same-origin", "navigate", "document", "prefetch;prerender"),
    ] {
        let headers = [
            ("accept", "text/html"),
            ("sec-fetch-site", site),
            ("sec-fetch-mode", mode),
            ("sec-fetch-dest", dest),
            ("sec-purpose", purpose),
        ];
        let headers = headers.into_iter().filter(|(_, value)| !value.is_empty());
        let answer = browser.send(Method::GET, &running.url("/logout"), headers, "".into()).await;
        assert_eq!(answer.status, StatusCode::OK, "{site} {dest} {purpose}");
        assert!(answer.text().contains("Sign out?"), "{site} {dest} {purpose}");
    }
    let dashboard = browser.navigate(&running.url("/dashboard")).await;
    assert_eq!(dashboard.text(), "alice@acme.test", "still signed in");
    running.authkit.drain(Duration::from_secs(5)).await;
    assert_eq!(running.emulator.calls(Endpoint::Revoke), 0);

    let answer = browser.press(&page, "Sign out").await;
    let back = parameter(&browser.target(&answer), "return_to");
    assert_eq!((answer.status, back), (StatusCode::SEE_OTHER, running.url("/dashboard")));
    assert_eq!(browser.cookie("wos_session"), None);
}

/// The service revokes the session at WorkOS in the background; a failure there changes nothing for the user.
#[tokio::test]
async fn lo_02_nobody_waits_for_a_workos_that_cannot_be_reached() {
    for fault in
        [Fault::latency(Duration::from_secs(30)), Fault::status(500), Fault::reset_before()]
    {
        let running = running().await;
        running.emulator.fault(fault.clone().on(Endpoint::Revoke).until_cleared());
        // The fastest of five counts, since a busy machine may be slow. WorkOS takes longer than that to fail.
        let mut fastest = Duration::MAX;
        for _ in 0..5 {
            let browser = running.signed_in("alice@acme.test");
            let old = browser.cookie("wos_session").unwrap();
            let began = Instant::now();
            let answer = browser.submit(&running.url("/logout"), &[]).await;
            fastest = fastest.min(began.elapsed());

            assert_eq!(answer.status, StatusCode::SEE_OTHER);
            assert_eq!(browser.cookie("wos_session"), None);
            let replay = Browser::new();
            replay.keep(&running.url("/"), "wos_session", &old);
            let page = replay.navigate(&running.url("/dashboard")).await;
            assert_eq!(page.status, StatusCode::FOUND, "the old cookie opens nothing");
        }
        assert!(fastest < Duration::from_millis(500), "{fault:?}: the user waited {fastest:?}");
        let is_told = async || running.emulator.calls(Endpoint::Revoke) > 0;
        until("WorkOS is told", is_told).await;
    }
}

/// The parts of a large session, and the flow cookies of sign-ins that other tabs have begun.
#[tokio::test]
async fn lo_05_every_part_and_flow_is_deleted() {
    let harness = Harness::with(|emulator| emulator, |config| config.with_browser_session()).await;
    let app = app(&harness.authkit);
    let running = harness.serve(app);
    let browser = running.signed_in("alice@acme.test");
    browser.navigate(&running.url("/login?prompt=login")).await;
    browser.navigate(&running.url("/login?prompt=login")).await;
    for name in ["wos_session.0", "wos_session.3"] {
        browser.keep(&running.url("/"), name, "from before");
    }
    browser.keep(&running.url("/"), "theme", "dark");

    let answer = browser.submit(&running.url("/logout"), &[]).await;

    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.cookie_names(), ["theme"]);
    let fields = answer.headers.get_all(SET_COOKIE).iter().map(|field| field.to_str().unwrap());
    for deletion in fields.filter(|field| !field.starts_with("wos_signed_out_")) {
        assert!(deletion.contains("Max-Age=0") && deletion.contains("Path=/"), "{deletion}");
        assert!(!deletion.starts_with("theme"), "{deletion}");
    }
}

/// A browser may hold a cookie from before `Domain` was configured, and one of the JavaScript SDK that the service used
/// before. It sends all of them.
#[tokio::test]
async fn lo_05_both_scopes_and_the_name_of_other_sdks_are_deleted() {
    let harness = Harness::start().await;
    let origin = "https://app.example.com";
    let shared = harness.authkit_at(origin, |config| config.with_cookie_domain("example.com"));
    let app = app(&shared);
    let sealed = harness.emulator.session("alice@acme.test").cookie(PASSWORD);
    let browser = Browser::new();
    let keep = |name: &str, value: &str, scope: &str| {
        let field = format!("{name}={value}; Path=/; Secure{scope}");
        browser.receive_all(origin, &[HeaderValue::from_str(&field).unwrap()]);
    };
    for scope in ["", "; Domain=example.com"] {
        for (name, value) in
            [("wos_session", sealed.as_str()), ("wos_session.1", "part"), ("wos-session", &sealed)]
        {
            keep(name, value, scope);
        }
    }
    keep("theme", "dark", "");
    assert_eq!(browser.cookie_names().len(), 7, "the browser keeps both scopes");

    let url = format!("{origin}/logout");
    let answer = browser
        .send_to(
            &app,
            Method::POST,
            &url,
            [("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "navigate")],
        )
        .await;

    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.cookie_names(), ["theme"]);
}

#[tokio::test]
async fn lo_05_a_neighbours_session_is_not_ours_to_delete() {
    let running = running().await;
    let browser = running.signed_in("alice@acme.test");
    let another = "another-password-of-32-characters!";
    let neighbours = running.emulator.session("alice@acme.test").cookie(another);
    browser.keep(&running.url("/"), "wos-session", &neighbours);

    browser.submit(&running.url("/logout"), &[]).await;

    assert_eq!(browser.cookie_names(), ["wos-session"]);
}

/// A script cannot follow a redirect to another origin.
#[tokio::test]
async fn e3_a_script_signs_out_and_is_told_where_to_send_the_browser() {
    let running = running().await;
    let session = running.emulator.session("alice@acme.test");
    let browser = running.holding(&session);

    let answer = browser.fetch(Method::POST, &running.url("/logout?return_to=%2Fbye"), "").await;

    assert_eq!(
        (answer.status, answer.header("content-type")),
        (StatusCode::OK, "application/json")
    );
    let url = Url::parse(answer.json()["logout_url"].as_str().unwrap()).unwrap();
    assert_eq!(
        without_query(&url),
        format!("{}/user_management/sessions/logout", running.emulator.url())
    );
    assert_eq!(parameter(&url, "session_id"), session.session_id());
    assert_eq!(parameter(&url, "return_to"), running.url("/bye"));
    assert_eq!(answer.header("clear-site-data"), r#""prefetchCache", "prerenderCache""#);
    assert_eq!(browser.cookie("wos_session"), None);
    running.authkit.drain(Duration::from_secs(5)).await;
    assert_eq!(running.emulator.calls(Endpoint::Revoke), 1);
    assert!(!running.emulator.is_active(session.session_id()));
}

/// A store of the replicas that takes nothing.
#[derive(Debug)]
struct Away;

impl Revocations for Away {
    fn subscribe(&self, _: Inbox) {}

    fn publish(&self, _: Notice) -> Publishing<'_> {
        Box::pin(future::ready(Err(NotPublished::new())))
    }
}

#[tokio::test]
async fn a_sign_out_that_other_replicas_were_not_told_of_holds_here_and_is_warned_of() {
    let away = |config: authkit_tower::Config| config.with_revocations(Arc::new(Away));
    let harness = Harness::with(|emulator| emulator, away).await;
    let app = app(&harness.authkit);
    let running = harness.serve(app);
    let browser = running.signed_in("alice@acme.test");
    let old = browser.cookie("wos_session").unwrap();
    let events = Events::listen();

    let answer = browser.submit(&running.url("/logout"), &[]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    running.authkit.drain(Duration::from_secs(5)).await;

    let told = events.take();
    let words = "other replicas may not have heard of a sign-out";
    let is_said = |line: &&String| line.starts_with("WARN ") && line.contains(words);
    assert_eq!(told.iter().filter(is_said).count(), 1, "{told:?}");
    assert_eq!(running.emulator.calls(Endpoint::Revoke), 1, "WorkOS was told");
    let replay = Browser::new();
    replay.keep(&running.url("/"), "wos_session", &old);
    let page = replay.navigate(&running.url("/dashboard")).await;
    assert_eq!(page.status, StatusCode::FOUND, "the old cookie opens nothing");
}
