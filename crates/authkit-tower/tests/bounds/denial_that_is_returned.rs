//! The answer to a denied request is edited, never made: its status cannot be forgotten.

use authkit_tower::{AuthKit, AuthKitLayer};
use bytes::Bytes;
use http::Response;

fn layer(authkit: &AuthKit) -> AuthKitLayer {
    AuthKitLayer::new(authkit).edit_denials(|_, _| Response::new(Bytes::from("please sign in")))
}

fn main() {}
