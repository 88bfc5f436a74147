//! Streams end with their session, and a browser retries a stream that cannot start now.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use authkit_emulator::{Endpoint, Fault};
use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, Revocation, Session};
use axum::{Router, body::Body, response::Response, routing::get};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Method, StatusCode};
use support::{Harness, Running};
use tokio::time::{sleep, timeout};

const EVENTS: [(&str, &str); 1] = [("accept", "text/event-stream")];

/// A service with a stream of events; `sent` counts them.
fn app(authkit: &AuthKit, sent: Arc<AtomicUsize>) -> Router {
    let ticks = move |session: Session| {
        let ticks = stream::unfold(Arc::clone(&sent), async |sent| {
            sleep(Duration::from_millis(20)).await;
            sent.fetch_add(1, Ordering::Relaxed);
            Some((Ok::<_, std::io::Error>(Bytes::from("data: tick\n\n")), sent))
        });
        async move { Response::new(Body::from_stream(ticks.take_until(session.expired()))) }
    };
    Router::new()
        .route("/events", get(ticks.clone()).post(ticks))
        .route_layer(AuthKitLayer::new(authkit))
        .merge(Endpoints::new(authkit))
}

async fn running() -> (Running, Arc<AtomicUsize>) {
    let harness = Harness::start().await;
    let sent = Arc::default();
    let app = app(&harness.authkit, Arc::clone(&sent));
    (harness.serve(app), sent)
}

#[tokio::test]
async fn d4_an_open_stream_ends_when_the_user_signs_out_or_is_revoked() {
    for signs_out in [true, false] {
        let (running, sent) = running().await;
        let browser = running.signed_in("alice@acme.test");
        let session = running.emulator.session("alice@acme.test");
        let browser = if signs_out { browser } else { running.holding(&session) };
        let url = running.url("/events");
        let stream = async {
            let answer = browser.send(Method::GET, &url, EVENTS, Bytes::new());
            timeout(Duration::from_secs(20), answer).await.expect("the stream ends")
        };
        let end = async {
            let is_sent = async || sent.load(Ordering::Relaxed) > 3;
            support::until("the stream runs", is_sent).await;
            if signs_out {
                let answer = browser.submit(&running.url("/logout"), &[]).await;
                assert_eq!(answer.status, StatusCode::SEE_OTHER);
            } else {
                let now = std::time::SystemTime::now();
                let revocation = Revocation::session(session.session_id(), now);
                running.authkit.revoke(revocation).await.unwrap();
            }
        };
        let (answer, ()) = tokio::join!(stream, end);
        assert_eq!(answer.status, StatusCode::OK);
        assert!(answer.text().matches("data: tick").count() > 2, "the stream ran until then");
    }
}

#[tokio::test]
async fn e11_an_event_source_is_told_to_come_back_during_an_outage() {
    let (running, _) = running().await;
    let expired = running.emulator.session("alice@acme.test").expired();
    running.emulator.fault(Fault::status(503).on(Endpoint::Authenticate).until_cleared());
    let browser = running.holding(&expired);
    let url = running.url("/events");

    let answer = browser.send(Method::GET, &url, EVENTS, Bytes::new()).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), "text/event-stream");
    assert_eq!(answer.header("cache-control"), "private, no-store");
    let text = answer.text();
    let wait = text.strip_prefix("retry: ").and_then(|rest| rest.strip_suffix("\n\n"));
    assert!(wait.is_some_and(|wait| wait.parse::<u64>().is_ok_and(|wait| wait >= 1_000)), "{text}");
    assert!(browser.cookie("wos_session").is_some(), "the cookie is kept");

    let answer = browser.send(Method::POST, &url, EVENTS, Bytes::new()).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "an EventSource sends no POST");
    let nobody = running.browser().send(Method::GET, &url, EVENTS, Bytes::new()).await;
    assert_eq!(nobody.status, StatusCode::UNAUTHORIZED, "coming back would not help");
}
