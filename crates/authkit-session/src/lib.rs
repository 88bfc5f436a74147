//! WorkOS AuthKit sessions without a web framework: the sealed cookie's contents, access tokens, keys and refreshing.
//!
//! **A service on axum, hyper or tonic uses [`authkit-tower`](https://docs.rs/authkit-tower)**, which puts this crate
//! behind a tower layer and re-exports what such a service needs. This crate alone is for what is no such service: a
//! WebSocket server with a handshake of its own, a job that acts for a user, another web framework.
//!
//! [`Authenticator`] decides, [`Config`] configures it (`Config::from_env` reads the `WORKOS_*` variables), and a
//! [`VerifiedSession`] is the proof that somebody is signed in: nothing outside this crate can make one.
//!
//! # A WebSocket server
//!
//! A handshake is an HTTP request, so its headers are all that is needed. What comes back is an [`Admission`] or a
//! [`Refusal`]; both know the cookies for the answer to the handshake.
//!
//! ```
//! use authkit_session::{Admission, Authenticator, Decision, Policy, Refusal, integration::FetchDestination};
//! use http::{HeaderMap, HeaderValue, Response, StatusCode, header::SET_COOKIE};
//!
//! /// Who opens a connection.
//! async fn admit(authenticator: &Authenticator, headers: &HeaderMap) -> Result<Admission, Refusal> {
//!     match authenticator.authenticate(headers, &Policy::default()) {
//!         Decision::Admit(admission) => Ok(admission),
//!         Decision::Wait(waiting) => waiting.await, // for signing keys or a refresh, 5 seconds at most
//!         Decision::Refuse(refusal) => Err(refusal),
//!     }
//! }
//!
//! /// The answer to the handshake, when it leaves and not before: the newest cookie goes with it.
//! fn answer(decided: &Result<Admission, Refusal>) -> Response<()> {
//!     let (status, cookies) = match decided {
//!         Ok(admission) => (StatusCode::SWITCHING_PROTOCOLS, admission.set_cookie_headers()),
//!         Err(refusal) => (StatusCode::UNAUTHORIZED, refusal.set_cookie_headers(FetchDestination::Other)),
//!     };
//!     let mut response = Response::new(());
//!     *response.status_mut() = status;
//!     response.headers_mut().extend(cookies.into_iter().map(|cookie| (SET_COOKIE, cookie)));
//!     response
//! }
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), authkit_session::ConfigError> {
//! # let password = authkit_session::CookiePassword::new("0123456789abcdef0123456789abcdef")?;
//! # let config = authkit_session::Config::new("client_1", "sk_test_1", "https://app.example.com/callback", password);
//! # let authenticator = Authenticator::new(config)?;
//! # let decided = admit(&authenticator, &HeaderMap::new()).await;
//! # assert_eq!(answer(&decided).status(), 401);
//! # Ok(())
//! # }
//! ```
//!
//! Browsers send cookies with handshakes that other sites begin, and ask nobody before: **compare the `Origin` header with
//! your own origin first**, and refuse any other. (`authkit-tower` does so by itself.) Where the WebSocket library cannot
//! put a `Set-Cookie` on its answer, use [`Policy::without_refresh`]: a refresh whose cookie is never sent is wasted.
//!
//! The connection outlives the token. It ends when the token expires or the session does, whichever is first:
//!
//! ```
//! use std::time::{Duration, SystemTime};
//!
//! use authkit_session::{Authenticator, VerifiedSession};
//!
//! /// Completes when the connection should be closed; the client connects again with a fresh cookie.
//! async fn over(authenticator: &Authenticator, session: &VerifiedSession) {
//!     let watch = authenticator.watch(session); // signed out here, or revoked (`Authenticator::revoke`)
//!     while SystemTime::now() < session.expires_at() && !watch.has_ended() {
//!         tokio::time::sleep(Duration::from_secs(1)).await;
//!     }
//! }
//! ```
//!
//! # A job
//!
//! Cookies belong to browsers, and a refresh token can be spent once, so **put neither into a queue**. A job that only has to know whom it is for gets the user's id. One that has to prove it gets the access token
//! ([`VerifiedToken::access_token`](VerifiedToken::access_token)), which is verified where it arrives and is worth
//! nothing once it has expired:
//!
//! ```
//! use std::sync::Arc;
//!
//! use authkit_session::{BearerTokens, Decision, Policy, Refusal, VerifiedToken};
//!
//! /// Whom a message of the queue is from. `tokens` is `authenticator.bearer_tokens()?`.
//! async fn sender(tokens: &BearerTokens, token: &str) -> Result<Arc<VerifiedToken>, Refusal> {
//!     match tokens.authenticate(token, &Policy::default()) {
//!         Decision::Admit(token) => Ok(token),
//!         Decision::Wait(waiting) => waiting.await,
//!         Decision::Refuse(refusal) => Err(refusal),
//!     }
//! }
//! ```
//!
//! [`Config::with_issuers`] says whose tokens count; without one there are no [`BearerTokens`]. A job that ends sessions,
//! say of users who have left, calls [`Authenticator::revoke`], which takes effect in this process and, where
//! [`Config::with_revocations`] connects them, in all others; at WorkOS, [`Client::revoke`] ends a single session.
//!
//! # Shutting down
//!
//! A refresh goes on when the request that began it is gone. [`Authenticator::drain`] waits for those under way.
//!
//! # What to look at
//!
//! | to | there is |
//! |---|---|
//! | configure | [`Config`], [`CookiePassword`], [`SealFormat`], [`SameSite`], [`Secret`], [`Clock`], [`PublicOrigins`] ([`PublicOrigin`]); [`ConfigError`] and [`ConfigProblem`] say what is wrong, [`ConfigWarning`] and [`Settings`] what is doubtful and what is in force ([`Finding`], [`Setting`]) |
//! | decide about a request | [`Authenticator`], [`Policy`], [`Decision`], [`Waiting`], [`Admission`], [`Refusal`], [`Reason`] ([`SecurityClaim`]) |
//! | know who it is | [`VerifiedSession`], [`VerifiedToken`], [`User`], [`Metadata`], [`Impersonator`], [`AccessToken`] |
//! | accept credentials of programs | [`BearerTokens`], [`ApiKeys`] ([`VerifiedApiKey`], [`ApiKeyOwner`]), [`Machines`] ([`VerifiedMachine`]), [`ProtectedResource`] ([`VerifiedClient`], [`Introspection`]) |
//! | sign in and out | [`Client`], [`AuthorizationRequest`], [`PkceVerifier`], [`SignedIn`], [`Replacing`], [`SignedOut`], [`RefreshToken`] |
//! | refuse sessions by rules of your own | [`HookDecision`], [`RefreshedSession`] |
//! | end sessions everywhere | [`Revocation`], [`PrincipalWatch`], [`NotPublished`] |
//! | share work between replicas | the crate `authkit-redis`, or [`RefreshCoordinator`] ([`Claim`], [`Coordinating`], [`InProcess`]) and [`Revocations`] ([`Inbox`], [`Notice`], [`Delivery`], [`Publishing`]) of your own |
//! | call WorkOS in a way of your own | [`Transport`], [`Sending`], [`TransportError`], [`MAX_ANSWER`] |
//! | tell errors apart | [`Error`], [`ErrorKind`], [`SealError`] |
//! | write a crate for another framework | [`integration`], [`BoxFuture`] |
//!
//! # Features
//!
//! Each only adds. One of the two cryptographies has to be on.
//!
//! | feature | adds |
//! |---|---|
//! | `aws-lc-rs` (default) | cryptography, TLS included, by `aws-lc-rs`: the faster of the two; it wins where `ring` is on as well |
//! | `ring` | cryptography, TLS included, by `ring`: the quicker to build |
//! | `conformance` | module `conformance`: checks for implementations of [`RefreshCoordinator`] and [`Revocations`] |
//! | `inspect` | module `inspect`: looks into a sealed session, for operators' tools |
//! | `metrics` | counts and times what happens, by the crate `metrics` |
//! | `php` | opens the PHP SDK's cookies too |
//!
//! What happens to a request is in two tables, `decide` and `after_refresh`, which are private; [`Authenticator`] carries them
//! out. The repository's `ARCHITECTURE.md` tells how the parts fit together.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::wildcard_enum_match_arm))]

mod api_key;
mod authenticator;
mod bounded_map;
mod boxed_future;
mod candidate;
mod clock;
mod codec;
mod config;
mod config_error;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod connect;
mod cookie;
mod cookie_password;
mod crypto;
mod decide;
mod end;
mod error;
#[cfg(feature = "inspect")]
pub mod inspect;
mod instances;
pub mod integration;
mod json;
mod log_id;
mod log_limit;
mod meter;
#[cfg(feature = "metrics")]
pub mod metrics;
mod oauth_tokens;
mod payload;
mod random;
mod refresh;
mod refresh_state;
mod request;
mod seal;
mod secret;
mod session;
#[cfg(test)]
mod simulation;
mod strictness;
mod sync;
mod tasks;
#[cfg(test)]
mod testing;
mod timestamp;
mod token;
mod upstream;
mod user;
mod validation;

pub use crate::{
    api_key::{
        ApiKeys,
        verified::{ApiKeyOwner, VerifiedApiKey},
    },
    authenticator::Authenticator,
    boxed_future::BoxFuture,
    clock::Clock,
    config::{
        Config,
        finding::Finding,
        origins::{PublicOrigin, PublicOrigins},
        setting::Setting,
        settings::Settings,
        warning::ConfigWarning,
    },
    config_error::{ConfigError, ConfigProblem},
    connect::{
        introspection::Introspection,
        resource::{Machines, ProtectedResource},
        token::{VerifiedClient, VerifiedMachine},
    },
    cookie::set_cookie::SameSite,
    cookie_password::CookiePassword,
    decide::{reason::Reason, security_claim::SecurityClaim},
    end::{
        revocation::{Delivery, Inbox, NotPublished, Notice, Publishing, Revocation, Revocations},
        sign_out::SignedOut,
        watch::PrincipalWatch,
    },
    error::{Error, ErrorKind},
    oauth_tokens::OauthTokens,
    refresh::{
        coordinator::{Claim, Coordinating, InProcess, RefreshCoordinator},
        hook::{HookDecision, RefreshedSession},
    },
    request::{
        admission::{Admission, Refusal},
        bearer::BearerTokens,
        policy::Policy,
        sign_in::{Replacing, SignedIn},
        waiting::{Decision, Waiting},
    },
    seal::{SealError, SealFormat},
    secret::Secret,
    session::VerifiedSession,
    token::{AccessToken, RefreshToken, verified::VerifiedToken},
    upstream::{
        authorize::AuthorizationRequest,
        client::Client,
        pkce::PkceVerifier,
        transport::{MAX_ANSWER, Sending, Transport, TransportError},
    },
    user::{Impersonator, User, metadata::Metadata},
};

/// Compiles what the README shows.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
