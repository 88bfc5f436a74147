//! WorkOS AuthKit sessions for [actix-web](https://docs.rs/actix-web), over [`authkit_tower`].
//!
//! [`middleware()`] makes actix middleware of the layers of `authkit_tower`: of an `AuthKitLayer`, which requires a session
//! or looks for one, of `Endpoints`, which sign users in and out, and of the guard `Require`. [`Auth`] is the extractor.
//! Everything else, and all settings, are those of `authkit_tower`.
//!
//! # Examples
//!
//! ```
//! use actix_web::{App, test, web};
//! use authkit_actix::{Auth, middleware};
//! use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, Session, dev::TestKit};
//!
//! async fn dashboard(Auth(session): Auth<Session>) -> String {
//!     format!("Hello {}", session.user().display_name())
//! }
//!
//! #[actix_web::main]
//! async fn main() {
//!     let kit = TestKit::start().await; // in a program: AuthKit::from_env()
//!     let authkit: &AuthKit = kit.authkit();
//!     let app = App::new()
//!         .service(
//!             web::resource("/dashboard").get(dashboard).wrap(middleware(AuthKitLayer::new(authkit))),
//!         )
//!         .wrap(middleware(Endpoints::new(authkit))); // /login, /callback, /logout
//!
//!     let app = test::init_service(app).await;
//!     let nobody = test::TestRequest::get().uri("/dashboard").to_request();
//!     assert_eq!(test::call_service(&app, nobody).await.status(), 401);
//!     let alice = kit.session("alice@acme.test").header();
//!     let alice = ("cookie", alice.to_str().unwrap());
//!     let alice = test::TestRequest::get().uri("/dashboard").insert_header(alice).to_request();
//!     assert!(test::call_and_read_body(&app, alice).await.starts_with(b"Hello "));
//! }
//! ```
//!
//! # What to know
//!
//! - The layer runs in the worker's thread, and so does the handler: neither needs `Send`. Bodies are passed on as they
//!   arrive, in both directions.
//! - One handle, cloned into every worker, shares keys and refreshes between them. Make it outside of the closure that
//!   `HttpServer::new` takes.
//! - A refresh whose browser has left ends with its worker. A stopping worker waits for running requests, but not for
//!   such a refresh; WorkOS accepts the same refresh token again for 30 seconds.
//! - An error that an inner middleware returns instead of a response leaves without a refreshed session's cookie; the
//!   next response sets it. Errors of handlers and extractors have become responses by then.
//! - The response's extensions hold [`http::Extensions`], with the layer's [`Denial`](authkit_tower::Denial) or
//!   [`Admitted`](authkit_tower::Admitted).

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod auth;
mod body;
mod convert;
mod exchange;
mod middleware;

pub use crate::{
    auth::{Auth, AuthError},
    body::{HandlerBody, LayerBody, RequestBody},
    middleware::{HandlerService, LayerMiddleware, LayerService, middleware},
};

/// Compiles what the README shows.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
