//! WorkOS AuthKit sessions without a web framework: the sealed cookie's contents, access tokens, keys and refreshing.
//!
//! Services use `authkit-tower`, which puts this behind a tower layer and re-exports what they need. What happens to a
//! request is in two tables, [`decide`] and [`settle`]; [`Authenticator`] carries them out.

#![forbid(unsafe_code)]

mod admission;
mod authenticator;
mod bearer;
mod cache;
mod client;
mod clock;
mod codec;
mod config;
mod config_error;
mod cookie;
mod cookie_password;
mod core;
mod decide;
mod error;
mod flight;
mod hooks;
mod judge;
mod jwks;
mod on_demand;
mod payload;
mod policy;
mod present;
mod presented;
mod random;
mod refreshes;
mod revocations;
mod revoke;
mod seal;
mod secret;
mod session;
mod sign_in;
mod task;
#[cfg(test)]
mod testing;
mod token;
mod user;
mod verify;
mod waiting;

pub use crate::{
    admission::{Admission, Asker, Refusal},
    authenticator::{Authenticator, Decision},
    bearer::BearerTokens,
    client::{
        Client,
        authorize::AuthorizationRequest,
        pkce::PkceVerifier,
        transport::{MAX_ANSWER, Sending, Transport, TransportError},
    },
    clock::Clock,
    config::{Config, settings::Settings, urls::secure_url},
    config_error::{ConfigError, ConfigProblem},
    cookie::set_cookie::{CookieRules, SameSite},
    cookie_password::CookiePassword,
    decide::{
        Action, Circumstances, Demand, Fallback, KeyFetch, PairAge, Refreshing, Verdict, decide,
        reason::{Reason, RefusalKind},
        settle::{Outcome, Settlement, settle},
    },
    error::{Error, ErrorKind},
    hooks::{RefreshedSession, Ruling},
    policy::Policy,
    refreshes::coordinator::{Claim, Coordinating, InProcess, RefreshCoordinator},
    revocations::{Delivery, Inbox, NotPublished, Notice, Publishing, Revocation, Revocations},
    seal::{Purpose, SealError, SealFormat},
    secret::Secret,
    session::VerifiedSession,
    sign_in::{SignedIn, SignedOut},
    token::{AccessToken, RefreshToken, verified::VerifiedToken},
    user::{Impersonator, User},
    waiting::Waiting,
};
