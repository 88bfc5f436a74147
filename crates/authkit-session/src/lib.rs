//! WorkOS AuthKit sessions without a web framework: the sealed cookie's contents, access tokens, keys and refreshing.
//!
//! Services use `authkit-tower`, which puts this behind a tower layer and re-exports what they need. What happens to a
//! request is in two tables, [`decide`] and [`settle`]; [`Authenticator`] carries them out.

#![forbid(unsafe_code)]

mod authenticator;
mod candidate;
mod clock;
mod codec;
mod config;
mod config_error;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod cookie_password;
mod core;
mod decide;
mod end;
mod error;
mod on_demand;
mod payload;
mod random;
mod refresh;
mod refresh_state;
mod request;
mod seal;
mod secret;
mod session;
mod set_cookie;
mod tasks;
#[cfg(test)]
mod testing;
mod token;
mod upstream;
mod user;

pub use crate::{
    authenticator::{Authenticator, Decision},
    clock::Clock,
    config::{Config, settings::Settings},
    config_error::{ConfigError, ConfigProblem},
    cookie_password::CookiePassword,
    decide::{
        Action, Circumstances, Demand, Fallback, KeyFetch, PairAge, Refreshing, Verdict, decide,
        reason::{Reason, RefusalKind},
        refresh_outcome::{Outcome, Settlement, settle},
    },
    end::revocation::{Delivery, Inbox, NotPublished, Notice, Publishing, Revocation, Revocations},
    error::{Error, ErrorKind},
    refresh::{
        coordinator::{Claim, Coordinating, InProcess, RefreshCoordinator},
        hook::{RefreshedSession, Ruling},
    },
    request::{
        admission::{Admission, Asker, Refusal},
        bearer::BearerTokens,
        policy::Policy,
        sign_in::{SignedIn, SignedOut},
        waiting::Waiting,
    },
    seal::{Purpose, SealError, SealFormat},
    secret::Secret,
    session::VerifiedSession,
    set_cookie::{CookieRules, SameSite},
    token::{AccessToken, RefreshToken, verified::VerifiedToken},
    upstream::{
        authorize::AuthorizationRequest,
        client::Client,
        pkce::PkceVerifier,
        transport::{MAX_ANSWER, Sending, Transport, TransportError},
    },
    user::{Impersonator, User},
};
