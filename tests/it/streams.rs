//! Streams end with their session, and a browser retries a stream that cannot start now.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use authkit_emulator::{Endpoint, Fault};
use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, Revocation, Session};
use axum::{Router, body::Body, response::Response, routing::get};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Method, StatusCode};
use support::{Harness, PASSWORD, Running};
use tokio::time::{sleep, timeout};

const EVENTS: [(&str, &str); 1] = [("accept", "text/event-stream")];

/// How many events each session was sent.
type Sent = Arc<Mutex<BTreeMap<String, usize>>>;

/// A service with a stream of events, which it counts.
fn app(authkit: &AuthKit, sent: Sent) -> Router {
    let ticks = move |session: Session| {
        let counted = (Arc::clone(&sent), session.session_id().to_owned());
        let ticks = stream::unfold(counted, async |(sent, id)| {
            sleep(Duration::from_millis(20)).await;
            *sent.lock().unwrap().entry(id.clone()).or_default() += 1;
            Some((Ok::<_, std::io::Error>(Bytes::from("data: tick\n\n")), (sent, id)))
        });
        async move { Response::new(Body::from_stream(ticks.take_until(session.expired()))) }
    };
    Router::new()
        .route("/events", get(ticks.clone()).post(ticks))
        .route_layer(AuthKitLayer::new(authkit))
        .merge(Endpoints::new(authkit))
}

async fn running() -> (Running, Sent) {
    let harness = Harness::start().await;
    let sent = Sent::default();
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
        // The user's session in another browser has a stream too.
        let another = running.emulator.session("alice@acme.test").cookie(PASSWORD);
        let others = reqwest::Client::new().get(&url).header("accept", EVENTS[0].1);
        let others = others.header("cookie", format!("wos_session={another}")).send().await;
        let mut others = others.unwrap().error_for_status().unwrap();
        let stream = async {
            let answer = browser.send(Method::GET, &url, EVENTS, Bytes::new());
            timeout(Duration::from_secs(20), answer).await.expect("the stream ends")
        };
        let end = async {
            let are_sent = async || {
                let sent = sent.lock().unwrap();
                sent.len() == 2 && sent.values().all(|events| *events > 3)
            };
            support::until("both streams run", are_sent).await;
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
        // A stream looks once a second whether its session has ended.
        let ended = Instant::now();
        while ended.elapsed() < Duration::from_millis(1_500) {
            let next = timeout(Duration::from_secs(20), others.chunk()).await;
            let next = next.expect("it ticks").unwrap();
            assert!(next.is_some(), "signs out: {signs_out}: the other session's stream ends too");
        }
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
