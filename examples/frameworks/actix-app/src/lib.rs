//! AuthKit sessions on actix-web.

#![forbid(unsafe_code)]

use actix_web::{
    App, Error, HttpResponse,
    body::MessageBody,
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    error::ErrorImATeapot,
    web,
};
use authkit_actix::{Auth, middleware};
use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, Require, Session};

/// Makes the application of one worker: `/` is for everybody, the rest needs a session.
pub fn app(
    authkit: &AuthKit,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody + use<>>,
        Error = Error,
        InitError = (),
    > + use<>,
> {
    let admin = web::resource("/admin").get(admin).wrap(middleware(Require::role("admin")));
    let protected = web::scope("")
        .route("/dashboard", web::get().to(dashboard))
        .route("/echo", web::post().to(echo))
        .route("/teapot", web::get().to(teapot))
        .service(admin)
        .wrap(middleware(AuthKitLayer::new(authkit)));
    App::new()
        .route("/", web::get().to(home))
        .service(protected)
        .wrap(middleware(Endpoints::new(authkit))) // /login, /callback, /logout
}

async fn home() -> &'static str {
    "Welcome"
}

async fn dashboard(Auth(session): Auth<Session>) -> String {
    format!("Hello {}", session.user().display_name())
}

async fn admin() -> &'static str {
    "The books"
}

async fn echo(_: Auth<Session>, body: web::Payload) -> HttpResponse {
    HttpResponse::Ok().streaming(body)
}

async fn teapot() -> Result<HttpResponse, Error> {
    Err(ErrorImATeapot("no coffee"))
}
