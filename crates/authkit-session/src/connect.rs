//! Access tokens of an AuthKit domain (WorkOS Connect): of machines, and of OAuth applications that act for a user.
//!
//! 1. They are verified offline with the keys that the domain publishes at `/oauth2/jwks`, under its own issuer. Which
//!    key signed a token says nothing of its kind: WorkOS may sign all of them with one.
//! 2. The issuer, the audience and the [kind](crate::request::credential_kind) have to be right, each by itself.
//! 3. Who wants to know of revocations has each token introspected (RFC 7662); the answer is remembered as that about an
//!    API key is.

pub(crate) mod claims;
pub(crate) mod domain;
pub(crate) mod introspection;
pub(crate) mod reader;
pub(crate) mod resource;
pub(crate) mod token;
pub(crate) mod tokens;
