//! The application over sockets, and the program around it.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod app;
mod program;
