use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use crate::{body::ResponseBody, entry::Entry, future::ResponseFuture, gate::Gate};

/// Service that [`AuthKitLayer`](crate::AuthKitLayer) makes: checks a request, then calls the service inside.
///
/// The inner service's body and error types stay as they are; answers of our own have a [`ResponseBody`].
#[derive(Clone, Debug)]
pub struct AuthKitService<S> {
    inner: S,
    gate: Arc<Gate>,
}

impl<S> AuthKitService<S> {
    pub(crate) fn new(inner: S, gate: Arc<Gate>) -> Self {
        Self { inner, gate }
    }

    /// The service inside.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The service inside, to change it.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Takes the service out.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for AuthKitService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, ReqBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        match self.gate.enter(&mut request) {
            Entry::Settled(Ok(outgoing)) => {
                ResponseFuture::calling(self.inner.call(request), outgoing)
            }
            Entry::Wait(waiting) => {
                give_back(&mut self.inner);
                ResponseFuture::waiting(
                    waiting,
                    request,
                    self.inner.clone(),
                    Arc::clone(&self.gate),
                )
            }
            Entry::Settled(Err(response)) => {
                give_back(&mut self.inner);
                ResponseFuture::answered(response)
            }
        }
    }
}

/// Gives up the readiness of a service that will not be called: a permit, a buffer slot that others may be waiting for.
pub(crate) fn give_back<S: Clone>(service: &mut S) {
    let unready = service.clone();
    drop(mem::replace(service, unready));
}

#[cfg(test)]
mod tests;
