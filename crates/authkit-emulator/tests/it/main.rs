//! The emulator over sockets, by its Rust API and as a program.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod answers;
mod clock;
mod connect;
mod connections;
mod faults;
mod lifecycle;
mod odd_data;
mod pages;
mod program;
mod refresh;
mod seeds;
mod sessions;
mod sign_in;
mod signing_keys;
mod support;
mod targets;
mod test_session;
mod webhooks;
