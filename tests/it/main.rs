//! Behaviour through the public API, one behaviour a module.

mod challenge;
mod cookie_reading;
mod peers_seal;
mod refresh_in_line;
mod sign_out;
