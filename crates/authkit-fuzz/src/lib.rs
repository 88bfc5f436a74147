//! What is fuzzed, and what must hold of every input.
//!
//! A [`Target`] is a plain function over bytes, which panics where a rule is broken. The inputs that are kept, in `corpus/`, are
//! run by each `cargo xtask test`; `cargo xtask fuzz` looks for others, by libFuzzer where there is a C++ compiler and by the
//! [driver] otherwise. A target reads its bytes as choices (`input`): which edits to make to a token that is signed
//! afterwards, to a payload that is sealed afterwards, so that what lies behind the cryptography is reached as well.

#![forbid(unsafe_code)]

pub mod differential;
pub mod driver;
mod input;
mod json;
mod oracle;
mod service;
mod targets;
mod token;
mod workos;

pub use crate::targets::{TARGETS, Target};
