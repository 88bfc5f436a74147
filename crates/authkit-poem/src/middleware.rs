use std::{
    convert::Infallible,
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, combinators::BoxBody};
use poem::{Endpoint, Middleware};
use tower::ServiceExt;
use tower_layer::Layer;
use tower_service::Service;

use crate::request::{RequestBody, from_http, to_http};

/// Makes a middleware of a layer: an `AuthKitLayer`, `Endpoints` or `Require` of [`authkit_tower`].
///
/// `Endpoints` go around all routes. A guard goes inside, around what it guards; `with` adds outwards.
///
/// # Examples
///
/// ```
/// use authkit_poem::middleware;
/// use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, Require};
/// use poem::{Endpoint, EndpointExt, IntoResponse, Route, endpoint::make_sync};
///
/// fn app(authkit: &AuthKit) -> impl Endpoint<Output: IntoResponse> + use<> {
///     let books = make_sync(|_| "The books");
///     Route::new()
///         .at("/books", books.with(middleware(Require::role("admin"))))
///         .with(middleware(AuthKitLayer::new(authkit)))
///         .with(middleware(Endpoints::new(authkit)))
/// }
/// # let _ = app;
/// ```
pub fn middleware<L>(layer: L) -> LayerMiddleware<L> {
    LayerMiddleware { layer }
}

/// Middleware that [`middleware()`] makes of a layer.
#[derive(Clone, Debug)]
pub struct LayerMiddleware<L> {
    layer: L,
}

impl<E, L, B> Middleware<E> for LayerMiddleware<L>
where
    E: Endpoint + 'static,
    L: Layer<EndpointService<E>>,
    L::Service: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync,
    B: Body<Data = Bytes, Error = io::Error> + Send + Sync + 'static,
{
    type Output = ServiceEndpoint<L::Service>;

    fn transform(&self, endpoint: E) -> Self::Output {
        let endpoint = EndpointService { endpoint: Arc::new(endpoint) };
        ServiceEndpoint { service: self.layer.layer(endpoint) }
    }
}

/// Endpoint of a [`LayerMiddleware`]: calls the service that the layer made.
#[derive(Clone, Debug)]
pub struct ServiceEndpoint<S> {
    service: S,
}

impl<S, B> Endpoint for ServiceEndpoint<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync,
    B: Body<Data = Bytes, Error = io::Error> + Send + Sync + 'static,
{
    type Output = poem::Response;

    async fn call(&self, request: poem::Request) -> poem::Result<poem::Response> {
        match self.service.clone().oneshot(to_http(request)).await {
            Ok(response) => Ok(response.map(BodyExt::boxed).into()),
            Err(never) => match never {},
        }
    }
}

/// Inner service of a [`LayerMiddleware`]: calls the endpoint, and turns its errors into responses.
#[derive(Debug)]
pub struct EndpointService<E> {
    endpoint: Arc<E>,
}

impl<E> Clone for EndpointService<E> {
    fn clone(&self) -> Self {
        Self { endpoint: Arc::clone(&self.endpoint) }
    }
}

impl<E: Endpoint + 'static> Service<Request<RequestBody>> for EndpointService<E> {
    type Response = Response<BoxBody<Bytes, io::Error>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let endpoint = Arc::clone(&self.endpoint);
        let request = from_http(request);
        Box::pin(async move { Ok(endpoint.get_response(request).await.into()) })
    }
}
