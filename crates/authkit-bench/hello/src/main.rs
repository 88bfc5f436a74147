//! A service of one page, behind the layer if a feature is on. The benchmarks measure how long it takes to build.

#![forbid(unsafe_code)]

use std::error::Error;

#[cfg(any(feature = "aws-lc-rs", feature = "ring"))]
use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, Session};
use axum::{Router, routing::get};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(("127.0.0.1", 3000)).await?;
    Ok(axum::serve(listener, app()?).await?)
}

#[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
fn app() -> Result<Router, Box<dyn Error>> {
    Ok(Router::new().route("/", get(async || "Hello")))
}

#[cfg(any(feature = "aws-lc-rs", feature = "ring"))]
fn app() -> Result<Router, Box<dyn Error>> {
    let authkit = AuthKit::from_env()?;
    let greet = async |session: Session| format!("Hello {}", session.user().display_name());
    Ok(Router::new()
        .route("/", get(greet))
        .route_layer(AuthKitLayer::new(&authkit))
        .merge(Endpoints::new(&authkit)))
}
