//! The calls to WorkOS: [`Client`](client::Client) makes them, and [`Budget`](budget::Budget) lets them start.

mod authenticate_body;
pub(crate) mod authorize;
pub(crate) mod budget;
pub(crate) mod client;
pub(crate) mod credential_checks;
pub(crate) mod error_answer;
mod observed_call;
mod own_api_key;
pub(crate) mod pkce;
pub(crate) mod transport;
