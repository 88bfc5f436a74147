//! Denials come in `Bytes`, so the bodies of the service have to as well.

use std::convert::Infallible;

use authkit_tower::{AuthKit, AuthKitLayer};
use axum::{Router, body::Body};
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, service_fn};

async fn handler(_: Request<Body>) -> Result<Response<Full<&'static [u8]>>, Infallible> {
    Ok(Response::new(Full::new(b"hello")))
}

fn app(authkit: &AuthKit) -> Router {
    Router::new().route_service("/", AuthKitLayer::new(authkit).layer(service_fn(handler)))
}

fn main() {}
