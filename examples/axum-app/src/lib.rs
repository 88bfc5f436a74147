//! A small axum application with AuthKit sessions: public pages, pages that need a session, pages that need a role, and
//! connections that outlive one request (event streams, WebSockets).
//!
//! [`app`] is the whole application; the program around it only chooses WorkOS or an emulator, and the port.

#![forbid(unsafe_code)]

mod admin;
mod api;
mod dashboard;
mod home;
mod layout;
mod live;
mod organizations;
mod refreshes;
mod when;

use std::time::{Duration, SystemTime};

use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, Require};
use axum::{
    Router,
    http::{
        HeaderValue,
        header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS},
    },
    middleware,
    response::Response,
    routing::{any, get, post},
};

pub use crate::{
    organizations::{Organization, Organizations},
    refreshes::Refreshes,
};

/// Makes the application, which knows only what is in sessions.
pub fn app(authkit: &AuthKit) -> Router {
    app_with(authkit, Organizations::default(), Refreshes::default())
}

/// Makes the application, which also knows the organizations of users and the refreshes that the hook has seen.
pub fn app_with(authkit: &AuthKit, organizations: Organizations, refreshes: Refreshes) -> Router {
    let public = Router::new()
        .route("/", get(home::show))
        .fallback(layout::not_found)
        .layer(AuthKitLayer::optional(authkit));

    let recently = Require::recent_sign_in(Duration::from_secs(5 * 60));
    let protected = Router::new()
        .route("/dashboard", get(dashboard::show).post(dashboard::receive))
        .route("/fragment", get(dashboard::fragment))
        .route("/admin", get(admin::show).route_layer(Require::role("admin")))
        .route(
            "/admin/keys",
            get(admin::keys)
                .route_layer(Require::role("admin").and(Require::not_impersonated()).and(recently)),
        )
        .route("/organization", post(organizations::switch))
        .route("/refresh", post(dashboard::refresh))
        .route("/events", get(live::events))
        .route("/ws", any(live::socket))
        .route("/api/me", get(api::me))
        .route("/api/echo", post(api::echo))
        .route_layer(AuthKitLayer::new(authkit));

    Router::new()
        .merge(public)
        .merge(protected)
        .merge(Endpoints::new(authkit))
        .merge(layout::assets())
        .route("/healthz", get(async || "ok"))
        .layer(middleware::map_response(harden))
        .with_state(App { authkit: authkit.clone(), organizations, refreshes })
}

/// The state that handlers share.
#[derive(Clone, Debug)]
struct App {
    authkit: AuthKit,
    organizations: Organizations,
    refreshes: Refreshes,
}

impl App {
    /// The time of the clock that verifies sessions.
    fn now(&self) -> SystemTime {
        self.authkit.settings().clock().wall()
    }
}

/// Adds the headers of every page, unless the page has its own.
async fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
    headers.entry(X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    headers.entry(REFERRER_POLICY).or_insert(HeaderValue::from_static("same-origin"));
    response
}

/// The content security policy. It has no `form-action`, since browsers apply it to redirects after a form too, and a
/// sign-out redirects to WorkOS. Pictures of users can come from any host.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                      img-src 'self' https:; base-uri 'none'; frame-ancestors 'none'";
