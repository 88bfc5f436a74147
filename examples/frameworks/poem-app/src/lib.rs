//! AuthKit sessions on poem.

#![forbid(unsafe_code)]

use authkit_poem::{Auth, middleware};
use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, Require, Session};
use poem::{
    Body, Endpoint, EndpointExt, Error, IntoResponse, Route, get, handler, http::StatusCode, post,
};

/// Makes the application: `/` is for everybody, the rest needs a session.
pub fn app(authkit: &AuthKit) -> impl Endpoint<Output: IntoResponse> + use<> {
    let session = || middleware(AuthKitLayer::new(authkit));
    Route::new()
        .at("/", get(home))
        .at("/dashboard", get(dashboard).with(session()))
        .at("/admin", get(admin).with(middleware(Require::role("admin"))).with(session()))
        .at("/echo", post(echo).with(session()))
        .at("/teapot", get(teapot).with(session()))
        .with(middleware(Endpoints::new(authkit))) // /login, /callback, /logout
}

#[handler]
fn home() -> &'static str {
    "Welcome"
}

#[handler]
fn dashboard(Auth(session): Auth<Session>) -> String {
    format!("Hello {}", session.user().display_name())
}

#[handler]
fn admin() -> &'static str {
    "The books"
}

#[handler]
fn echo(_: Auth<Session>, body: Body) -> Body {
    body
}

#[handler]
fn teapot() -> Result<(), Error> {
    Err(Error::from_status(StatusCode::IM_A_TEAPOT))
}
