use std::{
    convert::Infallible,
    future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

use authkit_session::{Inbox, NotPublished, Notice, Publishing, Revocations};
use aws_lc_rs::hmac;
use http::{Method, header::CONTENT_LENGTH};
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::{
    CookiePassword,
    tests::{authkit, authkit_of, header},
};

const SECRET: &str = "whsec_0123456789";
const OTHER: &str = "whsec_9876543210";
/// The longest body that is kept: 1 MiB.
const MAX_BODY: usize = 1_048_576;

fn webhooks(authkit: &AuthKit) -> Webhooks {
    Webhooks::new(authkit, SECRET).unwrap()
}

/// A delivery, signed now.
fn signed(authkit: &AuthKit, body: &[u8]) -> Request<Full<Bytes>> {
    signed_with(SECRET, authkit, body)
}

fn signed_with(secret: &str, authkit: &AuthKit, body: &[u8]) -> Request<Full<Bytes>> {
    let time = authkit.clock().wall().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
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

/// Every event that the SDK `workos` 3.5.0 knows a name of, apart from those with an effect.
const OF_NO_CONCERN: &str = "
    action.unknown agent.blueprint.created agent.blueprint.deleted agent.blueprint.updated agent.instance.created
    agent.instance.deleted agent.instance.session.created agent.instance.session.revoked agent.registration.created
    agent.registration.claim.completed agent.registration.credential.issued agent.registration.deleted
    agent.registration.refreshed agent.registration.expired agent.registration.revoked authentication.magic_auth_failed
    authentication.magic_auth_succeeded authentication.mfa_succeeded authentication.oauth_failed
    authentication.oauth_succeeded authentication.password_failed authentication.password_succeeded
    authentication.passkey_failed authentication.passkey_succeeded authentication.sso_failed authentication.sso_started
    authentication.sso_succeeded authentication.sso_timed_out radar.challenge_created
    authentication.radar_risk_detected api_key.created connection.activated
    connection.deactivated connection.saml_certificate_renewed connection.deleted dsync.activated dsync.deleted
    dsync.group.created dsync.group.deleted dsync.group.updated dsync.group.user_added dsync.group.user_removed
    dsync.user.created dsync.user.deleted dsync.user.updated email_verification.created group.created group.deleted
    group.member_added group.member_removed group.updated flag.created flag.deleted flag.updated flag.rule_updated
    invitation.accepted invitation.created invitation.resent invitation.revoked magic_auth.created
    organization.created organization.updated organization_domain.created organization_domain.deleted
    organization_domain.updated organization_domain.verified organization_domain.verification_failed
    password_reset.created password_reset.succeeded user.created user.updated organization_membership.created
    role.created role.deleted role.updated organization_role.created permission.created permission.deleted
    permission.updated pipes.account_connection.add_failed pipes.account_connection.connected
    pipes.account_connection.disconnected pipes.connected_account.connected pipes.connected_account.disconnected
    session.created waitlist_user.approved waitlist_user.created waitlist_user.denied";

/// The events with an effect, and the fields of their data that say on whom.
const OF_CONCERN: [(&str, &[&str]); 9] = [
    ("api_key.revoked", &["id"]),
    ("api_key.updated", &["id"]),
    ("session.revoked", &["id"]),
    ("user.deleted", &["id"]),
    ("organization.deleted", &["id"]),
    ("organization_membership.updated", &["user_id", "organization_id"]),
    ("organization_membership.deleted", &["user_id", "organization_id"]),
    ("organization_role.updated", &["organization_id"]),
    ("organization_role.deleted", &["organization_id"]),
];

/// What is answered to a body signed by WorkOS, and how much is published.
async fn answer(body: &[u8]) -> (u16, usize) {
    let (authkit, counting) = counting();
    let response = send(&webhooks(&authkit), signed(&authkit, body)).await;
    assert_eq!(header(&response, "cache-control"), "no-store");
    let status = response.status().as_u16();
    assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
    (status, counting.published.load(Ordering::SeqCst))
}

#[tokio::test]
async fn f11_an_event_of_no_concern_is_taken_whatever_else_it_says() {
    let names = OF_NO_CONCERN.split_whitespace().chain(["user.teleported", ""]);
    for name in names {
        let body = json!({ "event": name }).to_string();
        assert_eq!(answer(body.as_bytes()).await, (200, 0), "{name}");
    }
    for field in ["id", "created_at", "data", "object", "context"] {
        for value in [json!(null), json!(7), json!({}), json!([null]), json!(""), json!("x")] {
            let mut body = json!({ "event": "user.created" });
            body[field] = value;
            assert_eq!(answer(body.to_string().as_bytes()).await, (200, 0), "{body}");
        }
        // What no parser makes a value of.
        for value in [r#""\ud83d""#, "1e999", r#"{"a":["\udc00"]}"#] {
            let body = format!(r#"{{"event":"user.created","{field}":{value}}}"#);
            assert_eq!(answer(body.as_bytes()).await, (200, 0), "{body}");
        }
    }
}

#[tokio::test]
async fn f11_an_event_with_an_effect_needs_its_name_and_whom_it_concerns() {
    let whole = json!({ "id": "x", "user_id": "user_1", "organization_id": "org_1" });
    for (name, needed) in OF_CONCERN {
        assert_eq!(answer(&event("event_1", name, &whole)).await, (200, 1), "{name}");
        for field in ["id", "user_id", "organization_id"] {
            for value in
                [None, Some(json!(null)), Some(json!(7)), Some(json!(["x"])), Some(json!(""))]
            {
                let mut data = whole.clone();
                match value {
                    Some(value) => data[field] = value,
                    None => drop(data.as_object_mut().unwrap().remove(field)),
                }
                let expected = if needed.contains(&field) { (422, 0) } else { (200, 1) };
                assert_eq!(answer(&event("event_1", name, &data)).await, expected, "{name} {data}");
            }
        }
        for data in [json!(null), json!([]), json!("session_1")] {
            assert_eq!(answer(&event("event_1", name, &data)).await, (422, 0), "{name} {data}");
        }
        // Its id only saves work, and its time is that of its arrival where it cannot be read.
        for field in ["id", "created_at"] {
            for value in [None, Some(json!(null)), Some(json!(7)), Some(json!("soon"))] {
                let mut event = json!({
                    "id": "event_1", "event": name, "created_at": "2027-01-15T08:00:00.000Z", "data": whole,
                });
                match value {
                    Some(value) => event[field] = value,
                    None => drop(event.as_object_mut().unwrap().remove(field)),
                }
                assert_eq!(answer(event.to_string().as_bytes()).await, (200, 1), "{event}");
            }
        }
    }
    for no_event in ["[]", "{}", "null", "", "\u{feff}{}", r#"{"event":7}"#, r#"{"event":null}"#] {
        assert_eq!(answer(no_event.as_bytes()).await, (422, 0), "{no_event}");
    }
    assert_eq!(answer(b"\xff").await, (422, 0));
}

#[tokio::test]
async fn an_event_without_an_id_has_its_effect_each_time() {
    let (authkit, counting) = counting();
    let webhooks = webhooks(&authkit);
    let body = json!({ "event": "session.revoked", "data": { "id": "session_1" } }).to_string();
    for _ in 0..2 {
        assert_eq!(send(&webhooks, signed(&authkit, body.as_bytes())).await.status(), 200);
    }
    assert_eq!(counting.published.load(Ordering::SeqCst), 2);
}

#[test]
fn d8_a_secret_that_can_be_guessed_or_was_mistaken_is_refused_when_the_endpoint_is_made() {
    let (authkit, _workos) = authkit();
    let (short, wrapped) = (Some("fewer than 16 bytes"), Some("has white space, quotes"));
    let cases = [
        ("", Some("is empty")),
        ("whsec_1", short),
        ("whsec_012345678", short),
        ("whsec_0123456789", None),
        ("a secret of many words", None),
        (" whsec_012345678", wrapped),
        ("whsec_0123456789\n", wrapped),
        ("\"whsec_0123456789\"", wrapped),
        ("'whsec_0123456789'", wrapped),
        ("                                ", wrapped),
    ];
    for (secret, mistake) in cases {
        let made = Webhooks::new(&authkit, secret);
        assert_eq!(made.is_ok(), mistake.is_none(), "{secret:?}");
        let other = webhooks(&authkit).with_other_secrets([secret]);
        assert_eq!(other.is_ok(), mistake.is_none(), "{secret:?} beside another");
        if let Err(error) = made {
            let error = error.to_string();
            assert!(
                error.contains("Webhooks::new")
                    && error.contains("WorkOS dashboard")
                    && error.contains(mistake.unwrap()),
                "{error}"
            );
            assert!(secret.trim().is_empty() || !error.contains(secret.trim()), "{error}");
        }
    }
}

#[tokio::test]
async fn d8_while_a_secret_is_rolled_webhooks_of_both_are_taken() {
    let (authkit, _workos) = authkit();
    let body = event("event_1", "user.created", &json!({}));
    let rolled = webhooks(&authkit).with_other_secrets([OTHER]).unwrap();
    for (secret, one, both) in
        [(SECRET, 200, 200), (OTHER, 401, 200), ("whsec_abcdefghij", 401, 401)]
    {
        let send = async |webhooks| {
            send(&webhooks, signed_with(secret, &authkit, &body)).await.status().as_u16()
        };
        assert_eq!(send(webhooks(&authkit)).await, one, "{secret}");
        assert_eq!(send(rolled.clone()).await, both, "{secret}");
    }
}

#[tokio::test]
async fn a_replay_is_answered_200_and_has_no_effect() {
    let (authkit, counting) = counting();
    let webhooks = webhooks(&authkit);
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
    let webhooks = webhooks(&authkit);
    let body = event("event_1", "user.deleted", &json!({ "id": "user_1" }));
    counting.fails.store(2, Ordering::SeqCst);

    for status in [503, 503, 200, 200] {
        let response = send(&webhooks, signed(&authkit, &body)).await;
        assert_eq!(response.status(), status);
        assert_eq!(!header(&response, "retry-after").is_empty(), status == 503);
    }
    assert_eq!(counting.published.load(Ordering::SeqCst), 1);
}

/// WorkOS waits for the answer, and delivers the event again.
#[tokio::test(start_paused = true)]
async fn a_carrier_that_does_not_answer_holds_nothing_for_long() {
    #[derive(Debug)]
    struct Silent;

    impl Revocations for Silent {
        fn subscribe(&self, _: Inbox) {}

        fn publish(&self, _: Notice) -> Publishing<'_> {
            Box::pin(future::pending())
        }
    }

    let (authkit, _workos) = authkit_of(|config| config.with_revocations(Arc::new(Silent)));
    let body = event("event_1", "user.deleted", &json!({ "id": "user_1" }));
    let asked = tokio::time::Instant::now();
    let response = send(&webhooks(&authkit), signed(&authkit, &body)).await;
    assert_eq!((response.status().as_u16(), asked.elapsed()), (503, Duration::from_secs(3)));
}

#[tokio::test]
async fn nothing_unsigned_is_looked_at() {
    let (authkit, _workos) = authkit();
    let webhooks = webhooks(&authkit);
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
    let twice = || {
        let mut request = good();
        let signature = request.headers()["workos-signature"].clone();
        request.headers_mut().append("workos-signature", signature);
        request
    };
    let announced = |length: &str| {
        let mut request = good();
        request.headers_mut().insert(CONTENT_LENGTH, length.parse().unwrap());
        request
    };
    let mut get = good();
    *get.method_mut() = Method::GET;
    let large = padded(2 * MAX_BODY);
    let cases = [
        ("as it should be", good(), 200),
        ("unsigned", without(), 400),
        ("signed twice", twice(), 400),
        ("another body", with_body(b"{}"), 401),
        ("no body", with_body(b""), 401),
        ("another large body", with_body(&large), 401),
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
async fn e16_a_signed_webhook_is_taken_however_large_it_is() {
    let concern = event("event_1", "session.revoked", &json!({ "id": "session_1" }));
    let none = event("event_1", "dsync.user.updated", &json!({ "custom_attributes": {} }));
    let cases = [
        ("of no concern, 70 KiB", &none, 70 * 1024, 0),
        ("of no concern, as large as is read", &none, MAX_BODY, 0),
        ("of no concern, larger", &none, MAX_BODY + 1, 0),
        ("of no concern, 20 MiB", &none, 20 * MAX_BODY, 0),
        ("as large as is read", &concern, MAX_BODY, 1),
        ("larger than any event", &concern, MAX_BODY + 1, 0),
    ];
    for (name, body, len, published) in cases {
        let mut body = body.clone();
        body.resize(len, b' ');
        assert_eq!(answer(&body).await, (200, published), "{name}");
    }
}

#[tokio::test]
async fn a_delivery_that_is_late_is_refused_though_signed() {
    let (authkit, workos) = authkit();
    let webhooks = webhooks(&authkit);
    let body = event("event_1", "user.deleted", &json!({ "id": "user_1" }));
    let request = signed(&authkit, &body);

    workos.clock().advance(Duration::from_secs(181));
    assert_eq!(send(&webhooks, request).await.status(), 401);
}

/// A body that never ends, or breaks, or is not to be read.
enum Broken {
    Silent,
    Cut,
    Unread,
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
            Self::Unread => panic!("the head decides"),
        }
    }
}

#[tokio::test]
async fn f10_the_head_is_judged_before_the_body_is_read() {
    let (authkit, workos) = authkit();
    let webhooks = webhooks(&authkit);
    let signature = |value: Option<&str>| {
        let mut request = signed(&authkit, b"");
        request.headers_mut().remove("workos-signature");
        if let Some(value) = value {
            request.headers_mut().insert("workos-signature", value.parse().unwrap());
        }
        request
    };
    let mut get = signed(&authkit, b"");
    *get.method_mut() = Method::GET;
    let stale = signed(&authkit, b"");
    workos.clock().advance(Duration::from_secs(181));
    let cases = [
        ("no signature", signature(None), 400),
        ("an empty one", signature(Some("")), 400),
        ("a malformed one", signature(Some("t=now, v1=00")), 400),
        ("a short one", signature(Some("t=1800000000000, v1=00")), 400),
        ("one of another time", stale, 401),
        ("no POST", get, 405),
    ];
    for (name, request, status) in cases {
        let request = request.map(|_| Broken::Unread);
        assert_eq!(webhooks.clone().oneshot(request).await.unwrap().status(), status, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_holds_nothing_for_long() -> Result<(), Infallible> {
    let (authkit, _workos) = authkit();
    let webhooks = webhooks(&authkit);
    for (body, status, after) in [(Broken::Silent, 408, 10), (Broken::Cut, 400, 0)] {
        let request = signed(&authkit, b"").map(|_| body);
        let asked = tokio::time::Instant::now();
        assert_eq!(webhooks.clone().oneshot(request).await?.status(), status);
        assert_eq!(asked.elapsed(), Duration::from_secs(after), "{status}");
    }
    Ok(())
}
