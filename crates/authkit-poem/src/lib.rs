//! WorkOS AuthKit sessions for [poem](https://docs.rs/poem), over [`authkit_tower`].
//!
//! [`middleware()`] makes poem middleware of the layers of `authkit_tower`: of an `AuthKitLayer`, which requires a session
//! or looks for one, of `Endpoints`, which sign users in and out, and of the guard `Require`. [`Auth`] is the extractor.
//! Everything else, and all settings, are those of `authkit_tower`.
//!
//! # Examples
//!
//! ```
//! use authkit_poem::{Auth, middleware};
//! use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, Session};
//! use poem::{Endpoint, EndpointExt, IntoResponse, Route, get, handler, test::TestClient};
//!
//! #[handler]
//! fn dashboard(Auth(session): Auth<Session>) -> String {
//!     format!("Hello {}", session.user().display_name())
//! }
//!
//! fn app(authkit: &AuthKit) -> impl Endpoint<Output: IntoResponse> + use<> {
//!     Route::new()
//!         .at("/dashboard", get(dashboard).with(middleware(AuthKitLayer::new(authkit))))
//!         .with(middleware(Endpoints::new(authkit))) // /login, /callback, /logout
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let kit = authkit_tower::dev::TestKit::start().await;
//! let client = TestClient::new(app(kit.authkit()));
//! let alice = kit.session("alice@acme.test").header();
//! client.get("/dashboard").header("cookie", alice).send().await.assert_status_is_ok();
//! client.get("/dashboard").send().await.assert_status(poem::http::StatusCode::UNAUTHORIZED);
//! # }
//! ```
//!
//! # What to know
//!
//! - An error of a handler becomes its response before it leaves the middleware, so that the response sets a refreshed
//!   session's cookie. `catch_error` therefore belongs inside, around the routes.
//! - Under `nest`, the layer sees the path that the browser sees.
//! - The layer's [`Denial`](authkit_tower::Denial) and [`Admitted`](authkit_tower::Admitted) are in the response's
//!   extensions.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod auth;
mod middleware;
mod request;

pub use crate::{
    auth::Auth,
    middleware::{EndpointService, LayerMiddleware, ServiceEndpoint, middleware},
    request::RequestBody,
};

/// Compiles what the README shows.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
