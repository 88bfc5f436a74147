//! Behaviour through the public API, one behaviour a module.

mod challenge;
mod peers_seal;
mod refresh_in_line;
mod sign_out;
