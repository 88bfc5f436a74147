//! That no issuer is configured is an error at the start, not a setting that is dropped.

use authkit_tower::{AuthKit, AuthKitLayer};
use axum::{Router, routing::get};

fn app(authkit: &AuthKit) -> Router {
    let layer = AuthKitLayer::new(authkit).with_bearer();
    Router::new().route("/", get(async || "hello")).route_layer(layer)
}

fn main() {}
