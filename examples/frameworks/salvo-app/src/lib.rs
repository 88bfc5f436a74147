//! AuthKit sessions on salvo, whose own adapters take tower's layers and services.

#![forbid(unsafe_code)]

use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, Require, Session};
use salvo::{
    http::{ReqBody, StatusError},
    prelude::{Request, Response, Router, Text, TowerLayerCompat, TowerServiceCompat, handler},
};

/// Makes the application: `/` is for everybody, the rest needs a session.
pub fn app(authkit: &AuthKit) -> Router {
    let admins_only = Require::role("admin").compat();
    let protected = Router::with_hoop(AuthKitLayer::new(authkit).compat())
        .push(Router::with_path("admin").hoop(admins_only).get(admin))
        .push(Router::with_path("dashboard").get(dashboard))
        .push(Router::with_path("echo").post(echo))
        .push(Router::with_path("teapot").get(teapot));
    let endpoints = Endpoints::new(authkit);
    let service = || TowerServiceCompat::<ReqBody, _, _, _>::compat(endpoints.clone());
    let mut sign_in = endpoints.paths().map(|path| Router::with_path(path).goal(service())).into();
    Router::new().get(home).push(protected).append(&mut sign_in)
}

#[handler]
async fn home() -> &'static str {
    "Welcome"
}

#[handler]
async fn dashboard(request: &mut Request) -> Text<String> {
    let session = request.extensions().get::<Session>().expect("the layer requires a session");
    Text::Plain(format!("Hello {}", session.user().display_name()))
}

#[handler]
async fn admin() -> &'static str {
    "The books"
}

#[handler]
async fn echo(request: &mut Request, response: &mut Response) -> Result<(), StatusError> {
    let body = request.payload_with_max_size(MOST).await;
    response.body(body.map_err(|_| StatusError::payload_too_large())?.clone());
    Ok(())
}

#[handler]
async fn teapot() -> StatusError {
    StatusError::im_a_teapot()
}

/// How many bytes a body may have.
const MOST: usize = 2 << 20;
