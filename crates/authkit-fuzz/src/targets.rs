mod error_answer;
mod jwks;
mod jwt;
mod negotiation;
mod replica;
mod request;
mod return_path;
mod seal;
mod seeds;
mod sign_in;
mod webhook;

use std::fmt;

/// A fuzz target: code that reads input from others.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Target {
    /// The name of its folder in `corpus/`.
    pub name: &'static str,
    /// Panics if the input breaks a rule.
    pub run: fn(&[u8]),
}

impl Target {
    /// The target with this name.
    pub fn named(name: &str) -> Option<Self> {
        TARGETS.iter().find(|target| target.name == name).copied()
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target { name: "request", run: request::run },
    Target { name: "seal", run: seal::run },
    Target { name: "jwt", run: jwt::run },
    Target { name: "jwks", run: jwks::run },
    Target { name: "sign_in", run: sign_in::run },
    Target { name: "return_path", run: return_path::run },
    Target { name: "negotiation", run: negotiation::run },
    Target { name: "webhook", run: webhook::run },
    Target { name: "error_answer", run: error_answer::run },
    Target { name: "replica", run: replica::run },
    Target { name: "seeds", run: seeds::run },
];
