//! AuthKit sessions on AWS Lambda: an axum application that `lambda_http` runs.

#![forbid(unsafe_code)]

use std::time::Duration;

use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, Require, Session};
use axum::{
    Router,
    body::Bytes,
    extract::Request,
    http::StatusCode,
    middleware::{self, Next},
    routing::{get, post},
};

/// Makes the application: `/` is for everybody, the rest needs a session.
pub fn app(authkit: &AuthKit) -> Router {
    let protected = Router::new()
        .route("/dashboard", get(dashboard))
        .route("/admin", get("The books").route_layer(Require::role("admin")))
        .route("/echo", post(async |body: Bytes| body))
        .route("/teapot", get(StatusCode::IM_A_TEAPOT))
        .route_layer(AuthKitLayer::new(authkit));
    let app = Router::new().route("/", get("Welcome")).merge(protected);
    drained(authkit, app.merge(Endpoints::new(authkit)))
}

/// Lets a response go when the refreshes and revocations that its request began have ended: Lambda freezes the process as
/// soon as it has the response, and may never thaw it.
fn drained(authkit: &AuthKit, app: Router) -> Router {
    let authkit = authkit.clone();
    app.layer(middleware::from_fn(move |request: Request, next: Next| {
        let authkit = authkit.clone();
        async move {
            let response = next.run(request).await;
            authkit.drain(PATIENCE).await;
            response
        }
    }))
}

/// How long a response waits, at most. Shorter than the function's own timeout.
const PATIENCE: Duration = Duration::from_secs(2);

async fn dashboard(session: Session) -> String {
    format!("Hello {}", session.user().display_name())
}

#[cfg(doctest)]
#[doc = include_str!("../../../../docs/guides/aws-lambda.md")]
struct Guide;
