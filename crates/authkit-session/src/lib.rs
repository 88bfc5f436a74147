//! WorkOS AuthKit sessions without a web framework: the sealed cookie's contents, access tokens, keys and refreshing.
//!
//! Services use `authkit-tower`, which puts this behind a tower layer and re-exports what they need. What happens to a
//! request is in two tables, `decide` and `settle`, which are private; [`Authenticator`] carries them out.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::wildcard_enum_match_arm))]

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
mod cookie;
mod cookie_password;
mod decide;
mod end;
mod error;
#[cfg(feature = "inspect")]
pub mod inspect;
pub mod integration;
mod json;
mod log_id;
mod log_limit;
mod payload;
mod random;
mod refresh;
mod refresh_state;
mod request;
mod seal;
mod secret;
mod session;
mod siblings;
mod strictness;
mod tasks;
#[cfg(test)]
mod testing;
mod token;
mod upstream;
mod user;

pub use crate::{
    authenticator::Authenticator,
    boxed_future::BoxFuture,
    clock::Clock,
    config::{
        Config, finding::Finding, setting::Setting, settings::Settings, warning::ConfigWarning,
    },
    config_error::{ConfigError, ConfigProblem},
    cookie::set_cookie::SameSite,
    cookie_password::CookiePassword,
    decide::reason::{Reason, SecurityClaim},
    end::{
        revocation::{Delivery, Inbox, NotPublished, Notice, Publishing, Revocation, Revocations},
        sign_out::SignedOut,
        watch::SessionWatch,
    },
    error::{Error, ErrorKind},
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
