use std::{
    convert::Infallible,
    future::{Ready, ready},
};

use authkit_tower::{AuthKit, AuthKitLayer, AuthKitService, ConfigError};
use http::{HeaderMap, Request, Response};
use tower::{Layer, Service, ServiceExt, service_fn, util::ServiceFn};

use crate::{Sample, at_once, block_on};

/// The layer around a service that does nothing.
pub struct Layered(AuthKitService<ServiceFn<Inner>>);

type Inner = fn(Request<String>) -> Ready<Result<Response<()>, Infallible>>;

impl Layered {
    /// One whose keys are there and that has seen `request`.
    pub fn after(
        sample: &Sample,
        request: &HeaderMap,
        edit: impl FnOnce(AuthKitLayer) -> Result<AuthKitLayer, ConfigError>,
    ) -> Self {
        let authkit = AuthKit::new(sample.config()).expect("the settings work");
        let inner: Inner = |_| ready(Ok(Response::new(())));
        let layer = edit(AuthKitLayer::new(&authkit)).expect("the settings work");
        let service = layer.layer(service_fn(inner));
        let answer = block_on(service.clone().oneshot(self::request(request)));
        assert_eq!(answer.expect("it never fails").status(), 200);
        Self(service)
    }

    /// Lets a request through and its response back.
    pub fn pass(&mut self, request: Request<String>) {
        let answer = at_once(self.0.call(request));
        assert_eq!(answer.expect("it never fails").status(), 200);
    }
}

/// A request with these headers and no body.
pub fn request(headers: &HeaderMap) -> Request<String> {
    let mut request = Request::new(String::new());
    request.headers_mut().clone_from(headers);
    request
}
