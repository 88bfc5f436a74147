use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::{
    body::ResponseBody,
    entry::{self, EntryDecision},
    future::ResponseFuture,
    readiness::give_back,
    settings::LayerSettings,
};

/// Service that [`AuthKitLayer`](crate::AuthKitLayer) makes: authenticates a request, then calls the inner service.
///
/// The inner service's body and error types stay as they are. Denials are sent in a [`ResponseBody`].
#[derive(Clone, Debug)]
pub struct AuthKitService<S> {
    inner: S,
    settings: Arc<LayerSettings>,
}

impl<S> AuthKitService<S> {
    pub(crate) fn new(inner: S, settings: Arc<LayerSettings>) -> Self {
        Self { inner, settings }
    }

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

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for AuthKitService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    ReqBody: Body,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, ReqBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        match entry::enter(&self.settings, &mut request) {
            EntryDecision::Ready(Ok(outgoing)) => {
                ResponseFuture::calling(self.inner.call(request), outgoing)
            }
            EntryDecision::Wait(pending) => {
                give_back(&mut self.inner);
                ResponseFuture::waiting(
                    pending,
                    request,
                    self.inner.clone(),
                    Arc::clone(&self.settings),
                )
            }
            EntryDecision::Ready(Err(denial)) => {
                give_back(&mut self.inner);
                ResponseFuture::denied(denial, request)
            }
        }
    }
}

#[cfg(test)]
mod tests;
