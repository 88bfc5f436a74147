//! An expired session is refreshed within the request: no redirect, no lost body, one cookie.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use authkit_emulator::{Endpoint, Fault, Rotation};
use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, Session};
use axum::{
    Router,
    body::Body,
    extract::Request,
    response::Response,
    routing::{get, post},
};
use bytes::Bytes;
use futures_util::stream;
use http::{Method, StatusCode, header};
use http_body_util::BodyExt;
use support::{Browser, Harness, PASSWORD, Running};
use tokio::{sync::mpsc, task, time};
use tower::ServiceExt;

fn app(authkit: &AuthKit) -> Router {
    Router::new()
        .route("/dashboard", get(async |session: Session| session.user().email.clone().unwrap()))
        .route("/api/echo", post(async |request: Request| Response::new(request.into_body())))
        .route_layer(AuthKitLayer::new(authkit))
        .merge(Endpoints::new(authkit))
}

async fn running() -> Running {
    let harness =
        Harness::with(|emulator| emulator.token_ttl(Duration::from_secs(5)), |config| config).await;
    let app = app(&harness.authkit);
    harness.serve(app)
}

async fn expired(running: &Running) -> Browser {
    let browser = running.signed_in("alice@acme.test");
    running.advance(Duration::from_secs(6));
    browser
}

#[tokio::test]
async fn rf_01_a_page_is_answered_with_the_new_session_in_the_same_request() {
    let running = running().await;
    let browser = expired(&running).await;
    let before = browser.cookie("wos_session");

    let page = browser.navigate(&running.url("/dashboard")).await;

    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.text(), "alice@acme.test");
    assert_eq!(page.set_cookies("wos_session").len(), 1);
    assert_ne!(browser.cookie("wos_session"), before);
    assert_eq!(page.header("cache-control"), "private, no-store");
    assert_eq!(running.emulator.exchanges(), 1);

    running.advance(Duration::from_secs(6));
    let next = browser.navigate(&running.url("/dashboard")).await;
    assert_eq!(next.status, StatusCode::OK, "the cookie holds the new refresh token");
    assert_eq!(running.emulator.exchanges(), 2);
}

#[tokio::test]
async fn rf_02_a_body_of_10_mib_reaches_the_handler_untouched() {
    let running = running().await;
    let browser = expired(&running).await;
    let body: Bytes =
        (0..10 << 20).map(|n: u32| n.to_le_bytes()[(n % 4) as usize]).collect::<Vec<u8>>().into();

    let echo = browser.fetch(Method::POST, &running.url("/api/echo"), body.clone()).await;

    assert_eq!(echo.status, StatusCode::OK);
    assert!(echo.body == body, "{} bytes of {} came back", echo.body.len(), body.len());
    assert_eq!(echo.set_cookies("wos_session").len(), 1);
}

#[tokio::test]
async fn rf_02_a_body_goes_through_while_it_is_still_being_sent() {
    let harness = Harness::start().await;
    let app = app(&harness.authkit);
    let cookie = harness.emulator.session("alice@acme.test").expired().cookie(PASSWORD);
    let (pieces, sent) = mpsc::channel::<Bytes>(1);
    let body = stream::unfold(sent, async |mut sent| {
        let piece = sent.recv().await?;
        Some((Ok::<_, Infallible>(piece), sent))
    });
    let request =
        Request::post("/api/echo").header(header::COOKIE, format!("wos_session={cookie}"));
    let request = request.body(Body::from_stream(body)).unwrap();

    let echoed = async {
        let mut echo = app.oneshot(request).await.unwrap();
        assert_eq!(echo.status(), StatusCode::OK);
        for piece in ["first", "second", "third"] {
            pieces.send(Bytes::from(piece)).await.unwrap();
            let frame = echo.body_mut().frame().await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), piece);
        }
        drop(pieces);
        assert!(echo.body_mut().frame().await.is_none());
    };
    time::timeout(Duration::from_secs(10), echoed)
        .await
        .expect("each piece comes back before the next is sent");
    assert_eq!(harness.emulator.exchanges(), 1);
}

#[tokio::test]
async fn a_session_that_is_not_due_is_not_refreshed() {
    let harness = Harness::start().await;
    let app = app(&harness.authkit);
    let running = harness.serve(app);
    let browser = running.signed_in("alice@acme.test");

    for _ in 0..3 {
        let page = browser.navigate(&running.url("/dashboard")).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(page.set_cookies("wos_session").is_empty());
    }
    assert_eq!(running.emulator.calls(Endpoint::Jwks), 1);
    assert_eq!(running.emulator.calls(Endpoint::Authenticate), 0);
}

#[tokio::test]
async fn cc_01_a_hundred_requests_with_one_expired_cookie_make_one_exchange() {
    // On a busy machine WorkOS's answer may take so long that it is asked again, which is the same exchange: the best of
    // three tries counts.
    let mut calls = Vec::new();
    while calls.len() < 3 && !calls.contains(&1) {
        calls.push(calls_of_a_hundred_requests().await);
    }
    assert!(calls.contains(&1), "{calls:?} calls for one exchange");
}

/// Sends a hundred requests with one expired cookie. Returns how many calls they have cost.
async fn calls_of_a_hundred_requests() -> u64 {
    // Tokens live long, so that the new one has not expired on arrival where the requests take seconds.
    let harness = Harness::start().await;
    let app = app(&harness.authkit);
    let running = Arc::new(harness.serve(app));
    let browser = Arc::new(running.holding(&running.emulator.session("alice@acme.test").expired()));
    let before = browser.cookie("wos_session").unwrap();
    // WorkOS answers late, so that the other requests come while the session is refreshed.
    let late = Fault::late_reply(Duration::from_millis(300)).on(Endpoint::Authenticate);
    running.emulator.fault(late);

    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (running, before) = (Arc::clone(&running), before.clone());
        let tab = browser.with_new_jar();
        requests.spawn(async move {
            tab.keep(&running.url("/"), "wos_session", &before);
            let answer = tab.fetch(Method::POST, &running.url("/api/echo"), "x").await;
            let set = answer.set_cookies("wos_session").len();
            (answer.status, answer.text(), set, tab.cookie("wos_session").unwrap())
        });
    }
    let answers: BTreeSet<_> = requests.join_all().await.into_iter().collect();

    let calls = running.emulator.calls(Endpoint::Authenticate);
    assert_eq!(running.emulator.exchanges(), 1);
    assert_eq!(answers.len(), 1, "all get the same status, text and session: {answers:?}");
    let (status, text, set, cookie) = answers.first().unwrap();
    assert_eq!((*status, text.as_str(), *set), (StatusCode::OK, "x", 1));
    assert_ne!(*cookie, before);

    browser.keep(&running.url("/"), "wos_session", cookie);
    let page = browser.navigate(&running.url("/dashboard")).await;
    assert_eq!((page.status, page.text().as_str()), (StatusCode::OK, "alice@acme.test"));
    assert_eq!(running.emulator.calls(Endpoint::Authenticate), calls, "no further call");
    calls
}

#[tokio::test]
async fn cc_04_a_client_that_goes_away_costs_nobody_the_session() {
    let running = running().await;
    let browser = expired(&running).await;
    running
        .emulator
        .fault(Fault::late_reply(Duration::from_millis(300)).on(Endpoint::Authenticate));

    let url = running.url("/dashboard");
    let gone = tokio::time::timeout(Duration::from_millis(100), browser.navigate(&url)).await;
    assert!(gone.is_err(), "the client gave up first");
    assert!(running.authkit.drain(Duration::from_secs(5)).await);
    running.advance(Duration::from_secs(60));

    let page = browser.navigate(&url).await;
    assert_eq!(page.status, StatusCode::OK, "a minute later, with the old cookie");
}

/// Polls a request `waits` times and drops it. Returns whether it ended before that.
async fn ended(request: impl Future, waits: usize) -> bool {
    let mut request = pin!(request);
    let mut begun = 0;
    poll_fn(|context| {
        if begun == waits {
            return Poll::Ready(false);
        }
        begun += 1;
        request.as_mut().poll(context).map(|_| true)
    })
    .await
}

#[tokio::test]
async fn cc_04_a_request_may_be_dropped_at_every_await_point() {
    async fn slowly(session: Session) -> String {
        task::yield_now().await;
        time::sleep(Duration::from_millis(5)).await;
        session.user().email.clone().unwrap()
    }

    for later in [Duration::ZERO, Duration::from_secs(60)] {
        for waits in 0.. {
            let strict =
                |emulator: authkit_emulator::EmulatorBuilder| emulator.rotation(Rotation::Strict);
            let harness = Harness::with(strict, |config| config).await;
            let layer = AuthKitLayer::new(&harness.authkit);
            let app = Router::new().route("/slow", get(slowly)).route_layer(layer);
            let cookie = harness.emulator.session("alice@acme.test").expired().cookie(PASSWORD);
            let request = || {
                let request = Request::get("/slow");
                request
                    .header(header::COOKIE, format!("wos_session={cookie}"))
                    .body(Body::empty())
                    .unwrap()
            };
            if ended(app.clone().oneshot(request()), waits).await {
                assert!(
                    waits > 4,
                    "it waits for the keys, the refresh, and twice in the handler: {waits}"
                );
                break;
            }
            harness.advance(later);
            let response = app.oneshot(request()).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK, "{waits} waits, {later:?} later");
            assert_eq!(response.headers().get_all(header::SET_COOKIE).iter().count(), 1);
            assert_eq!(harness.emulator.exchanges(), 1, "{waits} waits, {later:?} later");
        }
    }
}

#[tokio::test]
async fn a_token_of_any_lifetime_is_refreshed_again_and_again() {
    for lifetime in [2, 5, 9, 11, 40, 300] {
        let harness = Harness::with(
            |emulator| emulator.token_ttl(Duration::from_secs(lifetime)),
            |config| config,
        )
        .await;
        let app = app(&harness.authkit);
        let running = harness.serve(app);
        let browser = running.signed_in("alice@acme.test");
        for second in 0..40 {
            let page = browser.navigate(&running.url("/dashboard")).await;
            assert_eq!(page.status, StatusCode::OK, "{lifetime} s, {second} steps in");
            assert_eq!(page.text(), "alice@acme.test", "{lifetime} s, {second} steps in");
            running.advance(Duration::from_millis(lifetime * 1000 / 7 + 100));
        }
        // The steps make more than five lifetimes.
        let exchanges = running.emulator.exchanges();
        assert!((4..=12).contains(&exchanges), "{lifetime} s: {exchanges} exchanges");
    }
}
