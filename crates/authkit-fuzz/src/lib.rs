//! The fuzz targets, and the rules that must hold for every input.
//!
//! A [`Target`] is a function over bytes that panics if an input breaks a rule. `cargo xtask test` runs the inputs in
//! `corpus/`. `cargo xtask fuzz` searches for further ones, with libFuzzer if there is a C++ compiler and with the [driver]
//! otherwise. A target reads its bytes as choices (`input`), such as which edits to make to a token or a payload. The target
//! signs the token and seals the payload after the edits, so that inputs also reach the code behind the cryptography.

#![forbid(unsafe_code)]

pub mod differential;
pub mod driver;
mod input;
mod json;
mod oracle;
mod seen;
mod service;
mod targets;
mod token;
mod workos;

pub use crate::{
    seen::Seen,
    targets::{TARGETS, Target},
};
