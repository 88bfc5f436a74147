//! Behaviour through the public API, one behaviour a module.

mod challenge;
mod cookie_reading;
mod cookie_writing;
mod large_sessions;
mod password_rollout;
mod peers_seal;
mod refresh_in_line;
mod side_by_side;
mod sign_out;
mod start_session;
mod tampering;
