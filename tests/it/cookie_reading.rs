//! The layer finds the session among any other content of `Cookie` fields, and no content breaks the service.

use std::time::Duration;

use authkit_emulator::{Endpoint, TestSession};
use authkit_tower::{AuthKit, AuthKitLayer, Denial, Endpoints, Reason, Session};
use axum::{Router, body::Body, routing::get};
use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use support::{Events, Harness, PASSWORD};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tower::ServiceExt;

fn app(authkit: &AuthKit) -> Router {
    Router::new()
        .route("/api/me", get(async |session: Session| session.session_id().to_owned()))
        .route_layer(AuthKitLayer::new(authkit))
        .merge(Endpoints::new(authkit))
}

/// A request with these `Cookie` fields.
fn request_with(fields: &[&[u8]]) -> Request<Body> {
    let mut request = Request::get("/api/me").body(Body::empty()).unwrap();
    for field in fields {
        let field = HeaderValue::from_bytes(field).unwrap();
        request.headers_mut().append(header::COOKIE, field);
    }
    request
}

/// The status, the body and the reason of a denial. Asserts that the response sets no cookie.
async fn answered(app: &Router, request: Request<Body>) -> (StatusCode, String, Option<Reason>) {
    let response: Response<Body> = app.clone().oneshot(request).await.unwrap();
    assert!(!response.headers().contains_key(header::SET_COOKIE), "no cookie is set");
    let reason = response.extensions().get::<Denial>().and_then(Denial::reason);
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned(), reason)
}

/// Asserts that the layer admits a request with these `Cookie` fields, and uses this session.
async fn assert_used(name: &str, app: &Router, fields: &[&str], session: &TestSession) {
    let fields: Vec<_> = fields.iter().map(|field| field.as_bytes()).collect();
    let (status, body, reason) = answered(app, request_with(&fields)).await;
    assert_eq!((status, reason), (StatusCode::OK, None), "{name}");
    assert_eq!(body, session.session_id(), "{name}");
}

fn cookie(session: &TestSession) -> String {
    format!("wos_session={}", session.cookie(PASSWORD))
}

#[tokio::test]
async fn ck_01_the_session_is_found_in_any_of_several_fields() {
    let harness = Harness::start().await;
    let app = app(&harness.authkit);
    let session = harness.emulator.session("alice@acme.test");
    let ours = cookie(&session);
    let spaced = format!("  a=b ;{ours}  ;   c=d;;");
    let between = format!("theme=dark; {ours}; wos_session2=x; xwos_session=y; wos_session_old=z");
    let rows: [(&str, &[&str]); 4] = [
        ("the second field", &["theme=dark; lang=en", &ours]),
        ("the last of many", &["a=1", "b=2", "c=3", "wos-session=x", &ours]),
        ("odd spaces", &[&spaced]),
        ("among names that look like it", &[&between]),
    ];
    for (name, fields) in rows {
        assert_used(name, &app, fields, &session).await;
    }
}

#[tokio::test]
async fn ck_01_http_2_splits_the_field() {
    let harness = Harness::start().await;
    let app = app(&harness.authkit);
    let running = harness.serve(app);
    let session = running.emulator.session("alice@acme.test");
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let request = Request::get(running.url("/api/me"))
        .header(header::COOKIE, "theme=dark")
        .header(header::COOKIE, cookie(&session))
        .header(header::COOKIE, "lang=en")
        .body(Empty::<bytes::Bytes>::new())
        .unwrap();

    let response = client.request(request).await.unwrap();

    assert_eq!(response.version(), http::Version::HTTP_2);
    assert_eq!(response.status(), StatusCode::OK);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, session.session_id());
}

#[tokio::test]
async fn ck_02_of_two_sessions_of_one_user_the_latest_is_used() {
    let harness = Harness::start().await;
    let app = app(&harness.authkit);
    let at = |ago| {
        let session = harness.emulator.session("alice@acme.test");
        session.issued_ago(Duration::from_secs(ago))
    };
    let (fresh, older, expired) = (at(0), at(60), at(600));
    harness.emulator.revoke(expired.session_id());
    let unreadable = "wos_session=AQABAgMEBQYHCAkKCwktCJEk1eJpKoGLJ6h272o3ZaqRM5MHQQKh".to_owned();
    let rows = [
        ("an expired one first", [&expired, &fresh].map(cookie), &fresh),
        ("an expired one last", [&fresh, &expired].map(cookie), &fresh),
        ("an older one first", [&older, &fresh].map(cookie), &fresh),
        ("an older one last", [&fresh, &older].map(cookie), &fresh),
        ("an unreadable one first", [unreadable.clone(), cookie(&fresh)], &fresh),
        ("an unreadable one last", [cookie(&older), unreadable], &older),
    ];
    for (name, [first, second], expected) in rows {
        assert_used(name, &app, &[&format!("{first}; {second}")], expected).await;
        assert_used(name, &app, &[&first, &second], expected).await;
    }
    assert_eq!(harness.emulator.calls(Endpoint::Authenticate), 0);
}

/// The stale cookie may come first, since browsers put longer paths and older cookies first (RFC 6265 section 5.4).
#[tokio::test]
async fn ck_02_of_two_expired_sessions_the_latest_is_refreshed() {
    let harness = Harness::start().await;
    let app = app(&harness.authkit);
    let spent = harness.emulator.session("alice@acme.test").issued_ago(Duration::from_secs(1_200));
    let latest = harness.emulator.session("alice@acme.test").issued_ago(Duration::from_secs(600));
    harness.emulator.revoke(spent.session_id());

    for both in [[&spent, &latest], [&latest, &spent]] {
        let [first, second] = both.map(cookie);
        let request = request_with(&[format!("{first}; {second}").as_bytes()]);
        let response: Response<Body> = app.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers().get_all(header::SET_COOKIE).iter().count(), 1);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, latest.session_id());
    }
    assert_eq!(
        harness.emulator.exchanges(),
        1,
        "the second request gets the session of the first exchange"
    );
}

#[tokio::test]
async fn ck_02_of_two_users_none_is_used_and_the_operator_hears_of_it() {
    let harness = Harness::start().await;
    let app = app(&harness.authkit);
    let alice = harness.emulator.session("alice@acme.test");
    let later = harness.emulator.session("alice@acme.test");
    let bob = harness.emulator.session("bob@acme.test");
    let events = Events::listen();
    let rows: [(&str, &[&TestSession]); 4] = [
        ("two", &[&alice, &bob]),
        ("two, the other way round", &[&bob, &alice]),
        ("the second in the middle", &[&alice, &bob, &later]),
        ("the second at the end", &[&alice, &later, &bob]),
    ];
    for (name, sessions) in rows {
        let field = sessions.iter().map(|session| cookie(session)).collect::<Vec<_>>().join("; ");
        let (status, _, reason) = answered(&app, request_with(&[field.as_bytes()])).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{name}");
        assert_eq!(reason, Some(Reason::Ambiguous), "{name}");
        let told = events.take().join("\n");
        assert!(told.contains("ERROR") && told.contains("reason=ambiguous"), "{name}: {told}");
        // The log has one such line in ten seconds.
        harness.advance(Duration::from_secs(10));
    }
    assert_eq!(harness.emulator.calls(Endpoint::Authenticate), 0);
}

#[tokio::test]
async fn ck_02_no_more_than_four_are_tried() {
    let harness = Harness::start().await;
    let app = app(&harness.authkit);
    let session = harness.emulator.session("alice@acme.test");
    let others = |count: usize| "wos_session=garbage; ".repeat(count) + cookie(&session).as_str();

    assert_used("the fourth", &app, &[&others(3)], &session).await;
    let (status, _, reason) = answered(&app, request_with(&[others(4).as_bytes()])).await;
    assert_eq!(
        (status, reason),
        (StatusCode::UNAUTHORIZED, Some(Reason::UnreadableCookie)),
        "the fifth"
    );
}

#[tokio::test]
async fn ck_03_what_frameworks_do_to_a_value_is_undone() {
    let harness = Harness::start().await;
    let app = app(&harness.authkit);
    let session = harness.emulator.session("alice@acme.test");
    let sealed = session.cookie(PASSWORD);
    let escaped: String = sealed
        .chars()
        .map(|character| match character {
            '+' => "%2B".to_owned(),
            '/' => "%2f".to_owned(),
            '=' => "%3D".to_owned(),
            plain => plain.to_string(),
        })
        .collect();
    let every_byte: String = sealed.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let rows = [
        ("quoted", format!("\"{sealed}\"")),
        ("escaped, as Rack does", escaped.clone()),
        ("quoted and escaped", format!("\"{escaped}\"")),
        ("every byte escaped", every_byte),
        ("line breaks", sealed.replacen("A", "A%0A", 3)),
        ("without padding", sealed.trim_end_matches('=').to_owned()),
    ];
    for (name, value) in rows {
        assert_used(name, &app, &[&format!("wos_session={value}")], &session).await;
    }
}

#[tokio::test]
async fn ck_03_everything_else_is_no_session() {
    let harness = Harness::start().await;
    let app = app(&harness.authkit);
    let mebibyte = format!("wos_session={}", BASE64_STANDARD.encode(vec![1; 768 * 1024]));
    let in_parts = (0..10).fold(String::new(), |field, n| {
        field
            + format!("wos_session.{n}={}{}; ", if n == 0 { "10." } else { "" }, "A".repeat(3_000))
                .as_str()
    });
    let many = "wos_session=AQABAgMEBQYHCAkKCwktCJEk1eJpKoGLJ6h272o3ZaqRM5MHQQKh; ".repeat(5_000);
    let values: [(&str, &[u8]); 14] = [
        ("no digits", b"wos_session=%zz"),
        ("escapes cut off", b"wos_session=AQ%2"),
        ("NUL, escaped", b"wos_session=%00%00%00%00"),
        ("bytes beyond ASCII", b"wos_session=\xff\xfe\x80\xc3\x28"),
        ("bytes beyond ASCII in iron", b"wos_session=Fe26.2*1*\xff*\xff*\xff**\xff*\xff~2"),
        ("a lone quote", b"wos_session=\""),
        ("no value", b"wos_session="),
        ("no name", b"=v; wos_session"),
        ("nothing but separators", b";; ; ;;;"),
        (
            "parts without numbers",
            b"wos_session.=1; wos_session.x=2; wos_session.0=; wos_session.1=.",
        ),
        ("a part count beyond reason", b"wos_session.0=18446744073709551616.A; wos_session.1=B"),
        ("1 MiB", mebibyte.as_bytes()),
        ("parts of 30 KB", in_parts.as_bytes()),
        ("thousands of them", many.as_bytes()),
    ];
    for (name, value) in values {
        let (status, _, reason) = answered(&app, request_with(&[value])).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{name}");
        let expected = [Some(Reason::NoCookie), Some(Reason::UnreadableCookie)];
        assert!(expected.contains(&reason), "{name}: {reason:?}");
    }
    assert_eq!(harness.emulator.calls(Endpoint::Authenticate), 0);
}

/// The HTTP server refuses some of these heads before the layer sees a request. It answers 4xx, and serves the next request.
#[tokio::test]
async fn ck_03_a_server_survives_what_is_no_header() {
    let harness = Harness::start().await;
    let app = app(&harness.authkit);
    let running = harness.serve(app);
    let session = cookie(&running.emulator.session("alice@acme.test")).into_bytes();
    let mebibyte = [b"wos_session=".as_slice(), &vec![b'A'; 1 << 20]].concat();
    let rows: [(&str, &[u8], &[u16]); 4] = [
        ("NUL", b"wos_session=a\0b", &[400]),
        ("bytes beyond ASCII", b"wos_session=\xff\xfe", &[401]),
        ("1 MiB", &mebibyte, &[400, 401, 431]),
        ("a session", &session, &[200]),
    ];
    for (name, field, expected) in rows {
        let mut stream = TcpStream::connect(running.served().address()).await.unwrap();
        let (mut reader, mut writer) = stream.split();
        let head = b"GET /api/me HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncookie: ";
        let request = [head.as_slice(), field, b"\r\n\r\n"].concat();
        let mut answer = Vec::new();
        // A server that has read enough closes the connection while the client still writes.
        let (_, _) = tokio::join!(writer.write_all(&request), reader.read_to_end(&mut answer));
        let status = std::str::from_utf8(answer.get(9..12).unwrap_or_default()).unwrap();
        let known = status.parse().is_ok_and(|status: u16| expected.contains(&status));
        assert!(known, "{name}: {status:?}");
    }
}
