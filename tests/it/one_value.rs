//! One value of a protected service runs under axum, hyper and tonic, without a cast, a box or a wrapper.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    net::SocketAddr,
    task::{Context, Poll},
};

use authkit_tower::{AuthKitLayer, Session};
use axum::Router;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use support::{Harness, PASSWORD, Port};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tonic::{
    server::NamedService,
    service::LayerExt,
    transport::{Server, server::TcpIncoming},
};
use tower::Service;

/// A service that does not depend on the server that runs it.
#[derive(Clone, Debug)]
struct Greeter;

impl NamedService for Greeter {
    const NAME: &'static str = "greet.v1.Greeter";
}

impl<B> Service<Request<B>> for Greeter {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let session = request.extensions().get::<Session>().expect("the layer requires a session");
        ready(Ok(Response::new(Full::from(session.user().email.clone().unwrap()))))
    }
}

async fn bind() -> (TcpIncoming, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (TcpIncoming::from(listener), address)
}

const PATH: &str = "/greet.v1.Greeter/Hello";

async fn ask(to: SocketAddr, headers: &[(&str, &str)]) -> Response<Bytes> {
    let stream = TokioIo::new(TcpStream::connect(to).await.unwrap());
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::builder().method(Method::POST).uri(format!("http://{to}{PATH}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::<Bytes>::default()).unwrap();
    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
    Response::from_parts(head, body.collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn one_protected_value_runs_under_axum_hyper_and_tonic() {
    let harness = Harness::start().await;
    let service = AuthKitLayer::new(&harness.authkit).named_layer(Greeter);

    let router = Router::new().route_service(PATH, service.clone());
    let on_axum = Port::bind().await.serve_axum(router);
    let on_hyper = Port::bind().await.serve(service.clone());
    let (incoming, on_tonic) = bind().await;
    let server = Server::builder().add_service(service);
    let _tonic: JoinHandle<_> = tokio::spawn(server.serve_with_incoming(incoming));
    // A layer around everything that tonic serves; above, the layer is around one service.
    let (incoming, around_tonic) = bind().await;
    let mut everything = Server::builder().layer(AuthKitLayer::new(&harness.authkit));
    let _around: JoinHandle<_> =
        tokio::spawn(everything.add_service(Greeter).serve_with_incoming(incoming));

    for (name, to) in [
        ("axum", on_axum.address()),
        ("hyper", on_hyper.address()),
        ("tonic", on_tonic),
        ("around tonic", around_tonic),
    ] {
        let cookie = |sealed: String| format!("wos_session={sealed}");
        let session = || harness.emulator.session("alice@acme.test");

        let answer = ask(to, &[("cookie", &cookie(session().cookie(PASSWORD)))]).await;
        assert_eq!(
            (answer.status(), &answer.body()[..]),
            (StatusCode::OK, &b"alice@acme.test"[..]),
            "{name}"
        );
        let answer = ask(to, &[("cookie", &cookie(session().expired().cookie(PASSWORD)))]).await;
        assert_eq!(
            (answer.status(), &answer.body()[..]),
            (StatusCode::OK, &b"alice@acme.test"[..]),
            "{name}"
        );
        assert_eq!(answer.headers().get_all(header::SET_COOKIE).iter().count(), 1, "{name}");

        let answer = ask(to, &[("accept", "application/json")]).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{name}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{name}");
        let answer = ask(to, &[("content-type", "application/grpc")]).await;
        assert_eq!(
            (answer.status(), &answer.headers()["grpc-status"]),
            (StatusCode::OK, &"16".parse().unwrap()),
            "{name}"
        );
        assert!(answer.body().is_empty(), "{name}: the head carries the status");
    }
}
