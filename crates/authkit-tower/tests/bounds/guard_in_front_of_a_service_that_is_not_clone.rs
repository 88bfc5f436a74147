//! A guard gives readiness back that it does not use, so its service has to be `Clone` too.

use std::convert::Infallible;

use authkit_tower::Require;
use http::{Request, Response};
use tower::{Layer, Service, service_fn};

struct Connection;

fn serve(_: impl Service<Request<String>>) {}

fn app() {
    let connection = Connection;
    let handler = service_fn(move |_: Request<String>| {
        let _ = &connection;
        async { Ok::<_, Infallible>(Response::new(String::new())) }
    });
    serve(Require::role("admin").layer(handler));
}

fn main() {}
