//! All calls to WorkOS.

pub(crate) mod authorize;
pub(crate) mod budget;
pub(crate) mod client;
pub(crate) mod error_answer;
pub(crate) mod pkce;
pub(crate) mod transport;
