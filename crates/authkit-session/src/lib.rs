//! WorkOS AuthKit sessions without a web framework: the sealed cookie's contents, access tokens, keys and refreshing.
//!
//! Services use `authkit-tower`, which puts this behind a tower layer and re-exports what they need. What happens to a
//! request is in two tables, [`decide`] and [`settle`]; [`Authenticator`] carries them out.

#![forbid(unsafe_code)]

mod admission;
mod authenticator;
mod authorize;
mod bearer;
mod breaker;
mod cache;
mod client;
mod clock;
mod codec;
mod config;
mod config_error;
mod cookie_password;
mod coordinator;
mod core;
mod cut_offs;
mod decide;
mod env;
mod error;
mod error_answer;
mod flight;
mod hooks;
mod jar;
mod judge;
mod jwks;
mod jwt;
mod keys;
mod lineage;
mod on_demand;
mod pace;
mod payload;
mod pkce;
mod policy;
mod present;
mod presented;
mod random;
mod reason;
mod refreshes;
mod revocations;
mod revoke;
mod seal;
mod secret;
mod session;
mod set_cookie;
mod settings;
mod settle;
mod sign_in;
mod task;
#[cfg(test)]
mod testing;
mod token;
mod transport;
mod urls;
mod user;
mod verified_token;
mod verify;
mod waiting;

pub use crate::{
    admission::{Admission, Asker, Refusal},
    authenticator::{Authenticator, Decision},
    authorize::AuthorizationRequest,
    bearer::BearerTokens,
    client::Client,
    clock::Clock,
    config::Config,
    config_error::{ConfigError, ConfigProblem},
    cookie_password::CookiePassword,
    coordinator::{Claim, Coordinating, InProcess, RefreshCoordinator},
    decide::{
        Action, Circumstances, Demand, Fallback, KeyFetch, PairAge, Refreshing, Verdict, decide,
    },
    error::{Error, ErrorKind},
    hooks::{RefreshedSession, Ruling},
    pkce::PkceVerifier,
    policy::Policy,
    reason::{Reason, RefusalKind},
    revocations::{Delivery, Inbox, NotPublished, Notice, Publishing, Revocation, Revocations},
    seal::{Purpose, SealError, SealFormat},
    secret::Secret,
    session::VerifiedSession,
    set_cookie::{CookieRules, SameSite},
    settings::Settings,
    settle::{Outcome, Settlement, settle},
    sign_in::{SignedIn, SignedOut},
    token::{AccessToken, RefreshToken},
    transport::{MAX_ANSWER, Sending, Transport, TransportError},
    user::{Impersonator, User},
    verified_token::VerifiedToken,
    waiting::Waiting,
};
