//! leptos: its pages and server functions are routes of axum's router, and find the session in the request's head.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, FromParts, Require, Session};
use axum::{
    Router,
    body::Bytes,
    http::{Request, StatusCode, request::Parts},
    routing::{get, post},
};
use leptos::{
    config::LeptosOptions,
    prelude::{IntoView, ServerFnError, expect_context, server, view},
    server_fn::ServerFn,
};
use leptos_axum::{LeptosRoutes, ResponseOptions, extract, generate_route_list, handle_server_fns};
use leptos_router::{
    components::{Route, Router as Pages, Routes},
    path,
};
use suite::Site;

async fn site() -> Site {
    Site::axum(app).await
}

suite::behaviour!(crate::site);

fn app(authkit: &AuthKit) -> Router {
    let options = LeptosOptions::builder().output_name("tried").build();
    let admin = get("The books").route_layer(Require::role("admin"));
    let protected = Router::new()
        .leptos_routes(&options, generate_route_list(pages), pages)
        .route("/api/{*function}", post(handle_server_fns))
        .route("/echo", post(async |body: Bytes| body))
        .route("/admin", admin)
        .route_layer(AuthKitLayer::new(authkit))
        .with_state(options);
    Router::new().route("/", get("Welcome")).merge(protected).merge(Endpoints::new(authkit))
}

fn pages() -> impl IntoView {
    view! {
        <Pages>
            <Routes fallback=|| "There is no such page">
                <Route path=path!("/dashboard") view=dashboard />
                <Route path=path!("/teapot") view=teapot />
            </Routes>
        </Pages>
    }
}

fn dashboard() -> impl IntoView {
    let session = Session::from_parts(&expect_context::<Parts>()).unwrap();
    format!("Hello {}", session.user().display_name())
}

fn teapot() -> impl IntoView {
    expect_context::<ResponseOptions>().set_status(StatusCode::IM_A_TEAPOT);
}

#[server]
async fn who_am_i() -> Result<String, ServerFnError> {
    let session: Session = extract().await?;
    Ok(session.user_id().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_function_is_called_by_whoever_is_signed_in_and_by_nobody_else() {
    let site = site().await;
    let call = |cookie: &str| {
        let call = Request::post(WhoAmI::PATH)
            .header("accept", "application/json")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("cookie", cookie);
        site.ask(call.body(Bytes::new()).unwrap())
    };
    assert_eq!(call("").await.status(), 401);
    let alice = site.workos().session("alice@acme.test").expired();
    let answer = call(&Site::cookie(&alice)).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert!(answer.headers().contains_key("set-cookie"), "refreshed: {answer:?}");
    let claims = alice.claims();
    assert_eq!(*answer.body(), *claims["sub"].to_string(), "{answer:?}");
}
