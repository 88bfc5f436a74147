use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{bearer::Waiting, body::ResponseBody, entry::Outgoing, gate::Gate};

pin_project! {
    /// Response future of [`AuthKitService`](crate::AuthKitService).
    pub struct ResponseFuture<S, ReqBody>
    where
        S: Service<Request<ReqBody>>,
    {
        #[pin]
        state: State<S, S::Future, ReqBody>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, F, ReqBody> {
        // Boxed as a whole, so that a request that is admitted at once has a small future.
        Cold { cold: Box<Cold<S, ReqBody>> },
        Calling { #[pin] response: F, outgoing: Outgoing },
        Answered { response: Option<Box<Response<Bytes>>> },
    }
}

type Next<S, ReqBody> = State<S, <S as Service<Request<ReqBody>>>::Future, ReqBody>;

/// A request that waits: for WorkOS, with a service that is not ready so that nobody queues behind it, then for that.
struct Cold<S, ReqBody> {
    waiting: Option<Waiting>,
    outgoing: Outgoing,
    request: Option<Request<ReqBody>>,
    inner: S,
    gate: Arc<Gate>,
}

impl<S, ReqBody> ResponseFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    pub(crate) fn calling(response: S::Future, outgoing: Outgoing) -> Self {
        Self { state: State::Calling { response, outgoing } }
    }

    pub(crate) fn waiting(
        waiting: Waiting,
        request: Request<ReqBody>,
        inner: S,
        gate: Arc<Gate>,
    ) -> Self {
        let cold = Cold {
            waiting: Some(waiting),
            outgoing: Outgoing::default(),
            request: Some(request),
            inner,
            gate,
        };
        Self { state: State::Cold { cold: Box::new(cold) } }
    }

    pub(crate) fn answered(response: Box<Response<Bytes>>) -> Self {
        Self { state: State::Answered { response: Some(response) } }
    }
}

impl<S, ReqBody, ResBody> Future for ResponseFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Output = Result<Response<ResponseBody<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProj::Cold { cold } => ready!(cold.poll(cx))?,
                StateProj::Calling { response, outgoing } => {
                    let mut response = ready!(response.poll(cx))?;
                    outgoing.write_head(response.headers_mut());
                    return Poll::Ready(Ok(response.map(ResponseBody::inner)));
                }
                StateProj::Answered { response } => {
                    let response =
                        response.take().expect("a future is not polled after it is done");
                    return Poll::Ready(Ok(response.map(ResponseBody::ours)));
                }
            };
            state.set(next);
        }
    }
}

impl<S, ReqBody> Cold<S, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    /// Waits, and says how it goes on.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Next<S, ReqBody>, S::Error>> {
        if let (Some(waiting), Some(request)) = (&mut self.waiting, &mut self.request) {
            let outcome = ready!(Pin::new(waiting).poll(cx));
            self.waiting = None;
            match self.gate.settle(outcome, request) {
                Ok(outgoing) => self.outgoing = outgoing,
                Err(response) => {
                    return Poll::Ready(Ok(State::Answered { response: Some(response) }));
                }
            }
        }
        ready!(self.inner.poll_ready(cx))?;
        let request = self.request.take().expect("a request is sent once: the state ends here");
        let response = self.inner.call(request);
        Poll::Ready(Ok(State::Calling { response, outgoing: mem::take(&mut self.outgoing) }))
    }
}

impl<S, ReqBody> fmt::Debug for ResponseFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
