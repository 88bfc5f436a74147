use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    body::{ResponseBody, without_body_to_head},
    denial::Denied,
    entry::{self, PendingAuthentication},
    request_state::Outgoing,
    settings::LayerSettings,
    unread_body::UnreadBody,
};

pin_project! {
    /// Response future of [`AuthKitService`](crate::AuthKitService).
    pub struct ResponseFuture<S, ReqBody>
    where
        S: Service<Request<ReqBody>>,
    {
        #[pin]
        state: ResponseState<S, S::Future, ReqBody>,
    }
}

pin_project! {
    #[project = ResponseStateProj]
    enum ResponseState<S, F, ReqBody> {
        // Boxed as a whole, so that the future of a request that is admitted at once stays small.
        Waiting { waiting: Box<WaitingRequest<S, ReqBody>> },
        Calling { #[pin] response: F, outgoing: Outgoing },
        Denied { response: Option<Denied>, unread: UnreadBody<ReqBody> },
    }
}

type StateOf<S, ReqBody> = ResponseState<S, <S as Service<Request<ReqBody>>>::Future, ReqBody>;

/// A request that waits for WorkOS, and then for the inner service to become ready.
///
/// `inner` is a clone that is not ready: no other request queues behind a call to WorkOS.
struct WaitingRequest<S, ReqBody> {
    /// `None` once the request is authenticated.
    pending: Option<PendingAuthentication>,
    outgoing: Outgoing,
    request: Option<Request<ReqBody>>,
    inner: S,
    settings: Arc<LayerSettings>,
}

impl<S, ReqBody> ResponseFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    pub(crate) fn calling(response: S::Future, outgoing: Outgoing) -> Self {
        Self { state: ResponseState::Calling { response, outgoing } }
    }

    pub(crate) fn waiting(
        pending: PendingAuthentication,
        request: Request<ReqBody>,
        inner: S,
        settings: Arc<LayerSettings>,
    ) -> Self {
        let waiting = WaitingRequest {
            pending: Some(pending),
            outgoing: Outgoing::none(),
            request: Some(request),
            inner,
            settings,
        };
        Self { state: ResponseState::Waiting { waiting: Box::new(waiting) } }
    }

    pub(crate) fn denied(response: Denied, request: Request<ReqBody>) -> Self
    where
        ReqBody: Body,
    {
        Self { state: ResponseState::denied(response, request) }
    }
}

impl<S, ReqBody, ResBody> Future for ResponseFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ReqBody: Body,
{
    type Output = Result<Response<ResponseBody<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                ResponseStateProj::Waiting { waiting } => ready!(waiting.poll(cx))?,
                ResponseStateProj::Calling { response, outgoing } => {
                    let mut response = ready!(response.poll(cx))?;
                    outgoing.write_head(&mut response);
                    return Poll::Ready(Ok(response.map(ResponseBody::inner)));
                }
                ResponseStateProj::Denied { response, unread } => {
                    ready!(unread.poll_read(cx));
                    let response =
                        response.take().expect("a future is not polled after it is done");
                    return Poll::Ready(Ok(response.map(ResponseBody::ours)));
                }
            };
            state.set(next);
        }
    }
}

impl<S, F, ReqBody> ResponseState<S, F, ReqBody> {
    fn denied(mut response: Denied, request: Request<ReqBody>) -> Self
    where
        ReqBody: Body,
    {
        without_body_to_head(request.method(), &mut response);
        Self::Denied { response: Some(response), unread: UnreadBody::of(request) }
    }
}

impl<S, ReqBody> WaitingRequest<S, ReqBody>
where
    S: Service<Request<ReqBody>>,
    ReqBody: Body,
{
    /// Polls what the request waits for; returns the next state of the future.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<StateOf<S, ReqBody>, S::Error>> {
        let taken_once = "the request is taken once: this state ends here";
        if let (Some(pending), Some(request)) = (&mut self.pending, &mut self.request) {
            let outcome = ready!(Pin::new(pending).poll(cx));
            self.pending = None;
            match entry::conclude(&self.settings, outcome, request) {
                Ok(outgoing) => self.outgoing = outgoing,
                Err(denied) => {
                    let request = self.request.take().expect(taken_once);
                    return Poll::Ready(Ok(ResponseState::denied(denied, request)));
                }
            }
        }
        ready!(self.inner.poll_ready(cx))?;
        let request = self.request.take().expect(taken_once);
        let response = self.inner.call(request);
        let outgoing = mem::replace(&mut self.outgoing, Outgoing::none());
        Poll::Ready(Ok(ResponseState::Calling { response, outgoing }))
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
