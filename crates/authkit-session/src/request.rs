//! How one request gets its decision.

pub(crate) mod admission;
pub(crate) mod authenticate;
pub(crate) mod bearer;
pub(crate) mod credential_kind;
pub(crate) mod credential_kinds;
pub(crate) mod credential_log;
mod decision_log;
pub(crate) mod header;
pub(crate) mod jwt_authenticator;
pub(crate) mod policy;
pub(crate) mod sharded_arc;
pub(crate) mod sign_in;
pub(crate) mod waiting;
