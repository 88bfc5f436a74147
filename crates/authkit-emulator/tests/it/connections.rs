//! Connections that read a request and never answer.

use std::{panic::Location, time::Duration};

use authkit_emulator::{Emulator, Endpoint, Fault, Grant, RateLimit};
use reqwest::{Client, redirect::Policy};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::Stage;

/// Longer than an answer on loopback takes.
const SILENCE: Duration = Duration::from_millis(400);
/// Longer than an answer takes on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(30);

fn refresh(stage: &Stage, http: &Client) -> reqwest::RequestBuilder {
    let session = stage.emulator.session("bob@acme.test");
    let body = json!({
        "grant_type": "refresh_token",
        "client_id": stage.emulator.client_id(),
        "client_secret": stage.emulator.api_key(),
        "refresh_token": session.refresh_token(),
    });
    http.post(stage.url("/user_management/authenticate")).json(&body)
}

/// A client of its own, so with a pool of its own.
fn client() -> Client {
    Client::builder().redirect(Policy::none()).build().unwrap()
}

/// Sends a request that is to be answered with success, or not at all.
#[track_caller]
fn expect(answered: bool, request: reqwest::RequestBuilder) -> impl Future<Output = ()> {
    let place = Location::caller();
    async move {
        let patience = if answered { PATIENCE } else { SILENCE };
        match timeout(patience, request.send()).await {
            Ok(answer) => assert!(answered && answer.unwrap().status() == 200, "at {place}"),
            Err(_) => assert!(!answered, "no answer at {place}"),
        }
    }
}

#[tokio::test]
async fn b5_the_first_request_is_swallowed_and_the_next_one_works() {
    let stage = Stage::new().await;
    stage.emulator.fault(Fault::swallow().on(Grant::RefreshToken).times(2));
    for answered in [false, false, true] {
        expect(answered, refresh(&stage, &client())).await;
    }
    assert_eq!(stage.emulator.exchanges(), 1, "nothing is done for what is swallowed");
    assert_eq!(stage.emulator.calls(Grant::RefreshToken), 3);
}

#[tokio::test]
async fn b5_a_swallowed_request_waits_while_another_one_is_answered() {
    let stage = Stage::new().await;
    stage.emulator.fault(Fault::swallow());
    let first = refresh(&stage, &stage.http).send();
    let mut first = Box::pin(first);
    tokio::select! {
        answer = &mut first => panic!("{answer:?}"),
        () = async {
            while stage.emulator.calls(Endpoint::Authenticate) == 0 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        } => {}
    }
    expect(true, refresh(&stage, &stage.http)).await;
    assert!(timeout(SILENCE, &mut first).await.is_err(), "it stays out");
}

#[tokio::test]
async fn b5_the_first_connections_are_swallowed_whole() {
    let stage = Stage::new().await;
    let pooled = client();
    expect(true, refresh(&stage, &pooled)).await;
    let accepted = stage.emulator.connections().accepted();
    stage.emulator.connections().swallow(2);
    for answered in [false, false, true] {
        expect(answered, refresh(&stage, &client())).await;
    }
    expect(true, refresh(&stage, &pooled)).await;
    assert_eq!(stage.emulator.connections().accepted(), accepted + 3);
}

#[tokio::test]
async fn b6_pooled_connections_go_dead_while_new_ones_work() {
    let stage = Stage::new().await;
    let pooled = client();
    expect(true, refresh(&stage, &pooled)).await;
    let accepted = stage.emulator.connections().accepted();
    expect(true, refresh(&stage, &pooled)).await;
    assert_eq!(stage.emulator.connections().accepted(), accepted, "the pool's is used again");

    stage.emulator.connections().freeze();
    expect(false, refresh(&stage, &pooled)).await;
    assert_eq!(stage.emulator.connections().accepted(), accepted);
    expect(true, refresh(&stage, &client())).await;
}

#[tokio::test]
async fn b6_an_answer_that_was_under_way_is_not_sent_either() {
    let stage = Stage::new().await;
    stage.emulator.fault(Fault::latency(Duration::from_millis(100)));
    let mut request = Box::pin(refresh(&stage, &stage.http).send());
    tokio::select! {
        answer = &mut request => panic!("{answer:?}"),
        () = async {
            while stage.emulator.calls(Endpoint::Authenticate) == 0 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        } => {}
    }
    stage.emulator.connections().freeze();
    assert!(timeout(SILENCE, &mut request).await.is_err());
    assert_eq!(stage.emulator.exchanges(), 1, "it was done");
}

#[tokio::test]
async fn control_requests_are_answered_on_every_connection() {
    let stage = Stage::new().await;
    let http = client();
    let state = || http.get(stage.url("/_emulator/state")).send();
    state().await.unwrap();
    let body = json!({ "freeze": true, "swallow": 1 });
    let request = http.post(stage.url("/_emulator/connections")).json(&body);
    assert_eq!(request.send().await.unwrap().status(), 204);
    let shown: Value = timeout(PATIENCE, state()).await.unwrap().unwrap().json().await.unwrap();
    assert_eq!(shown["connections"]["to_swallow"], 1);
    expect(false, refresh(&stage, &http)).await;
    expect(false, refresh(&stage, &client())).await;
    expect(true, refresh(&stage, &client())).await;
    let wrong = http.post(stage.url("/_emulator/connections")).json(&json!({ "freese": true }));
    assert_eq!(wrong.send().await.unwrap().status(), 422);
}

#[tokio::test]
async fn writes_and_reads_are_limited_apart() {
    let limit = RateLimit::new(2, 3, Duration::from_secs(10));
    let stage = Stage::with(
        Emulator::builder()
            .frozen_at(std::time::UNIX_EPOCH + Duration::from_secs(1_800_000_000))
            .rate_limit(limit),
    )
    .await;
    let key = stage.emulator.api_key().to_owned();
    let revoke = || {
        let request = stage.http.post(stage.url("/user_management/sessions/revoke"));
        request.bearer_auth(&key).json(&json!({ "session_id": "session_1" })).send()
    };
    let jwks = || stage.get("/sso/jwks/client_emulator");
    expect(true, refresh(&stage, &stage.http)).await;
    assert_eq!(revoke().await.unwrap().status(), 400, "it counts, right or wrong");
    stage.emulator.advance(Duration::from_millis(2_500));
    stage.emulator.fault(Fault::status(503));

    let limited = refresh(&stage, &stage.http).send().await.unwrap();
    assert_eq!(
        (limited.status().as_u16(), &limited.headers()["retry-after"]),
        (429, &"8".parse().unwrap())
    );
    let body: Value = limited.json().await.unwrap();
    assert_eq!(body["error"], "too_many_requests");
    assert!(body["error_description"].is_string());
    assert_eq!(revoke().await.unwrap().status(), 429);
    for status in [200, 200, 200, 429] {
        assert_eq!(jwks().await.status(), status);
    }
    for _ in 0..10 {
        stage.get("/user_management/sessions/logout?session_id=x").await;
        assert_eq!(stage.get("/_emulator/state").await.status(), 200, "never limited");
    }
    assert_eq!((stage.emulator.rate_limited(), stage.emulator.exchanges()), (3, 1));

    stage.emulator.advance(Duration::from_millis(7_500));
    assert_eq!(
        refresh(&stage, &stage.http).send().await.unwrap().status(),
        503,
        "the fault is still there"
    );
    expect(true, refresh(&stage, &stage.http)).await;
    stage.emulator.set_rate_limit(None);
    for _ in 0..5 {
        expect(true, refresh(&stage, &stage.http)).await;
    }
}

#[tokio::test]
async fn the_documented_limit_is_500_writes_in_10_seconds() {
    let stage = Stage::new().await;
    let change = |limit: Value| {
        let stage = &stage;
        async move { stage.post("/_emulator/settings", &json!({ "rate_limit": limit })).await.status }
    };
    assert_eq!(change(json!("workos")).await, 204);
    let state = || async { stage.get("/_emulator/state").await.json::<Value>().await.unwrap() };
    let shown = json!({ "writes": 500, "reads": 1000, "window": 10.0 });
    assert_eq!(state().await["rate_limit"], shown);
    let mut statuses = Vec::new();
    for _ in 0..510 {
        statuses.push(stage.refresh("never-issued").await.status);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 10);
    assert_eq!(state().await["rate_limited"], 10);
    assert_eq!(state().await["grants"]["refresh_token"], 510);

    assert_eq!(change(json!("off")).await, 204);
    assert_eq!(stage.refresh("never-issued").await.status, 400);
    assert_eq!(change(json!({ "writes": 0, "reads": 1, "window": 0.5 })).await, 204);
    assert_eq!(stage.refresh("never-issued").await.status, 429);
    for wrong in
        [json!("on"), json!({ "writes": 1 }), json!({ "writes": 1, "reads": 1, "window": -1 })]
    {
        assert_eq!(change(wrong.clone()).await, 422, "{wrong}");
    }
}
