use std::{
    error::Error as StdError,
    fmt,
    future::{Future, Ready, ready},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::{
    Error,
    body::MessageBody,
    dev::{Service, ServiceRequest, ServiceResponse, Transform},
};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service as TowerService;

use crate::{
    body::{HandlerBody, LayerBody, RequestBody},
    exchange::Exchange,
};

/// Makes a middleware of a layer: an `AuthKitLayer`, `Endpoints` or `Require` of [`authkit_tower`].
///
/// `Endpoints` go around the whole application. A guard goes inside, around what it guards; `wrap` adds outwards.
///
/// # Examples
///
/// ```
/// use actix_web::{App, web};
/// use authkit_actix::middleware;
/// use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, Require};
///
/// # fn check(authkit: &AuthKit) {
/// let books = web::resource("/books").get(async || "The books");
/// let app = App::new()
///     .service(books.wrap(middleware(Require::role("admin"))))
///     .wrap(middleware(AuthKitLayer::new(authkit)))
///     .wrap(middleware(Endpoints::new(authkit)));
/// # let _ = app;
/// # }
/// ```
pub fn middleware<L>(layer: L) -> LayerMiddleware<L> {
    LayerMiddleware { layer: Rc::new(layer) }
}

/// Middleware that [`middleware()`] makes of a layer.
#[derive(Debug)]
pub struct LayerMiddleware<L> {
    layer: Rc<L>,
}

impl<L> Clone for LayerMiddleware<L> {
    fn clone(&self) -> Self {
        Self { layer: Rc::clone(&self.layer) }
    }
}

impl<L, S, B, R> Transform<S, ServiceRequest> for LayerMiddleware<L>
where
    L: Layer<HandlerService<S>> + 'static,
    L::Service:
        TowerService<Request<RequestBody>, Response = Response<R>, Error = Error, Future: 'static>,
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    R: Body<Data = Bytes, Error: Into<Box<dyn StdError>>> + 'static,
{
    type Response = ServiceResponse<LayerBody<R>>;
    type Error = Error;
    type Transform = LayerService<L, S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(LayerService { layer: Rc::clone(&self.layer), handler: Rc::new(service) }))
    }
}

/// Service of a [`LayerMiddleware`].
pub struct LayerService<L, S> {
    layer: Rc<L>,
    handler: Rc<S>,
}

/// The layer's services are as ready as the handler, which all of them share: the handler that is polled here is the
/// one that the service of a request calls. A request that waits for a refresh polls the handler again.
impl<L, S, B, R> Service<ServiceRequest> for LayerService<L, S>
where
    L: Layer<HandlerService<S>>,
    L::Service:
        TowerService<Request<RequestBody>, Response = Response<R>, Error = Error, Future: 'static>,
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    R: Body<Data = Bytes> + 'static,
{
    type Response = ServiceResponse<LayerBody<R>>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>>>>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.handler.poll_ready(cx)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let (request, exchange) = match Exchange::begin(request) {
            Ok(begun) => begun,
            Err(error) => return Box::pin(ready(Err(error))),
        };
        let handler = HandlerService { handler: Rc::clone(&self.handler) };
        let response = self.layer.layer(handler).call(request);
        Box::pin(async move { exchange.finish(response.await?) })
    }
}

impl<L, S> fmt::Debug for LayerService<L, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayerService").finish_non_exhaustive()
    }
}

/// Inner service of a [`LayerMiddleware`]: the actix service behind the middleware.
pub struct HandlerService<S> {
    handler: Rc<S>,
}

impl<S> Clone for HandlerService<S> {
    fn clone(&self) -> Self {
        Self { handler: Rc::clone(&self.handler) }
    }
}

impl<S, B> TowerService<Request<RequestBody>> for HandlerService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error, Future: 'static>,
    B: MessageBody + 'static,
{
    type Response = Response<HandlerBody<B>>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.handler.poll_ready(cx)
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let (request, exchange) = match Exchange::let_through(request) {
            Ok(let_through) => let_through,
            Err(error) => return Box::pin(ready(Err(error))),
        };
        let response = self.handler.call(request);
        Box::pin(async move { exchange.answered(response.await?) })
    }
}

impl<S> fmt::Debug for HandlerService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerService").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
