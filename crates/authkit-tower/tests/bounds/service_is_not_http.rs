//! The layer writes onto the head of an HTTP response, so the service has to answer with one.

use std::convert::Infallible;

use authkit_tower::{AuthKit, AuthKitLayer};
use http::Request;
use tower::{Layer, Service, service_fn};

async fn handler(_: Request<String>) -> Result<&'static str, Infallible> {
    Ok("hello")
}

fn serve(_: impl Service<Request<String>>) {}

fn app(authkit: &AuthKit) {
    serve(AuthKitLayer::new(authkit).layer(service_fn(handler)));
}

fn main() {}
