use std::{
    io::Write,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use authkit_emulator::{Emulator, Seed, UserChange};
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

/// F12: the emulator used to ignore a seed's endpoints.
#[tokio::test]
async fn f12_seeded_endpoints_are_delivered_to_with_their_secret() {
    let mut receiver = Receiver::start(0).await;
    let seed = json!({
        "users": [{ "email": "zoe@initech.test" }],
        "webhookEndpoints": [
            { "endpoint_url": receiver.url, "secret": SECRET },
            { "url": receiver.url, "secret": "another secret", "enabled": false },
            { "endpoint_url": receiver.url, "secret": SECRET, "events": ["user.deleted"], "description": "x" },
            { "endpoint_url": "http://localhost:9/hooks?key=1", "events": ["never.sent"] },
        ],
    });
    let stage = Stage::with(Emulator::builder().seed(Seed::from_json(seed).unwrap())).await;
    let emulator = &stage.emulator;
    let session = emulator.session("zoe@initech.test");
    emulator.revoke(session.session_id());
    assert_eq!(receiver.next().await["data"]["id"], session.session_id());
    emulator.remove_user("zoe@initech.test");
    for _ in 0..2 {
        assert_eq!(receiver.next().await["event"], "user.deleted", "to both that want it");
    }
    let delivered =
        || emulator.webhooks().all().iter().map(|webhook| webhook.delivered).sum::<u64>();
    while delivered() < 4 {
        tokio::task::yield_now().await;
    }
    let webhooks = emulator.webhooks().all();
    let counts: Vec<_> =
        webhooks.iter().map(|webhook| (webhook.delivered, webhook.given_up)).collect();
    assert_eq!(counts, [(3, 0), (1, 0), (0, 0)], "one is switched off");
    assert!(webhooks[2].secret.len() >= 32 && webhooks[2].secret != SECRET, "one is made up");
    let state: Value = stage.get("/_emulator/state").await.json().await.unwrap();
    assert_eq!(state["webhooks"][0]["delivered"], 3);
    assert_eq!(state["webhooks"][2]["secret"], webhooks[2].secret);
    let debug = format!("{webhooks:?}");
    assert!(!debug.contains(SECRET) && !debug.contains(&webhooks[2].secret), "{debug}");
}

#[test]
fn mistakes_in_seeded_endpoints_are_named() {
    for (endpoint, problem) in [
        (json!({ "endpoint_url": "hooks" }), "webhookEndpoints[0]: hooks is not"),
        (
            json!({ "endpoint_url": "http://localhost/", "secret": "" }),
            "webhookEndpoints[0]: the secret",
        ),
        (json!({ "events": [] }), "endpoint_url"),
        (json!({ "endpoint_url": "http://localhost/", "event": [] }), "event"),
    ] {
        let seed = Seed::from_json(json!({ "webhookEndpoints": [endpoint.clone()] }));
        let error = seed.unwrap_err().to_string();
        assert!(error.contains(problem), "{endpoint}: {error}");
    }
}

/// Where the events of a test's subscriber are written to.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn lines(&self) -> Vec<String> {
        String::from_utf8(self.0.lock().unwrap().clone())
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// F12: the emulator used to give an endpoint up without a log line.
#[tokio::test(flavor = "current_thread")]
async fn f12_giving_up_is_told_by_one_line_and_counted() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let refusing = Receiver::start(usize::MAX).await;
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}/hooks?key=of-the-query", listener.local_addr().unwrap())
    };
    let seed = Seed::from_json(json!({
        "users": [{ "email": "zoe@initech.test" }],
        "webhookEndpoints": [
            { "endpoint_url": "https://app.example.com/hooks", "secret": SECRET, "events": ["session.revoked"] },
        ],
    }));
    let builder = Emulator::builder()
        .seed(seed.unwrap())
        .webhook(&refusing.url, SECRET)
        .webhook(&closed, SECRET)
        .webhook_pauses([Duration::from_millis(1); 2]);
    let stage = Stage::with(builder).await;
    assert_eq!(log.lines().len(), 1, "at the start: {:?}", log.lines());
    assert!(log.lines()[0].contains("https://app.example.com/hooks"), "{:?}", log.lines());

    stage.emulator.webhooks().send(&json!({ "event": "session.revoked", "id": "event_1" }));
    let given_up =
        || stage.emulator.webhooks().all().iter().map(|webhook| webhook.given_up).sum::<u64>();
    let all = async {
        while given_up() < 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(30), all).await.unwrap();
    let lines: Vec<String> = log.lines().into_iter().skip(1).collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    for (place, attempts, problem) in [
        ("https://app.example.com/hooks", 0, "not an http URL"),
        (refusing.url.split('?').next().unwrap(), 3, "answered 503"),
        (closed.split('?').next().unwrap(), 3, "refused"),
    ] {
        let line = lines
            .iter()
            .find(|line| line.contains(place))
            .unwrap_or_else(|| panic!("{place}: {lines:?}"));
        assert!(line.contains("WARN") && line.contains("session.revoked"), "{line}");
        assert!(line.contains(&format!("attempts={attempts}")) && line.contains(problem), "{line}");
        assert!(!line.contains(SECRET) && !line.contains("of-the-query"), "{line}");
    }
}

#[tokio::test]
async fn any_event_can_be_sent() {
    let mut receiver = Receiver::start(0).await;
    let stage = Stage::with(Emulator::builder().webhook(&receiver.url, SECRET)).await;
    let odd = json!({ "event": "a.new_one", "id": null, "data": [] });
    stage.emulator.webhooks().send(&odd);
    let mut found = receiver.next().await;
    found.as_object_mut().unwrap().remove("signed_at");
    assert_eq!(found, odd);
    let sent =
        stage.post("/_emulator/events", &json!({ "event": "b", "created_at": "never" })).await;
    assert_eq!(sent.status, 202);
    assert_eq!(receiver.next().await["event"], "b");
}

#[tokio::test]
async fn sign_ins_and_changes_of_users_are_told() {
    let mut receiver = Receiver::start(0).await;
    let stage = Stage::with(Emulator::builder().webhook(&receiver.url, SECRET)).await;
    let people = stage.emulator.people();
    people.add_user(json!({ "email": "zoe@initech.test" }));
    assert_eq!(receiver.next().await["event"], "user.created");
    people.change_user("zoe@initech.test", UserChange::new().field("locale", 5));
    let updated = receiver.next().await;
    assert_eq!(
        (&updated["event"], &updated["data"]["locale"]),
        (&json!("user.updated"), &json!(5))
    );
    people.add_organization(json!({ "id": "org_initech", "name": "Initech" }));
    people.remove_organization("Initech");
    let deleted = receiver.next().await;
    assert_eq!(
        (&deleted["event"], &deleted["data"]["id"]),
        (&json!("organization.deleted"), &json!("org_initech"))
    );

    let session = stage.emulator.session("zoe@initech.test");
    let created = timeout(Duration::from_secs(5), receiver.events.recv()).await.unwrap().unwrap();
    assert_eq!(
        (&created["event"], &created["data"]["id"]),
        (&json!("session.created"), &json!(session.session_id()))
    );
}
