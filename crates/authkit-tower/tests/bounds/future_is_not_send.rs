//! Servers move requests between threads: what a handler holds across an await has to be `Send`.

use std::{convert::Infallible, rc::Rc};

use authkit_tower::{AuthKit, AuthKitLayer};
use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};

async fn handler(_: Request<String>) -> Result<Response<String>, Infallible> {
    let text = Rc::new("hello".to_owned());
    std::future::ready(()).await;
    Ok(Response::new(text.to_string()))
}

fn serve(authkit: &AuthKit) {
    let service = AuthKitLayer::new(authkit).layer(service_fn(handler));
    tokio::spawn(service.oneshot(Request::new(String::new())));
}

fn main() {}
