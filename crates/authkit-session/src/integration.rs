//! What only a crate needs that puts this one behind a web framework.
//!
//! Applications do not: `authkit-tower` uses these seams, and has what handlers want. They are closed enums and pure
//! functions, so that a framework crate answers every case, and tables that no stranger can fill.

pub use crate::{
    bounded_map::BoundedMap,
    config::{origin_mistakes::origin_problem, urls::is_loopback_host},
    cookie::set_cookie::CookieRules,
    crypto::{MacContext, MacKey},
    decide::reason::{RefusalKind, SignInCause},
    error::ErrorClass,
    log_limit::LogLimiter,
    request::{
        admission::Asker,
        credential_kinds::CredentialKinds,
        header::{HeaderCredentials, HeaderPrincipal},
    },
    seal::Purpose,
    timestamp::parse_timestamp,
};
