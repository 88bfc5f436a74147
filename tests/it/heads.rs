//! Every kind of response head carries the cookie of a refreshed session. A connection that outlives its request starts with
//! the refreshed session.

use std::{
    convert::Infallible,
    io,
    time::{Duration, Instant},
};

use authkit_tower::{AuthKit, AuthKitLayer, Session};
use axum::{
    Router,
    body::Body,
    extract::{Path, WebSocketUpgrade, ws::Message},
    response::{
        Response,
        sse::{Event, Sse},
    },
    routing::{any, get},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Method, StatusCode};
use http_body_util::Empty;
use hyper::{client::conn::http2, ext::Protocol};
use hyper_util::rt::{TokioExecutor, TokioIo};
use support::{Harness, Running};
use tokio::{
    io::AsyncReadExt,
    net::TcpStream,
    time::{sleep, timeout},
};
use tonic::{Request, Status, metadata::MetadataMap, transport::Endpoint};
use tonic_service::proto::{
    CountdownRequest, LatestRequest, WhoAmIRequest, account_client::AccountClient,
    audit_client::AuditClient,
};

fn app(authkit: &AuthKit) -> Router {
    let status = async |Path(status): Path<u16>| StatusCode::from_u16(status).unwrap();
    let events = async |session: Session| {
        let hello = stream::iter([Ok::<_, Infallible>(Event::default().data(session.user_id()))]);
        Sse::new(hello.chain(stream::pending()))
    };
    let socket = async |session: Session, upgrade: WebSocketUpgrade| {
        upgrade.on_upgrade(async move |mut socket| {
            let left = session.deadline().saturating_duration_since(Instant::now());
            let _ = socket.send(Message::text(left.as_secs().to_string())).await;
        })
    };
    // The body fails after its first piece has been sent.
    let broken = async || {
        let rest = stream::once(async {
            sleep(Duration::from_millis(100)).await;
            Err(io::Error::other("the other half is gone"))
        });
        Response::new(Body::from_stream(stream::iter([Ok(Bytes::from("half"))]).chain(rest)))
    };
    Router::new()
        .route("/status/{status}", any(status))
        .route("/events", get(events))
        .route("/ws", any(socket))
        .route("/broken", get(broken))
        .route_layer(AuthKitLayer::new(authkit))
}

async fn running() -> Running {
    let harness = Harness::start().await;
    let app = app(&harness.authkit);
    harness.serve(app)
}

/// Sends a request with an expired session. The body of the response is not read yet.
async fn ask(
    running: &Running,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> reqwest::Response {
    let session = running.emulator.session("alice@acme.test").expired();
    let cookie = format!("wos_session={}", session.cookie(support::PASSWORD));
    let client =
        reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let mut request = client.request(method, running.url(path)).header("cookie", cookie);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    timeout(Duration::from_secs(10), request.send())
        .await
        .expect("the head does not wait for the body")
        .unwrap()
}

fn session_cookies(headers: &http::HeaderMap) -> usize {
    let fields = headers.get_all("set-cookie").iter();
    fields.filter(|field| field.to_str().unwrap().starts_with("wos_session=")).count()
}

fn check(name: &str, status: u16, response: &reqwest::Response) {
    assert_eq!(response.status().as_u16(), status, "{name}");
    assert_eq!(session_cookies(response.headers()), 1, "{name}");
    assert_eq!(response.headers()["cache-control"], "private, no-store", "{name}");
}

const HANDSHAKE: [(&str, &str); 4] = [
    ("connection", "Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

#[tokio::test]
async fn every_status_carries_the_cookie() {
    let running = running().await;
    for (n, status) in
        [200, 201, 204, 206, 301, 304, 400, 404, 500, 502, 503].into_iter().enumerate()
    {
        for method in [Method::GET, Method::HEAD, Method::POST] {
            let name = format!("{method} {status}");
            let response =
                ask(&running, method, &format!("/status/{status}"), &[("if-none-match", "\"1\"")])
                    .await;
            check(&name, status, &response);
        }
        assert_eq!(running.emulator.exchanges(), 3 * (n as u64 + 1));
        running.advance(Duration::from_secs(1));
    }
}

#[tokio::test]
async fn rd_07_on_the_head_of_an_event_stream_before_its_end() {
    let running = running().await;
    let mut response =
        ask(&running, Method::GET, "/events", &[("accept", "text/event-stream")]).await;
    check("events", 200, &response);
    let first = timeout(Duration::from_secs(10), response.chunk())
        .await
        .expect("it streams")
        .unwrap()
        .unwrap();
    assert!(first.starts_with(b"data: user_01ALICE"), "{first:?}");

    let response = ask(&running, Method::GET, "/broken", &[]).await;
    check("broken", 200, &response);
    assert!(response.bytes().await.is_err(), "the client sees that the body failed");
}

#[tokio::test]
async fn rd_07_on_the_switch_to_websocket_with_a_fresh_deadline() {
    let running = running().await;
    let response = ask(&running, Method::GET, "/ws", &HANDSHAKE).await;
    check("WebSocket", 101, &response);
    assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(running.emulator.exchanges(), 1, "the refresh comes before the switch");

    let mut socket = response.upgrade().await.unwrap();
    let mut frame = [0; 5];
    socket.read_exact(&mut frame).await.unwrap();
    // A text frame of three bytes (RFC 6455 section 5.2), which say how many seconds are left.
    let left: u64 = std::str::from_utf8(&frame[2..]).unwrap().parse().unwrap();
    assert_eq!(frame[..2], [0x81, 3]);
    assert!((290..=300).contains(&left), "{left}");
}

#[tokio::test]
async fn rd_07_no_handshake_of_nobody_or_of_another_site() {
    let running = running().await;
    let ours = running.url("");
    let same_site = [("origin", ours.as_str()), ("sec-fetch-site", "same-origin")];
    let elsewhere = [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")];
    let handshake = |origin: [(&'static str, _); 2]| [&HANDSHAKE[..], &origin].concat();

    let nobody = running.browser();
    for (path, headers) in
        [("/ws", &HANDSHAKE[..]), ("/events", &[("accept", "text/event-stream")])]
    {
        let answer = nobody
            .send(Method::GET, &running.url(path), headers.iter().copied(), Bytes::new())
            .await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(answer.header("location"), "", "{path}");
    }
    let response = ask(&running, Method::GET, "/ws", &handshake(elsewhere)).await;
    assert_eq!((response.status().as_u16(), session_cookies(response.headers())), (403, 0));
    assert_eq!(running.emulator.exchanges(), 0, "refused before a refresh");
    check("our own page", 101, &ask(&running, Method::GET, "/ws", &handshake(same_site)).await);
}

#[tokio::test]
async fn rd_07_on_a_websocket_over_http2() {
    let running = running().await;
    let stream = TcpStream::connect(running.served().address()).await.unwrap();
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut ask = async |method: Method, fields: &[(&str, &str)]| {
        let mut request = http::Request::builder().method(&method).uri(running.url("/ws"));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        if method == Method::CONNECT {
            request = request.extension(Protocol::from_static("websocket"));
        }
        sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap()
    };
    // The settings of the server, which allow such handshakes (RFC 8441 section 3), arrive before its first answer.
    assert_eq!(ask(Method::GET, &[]).await.status(), StatusCode::UNAUTHORIZED);

    let expired = running.emulator.session("alice@acme.test").expired();
    let cookie = format!("wos_session={}", expired.cookie(support::PASSWORD));
    let handshake = [("sec-websocket-version", "13"), ("cookie", &cookie)];
    let nobody = ask(Method::CONNECT, &handshake[..1]).await;
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
    let elsewhere = [handshake[0], handshake[1], ("origin", "https://evil.example")];
    let elsewhere = ask(Method::CONNECT, &elsewhere).await;
    assert_eq!(elsewhere.status(), StatusCode::FORBIDDEN);
    assert_eq!(running.emulator.exchanges(), 0, "refused before a refresh");

    let switched = ask(Method::CONNECT, &handshake).await;
    assert_eq!((switched.status(), session_cookies(switched.headers())), (StatusCode::OK, 1));
    let mut socket = TokioIo::new(hyper::upgrade::on(switched).await.unwrap());
    let mut frame = [0; 5];
    socket.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame[..2], [0x81, 3], "the same three digits as over HTTP/1.1");
}

/// A browser's call, after a proxy has translated it from gRPC-Web to gRPC.
fn of_a_browser<T>(running: &Running, message: T) -> Request<T> {
    let session = running.emulator.session("bob@acme.test").expired();
    let mut request = Request::new(message);
    let cookie = format!("wos_session={}", session.cookie(support::PASSWORD));
    request.metadata_mut().insert("cookie", cookie.parse().unwrap());
    request.metadata_mut().insert("sec-fetch-site", "same-origin".parse().unwrap());
    request
}

#[tokio::test]
async fn unary_streamed_and_failed_grpc_calls_carry_the_cookie() {
    let harness =
        Harness::with(|emulator| emulator.issuer(ISSUER), |config| config.with_issuers([ISSUER]))
            .await;
    let routes = tonic_service::app(&harness.authkit).unwrap();
    let running = harness.serve(routes.into_axum_router());
    let channel = Endpoint::from_shared(running.url("")).unwrap().connect().await.unwrap();
    let mut account = AccountClient::new(channel.clone());

    let unary = account.who_am_i(of_a_browser(&running, WhoAmIRequest {})).await.unwrap();
    let streamed = account.countdown(of_a_browser(&running, CountdownRequest {})).await.unwrap();
    let denied: Status = AuditClient::new(channel)
        .latest(of_a_browser(&running, LatestRequest {}))
        .await
        .unwrap_err();

    assert_eq!(unary.get_ref().email.as_deref(), Some("bob@acme.test"));
    assert_eq!(denied.code(), tonic::Code::PermissionDenied);
    let cookies = |metadata: &MetadataMap| session_cookies(&metadata.clone().into_headers());
    for (name, metadata) in [
        ("unary", unary.metadata()),
        ("streamed", streamed.metadata()),
        ("denied", denied.metadata()),
    ] {
        assert_eq!(cookies(metadata), 1, "{name}");
    }
    assert_eq!(running.emulator.exchanges(), 3);
}

const ISSUER: &str = "https://api.workos.test/user_management/client_emulator";
