//! axum's extractors are taken by value.

use authkit_tower::{AuthKit, AuthKitLayer, Session};
use axum::{Router, routing::get};

async fn dashboard(session: &Session) -> String {
    session.user().id.clone()
}

fn app(authkit: &AuthKit) -> Router {
    Router::new().route("/dashboard", get(dashboard)).route_layer(AuthKitLayer::new(authkit))
}

fn main() {}
