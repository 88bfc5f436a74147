//! Access tokens of an AuthKit domain (WorkOS Connect): of machines, and of OAuth applications that act for a user.
//!
//! 1. Tokens are verified offline with the keys that the domain publishes at `/oauth2/jwks`, under the domain's own
//!    issuer. The key that signed a token does not show its kind: WorkOS may sign all kinds with one key.
//! 2. The issuer, the audience and the [kind](crate::request::credential_kind) are each checked by itself.
//! 3. An application that wants to notice revocations has each token introspected (RFC 7662); the answer is remembered
//!    like the answer about an API key.

pub(crate) mod claims;
pub(crate) mod domain;
pub(crate) mod introspection;
pub(crate) mod reader;
pub(crate) mod resource;
pub(crate) mod token;
pub(crate) mod tokens;
