//! warp: its filters become a service, and the session is an extension of the request.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, Session};
use bytes::Bytes;
use hyper_util::{rt::TokioIo, server::conn::auto, service::TowerToHyperService};
use suite::Site;
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use warp::Filter;

async fn site() -> Site {
    Site::listening(|authkit, listener| {
        let listener = TcpListener::from_std(listener).unwrap();
        tokio::spawn(serve(authkit, listener));
    })
    .await
}

// Filters are one service, which a guard cannot go into: a filter asks the session for more.
suite::behaviour! { crate::site:
    nobody_is_let_in
    a_user_signs_in_and_out
    a_body_survives_a_refresh
    a_denied_upload_gets_its_answer
    an_error_of_the_framework_keeps_the_refreshed_session
}

async fn serve(authkit: AuthKit, listener: TcpListener) {
    let session = warp::ext::get::<Session>;
    let dashboard = warp::path!("dashboard")
        .and(session())
        .map(|session: Session| format!("Hello {}", session.user().display_name()));
    let echo = warp::path!("echo").and(warp::post()).and(warp::body::bytes());
    let echo = echo.map(|body: Bytes| http::Response::new(body.to_vec()));
    let teapot = warp::path!("teapot").map(|| warp::http::StatusCode::IM_A_TEAPOT);
    let home = warp::path::end().map(|| "Welcome".to_owned());
    let service = ServiceBuilder::new()
        .layer(Endpoints::new(&authkit))
        .layer(AuthKitLayer::new(&authkit).except(["/"]).unwrap())
        .service(warp::service(home.or(dashboard).or(echo).or(teapot)));
    let service = TowerToHyperService::new(service);
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let service = service.clone();
        tokio::spawn(async move {
            let server = auto::Builder::new(hyper_util::rt::TokioExecutor::new());
            // A client that goes away is none of the test's business.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
