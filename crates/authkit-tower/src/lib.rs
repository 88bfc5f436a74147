//! WorkOS AuthKit sessions for any [tower](https://docs.rs/tower) service: axum, hyper, tonic.
//!
//! [`AuthKitLayer`] opens the sealed session cookie, verifies its access token offline, and refreshes the session within
//! the request when it is due. A request reaches the service with a [`Session`] in its extensions, or the layer answers it.
//! [`Endpoints`] signs users in and out, [`Require`] guards single routes.
//!
//! # Quick start
//!
//! A layer around the whole application protects every route but those that are named, so that a route that is added later
//! and forgotten is protected:
//!
//! ```no_run
//! use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, Session};
//! use axum::{Router, routing::get};
//!
//! # fn main() -> Result<(), authkit_tower::ConfigError> {
//! let authkit = AuthKit::from_env()?; // WORKOS_* variables, every problem reported at once
//! let app: Router = Router::new()
//!     .route("/", get("Welcome"))
//!     .route("/dashboard", get(async |session: Session| format!("Hello {}", session.user().display_name())))
//!     .layer(AuthKitLayer::new(&authkit).except(["/", "/assets/*"])?) // all but these need a session
//!     .merge(Endpoints::new(&authkit)); // /login, /callback, /logout
//! # Ok(())
//! # }
//! ```
//!
//! The other way round, a layer around some routes protects only these:
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
//! A handler can read its session, refresh it, switch it to another organization, or end it. The layer sets the cookies on
//! the response.
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
//! Hooks of the application can refuse sessions: [`Endpoints::with_sign_in_hook`] is asked about those that begin,
//! [`Config::with_refresh_hook`] about those that are refreshed.
//!
//! # Who gets which answer
//!
//! | client ([`ClientKind`]) | nobody signed in | not allowed, other origin | session cannot be checked now |
//! |---|---|---|---|
//! | a document | 302 to `/login?return_to=…`; 303 for other methods than `GET` and `HEAD` | 403 page | 503 page |
//! | `fetch`, JSON, anything else | 401 problem details with `login_url` | 403 problem | 503 problem |
//! | htmx | 401 and `HX-Redirect` | 403 problem | 503 problem |
//! | WebSocket | 401 problem | 403 problem | 503 problem |
//! | server-sent events | 401 problem | 403 problem | 200, an empty stream with `retry:`, as any other status closes an `EventSource` for good; 503 problem for other methods than `GET` |
//! | gRPC | status 16 | status 7 | status 14; 16 for an expired session of a native client, which keeps no cookies and is not refreshed |
//! | prefetch | 401, empty | 403 | 503 |
//! | CORS preflight | 401 problem: put the CORS layer outside | | |
//!
//! The response's extensions hold the [`Denial`]; [`AuthKitLayer::edit_denials`] edits the response. The extensions of other
//! responses hold who was [`Admitted`].
//!
//! # Other frameworks
//!
//! A framework whose requests consist of [`http::request::Parts`] gets extractors for [`Session`]
//! and [`Principal`] by [`FromParts`], and guards by [`Require::check`]. Both reject a request with a
//! [`SessionRejection`], which holds the response to send. [`Endpoints`] is a service; [`Endpoints::paths`] says where to
//! mount it.
//!
//! The crates `authkit-poem` and `authkit-actix` do all that for poem and actix-web. salvo takes layers by its feature
//! `tower-compat`, `lambda_http` runs services. `docs/frameworks.md` in the repository says what was tried.
//!
//! # Many replicas
//!
//! Sessions are in cookies, so replicas work without sharing anything. The crate `authkit-redis` lets them share two
//! things: the exchange of a refresh token, which then happens once for all of them, and revocations, which all of them
//! know within a second of the webhook (`Webhooks`, feature `webhooks`). See `docs/replicas.md` in the repository.
//!
//! # Programs, machines and agents
//!
//! A layer takes session cookies. Each other kind of caller is switched on by itself, and sends its credential as
//! `Authorization: Bearer`; that field alone decides about a request that has one.
//!
//! | switched on by | who calls | the handler takes |
//! |---|---|---|
//! | [`AuthKitLayer::with_bearer`] | a program with the access token of a user's session | [`Bearer`] |
//! | [`AuthKitLayer::with_api_keys`] | a customer's script with an API key | [`ApiKey`] |
//! | [`AuthKitLayer::with_machines`] | an application that acts for itself (M2M) | [`Machine`] |
//! | [`AuthKitLayer::with_protected_resource`] | an OAuth application that acts for a user, such as an MCP client | [`OAuthClient`] |
//!
//! No kind is ever made from another. Handlers that serve several take a [`Principal`], and [`Require`] asks each for what
//! it can have.
//!
//! # Logs, traces and metrics
//!
//! Each refusal has a [`Reason`], and log lines know sessions and users by [`AuthKit::log_id`]: `docs/reasons.md` in the
//! repository leads from a complaint to the reason. What takes time has a span (`docs/tracing.md`); the feature `metrics`
//! counts what happens (`docs/metrics.md`, with a Grafana dashboard).
//!
//! The callback's URL has a code and a state in its query. A `TraceLayer` of tower-http around the endpoints writes them into
//! its span, unless that says the path alone:
//!
//! ```
//! # use authkit_tower::{AuthKit, Endpoints};
//! use axum::{Router, extract::Request};
//! use tower_http::trace::TraceLayer;
//!
//! # fn app(authkit: &AuthKit) -> Router {
//! let traced = TraceLayer::new_for_http().make_span_with(|request: &Request| {
//!     tracing::info_span!("request", method = %request.method(), path = request.uri().path())
//! });
//! Router::new().merge(Endpoints::new(authkit)).layer(traced)
//! # }
//! ```
//!
//! # Development and tests
//!
//! With the feature `dev`, `AuthKit::from_env_or_emulator` signs users in without an account, and `dev::TestKit` tests an
//! application's own routes in five lines.
//!
//! # What to look at
//!
//! | to | there is |
//! |---|---|
//! | configure | [`AuthKit`], [`Config`], [`CookiePassword`], [`SealFormat`], [`SameSite`], [`Secret`], [`Clock`]; [`ConfigError`] and [`ConfigProblem`] say what is wrong, [`ConfigWarning`] and [`Settings`] what is doubtful and what is in force ([`Finding`], [`Setting`]) |
//! | protect routes | [`AuthKitLayer`], [`ResourceMetadata`] for an OAuth resource; the service it makes is [`AuthKitService`] ([`ResponseFuture`], [`ResponseBody`], [`NoBody`]) |
//! | ask more of some | [`Require`] ([`RequireService`], [`RequireFuture`]) |
//! | know who it is | [`Session`], [`Bearer`], [`ApiKey`], [`Machine`], [`OAuthClient`], or any of them: [`Principal`]; what they say: [`VerifiedSession`], [`VerifiedToken`], [`User`], [`Metadata`], [`Impersonator`], [`AccessToken`] |
//! | change a session | [`Session::refresh`], [`Session::switch_organization`] ([`Switched`]), [`Session::sign_out`] |
//! | sign in and out | [`Endpoints`] ([`EndpointsService`], [`EndpointsFuture`]), [`LoginRequest`], [`SignInOutcome`], [`SignInFailure`], [`StateTypeError`], [`BrowserRedirect`], [`StartedSession`] |
//! | refuse sessions by rules of your own | [`NewSession`], [`RefreshedSession`], [`HookDecision`] |
//! | see what was decided | [`Admitted`], [`Denial`], [`DenialKind`], [`ClientKind`], [`Reason`] ([`SecurityClaim`]), [`SignInCause`] |
//! | end sessions everywhere | `Webhooks` (feature `webhooks`), [`AuthKit::revoke`], [`Revocation`], [`NotPublished`] |
//! | share work between replicas | the crate `authkit-redis`, or [`RefreshCoordinator`] ([`Claim`], [`Coordinating`], [`InProcess`]) and [`Revocations`] ([`Inbox`], [`Notice`], [`Delivery`], [`Publishing`]) of your own |
//! | call WorkOS | [`AuthKit::client`] ([`Client`], [`AuthorizationRequest`], [`PkceVerifier`]); in a way of your own: [`Transport`], [`Sending`], [`TransportError`], [`MAX_ANSWER`] |
//! | tell errors apart | [`Error`], [`ErrorKind`] ([`ErrorClass`]) |
//! | serve another framework | [`FromParts`], [`SessionRejection`], [`CookieRules`] |
//! | develop and test | module `dev` (feature `dev`) |
//!
//! # Features
//!
//! Each only adds. One of the two cryptographies has to be on.
//!
//! | feature | adds |
//! |---|---|
//! | `aws-lc-rs` (default) | cryptography, TLS included, by `aws-lc-rs`: the faster of the two; it wins where `ring` is on as well |
//! | `ring` | cryptography, TLS included, by `ring`: the quicker to build; with `default-features = false` |
//! | `axum` (default) | extractors, `From<Endpoints> for Router`, the original URI under `nest` |
//! | `dev` | module `dev`, `AuthKit::from_env_or_emulator`; for development and tests |
//! | `metrics` | counts and times what happens, by the crate `metrics` |
//! | `webhooks` | `Webhooks`: what ends a session at WorkOS ends it here |
//!
//! # What it does not do
//!
//! It never reads or buffers a body, and it never changes the service's error type. It trusts no forwarded header: the
//! configuration says which origins are ours, and a request's own `Host` at most chooses among them. It puts nothing about the user into headers.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![warn(clippy::wildcard_enum_match_arm)]

mod admitted;
mod api_key;
mod authkit;
mod authorization;
mod bearer;
mod body;
mod browser_redirect;
mod client_kind;
mod cookie;
mod deadline;
mod denial;
#[cfg(feature = "dev")]
pub mod dev;
mod endpoints;
mod entry;
mod exceptions;
#[cfg(feature = "axum")]
mod extract;
mod from_parts;
mod future;
mod head;
mod layer;
mod lookup;
mod machine;
mod meter;
mod oauth_client;
mod origin;
mod principal;
mod principal_ref;
mod provider;
mod readiness;
mod redeemed_states;
mod request_state;
mod require;
mod resource;
mod service;
mod session;
mod session_rejection;
mod settings;
mod sign_in_url;
mod site;
mod unread_body;
mod uri;
#[cfg(feature = "webhooks")]
mod webhooks;

/// # Examples
///
/// A coordinator for several services of one process. A store that processes share works alike.
///
/// ```
/// use std::{
///     collections::HashMap,
///     sync::{Arc, Mutex},
///     time::{Duration, Instant},
/// };
///
/// use authkit_tower::{Claim, Coordinating, RefreshCoordinator};
/// use bytes::Bytes;
/// use tokio::time::sleep;
///
/// #[derive(Debug, Default)]
/// struct OneProcess {
///     exchanges: Mutex<HashMap<String, (Instant, Option<Bytes>)>>,
/// }
///
/// impl OneProcess {
///     /// What is known of an exchange, and how long ago it began.
///     fn known(&self, exchange: &str) -> Option<(Duration, Option<Bytes>)> {
///         let exchanges = self.exchanges.lock().unwrap();
///         let (began, outcome) = exchanges.get(exchange)?;
///         Some((began.elapsed(), outcome.clone())).filter(|(age, _)| *age < Duration::from_secs(60))
///     }
/// }
///
/// impl RefreshCoordinator for OneProcess {
///     fn claim<'a>(&'a self, exchange: &'a str) -> Coordinating<'a, Claim> {
///         Box::pin(async move {
///             for _ in 0..15 {
///                 match self.known(exchange) {
///                     None => {
///                         let began = (Instant::now(), None);
///                         self.exchanges.lock().unwrap().insert(exchange.to_owned(), began);
///                         return Claim::Alone;
///                     }
///                     Some((_, Some(outcome))) => return Claim::Published(outcome),
///                     Some((age, None)) if age > Duration::from_secs(10) => break,
///                     Some((_, None)) => sleep(Duration::from_millis(100)).await,
///                 }
///             }
///             Claim::Contested
///         })
///     }
///
///     fn look<'a>(&'a self, exchange: &'a str) -> Coordinating<'a, Claim> {
///         Box::pin(async move {
///             match self.known(exchange) {
///                 None => Claim::Alone,
///                 Some((_, Some(outcome))) => Claim::Published(outcome),
///                 Some((_, None)) => Claim::Contested,
///             }
///         })
///     }
///
///     fn publish<'a>(&'a self, exchange: &'a str, outcome: Bytes) -> Coordinating<'a, ()> {
///         Box::pin(async move {
///             let now = (Instant::now(), Some(outcome));
///             self.exchanges.lock().unwrap().insert(exchange.to_owned(), now);
///         })
///     }
/// }
///
/// # fn config(config: authkit_tower::Config) -> authkit_tower::Config {
/// config.with_refresh_coordinator(Arc::new(OneProcess::default()))
/// # }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # let coordinator = OneProcess::default();
/// # assert_eq!(coordinator.claim("a").await, Claim::Alone);
/// # assert_eq!(coordinator.look("a").await, Claim::Contested);
/// # coordinator.publish("a", Bytes::from("outcome")).await;
/// # assert_eq!(coordinator.claim("a").await, Claim::Published(Bytes::from("outcome")));
/// # }
/// ```
pub use authkit_session::RefreshCoordinator;
/// # Examples
///
/// Revocations shared by several services of one process. A channel between processes works alike.
///
/// ```
/// use std::sync::{Arc, Mutex};
///
/// use authkit_tower::{Delivery, Inbox, Notice, Publishing, Revocations};
///
/// #[derive(Debug, Default)]
/// struct OneProcess {
///     inboxes: Mutex<Vec<Inbox>>,
/// }
///
/// impl Revocations for OneProcess {
///     fn subscribe(&self, inbox: Inbox) {
///         self.inboxes.lock().unwrap().push(inbox);
///     }
///
///     fn publish(&self, notice: Notice) -> Publishing<'_> {
///         Box::pin(async move {
///             self.inboxes.lock().unwrap().retain(|inbox| {
///                 inbox.group() != notice.group() || inbox.deliver(notice.sealed()) != Delivery::Closed
///             });
///             Ok(())
///         })
///     }
/// }
///
/// # use authkit_tower::{AuthKit, Config, CookiePassword, Revocation};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let password = CookiePassword::new("0123456789abcdef0123456789abcdef")?;
/// # let config = Config::new("client_123", "sk_test_123", "https://app.example.com/callback", password);
/// let shared = Arc::new(OneProcess::default());
/// let config = config.with_revocations(shared.clone());
/// let (one, other) = (AuthKit::new(config.clone())?, AuthKit::new(config)?);
/// one.revoke(Revocation::user("user_01", std::time::SystemTime::now())).await?;
/// # drop(other);
/// # assert_eq!(shared.inboxes.lock().unwrap().len(), 2);
/// # one.revoke(Revocation::user("user_01", std::time::SystemTime::now())).await?;
/// # assert_eq!(shared.inboxes.lock().unwrap().len(), 1);
/// # Ok(())
/// # }
/// ```
pub use authkit_session::Revocations;
/// # Examples
///
/// Sends every call through a client of the application's own.
///
/// ```
/// use std::{sync::Arc, time::Duration};
///
/// use authkit_tower::{MAX_ANSWER, Sending, Transport, TransportError};
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use tokio::time::timeout;
///
/// #[derive(Debug)]
/// struct OwnClient;
///
/// # async fn send_by_proxy(_: Request<Bytes>) -> Result<Response<Bytes>, std::io::Error> {
/// #     Ok(Response::new(Bytes::from(vec![b' '; MAX_ANSWER + 1])))
/// # }
/// impl Transport for OwnClient {
///     fn send(&self, request: Request<Bytes>, deadline: Duration) -> Sending<'_> {
///         Box::pin(async move {
///             match timeout(deadline, send_by_proxy(request)).await {
///                 Ok(Ok(answer)) if answer.body().len() > MAX_ANSWER => Err(TransportError::TooLarge),
///                 Ok(Ok(answer)) => Ok(answer),
///                 Ok(Err(_)) => Err(TransportError::Lost),
///                 Err(_) => Err(TransportError::TimedOut),
///             }
///         })
///     }
/// }
///
/// # fn config(config: authkit_tower::Config) -> authkit_tower::Config {
/// config.with_transport(Arc::new(OwnClient))
/// # }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # let answer = OwnClient.send(Request::new(Bytes::new()), Duration::from_secs(1)).await;
/// # assert_eq!(answer.err(), Some(TransportError::TooLarge));
/// # }
/// ```
pub use authkit_session::Transport;
pub use authkit_session::{
    AccessToken, ApiKeyOwner, AuthorizationRequest, Claim, Client, Clock, Config, ConfigError,
    ConfigProblem, ConfigWarning, CookiePassword, Coordinating, Delivery, Error, ErrorKind,
    Finding, HookDecision, Impersonator, InProcess, Inbox, Introspection, MAX_ANSWER, Machines,
    Metadata, NotPublished, Notice, OauthTokens, PkceVerifier, ProtectedResource, PublicOrigin,
    PublicOrigins, Publishing, Reason, RefreshedSession, Revocation, SameSite, SealFormat, Secret,
    SecurityClaim, Sending, Setting, Settings, TransportError, User, VerifiedApiKey,
    VerifiedClient, VerifiedMachine, VerifiedSession, VerifiedToken,
    integration::{CookieRules, ErrorClass, SignInCause},
};

#[cfg(feature = "metrics")]
pub use authkit_session::metrics;

#[cfg(feature = "webhooks")]
pub use crate::webhooks::{Webhooks, WebhooksFuture};
pub use crate::{
    admitted::Admitted,
    api_key::ApiKey,
    authkit::{AuthKit, StartedSession},
    bearer::Bearer,
    body::{NoBody, ResponseBody},
    browser_redirect::BrowserRedirect,
    client_kind::ClientKind,
    denial::{Denial, DenialKind},
    endpoints::{
        Endpoints, EndpointsFuture, EndpointsService, LoginRequest, NewSession, SignInFailure,
        SignInOutcome, StateTypeError,
    },
    from_parts::FromParts,
    future::ResponseFuture,
    layer::AuthKitLayer,
    machine::Machine,
    oauth_client::OAuthClient,
    principal::Principal,
    provider::{Provider, UnknownProvider},
    require::{Require, RequireFuture, RequireService},
    resource::ResourceMetadata,
    service::AuthKitService,
    session::{Session, Switched},
    session_rejection::SessionRejection,
    sign_in_url::SignInUrl,
};

/// What a router of axum leaves in the extensions of a request whose URI it has shortened.
#[cfg(feature = "axum")]
use axum::extract::OriginalUri;
/// Without axum no router shortens URIs, so this type is never made.
#[cfg(not(feature = "axum"))]
#[derive(Clone)]
struct OriginalUri(http::Uri);

#[cfg(test)]
mod tests;
