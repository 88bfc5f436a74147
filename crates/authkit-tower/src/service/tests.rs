use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tokio::sync::Semaphore;
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::{Layer, ServiceBuilder, ServiceExt};
use tower_test::mock;

use super::*;
use crate::{
    AuthKitLayer, Endpoints, Require, Session,
    tests::{Empty, Workos, authkit, header, request, set_cookies},
};

/// Lets the refresh's task run.
async fn settle(response: &task::Spawn<impl Future>) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while !response.is_woken() {
        assert!(tokio::time::Instant::now() < deadline, "nobody woke the request");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A layer, and requests with a good and with an expired session.
async fn signed_in() -> (AuthKitLayer, Arc<Workos>, [Request<Empty>; 2]) {
    let (authkit, workos) = authkit();
    let old = workos.cookie(&authkit, json!({ "sid": "session_old" })).await;
    workos.clock().advance(Duration::from_secs(400));
    let good = workos.cookie(&authkit, json!({})).await;
    let requests = [&good, &old].map(|cookie| request("GET", "/", &[("cookie", cookie)]));
    (AuthKitLayer::new(&authkit), workos, requests)
}

#[tokio::test]
async fn the_readied_service_is_the_one_called() {
    let (layer, _, [good, _]) = signed_in().await;
    let (mut service, mut inner) = mock::spawn_layer::<Request<Empty>, Response<()>, _>(layer);
    inner.allow(0);
    assert_pending!(service.poll_ready(), "readiness is the inner service's");

    inner.allow(1);
    assert_ready_ok!(service.poll_ready());
    let mut response = task::spawn(service.call(good));
    assert_pending!(response.poll());

    let (request, reply) = inner.next_request().await.unwrap();
    assert_eq!(request.extensions().get::<Session>().unwrap().user_id(), "user_1");
    reply.send_response(Response::new(()));
    let response = assert_ready_ok!(response.poll());
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "cache-control"), "private, no-store");
    assert!(set_cookies(&response).is_empty(), "an untouched session is not written again");
}

#[tokio::test]
async fn a_waiting_request_is_sent_when_the_service_is_ready_again() {
    let (layer, workos, [_, expired]) = signed_in().await;
    let (mut service, mut inner) = mock::spawn_layer::<Request<Empty>, Response<()>, _>(layer);
    workos.hold();
    inner.allow(1);
    assert_ready_ok!(service.poll_ready());
    let mut response = task::spawn(service.call(expired));
    assert_pending!(response.poll(), "waits for WorkOS");

    inner.allow(0);
    workos.release();
    settle(&response).await;
    assert_pending!(response.poll(), "waits for the service, which is not ready any more");
    assert_pending!(inner.poll_request(), "nothing was sent to a service that is not ready");

    inner.allow(1);
    assert_pending!(response.poll(), "called");
    let (request, reply) = inner.next_request().await.unwrap();
    assert!(request.extensions().get::<Session>().is_some());
    reply.send_response(Response::new(()));
    let response = assert_ready_ok!(response.poll());
    let cookies = set_cookies(&response);
    assert_eq!(cookies.len(), 1, "{cookies:?}");
    assert!(cookies[0].starts_with("wos_session=") && cookies[0].len() > 100);
    assert_eq!(workos.calls().len(), 1);
}

#[tokio::test]
async fn the_services_own_error_passes_through() {
    let (layer, _, [good, expired]) = signed_in().await;
    let (mut service, mut inner) = mock::spawn_layer::<Request<Empty>, Response<()>, _>(layer);
    assert_ready_ok!(service.poll_ready());
    let mut response = task::spawn(service.call(good));
    assert_pending!(response.poll());
    inner.next_request().await.unwrap().1.send_error("inner");
    assert_eq!(response.await.unwrap_err().to_string(), "inner");

    assert_ready_ok!(service.poll_ready());
    let mut response = task::spawn(service.call(expired));
    assert_pending!(response.poll());
    inner.send_error("not ready");
    settle(&response).await;
    assert_eq!(response.await.unwrap_err().to_string(), "not ready", "of the second poll_ready");
}

/// A service with one permit for all its clones, like tower's `ConcurrencyLimit(1)`.
fn limited(layer: AuthKitLayer) -> (impl Fn() -> Limited, Arc<Semaphore>) {
    let permits = Arc::new(Semaphore::new(1));
    let shared = tower::limit::GlobalConcurrencyLimitLayer::with_semaphore(Arc::clone(&permits));
    let answer: Answer = |_| ready(Ok(Response::new(())));
    (
        move || ServiceBuilder::new().layer(layer.clone()).layer(shared.clone()).service_fn(answer),
        permits,
    )
}

type Answer = fn(Request<Empty>) -> Ready<Result<Response<()>, Infallible>>;
type Limited = AuthKitService<tower::limit::ConcurrencyLimit<tower::util::ServiceFn<Answer>>>;

#[tokio::test]
async fn a_waiting_request_stalls_no_other() {
    let (layer, workos, [good, expired]) = signed_in().await;
    let (service, permits) = limited(layer);
    workos.hold();
    let mut slow = service();
    let mut waiting = task::spawn(slow.ready().await.unwrap().call(expired));
    assert_pending!(waiting.poll());
    assert_eq!(permits.available_permits(), 1, "a waiting request holds no permit");

    let quick = service().oneshot(good).await.unwrap();
    assert_eq!(quick.status(), 200);

    // Nor does it take one from whoever has it, when its turn comes.
    let mut other = service();
    other.ready().await.unwrap();
    workos.release();
    settle(&waiting).await;
    assert_pending!(waiting.poll(), "the only permit is in use");
    drop(other);
    assert_eq!(waiting.await.unwrap().status(), 200);
    assert_eq!(permits.available_permits(), 1);
}

#[tokio::test]
async fn a_refused_request_gives_its_permit_back() {
    let (layer, _, _) = signed_in().await;
    let (service, permits) = limited(layer);
    let mut service = service();
    service.ready().await.unwrap();
    assert_eq!(permits.available_permits(), 0);
    let response = service.call(request("GET", "/", &[])).await.unwrap();
    assert_eq!((response.status().as_u16(), permits.available_permits()), (401, 1));
}

#[tokio::test]
async fn an_abandoned_wait_leaves_nothing_behind() {
    let (layer, workos, [good, expired]) = signed_in().await;
    let (service, permits) = limited(layer);
    workos.hold();
    let mut waiting = task::spawn(service().ready().await.unwrap().call(expired));
    assert_pending!(waiting.poll());
    drop(waiting);
    assert_eq!(permits.available_permits(), 1);
    assert_eq!(service().oneshot(good).await.unwrap().status(), 200);
}

/// Counts how often it is cloned.
struct Counted(Arc<AtomicUsize>);

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.0.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&self.0))
    }
}

impl Service<Request<Empty>> for Counted {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Empty>) -> Self::Future {
        ready(Ok(Response::new(())))
    }
}

#[tokio::test]
async fn a_good_session_costs_no_clone_and_no_large_future() {
    let (layer, _, [good, _]) = signed_in().await;
    let clones = Arc::new(AtomicUsize::new(0));
    let mut service = layer.layer(Counted(Arc::clone(&clones)));
    let response = service.ready().await.unwrap().call(good);
    assert!(size_of_val(&response) <= size_of::<Response<()>>() + 32, "{}", size_of_val(&response));
    assert_eq!(response.await.unwrap().status(), 200);
    assert_eq!(clones.load(Ordering::Relaxed), 0);
}

#[test]
fn everything_can_be_sent_between_threads() {
    fn check<T: Clone + Send + Sync + 'static>() {}
    fn check_future<T: Send + 'static>() {}
    check::<AuthKitLayer>();
    check::<AuthKitService<Counted>>();
    check::<Session>();
    check_future::<ResponseFuture<Counted, Empty>>();
}

#[test]
fn the_wrapped_service_is_reached_and_taken_out_again() {
    let (authkit, _) = authkit();
    let mut layered = AuthKitLayer::new(&authkit).layer(vec![1]);
    let mut guarded = Require::role("admin").layer(vec![2]);
    let mut merged = Endpoints::new(&authkit).layer(vec![3]);
    for inner in [layered.get_mut(), guarded.get_mut(), merged.get_mut()] {
        inner.push(9);
    }
    assert_eq!(
        [layered.get_ref(), guarded.get_ref(), merged.get_ref()],
        [&vec![1, 9], &vec![2, 9], &vec![3, 9]]
    );
    let taken = [layered.into_inner(), guarded.into_inner(), merged.into_inner()];
    assert_eq!(taken, [[1, 9], [2, 9], [3, 9]]);
}

/// A gRPC service as tonic generates them, as far as a server looks at it.
#[derive(Clone)]
struct Greeter;

impl tonic::server::NamedService for Greeter {
    const NAME: &'static str = "greet.Greeter";
}

impl Service<Request<tonic::body::Body>> for Greeter {
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        let mut response = Response::new(tonic::body::Body::empty());
        let name = request.extensions().get::<Session>().unwrap().user_id().parse().unwrap();
        response.headers_mut().insert("x-user", name);
        ready(Ok(response))
    }
}

#[tokio::test]
async fn tonic_takes_one_service_behind_the_layer() {
    use tonic::service::{LayerExt, Routes};

    let (layer, _, [good, expired]) = signed_in().await;
    let routes = Routes::new(layer.named_layer(Greeter)).prepare();
    let call = |request: Request<Empty>| {
        let mut request = request.map(|_| tonic::body::Body::empty());
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = "/greet.Greeter/Hello".parse().unwrap();
        request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
        routes.clone().oneshot(request)
    };

    let response = call(good).await.unwrap();
    assert_eq!(header(&response, "x-user"), "user_1");
    for refused in [expired, request("POST", "/", &[])] {
        let response = call(refused).await.unwrap();
        assert_eq!((response.status().as_u16(), header(&response, "grpc-status")), (200, "16"));
    }
}
