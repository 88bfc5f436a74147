//! A request that waits for a refresh is sent to a clone of the service, so that one has to be `Clone`.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use authkit_tower::{AuthKit, AuthKitLayer};
use http::{Request, Response};
use tower::{Layer, Service};

struct Handler;

impl Service<Request<String>> for Handler {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<String>) -> Self::Future {
        ready(Ok(Response::new(request.into_body())))
    }
}

fn serve(_: impl Service<Request<String>>) {}

fn app(authkit: &AuthKit) {
    serve(AuthKitLayer::new(authkit).layer(Handler));
}

fn main() {}
