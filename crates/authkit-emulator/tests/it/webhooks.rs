use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use authkit_emulator::Emulator;
use aws_lc_rs::hmac;
use axum::{Router, extract::State, routing::post};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc, time::timeout};

use crate::support::{ACME, Stage};

const SECRET: &str = "whsec_test";

/// An application's endpoint that refuses the first deliveries, and checks each signature.
struct Receiver {
    url: String,
    events: mpsc::UnboundedReceiver<Value>,
}

#[derive(Clone)]
struct Inbox {
    events: mpsc::UnboundedSender<Value>,
    refusals: Arc<AtomicUsize>,
}

impl Receiver {
    async fn start(refusals: usize) -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        let inbox = Inbox { events: sender, refusals: Arc::new(AtomicUsize::new(refusals)) };
        let router = Router::new().route("/hooks", post(take)).with_state(inbox);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hooks?from=workos", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, events }
    }

    /// The next event but for `session.created`, which every session of a test begins with.
    async fn next(&mut self) -> Value {
        loop {
            let event = timeout(Duration::from_secs(5), self.events.recv()).await.unwrap().unwrap();
            if event["event"] != "session.created" {
                return event;
            }
        }
    }
}

async fn take(State(inbox): State<Inbox>, headers: HeaderMap, body: String) -> StatusCode {
    let left =
        inbox.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
    if left.is_ok() {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let signature = headers["workos-signature"].to_str().unwrap();
    let (time, tag) =
        signature.strip_prefix("t=").and_then(|rest| rest.split_once(", v1=")).unwrap();
    let expected = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()),
        format!("{time}.{body}").as_bytes(),
    );
    let expected: String = expected.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(tag, expected);
    let mut event: Value = serde_json::from_str(&body).unwrap();
    event["signed_at"] = json!(time.parse::<u64>().unwrap());
    inbox.events.send(event).unwrap();
    StatusCode::OK
}

#[tokio::test]
async fn what_changes_is_told_and_signed() {
    let mut receiver = Receiver::start(0).await;
    let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let builder = Emulator::builder().frozen_at(now).webhook(&receiver.url, SECRET);
    let stage = Stage::with(builder).await;
    let emulator = &stage.emulator;
    let session = emulator.session("alice@acme.test");
    let user = emulator.users().into_iter().find(|user| user.email == "alice@acme.test").unwrap();

    emulator.advance(Duration::from_secs(60));
    let logout = |id: &str| format!("/user_management/sessions/logout?session_id={id}");
    stage.get(&logout(session.session_id())).await;
    let event = receiver.next().await;
    assert_eq!(event["event"], "session.revoked");
    assert_eq!(event["created_at"], "2027-01-15T08:01:00.000Z");
    assert_eq!(event["signed_at"], 1_800_000_060_000_u64);
    assert_eq!(event["data"]["id"], session.session_id());
    assert_eq!(event["data"]["status"], "revoked");

    stage.get(&logout(session.session_id())).await;
    assert!(emulator.revoke(session.session_id()), "it is known, but ended before");
    emulator.set_role("alice@acme.test", ACME, "member");
    let changed = receiver.next().await;
    assert_eq!(changed["event"], "organization_membership.updated");
    assert_eq!(changed["data"]["user_id"], user.id);
    assert_eq!(changed["data"]["organization_id"], ACME);
    assert_eq!(changed["data"]["role"]["slug"], "member");
    assert_ne!(changed["id"], event["id"]);

    emulator.remove_membership("alice@acme.test", ACME);
    let removed = receiver.next().await;
    assert_eq!(removed["event"], "organization_membership.deleted");
    assert_eq!(removed["data"]["id"], changed["data"]["id"]);
    emulator.set_role("alice@acme.test", ACME, "admin");
    assert_eq!(receiver.next().await["event"], "organization_membership.created");

    emulator.remove_user("alice@acme.test");
    let deleted = receiver.next().await;
    assert_eq!(deleted["event"], "user.deleted");
    assert_eq!(deleted["data"]["id"], user.id);
}

#[tokio::test]
async fn an_endpoint_that_fails_is_asked_again_and_one_can_be_added_over_http() {
    let mut receiver = Receiver::start(2).await;
    let stage = Stage::new().await;
    let session = stage.emulator.session("bob@acme.test");
    let body = json!({ "url": receiver.url, "secret": SECRET });
    let added = stage.http.post(stage.url("/_emulator/webhooks")).json(&body).send().await.unwrap();
    assert_eq!(added.status(), 201);
    let body = json!({ "url": "https://app.example.com/hooks", "secret": SECRET });
    let refused =
        stage.http.post(stage.url("/_emulator/webhooks")).json(&body).send().await.unwrap();
    assert_eq!(refused.status(), 422);

    let before = SystemTime::now();
    stage.emulator.revoke(session.session_id());
    assert_eq!(receiver.next().await["data"]["id"], session.session_id());
    assert!(before.elapsed().unwrap() >= Duration::from_millis(750), "it waited in between");
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_reached_is_an_error_at_the_start() {
    for url in ["https://app.example.com/hooks", "no url", "file:///tmp/hooks"] {
        let error = Emulator::builder().webhook(url, SECRET).start().await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput, "{url}");
    }
}
