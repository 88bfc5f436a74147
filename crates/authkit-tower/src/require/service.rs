//! A guard as a layer and a service.

use std::{
    cmp::Reverse,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{Judgement, Require};
use crate::{
    body::ResponseBody,
    denial::{Caller, Cause, Mistake, Scheme, answer},
    found::Found,
    service::give_back,
};

impl<S> Layer<S> for Require {
    type Service = RequireService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequireService { inner, require: self.clone() }
    }
}

/// Service that [`Require`] makes: judges the request's session, then calls the service inside.
#[derive(Clone, Debug)]
pub struct RequireService<S> {
    inner: S,
    require: Require,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for RequireService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = RequireFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let state = match self.require.check(&request) {
            Ok(()) => State::Calling { response: self.inner.call(request) },
            Err(denied) => {
                give_back(&mut self.inner);
                State::Denied { response: Some(denied) }
            }
        };
        RequireFuture { state }
    }
}

impl Require {
    /// Lets a request pass, or answers it.
    fn check<B>(&self, request: &Request<B>) -> Result<(), Box<Response<Bytes>>> {
        let caller = || Caller::of(request);
        let (judgement, slot) = match Found::by(request.extensions()) {
            Found::Session(session) => {
                (self.judge(session, Some(session), session.slot().now()), session.slot())
            }
            Found::Bearer(bearer) => (self.judge(bearer, None, bearer.slot().now()), bearer.slot()),
            Found::Nobody(absence) => return Err(absence.deny(caller())),
            Found::Nothing => {
                return Err(answer_without_layer(Mistake::GuardOutsideLayer, caller()));
            }
        };
        match judgement {
            Judgement::Pass => Ok(()),
            Judgement::SignInAgain(Reverse(max_age)) => {
                Err(slot.deny(&Cause::SignInAgain { max_age }, caller()))
            }
            Judgement::Forbidden => Err(slot.deny(&Cause::Forbidden, caller())),
        }
    }
}

/// Answers where there is no layer to ask.
pub(crate) fn answer_without_layer(mistake: Mistake, caller: Caller<'_>) -> Box<Response<Bytes>> {
    Box::new(answer(&Cause::Misconfigured(mistake), caller, None, Scheme::Cookie).1)
}

pin_project! {
    /// Response future of [`RequireService`].
    #[derive(Debug)]
    pub struct RequireFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    #[derive(Debug)]
    enum State<F> {
        Calling { #[pin] response: F },
        Denied { response: Option<Box<Response<Bytes>>> },
    }
}

impl<F, ResBody, E> Future for RequireFuture<F>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
{
    type Output = Result<Response<ResponseBody<ResBody>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(match self.project().state.project() {
            StateProj::Calling { response } => ready!(response.poll(cx))?.map(ResponseBody::inner),
            StateProj::Denied { response } => response
                .take()
                .expect("a future is not polled after it is done")
                .map(ResponseBody::ours),
        }))
    }
}
