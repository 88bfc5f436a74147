use std::{
    convert::Infallible,
    future,
    sync::atomic::{AtomicUsize, Ordering},
};

use authkit_session::{Inbox, NotPublished, Notice, Publishing, Revocations};
use aws_lc_rs::hmac;
use http_body::Frame;
use http_body_util::Full;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::{
    CookiePassword,
    tests::{authkit, header},
};

const SECRET: &str = "whsec_1";

/// A delivery, signed now.
fn signed(authkit: &AuthKit, body: &[u8]) -> Request<Full<Bytes>> {
    let time = authkit.clock().wall().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let tag = hmac::sign(&key, &[time.to_string().as_bytes(), b".", body].concat());
    let tag: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    Request::post("/webhooks/workos")
        .header("WorkOS-Signature", format!("t={time}, v1={tag}"))
        .body(Full::from(body.to_vec()))
        .unwrap()
}

async fn send<B>(webhooks: &Webhooks, request: Request<B>) -> Response<ResponseBody>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    webhooks.clone().oneshot(request).await.unwrap()
}

fn event(id: &str, name: &str, data: &Value) -> Vec<u8> {
    let created_at = "2027-01-15T08:00:00.000Z";
    json!({ "id": id, "event": name, "created_at": created_at, "data": data })
        .to_string()
        .into_bytes()
}

/// Counts what is published, and fails where it is told to.
#[derive(Debug, Default)]
struct Counting {
    published: AtomicUsize,
    fails: AtomicUsize,
}

impl Revocations for Counting {
    fn subscribe(&self, _: Inbox) {}

    fn publish(&self, _: Notice) -> Publishing<'_> {
        let fails =
            self.fails.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        if fails.is_ok() {
            return Box::pin(future::ready(Err(NotPublished::new())));
        }
        self.published.fetch_add(1, Ordering::SeqCst);
        Box::pin(future::ready(Ok(())))
    }
}

fn counting() -> (AuthKit, Arc<Counting>) {
    let counting = Arc::new(Counting::default());
    let password = CookiePassword::new("a password of no less than 32 bytes").unwrap();
    let config =
        crate::Config::new("client_1", "sk_1", "https://app.example.com/callback", password)
            .with_revocations(counting.clone());
    (AuthKit::new(config).unwrap(), counting)
}

#[tokio::test]
async fn every_event_gets_its_answer_and_has_its_effect() {
    let membership = json!({ "id": "om_1", "user_id": "user_1", "organization_id": "org_1" });
    let revoked = |data: Value| event("event_1", "session.revoked", &data);
    let cases: [(&str, Vec<u8>, u16, usize); 12] = [
        ("a revoked session", revoked(json!({ "id": "session_1" })), 200, 1),
        ("a deleted user", event("event_1", "user.deleted", &json!({ "id": "user_1" })), 200, 1),
        (
            "a changed role",
            event("event_1", "organization_membership.updated", &membership),
            200,
            1,
        ),
        (
            "a lost membership",
            event("event_1", "organization_membership.deleted", &membership),
            200,
            1,
        ),
        ("a new member", event("event_1", "organization_membership.created", &membership), 200, 0),
        ("an event of next year", event("event_1", "user.teleported", &json!(null)), 200, 0),
        ("a session without id", revoked(json!({})), 422, 0),
        ("a session whose id is a number", revoked(json!({ "id": 7 })), 422, 0),
        ("no data", revoked(json!(null)), 422, 0),
        (
            "no time",
            br#"{"id":"e","event":"session.revoked","created_at":"soon","data":{"id":"s"}}"#
                .to_vec(),
            422,
            0,
        ),
        ("no object", b"[]".to_vec(), 422, 0),
        ("no JSON", b"\xff".to_vec(), 422, 0),
    ];
    for (name, body, status, published) in cases {
        let (authkit, counting) = counting();
        let webhooks = Webhooks::new(&authkit, SECRET);
        let response = send(&webhooks, signed(&authkit, &body)).await;
        assert_eq!(response.status(), status, "{name}");
        assert_eq!(header(&response, "cache-control"), "no-store", "{name}");
        assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty(), "{name}");
        assert_eq!(counting.published.load(Ordering::SeqCst), published, "{name}");
    }
}

#[tokio::test]
async fn a_replay_is_answered_200_and_has_no_effect() {
    let (authkit, counting) = counting();
    let webhooks = Webhooks::new(&authkit, SECRET);
    let body = event("event_1", "session.revoked", &json!({ "id": "session_1" }));
    let replayed = event("event_1", "session.revoked", &json!({ "id": "session_2" }));

    for body in [&body, &body, &replayed] {
        assert_eq!(send(&webhooks, signed(&authkit, body)).await.status(), 200);
    }
    assert_eq!(counting.published.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_event_that_other_replicas_were_not_told_is_asked_for_again() {
    let (authkit, counting) = counting();
    let webhooks = Webhooks::new(&authkit, SECRET);
    let body = event("event_1", "user.deleted", &json!({ "id": "user_1" }));
    counting.fails.store(2, Ordering::SeqCst);

    for status in [503, 503, 200, 200] {
        let response = send(&webhooks, signed(&authkit, &body)).await;
        assert_eq!(response.status(), status);
        assert_eq!(!header(&response, "retry-after").is_empty(), status == 503);
    }
    assert_eq!(counting.published.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn nothing_unsigned_or_boundless_is_looked_at() {
    let (authkit, _workos) = authkit();
    let webhooks = Webhooks::new(&authkit, SECRET);
    let body = event("event_1", "user.deleted", &json!({ "id": "user_1" }));
    let padded = |to: usize| {
        let mut body = body.clone();
        body.resize(to, b' ');
        body
    };
    let good = || signed(&authkit, &body);
    let without = || {
        let mut request = good();
        request.headers_mut().clear();
        request
    };
    let with_body = |body: &[u8]| good().map(|_| Full::from(body.to_vec()));
    let announced = |length: &str| {
        let mut request = good();
        request.headers_mut().insert(CONTENT_LENGTH, length.parse().unwrap());
        request
    };
    let mut get = good();
    *get.method_mut() = Method::GET;
    let cases = [
        ("as it should be", good(), 200),
        ("unsigned", without(), 400),
        ("another body", with_body(b"{}"), 401),
        ("no body", with_body(b""), 401),
        ("as large as may be", signed(&authkit, &padded(MAX_BODY)), 200),
        ("too large", signed(&authkit, &padded(MAX_BODY + 1)), 413),
        ("announced as too large", announced("65537"), 413),
        ("announced as nonsense", announced("many"), 200),
        ("no POST", get, 405),
    ];
    for (name, request, status) in cases {
        assert_eq!(send(&webhooks, request).await.status(), status, "{name}");
    }
    let shown = format!("{webhooks:?}");
    assert!(!shown.contains(SECRET), "{shown}");
}

#[tokio::test]
async fn a_delivery_that_is_late_is_refused_though_signed() {
    let (authkit, workos) = authkit();
    let webhooks = Webhooks::new(&authkit, SECRET);
    let body = event("event_1", "user.deleted", &json!({ "id": "user_1" }));
    let request = signed(&authkit, &body);

    workos.clock().advance(Duration::from_secs(181));
    assert_eq!(send(&webhooks, request).await.status(), 401);
}

/// A body that never ends, or breaks.
enum Broken {
    Silent,
    Cut,
}

impl Body for Broken {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        match *self {
            Self::Silent => Poll::Pending,
            Self::Cut => Poll::Ready(Some(Err("connection reset"))),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_holds_nothing_for_long() -> Result<(), Infallible> {
    let (authkit, _workos) = authkit();
    let webhooks = Webhooks::new(&authkit, SECRET);
    for (body, status) in [(Broken::Silent, 408), (Broken::Cut, 400)] {
        let request = signed(&authkit, b"").map(|_| body);
        assert_eq!(webhooks.clone().oneshot(request).await?.status(), status);
    }
    Ok(())
}
