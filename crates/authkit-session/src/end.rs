//! How sessions end: here, on the other replicas, and at WorkOS.

pub(crate) mod cut_offs;
pub(crate) mod notice;
pub(crate) mod revocation;
