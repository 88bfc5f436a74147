//! A guard that lets everybody through cannot be written by mistake.

use authkit_tower::Require;

fn guard() -> Require {
    Require::default()
}

fn main() {}
