//! One layer value on every stack: axum, plain hyper, and between tower's and tower-http's own layers.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use authkit_emulator::{Emulator, Endpoint, Fault};
use authkit_tower::{AuthKitLayer, AuthKitService, Session};
use axum::{Router, body::Body, routing::any};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use support::{DOCUMENT, Harness, PASSWORD, Port, Served};
use tokio::{net::TcpStream, time::timeout};
use tower::{ServiceBuilder, service_fn};
use tower_http::{
    compression::CompressionLayer, cors::CorsLayer, timeout::TimeoutLayer, trace::TraceLayer,
};

/// Says who asked, and sends the body back.
async fn echo<B>(request: Request<B>) -> Result<Response<B>, Infallible> {
    let session = request.extensions().get::<Session>().expect("the layer requires a session");
    assert_ne!(request.uri().path(), "/panic", "the handler of this path panics");
    let user = HeaderValue::from_str(session.user().email.as_ref().unwrap()).unwrap();
    let mut response = Response::new(request.into_body());
    response.headers_mut().insert("x-user", user);
    Ok(response)
}

async fn on_axum(layer: &AuthKitLayer) -> Served {
    let handler = async |_: Session, request: Request<Body>| echo(request).await;
    let router = Router::new().route("/{*path}", any(handler)).route_layer(layer.clone());
    Port::bind().await.serve_axum(router)
}

async fn on_hyper(layer: &AuthKitLayer) -> Served {
    let service = ServiceBuilder::new().layer(layer.clone()).service(service_fn(echo::<Incoming>));
    Port::bind().await.serve(service)
}

/// A stack that handles one request at a time, and none for longer than `patience`.
async fn among_layers(layer: &AuthKitLayer, patience: Duration) -> Served {
    let cors = CorsLayer::new()
        .allow_origin(HeaderValue::from_static(FRIEND))
        .allow_credentials(true)
        .allow_methods([Method::POST]);
    let service = ServiceBuilder::new()
        .layer(TraceLayer::new_for_http())
        .layer(cors)
        .layer(CompressionLayer::new())
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, patience))
        .layer(layer.clone())
        .concurrency_limit(1)
        .service(service_fn(echo::<Incoming>));
    Port::bind().await.serve(service)
}

async fn axum_among_layers(layer: &AuthKitLayer) -> Served {
    let handler = async |_: Session, request: Request<Body>| echo(request).await;
    let router = Router::new()
        .route("/{*path}", any(handler).layer(tower::limit::GlobalConcurrencyLimitLayer::new(1)))
        .route_layer(layer.clone())
        .layer(
            ServiceBuilder::new()
                .layer(TraceLayer::new_for_http())
                .layer(CorsLayer::new())
                .layer(CompressionLayer::new())
                .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, A_WHILE)),
        );
    Port::bind().await.serve_axum(router)
}

#[derive(Clone, Copy, Debug)]
enum Protocol {
    Http1,
    Http2,
}

/// Sends one request over a connection of its own.
async fn ask(
    protocol: Protocol,
    to: SocketAddr,
    request: http::request::Builder,
    body: impl Into<Bytes>,
) -> Result<Response<Bytes>, hyper::Error> {
    let stream = TokioIo::new(TcpStream::connect(to).await.expect("somebody listens there"));
    let mut request = request.body(Full::new(body.into())).expect("the request is well-formed");
    let response = match protocol {
        Protocol::Http1 => {
            request.headers_mut().insert(header::HOST, to.to_string().parse().unwrap());
            let (mut sender, connection) = http1::handshake(stream).await?;
            tokio::spawn(connection);
            sender.send_request(request).await?
        }
        Protocol::Http2 => {
            *request.uri_mut() = format!("http://{to}{}", request.uri()).parse().unwrap();
            let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
            tokio::spawn(connection);
            sender.send_request(request).await?
        }
    };
    let (head, body) = response.into_parts();
    Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
}

/// Sends a request over HTTP/1.1, and panics if it gets no answer.
async fn get(to: &Served, request: http::request::Builder) -> Response<Bytes> {
    let answer = timeout(A_WHILE, ask(Protocol::Http1, to.address(), request, "")).await;
    answer.expect("it is answered soon").expect("it is answered")
}

fn request(path: &str) -> http::request::Builder {
    Request::builder().uri(path)
}

fn bringing(cookie: &str) -> http::request::Builder {
    request("/page").header(header::COOKIE, cookie)
}

fn good(emulator: &Emulator, email: &str) -> String {
    format!("wos_session={}", emulator.session(email).cookie(PASSWORD))
}

fn expired(emulator: &Emulator, email: &str) -> String {
    format!("wos_session={}", emulator.session(email).expired().cookie(PASSWORD))
}

fn header<'a>(answer: &'a Response<Bytes>, name: &str) -> &'a str {
    answer.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

fn set_cookies(answer: &Response<Bytes>) -> usize {
    answer.headers().get_all(header::SET_COOKIE).iter().count()
}

#[tokio::test]
async fn one_layer_value_serves_every_stack() {
    let harness = Harness::start().await;
    let layer = AuthKitLayer::new(&harness.authkit);
    let stacks = [
        ("axum", on_axum(&layer).await),
        ("hyper", on_hyper(&layer).await),
        ("tower-http", among_layers(&layer, A_WHILE).await),
        ("axum and tower-http", axum_among_layers(&layer).await),
    ];
    let body: Bytes = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();

    for (name, served) in &stacks {
        for protocol in [Protocol::Http1, Protocol::Http2] {
            let case = format!("{name}, {protocol:?}");
            let ask = async |request, body: &Bytes| {
                let answer = ask(protocol, served.address(), request, body.clone()).await;
                answer.unwrap_or_else(|error| panic!("{case}: {error}"))
            };
            let nothing = Bytes::new();

            let document = DOCUMENT
                .iter()
                .fold(request("/page?n=1"), |request, (name, value)| request.header(*name, *value));
            let answer = ask(document, &nothing).await;
            assert_eq!(answer.status(), StatusCode::FOUND, "{case}");
            assert_eq!(header(&answer, "location"), "/login?return_to=%2Fpage%3Fn%3D1", "{case}");

            let answer = ask(request("/page"), &nothing).await;
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{case}");
            assert_eq!(header(&answer, "content-type"), "application/problem+json", "{case}");
            let problem: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
            assert_eq!(problem["login_url"], "/login", "{case}");

            // RFC 9110 section 9.3.2: the same head and no body. An HTTP/2 client takes a body here for a broken stream.
            let length = answer.body().len().to_string();
            let answer = ask(request("/page").method(Method::HEAD), &nothing).await;
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{case}");
            assert_eq!(
                (header(&answer, "content-length"), answer.body()),
                (&*length, &nothing),
                "{case}"
            );

            let cookie = good(&harness.emulator, "alice@acme.test");
            let answer = ask(bringing(&cookie), &nothing).await;
            assert_eq!(answer.status(), StatusCode::OK, "{case}");
            assert_eq!(header(&answer, "x-user"), "alice@acme.test", "{case}");
            assert_eq!(header(&answer, "cache-control"), "private, no-store", "{case}");
            assert_eq!(set_cookies(&answer), 0, "{case}");

            let cookie = expired(&harness.emulator, "bob@acme.test");
            let answer = ask(bringing(&cookie).method(Method::POST), &body).await;
            assert_eq!(answer.status(), StatusCode::OK, "{case}");
            assert_eq!(header(&answer, "x-user"), "bob@acme.test", "{case}");
            assert!(*answer.body() == body, "{case}: {} bytes", answer.body().len());
            assert_eq!(set_cookies(&answer), 1, "{case}");
        }
    }
}

#[tokio::test]
async fn layers_outside_see_what_this_one_answers() {
    let harness = Harness::start().await;
    let served = among_layers(&AuthKitLayer::new(&harness.authkit), A_WHILE).await;

    let preflight = request("/page")
        .method(Method::OPTIONS)
        .header("origin", FRIEND)
        .header("access-control-request-method", "POST");
    let answer = get(&served, preflight).await;
    assert_eq!(answer.status(), StatusCode::OK, "a CORS layer outside answers preflights");
    assert_eq!(header(&answer, "access-control-allow-methods"), "POST");

    let answer = get(&served, request("/page").header("origin", FRIEND)).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(
        header(&answer, "access-control-allow-origin"),
        FRIEND,
        "scripts may read the denial"
    );

    let answer = get(&served, request("/page").header("accept-encoding", "gzip")).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(header(&answer, "content-encoding"), "gzip");
    assert!(answer.body().starts_with(b"\x1f\x8b"), "{:?}", answer.body());
}

#[tokio::test]
async fn dl_05_a_slow_refresh_stalls_nobody_else() {
    let harness = Harness::start().await;
    let served = among_layers(&AuthKitLayer::new(&harness.authkit), A_WHILE).await;
    // The first request fetches the keys as well.
    let cookie = good(&harness.emulator, "carol@example.test");
    assert_eq!(get(&served, bringing(&cookie)).await.status(), StatusCode::OK);

    harness.emulator.fault(Fault::latency(Duration::from_secs(2)));
    let slow = bringing(&expired(&harness.emulator, "alice@acme.test"));
    let slow = tokio::spawn(ask(Protocol::Http1, served.address(), slow, "slow"));
    let is_refreshing = async || harness.emulator.calls(Endpoint::Authenticate) > 0;
    support::until("the slow refresh has begun", is_refreshing).await;

    for protocol in [Protocol::Http1, Protocol::Http2] {
        let good = bringing(&good(&harness.emulator, "bob@acme.test"));
        let answer = ask(protocol, served.address(), good, "").await.unwrap();
        assert_eq!(header(&answer, "x-user"), "bob@acme.test");
    }
    assert!(!slow.is_finished(), "the others were answered meanwhile");

    let answer = slow.await.unwrap().unwrap();
    assert_eq!((answer.status(), &answer.body()[..]), (StatusCode::OK, &b"slow"[..]));
    assert_eq!(set_cookies(&answer), 1);
}

#[tokio::test]
async fn dl_05_a_panicking_handler_keeps_no_permit() {
    let harness = Harness::start().await;
    let served = among_layers(&AuthKitLayer::new(&harness.authkit), A_WHILE).await;

    for make in [good, expired] {
        let cookie = make(&harness.emulator, "alice@acme.test");
        let panicking = request("/panic").header(header::COOKIE, cookie);
        let answer = ask(Protocol::Http1, served.address(), panicking, "").await;
        assert!(answer.is_err(), "{answer:?}");

        let cookie = good(&harness.emulator, "bob@acme.test");
        let answer = get(&served, bringing(&cookie)).await;
        assert_eq!(header(&answer, "x-user"), "bob@acme.test", "the only permit is free");
    }
}

#[tokio::test]
async fn a_timeout_outside_costs_neither_the_permit_nor_the_session() {
    let harness = Harness::start().await;
    let layer = AuthKitLayer::new(&harness.authkit);
    let served = among_layers(&layer, Duration::from_millis(200)).await;
    let cookie = good(&harness.emulator, "bob@acme.test");
    assert_eq!(get(&served, bringing(&cookie)).await.status(), StatusCode::OK);

    harness.emulator.fault(Fault::latency(Duration::from_secs(1)));
    let late = expired(&harness.emulator, "alice@acme.test");
    let answer = get(&served, bringing(&late)).await;
    assert_eq!((answer.status(), set_cookies(&answer)), (StatusCode::GATEWAY_TIMEOUT, 0));
    assert_eq!(get(&served, bringing(&cookie)).await.status(), StatusCode::OK);

    assert!(harness.authkit.drain(A_WHILE).await);
    let answer = get(&served, bringing(&late)).await;
    assert_eq!(header(&answer, "x-user"), "alice@acme.test", "the old cookie still counts");
    assert_eq!(set_cookies(&answer), 1);
    assert_eq!(harness.emulator.calls(Endpoint::Authenticate), 1);
}

#[test]
fn dl_05_layer_and_service_are_cloned_and_shared_like_their_inner_service() {
    fn check<T: Clone + Send + Sync + 'static>() {}
    check::<AuthKitLayer>();
    check::<AuthKitService<Router>>();
    check::<Session>();
}

/// Another site, whose scripts may read the service's answers.
const FRIEND: &str = "https://friend.example";
/// A time-out that nothing here reaches.
const A_WHILE: Duration = Duration::from_secs(20);
