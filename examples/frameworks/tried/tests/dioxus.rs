//! dioxus: its pages are the fallback of axum's router and its server functions are routes; both find the session in the
//! request's head.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, Require, Session};
use axum::{
    Router,
    body::Bytes,
    http::Request,
    routing::{get, post},
};
use dioxus::{
    fullstack::FullstackContext,
    prelude::*, // its macros name what is in here
    server::{DioxusRouterExt, ServeConfig},
};
use suite::Site;

async fn site() -> Site {
    Site::axum(app).await
}

// A page is a whole document, and has no errors of its own.
suite::behaviour! { crate::site:
    nobody_is_let_in
    a_body_survives_a_refresh
    a_denied_upload_gets_its_answer
    a_guard_asks_for_more_than_a_session
}

fn app(authkit: &AuthKit) -> Router {
    let admin = get("The books").route_layer(Require::role("admin"));
    Router::new()
        .route("/", get("Welcome"))
        .route("/echo", post(async |body: Bytes| body))
        .route("/admin", admin)
        .serve_api_application(ServeConfig::new(), page) // without the files that `dx` makes
        .layer(AuthKitLayer::new(authkit).except(["/"]).unwrap()) // `route_layer` leaves a fallback alone
        .merge(Endpoints::new(authkit))
}

fn page() -> Element {
    let session: Session = FullstackContext::current().unwrap().extension().unwrap();
    let name = session.user().display_name();
    rsx! { "Hello {name}" }
}

#[dioxus::prelude::get("/api/me", session: Session)]
async fn who_am_i() -> dioxus::Result<String> {
    Ok(session.user_id().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_and_a_server_function_see_whoever_is_signed_in() {
    let site = site().await;
    let ask = |path: &str, cookie: &str| {
        let request = Request::get(path).header("accept", "*/*").header("cookie", cookie);
        site.ask(request.body(Bytes::new()).unwrap())
    };
    let alice = site.workos().session("alice@acme.test").expired();
    let claims = alice.claims();
    for (path, words) in
        [("/dashboard", "Hello Alice"), ("/api/me", claims["sub"].as_str().unwrap())]
    {
        assert_eq!(ask(path, "").await.status(), 401, "{path}");
        let answer = ask(path, &Site::cookie(&alice)).await;
        assert_eq!(answer.status(), 200, "{path}: {answer:?}");
        assert!(answer.headers().contains_key("set-cookie"), "{path}: refreshed: {answer:?}");
        let body = String::from_utf8_lossy(answer.body());
        assert!(body.contains(words), "{path}: {body}");
    }
}
