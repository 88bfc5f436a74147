use std::{
    convert::Infallible,
    future::{Ready, ready},
    hint::black_box,
    sync::Arc,
};

use authkit_tower::{AuthKit, AuthKitLayer, AuthKitService, ConfigError};
use http::{
    HeaderMap, HeaderValue, Request, Response,
    header::{CACHE_CONTROL, VARY},
};
use tower::{Layer, Service, ServiceExt, service_fn, util::ServiceFn};

use crate::{Sample, at_once, block_on};

/// The layer around a service that does nothing.
pub struct Layered(AuthKitService<ServiceFn<Inner>>);

type Inner = fn(Request<String>) -> Ready<Result<Response<()>, Infallible>>;
const INNER: Inner = |_| ready(Ok(Response::new(())));

impl Layered {
    /// A layer that has fetched its keys, and whose cache holds the session of `request`.
    pub fn after(
        sample: &Sample,
        request: &HeaderMap,
        edit: impl FnOnce(AuthKitLayer) -> Result<AuthKitLayer, ConfigError>,
    ) -> Self {
        let authkit = AuthKit::new(sample.config()).expect("the settings work");
        let layer = edit(AuthKitLayer::new(&authkit)).expect("the settings work");
        let service = layer.layer(service_fn(INNER));
        let answer = block_on(service.clone().oneshot(self::request(request)));
        assert_eq!(answer.expect("it never fails").status(), 200);
        Self(service)
    }

    /// Passes a request to the service, and its response back.
    pub fn pass(&mut self, request: Request<String>) {
        let answer = at_once(self.0.call(request));
        assert_eq!(answer.expect("it never fails").status(), 200);
    }
}

/// The service that does nothing, without the layer.
#[derive(Clone, Copy, Debug)]
pub enum Alone {
    /// Unchanged: counts the instructions of the service and of the measurement.
    Bare,
    /// With what a layer attaches to a request and its response, attached by hand: an entry in the extensions of each, a
    /// state that both share, and two fields. No layer that attaches the same can take fewer instructions.
    Marked,
}

/// An entry like one that a layer attaches.
#[derive(Clone)]
struct Mark {
    _session: Arc<[u64; 16]>,
    _state: Arc<[u64; 16]>,
}

impl Alone {
    /// Passes a request to the service, and drops its response.
    pub fn pass(self, mut request: Request<String>, session: &Arc<[u64; 16]>) {
        let mark = || Mark { _session: Arc::clone(session), _state: black_box(Arc::new([0; 16])) };
        let mark = match self {
            Self::Bare => None,
            Self::Marked => Some(mark()),
        };
        if let Some(mark) = &mark {
            request.extensions_mut().insert(mark.clone());
        }
        let answer = at_once(service_fn(INNER).call(request));
        let mut response = answer.expect("it never fails");
        if let Some(mark) = mark {
            let headers = response.headers_mut();
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
            headers.insert(VARY, HeaderValue::from_static("Cookie"));
            response.extensions_mut().insert(mark);
        }
        assert_eq!(response.status(), 200);
    }
}

/// A request with these headers and no body.
pub fn request(headers: &HeaderMap) -> Request<String> {
    let mut request = Request::new(String::new());
    request.headers_mut().clone_from(headers);
    request
}
