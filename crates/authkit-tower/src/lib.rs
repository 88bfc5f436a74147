//! WorkOS AuthKit sessions for any [tower](https://docs.rs/tower) service: axum, hyper, tonic.
//!
//! [`AuthKitLayer`] opens the sealed session cookie, verifies its access token offline and refreshes it in line when it
//! is due. A request reaches the service with a [`Session`] in its extensions, or is answered before it gets there.
//! [`Endpoints`] signs users in and out, [`Require`] guards single routes.
//!
//! # Quick start
//!
//! ```no_run
//! use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, Session};
//! use axum::{Router, routing::get};
//!
//! # fn main() -> Result<(), authkit_tower::ConfigError> {
//! let authkit = AuthKit::from_env()?; // WORKOS_* variables, every problem reported at once
//! let app: Router = Router::new()
//!     .route("/dashboard", get(async |session: Session| format!("Hello {}", session.user().display_name())))
//!     .route_layer(AuthKitLayer::new(&authkit)) // every route above needs a session
//!     .merge(Endpoints::new(&authkit)); // /login, /callback, /logout
//! # Ok(())
//! # }
//! ```
//!
//! A larger application keeps its protected routes in a router of their own, so that nothing depends on the order of
//! `route` and `route_layer`:
//!
//! ```
//! use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, Require, Session};
//! use axum::{Router, routing::get};
//!
//! # async fn home() {}
//! # async fn dashboard(_: Session) {}
//! # async fn admin(_: Session) {}
//! fn app(authkit: &AuthKit) -> Router {
//!     let protected = Router::new()
//!         .route("/dashboard", get(dashboard))
//!         .route("/admin", get(admin).route_layer(Require::role("admin").or(Require::permission("audit:read"))))
//!         .route_layer(AuthKitLayer::new(authkit));
//!     Router::new().route("/", get(home)).merge(protected).merge(Endpoints::new(authkit))
//! }
//! ```
//!
//! hyper, or anything else that takes a tower service:
//!
//! ```
//! use std::convert::Infallible;
//!
//! use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, Session};
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower::ServiceBuilder;
//!
//! async fn handler<B>(request: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
//!     let session = request.extensions().get::<Session>().expect("the layer requires a session");
//!     Ok(Response::new(Full::from(format!("Hello {}", session.user().display_name()))))
//! }
//!
//! # fn service(authkit: &AuthKit) {
//! let service = ServiceBuilder::new()
//!     .layer(Endpoints::new(authkit))
//!     .layer(AuthKitLayer::new(authkit))
//!     .service_fn(handler::<Full<Bytes>>);
//! # fn check<S: tower::Service<Request<Full<Bytes>>, Error = Infallible>>(_: S) {}
//! # check(service);
//! # }
//! ```
//!
//! tonic, around all services or, with tonic's own extension trait, around one:
//!
//! ```
//! use authkit_tower::{AuthKit, AuthKitLayer};
//! use tonic::{service::LayerExt, transport::Server};
//!
//! # fn server(authkit: &AuthKit) {
//! let everything = Server::builder().layer(AuthKitLayer::new(authkit));
//! # let _ = everything;
//! # }
//! # fn one<S>(authkit: &AuthKit, greeter: S) {
//! let one_service = AuthKitLayer::new(authkit).named_layer(greeter);
//! # let _ = one_service;
//! # }
//! ```
//!
//! # What a handler can do
//!
//! Beside reading it, a handler can refresh its session, take it to another organization, or end it; the layer sets the
//! cookies on the response.
//!
//! ```
//! use authkit_tower::{Error, Session, Switched};
//!
//! async fn switch(session: &Session, organization: &str) -> Result<String, Error> {
//!     Ok(match session.switch_organization(organization).await? {
//!         Switched::Session(session) => format!("You are {} here", session.role().unwrap_or("nobody")),
//!         Switched::SignIn(redirect) => format!("Please sign in at {redirect}"),
//!     })
//! }
//! ```
//!
//! What an application wants to say about sessions itself, it says in hooks: [`Endpoints::with_sign_in_hook`] about those
//! that begin, [`Config::with_refresh_hook`] about those that are refreshed.
//!
//! # Who gets which answer
//!
//! | who asks ([`ClientKind`]) | nobody signed in | not allowed, other origin | cannot be told now |
//! |---|---|---|---|
//! | a document | 302 to `/login?return_to=…`; 303 for other methods than `GET` and `HEAD` | 403 page | 503 page |
//! | `fetch`, JSON, anything else | 401 problem details with `login_url` | 403 problem | 503 problem |
//! | htmx | 401 and `HX-Redirect` | 403 problem | 503 problem |
//! | WebSocket, server-sent events | 401 problem | 403 problem | 503 problem |
//! | gRPC | status 16 | status 7 | status 14; 16 for an expired session of a native client, which keeps no cookies and is not refreshed |
//! | prefetch | 401, empty | 403 | 503 |
//! | CORS preflight | 401 problem: a CORS layer goes outside | | |
//!
//! Each is a [`Denial`], which stays in the response's extensions; [`AuthKitLayer::with_denial`] edits the answer.
//!
//! # Many replicas
//!
//! Sessions are in cookies, so replicas share nothing and need no store. The crate `authkit-redis` adds what is better
//! shared: one exchange of a refresh token for all of them, and revocations that all of them know within a second of the
//! webhook (`Webhooks`, feature `webhooks`). `docs/replicas.md` in the repository works out what it takes.
//!
//! # Programs with access tokens
//!
//! [`AuthKitLayer::with_bearer`] takes `Authorization: Bearer` too. Such a request is judged by its token alone and
//! reaches the service with a [`Bearer`] in place of a [`Session`]: a token names its user by id, and has nothing to
//! refresh or to sign out. Handlers that serve browsers and programs take a [`Principal`], which is one or the other.
//!
//! # What it does not do
//!
//! It reads and buffers no body, and it never changes the service's error type. It trusts no forwarded header: the
//! redirect URI says which origin is ours. It puts nothing about the user into headers.

#![forbid(unsafe_code)]

mod authkit;
mod authorization;
mod bearer;
mod body;
mod client;
mod cookie;
mod deadline;
mod denial;
mod endpoints;
mod entry;
#[cfg(feature = "axum")]
mod extract;
mod found;
mod future;
mod gate;
mod head;
mod layer;
mod origin;
mod principal;
mod require;
mod service;
mod session;
mod slot;
mod uri;
#[cfg(feature = "webhooks")]
mod webhooks;

pub use authkit_session::{
    AccessToken, AuthorizationRequest, Client, Clock, Config, ConfigError, ConfigProblem,
    ConfigWarning, CookiePassword, Error, ErrorKind, Finding, Impersonator, Metadata, NotPublished,
    Reason, RefreshedSession, Revocation, Revocations, Ruling, SameSite, SealFormat, Secret,
    SecurityClaim, Setting, Settings, SignedIn, Transport, User, VerifiedSession, VerifiedToken,
};

#[cfg(feature = "axum")]
pub use crate::extract::SessionRejection;
#[cfg(feature = "webhooks")]
pub use crate::webhooks::{Webhooks, WebhooksFuture};
pub use crate::{
    authkit::AuthKit,
    bearer::Bearer,
    body::{NoBody, ResponseBody},
    client::ClientKind,
    denial::{Denial, DenialKind},
    endpoints::{
        Endpoints, EndpointsFuture, EndpointsService, LoginRequest, NewSession, SignInFailure,
        SignInOutcome,
    },
    future::ResponseFuture,
    layer::AuthKitLayer,
    principal::Principal,
    require::{Require, RequireFuture, RequireService},
    service::AuthKitService,
    session::{Session, SignInRedirect, Switched},
};

/// Compiles what the README shows.
#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../../../README.md")]
struct Readme;

#[cfg(test)]
mod tests;
