//! [`Endpoints`] as a layer and a service.

use std::{
    convert::Infallible,
    fmt,
    future::{Future, Ready},
    pin::Pin,
    task::{Context, Poll, ready},
};

use authkit_session::BoxFuture;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{Endpoints, answers::Reply};
use crate::{
    body::{NoBody, ResponseBody, without_body_to_head},
    readiness::give_back,
    unread_body::UnreadBody,
};

impl<S> Layer<S> for Endpoints {
    type Service = EndpointsService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        EndpointsService { inner, endpoints: self.clone() }
    }
}

/// Answers every other path with 404, or with what to change where a router has shortened one of its own paths.
impl<ReqBody: Body> Service<Request<ReqBody>> for Endpoints {
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = EndpointsFuture<Ready<Result<Response<NoBody>, Infallible>>, ReqBody>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let reply = self.reply(&request).unwrap_or_else(|| self.not_found(&request));
        EndpointsFuture::replying(reply, request)
    }
}

/// Service that [`Endpoints`] makes as a layer: answers the paths of the endpoints and passes everything else on.
#[derive(Clone, Debug)]
pub struct EndpointsService<S> {
    inner: S,
    endpoints: Endpoints,
}

impl<S> EndpointsService<S> {
    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service, to change it.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Takes the inner service out.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for EndpointsService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    ReqBody: Body,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = EndpointsFuture<S::Future, ReqBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        match self.endpoints.reply(&request) {
            Some(reply) => {
                give_back(&mut self.inner);
                EndpointsFuture::replying(reply, request)
            }
            None => {
                let response = self.inner.call(request);
                EndpointsFuture {
                    state: EndpointsState::Calling { response },
                    unread: UnreadBody::read(),
                }
            }
        }
    }
}

pin_project! {
    /// Response future of [`Endpoints`] and [`EndpointsService`].
    pub struct EndpointsFuture<F, ReqBody> {
        #[pin]
        state: EndpointsState<F>,
        unread: UnreadBody<ReqBody>,
    }
}

pin_project! {
    #[project = EndpointsStateProj]
    enum EndpointsState<F> {
        Calling { #[pin] response: F },
        Answered { response: Option<Box<Response<Bytes>>> },
        Exchanging { response: BoxFuture<'static, Response<Bytes>> },
    }
}

impl<F, ReqBody: Body> EndpointsFuture<F, ReqBody> {
    fn replying(reply: Reply, request: Request<ReqBody>) -> Self {
        let state = match reply {
            Reply::Now(mut response) => {
                without_body_to_head(request.method(), &mut response);
                EndpointsState::Answered { response: Some(response) }
            }
            // Only a `GET` of the callback waits.
            Reply::Later(response) => EndpointsState::Exchanging { response },
        };
        Self { state, unread: UnreadBody::of(request) }
    }
}

impl<F, ReqBody, ResBody, E> Future for EndpointsFuture<F, ReqBody>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
    ReqBody: Body,
{
    type Output = Result<Response<ResponseBody<ResBody>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        ready!(this.unread.poll_read(cx));
        Poll::Ready(Ok(match this.state.project() {
            EndpointsStateProj::Calling { response } => {
                ready!(response.poll(cx))?.map(ResponseBody::inner)
            }
            EndpointsStateProj::Answered { response } => response
                .take()
                .expect("a future is not polled after it is done")
                .map(ResponseBody::ours),
            EndpointsStateProj::Exchanging { response } => {
                ready!(response.as_mut().poll(cx)).map(ResponseBody::ours)
            }
        }))
    }
}

impl<F, ReqBody> fmt::Debug for EndpointsFuture<F, ReqBody> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointsFuture").finish_non_exhaustive()
    }
}
