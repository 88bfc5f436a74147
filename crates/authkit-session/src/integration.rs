//! What only a crate needs that adapts this one to a web framework.
//!
//! Applications do not need it: `authkit-tower` uses it and offers what handlers need. It has closed enums and pure
//! functions, so that a framework crate handles every case, and tables of bounded size.

pub use crate::{
    bounded_map::BoundedMap,
    config::{origin_mistakes::origin_problem, urls::is_loopback_host},
    cookie::set_cookie::CookieRules,
    crypto::{MacContext, MacKey},
    decide::reason::{RefusalKind, SignInCause},
    error::ErrorClass,
    json::object as json_object,
    log_limit::LogLimiter,
    request::{
        admission::FetchDestination,
        credential_kinds::CredentialKinds,
        header::{HeaderCredentials, HeaderPrincipal},
    },
    seal::Purpose,
    timestamp::parse_timestamp,
};
