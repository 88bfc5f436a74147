//! utoipa-axum: its router takes layers as axum's does, and documents the routes behind them.

#![forbid(unsafe_code)]

use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, Require, Session};
use axum::{Router, body::Bytes, http::StatusCode, routing::get};
use suite::Site;
use utoipa_axum::{router::OpenApiRouter, routes};

async fn site() -> Site {
    Site::axum(app).await
}

suite::behaviour!(crate::site);

fn app(authkit: &AuthKit) -> Router {
    let admin = OpenApiRouter::new().routes(routes!(admin)).route_layer(Require::role("admin"));
    let (protected, api) = OpenApiRouter::new()
        .routes(routes!(dashboard))
        .routes(routes!(echo))
        .routes(routes!(teapot))
        .merge(admin)
        .route_layer(AuthKitLayer::new(authkit))
        .split_for_parts();
    assert_eq!(api.paths.paths.len(), 4, "what is protected is documented");
    Router::new().route("/", get("Welcome")).merge(protected).merge(Endpoints::new(authkit))
}

#[utoipa::path(get, path = "/dashboard", responses((status = OK, body = str)))]
async fn dashboard(session: Session) -> String {
    format!("Hello {}", session.user().display_name())
}

#[utoipa::path(get, path = "/admin", responses((status = OK, body = str)))]
async fn admin() -> &'static str {
    "The books"
}

#[utoipa::path(post, path = "/echo", responses((status = OK)))]
async fn echo(body: Bytes) -> Bytes {
    body
}

#[utoipa::path(get, path = "/teapot", responses((status = IM_A_TEAPOT)))]
async fn teapot() -> StatusCode {
    StatusCode::IM_A_TEAPOT
}
