//! What a fault does to one HTTP exchange.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::UNIX_EPOCH,
};

use axum::{Router, body::Body};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::sleep;
use tower_service::Service;

use crate::{
    endpoint::Endpoint,
    faults::{Instead, Kind},
    ids,
    reply::{Cut, ReplyBody},
    state::Shared,
    twist::Twist,
};

/// Stands between a connection and the routes.
#[derive(Clone, Debug)]
pub(crate) struct Interference {
    shared: Arc<Shared>,
    router: Router,
    fate: Fate,
}

impl Interference {
    pub(crate) fn new(shared: Arc<Shared>, router: Router, fate: Fate) -> Self {
        Self { shared, router, fate }
    }

    /// Answers one request, or breaks its connection.
    pub(crate) async fn answer(
        self,
        request: Request<Incoming>,
    ) -> Result<Response<ReplyBody>, Cut> {
        let mut response = self.interfere(request).await?;
        let now = self.shared.lock().now();
        // Nobody dates an answer before 1970.
        if now >= UNIX_EPOCH
            && let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(now))
        {
            response.headers_mut().entry(header::DATE).or_insert(date);
        }
        Ok(response)
    }

    async fn interfere(&self, request: Request<Incoming>) -> Result<Response<ReplyBody>, Cut> {
        let fault = Endpoint::of(request.method(), request.uri().path()).and_then(|endpoint| {
            let mut state = self.shared.lock();
            state.calls.count(endpoint);
            state.faults.take(endpoint)
        });
        let response = match fault {
            None => self.work(request, &Twist::None).await?.map(ReplyBody::whole),
            Some(Kind::Instead(instead)) => respond(instead).map(ReplyBody::whole),
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
                self.fate.doom();
                return Err(Cut);
            }
            Some(Kind::ResetAfter) => {
                self.work(request, &Twist::None).await?;
                self.fate.doom();
                return Err(Cut);
            }
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

    /// Runs the route and collects its answer.
    async fn work(
        &self,
        request: Request<Incoming>,
        twist: &Twist,
    ) -> Result<Response<Bytes>, Cut> {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(twist.clone());
        // A router is always ready.
        let (mut head, body) = self.router.clone().call(request).await?.into_parts();
        let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
        let request_id = ids::object_id("req", self.shared.lock().now());
        if let Ok(value) = HeaderValue::try_from(request_id) {
            head.headers.insert("x-request-id", value);
        }
        Ok(Response::from_parts(head, body))
    }
}

fn respond(instead: Instead) -> Response<Bytes> {
    let mut response = Response::new(instead.body);
    *response.status_mut() = instead.status;
    for (name, value) in instead.headers {
        response.headers_mut().append(name, value);
    }
    response
}

/// Whether a connection ends as TCP connections should, or with a reset.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fate(Arc<AtomicBool>);

impl Fate {
    pub(crate) fn doom(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_doomed(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
