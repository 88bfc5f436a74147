//! Layer and service of a guard.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::Require;
use crate::{
    body::{ResponseBody, without_body_to_head},
    denial::{Caller, Denied},
    readiness::give_back,
    unread_body::UnreadBody,
};

impl<S> Layer<S> for Require {
    type Service = RequireService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequireService { inner, require: self.clone() }
    }
}

/// Service that [`Require`] makes: judges the request's session, then calls the inner service.
#[derive(Clone, Debug)]
pub struct RequireService<S> {
    inner: S,
    require: Require,
}

impl<S> RequireService<S> {
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

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for RequireService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    ReqBody: Body,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = RequireFuture<S::Future, ReqBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let state = match self.require.admit(|| Caller::of(&request), request.extensions()) {
            Ok(()) => RequireState::Calling { response: self.inner.call(request) },
            Err(rejection) => {
                give_back(&mut self.inner);
                let mut denied = rejection.into_denied();
                without_body_to_head(request.method(), &mut denied);
                RequireState::Denied { response: Some(denied), unread: UnreadBody::of(request) }
            }
        };
        RequireFuture { state }
    }
}

pin_project! {
    /// Response future of [`RequireService`].
    pub struct RequireFuture<F, ReqBody> {
        #[pin]
        state: RequireState<F, ReqBody>,
    }
}

pin_project! {
    #[project = RequireStateProj]
    enum RequireState<F, ReqBody> {
        Calling { #[pin] response: F },
        Denied { response: Option<Denied>, unread: UnreadBody<ReqBody> },
    }
}

impl<F, ReqBody, ResBody, E> Future for RequireFuture<F, ReqBody>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
    ReqBody: Body,
{
    type Output = Result<Response<ResponseBody<ResBody>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(match self.project().state.project() {
            RequireStateProj::Calling { response } => {
                ready!(response.poll(cx))?.map(ResponseBody::inner)
            }
            RequireStateProj::Denied { response, unread } => {
                ready!(unread.poll_read(cx));
                response
                    .take()
                    .expect("a future is not polled after it is done")
                    .map(ResponseBody::ours)
            }
        }))
    }
}

impl<F, ReqBody> fmt::Debug for RequireFuture<F, ReqBody> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireFuture").finish_non_exhaustive()
    }
}
