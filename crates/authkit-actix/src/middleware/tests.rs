use std::{cell::Cell, future::poll_fn, pin::pin, task::Waker};

use actix_web::{
    App, HttpResponse,
    body::{self, BodySize, BodyStream, to_bytes},
    dev::{Payload, fn_service},
    error::PayloadError,
    test::{TestRequest, call_service, init_service},
    web,
};
use authkit_tower::{Admitted, AuthKitLayer, Denial, Session, dev::TestKit};
use futures_core::Stream;

use super::*;
use crate::auth::Auth;

/// A stream that gives its next item when it is told to.
struct Steps {
    given: Rc<Cell<usize>>,
    all: Vec<Bytes>,
    next: usize,
}

impl Stream for Steps {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.next == self.all.len() {
            return Poll::Ready(None);
        }
        if self.next == self.given.get() {
            // The test gives more and asks again.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.next += 1;
        Poll::Ready(Some(Ok(self.all[self.next - 1].clone())))
    }
}

#[actix_web::test]
async fn a_body_is_passed_on_as_it_arrives() {
    let kit = TestKit::start().await;
    let app = App::new()
        .service(
            web::resource("/echo")
                .post(async |body: web::Payload| HttpResponse::Ok().body(BodyStream::new(body))),
        )
        .wrap(middleware(AuthKitLayer::new(kit.authkit())));
    let app = init_service(app).await;
    let given = Rc::new(Cell::new(0));
    let all = vec![Bytes::from("one"), Bytes::from("two")];
    let body: Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>> =
        Box::pin(Steps { given: Rc::clone(&given), all, next: 0 });
    let expired = kit.session("alice@acme.test").expired().header();
    let request = TestRequest::post()
        .uri("/echo")
        .insert_header(("cookie", expired.to_str().unwrap()))
        .to_request()
        .replace_payload(Payload::from(body))
        .0;

    let response = call_service(&app, request).await;
    assert_eq!(response.status(), 200);
    assert!(response.headers().contains_key("set-cookie"), "refreshed before the first byte");
    let mut body = pin!(response.into_body());
    for (number, expected) in [(1, "one"), (2, "two")] {
        given.set(number);
        let chunk = poll_fn(|cx| body.as_mut().poll_next(cx)).await;
        assert_eq!(chunk.unwrap().unwrap(), expected);
    }
}

#[actix_web::test]
async fn a_response_keeps_its_size() {
    let kit = TestKit::start().await;
    let app = App::new()
        .route("/none", web::get().to(async || HttpResponse::Ok().message_body(body::None::new())))
        .route("/sized", web::get().to(async || "12345"))
        .wrap(middleware(AuthKitLayer::new(kit.authkit())));
    let app = init_service(app).await;
    let alice = kit.session("alice@acme.test").header();
    for (path, size) in [("/none", BodySize::None), ("/sized", BodySize::Sized(5))] {
        let request = TestRequest::get().uri(path);
        let request = request.insert_header(("cookie", alice.to_str().unwrap())).to_request();
        let response = call_service(&app, request).await;
        assert_eq!(response.response().body().size(), size, "{path}");
    }
    let denied = call_service(&app, TestRequest::get().uri("/sized").to_request()).await;
    let size = denied.response().body().size();
    let length = to_bytes(denied.into_body()).await.ok().map(|body| body.len() as u64);
    assert_eq!(Some(size), length.map(BodySize::Sized));
    // The answer to a HEAD states the size of the body that it leaves out.
    let head = TestRequest::default().method(actix_web::http::Method::HEAD).uri("/sized");
    let denied = call_service(&app, head.to_request()).await;
    assert_eq!(denied.response().body().size(), size);
    assert_eq!(to_bytes(denied.into_body()).await.ok(), Some(Bytes::new()));
}

#[actix_web::test]
async fn the_extensions_of_the_response_say_what_was_decided() {
    let kit = TestKit::start().await;
    let app = App::new()
        .route("/me", web::get().to(async |_: Auth<Session>| "me"))
        .wrap(middleware(AuthKitLayer::new(kit.authkit())));
    let app = init_service(app).await;
    let alice = kit.session("alice@acme.test").header();
    for is_alice in [true, false] {
        let mut request = TestRequest::get().uri("/me");
        if is_alice {
            request = request.insert_header(("cookie", alice.to_str().unwrap()));
        }
        let response = call_service(&app, request.to_request()).await;
        let extensions = response.response().extensions();
        let extensions: &http::Extensions = extensions.get().unwrap();
        assert_eq!(extensions.get::<Admitted>().is_some(), is_alice);
        assert_eq!(extensions.get::<Denial>().is_some(), !is_alice);
    }
}

/// A handler that is ready once, and that is asked before each call.
struct Permit {
    is_ready: Cell<bool>,
}

impl Service<ServiceRequest> for Permit {
    type Response = ServiceResponse;
    type Error = Error;
    type Future = Ready<Result<ServiceResponse, Error>>;

    fn poll_ready(&self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.is_ready.get() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        assert!(self.is_ready.replace(false), "called without being ready");
        ready(Ok(request.into_response(HttpResponse::Ok())))
    }
}

#[actix_web::test]
async fn the_handler_is_called_when_it_is_ready() {
    let kit = TestKit::start().await;
    let handler = Permit { is_ready: Cell::new(false) };
    let layer = middleware(AuthKitLayer::new(kit.authkit()));
    let service = layer.new_transform(handler).await.unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_pending(), "as ready as the handler");

    service.handler.is_ready.set(true);
    assert!(service.poll_ready(&mut cx).is_ready());
    let alice = kit.session("alice@acme.test").header();
    let request = TestRequest::get().insert_header(("cookie", alice.to_str().unwrap()));
    let response = service.call(request.to_srv_request()).await.unwrap();
    assert_eq!(response.status(), 200);

    // A refresh takes its time: the handler is asked again after it.
    service.handler.is_ready.set(true);
    let expired = kit.session("alice@acme.test").expired().header();
    let request = TestRequest::get().insert_header(("cookie", expired.to_str().unwrap()));
    let response = service.call(request.to_srv_request()).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(!service.handler.is_ready.get());
}

#[actix_web::test]
async fn an_error_of_a_middleware_inside_stays_an_error() {
    let kit = TestKit::start().await;
    let failing = fn_service(async |_: ServiceRequest| -> Result<ServiceResponse, Error> {
        Err(actix_web::error::ErrorImATeapot("no coffee"))
    });
    let layer = middleware(AuthKitLayer::optional(kit.authkit()));
    let failing = actix_web::dev::ServiceFactory::new_service(&failing, ()).await.unwrap();
    let service = layer.new_transform(failing).await.unwrap();
    let error = service.call(TestRequest::get().to_srv_request()).await.err().unwrap();
    assert_eq!(error.as_response_error().status_code(), 418);
}
