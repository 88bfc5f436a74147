//! Applies a fault to one HTTP request and its answer.

use std::{future, sync::Arc, time::Duration};

use axum::{Router, body::Body, response::IntoResponse};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header, request::Parts};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::time::sleep;
use tower_service::Service;

use crate::{
    api_error::ApiError,
    call::Call,
    clock::http_date,
    connections::Connection,
    endpoint::Endpoint,
    fault::{Fault, Kind},
    ids,
    reply::{Cut, ReplyBody},
    state::Shared,
    twist::Twist,
};

/// Runs between a connection and the routes, and applies the faults.
#[derive(Clone, Debug)]
pub(crate) struct Interference {
    shared: Arc<Shared>,
    router: Router,
    connection: Connection,
}

impl Interference {
    pub(crate) fn new(shared: Arc<Shared>, router: Router, connection: Connection) -> Self {
        Self { shared, router, connection }
    }

    /// Answers one request, breaks its connection, or never returns.
    pub(crate) async fn answer(
        self,
        request: Request<Incoming>,
    ) -> Result<Response<ReplyBody>, Cut> {
        let endpoint = Endpoint::of(request.method(), request.uri().path());
        let mut response = match endpoint {
            // Pages, style sheet and control requests never fail, so that a script can always clear a fault.
            None => self.work(request.map(Body::new), &Twist::None).await?.map(ReplyBody::whole),
            Some(endpoint) => {
                let response = self.call(endpoint, request).await?;
                if self.connection.is_silent() {
                    return future::pending().await;
                }
                response
            }
        };
        if let Some(date) = http_date(self.shared.lock().now()) {
            response.headers_mut().entry(header::DATE).or_insert(date);
        }
        Ok(response)
    }

    async fn call(
        &self,
        endpoint: Endpoint,
        request: Request<Incoming>,
    ) -> Result<Response<ReplyBody>, Cut> {
        let (head, body) = request.into_parts();
        let Ok(body) = Limited::new(body, BODY_LIMIT).collect().await else {
            self.count(endpoint, &head);
            let error = ApiError::invalid_request("The request body cannot be read.");
            return Ok(collected(error.into_response()).await?.map(ReplyBody::whole));
        };
        let body = body.to_bytes();
        let fault = self.fault(endpoint, &head, &body);
        let request = Request::from_parts(head, Body::from(body));
        let response = match fault {
            None => self.work(request, &Twist::None).await?.map(ReplyBody::whole),
            Some(Kind::Instead(instead)) => {
                let now = self.shared.lock().now();
                self.named(instead.respond(now)).map(ReplyBody::whole)
            }
            Some(Kind::LatencyBefore(wait)) => {
                sleep(wait).await;
                self.work(request, &Twist::None).await?.map(ReplyBody::whole)
            }
            Some(Kind::LatencyAfter(wait)) => {
                let response = self.work(request, &Twist::None).await?;
                sleep(wait).await;
                response.map(ReplyBody::whole)
            }
            Some(Kind::ResetBefore) => {
                self.connection.doom();
                return Err(Cut);
            }
            Some(Kind::ResetAfter) => {
                self.work(request, &Twist::None).await?;
                self.connection.doom();
                return Err(Cut);
            }
            Some(Kind::Swallow) => future::pending().await,
            Some(Kind::Truncated) => {
                self.work(request, &Twist::None).await?.map(|body| ReplyBody::truncated(&body))
            }
            Some(Kind::Slow { bytes, interval }) => self
                .work(request, &Twist::None)
                .await?
                .map(|body| ReplyBody::slow(&body, bytes, interval)),
            Some(Kind::Huge { padding }) => {
                let mut response = self.work(request, &Twist::None).await?;
                response.headers_mut().remove(header::CONTENT_LENGTH);
                response.map(|body| ReplyBody::padded(body, padding))
            }
            Some(Kind::Twisted(twist)) => self.work(request, &twist).await?.map(ReplyBody::whole),
        };
        Ok(response)
    }

    /// Counts a call whose body cannot be read.
    fn count(&self, endpoint: Endpoint, head: &Parts) {
        let mut state = self.shared.lock();
        let call = Call::read(endpoint, head, &Bytes::new(), &state);
        state.counts.count(call);
    }

    /// Counts a call and returns its fault, if any. A swallowed connection comes first, then the rate limit, then the
    /// faults of the test.
    fn fault(&self, endpoint: Endpoint, head: &Parts, body: &Bytes) -> Option<Kind> {
        let mut state = self.shared.lock();
        let call = Call::read(endpoint, head, body, &state);
        let state = &mut *state;
        state.counts.count(call.clone());
        if self.connection.swallows(&mut state.connections) {
            return Some(Kind::Swallow);
        }
        if let Err(wait) = state.limiter.take(endpoint, state.clock.now()) {
            state.counts.limited += 1;
            return Some(too_many(wait).kind);
        }
        state.faults.take(&call, &state.directory)
    }

    /// Runs the route and collects its answer.
    async fn work(
        &self,
        mut request: Request<Body>,
        twist: &Twist,
    ) -> Result<Response<Bytes>, Cut> {
        request.extensions_mut().insert(twist.clone());
        // A router is always ready.
        let response = collected(self.router.clone().call(request).await?).await?;
        Ok(self.named(response))
    }

    fn named(&self, mut response: Response<Bytes>) -> Response<Bytes> {
        let request_id = ids::object_id("req", self.shared.lock().now());
        if let Ok(value) = HeaderValue::try_from(request_id) {
            response.headers_mut().entry("x-request-id").or_insert(value);
        }
        response
    }
}

async fn collected(response: Response<Body>) -> Result<Response<Bytes>, Cut> {
    let (head, body) = response.into_parts();
    let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
    Ok(Response::from_parts(head, body))
}

/// Answer 53 with a `Retry-After`.
fn too_many(wait: Duration) -> Fault {
    Fault::answer(TOO_MANY_REQUESTS).retry_after(wait.max(Duration::from_secs(1)))
}

const TOO_MANY_REQUESTS: &str = "53";
const BODY_LIMIT: usize = 64 * 1024;
