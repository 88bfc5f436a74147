use std::time::Instant;

use authkit_emulator::Grant;
use axum::{Router, body::Body, routing::get};
use http::{Response, StatusCode, header::SET_COOKIE};
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::*;
use crate::{AuthKitLayer, Endpoints, Require, Session};

fn app(kit: &TestKit) -> Router {
    let who = get(async |session: Session| {
        format!("{} {:?}", session.user().display_name(), session.role())
    });
    let admin = get("").route_layer(Require::role("admin"));
    let audit = get("").route_layer(Require::permission("audit:read"));
    Router::new()
        .route("/who", who)
        .route("/admin", admin)
        .route("/audit", audit)
        .route_layer(AuthKitLayer::new(kit.authkit()))
        .merge(Endpoints::new(kit.authkit()))
}

async fn send(app: &Router, request: Request<String>) -> Response<Body> {
    app.clone().oneshot(request).await.unwrap_or_else(|never| match never {})
}

async fn text(response: Response<Body>) -> String {
    let body = response.into_body().collect().await.expect("it is whole").to_bytes();
    String::from_utf8_lossy(&body).into_owned()
}

#[tokio::test]
async fn f12_advance_moves_the_service_too() {
    let kit = TestKit::start().await;
    let app = app(&kit);
    let session = kit.session("alice@acme.test");
    let fresh = send(&app, session.browser_request("/who")).await;
    assert_eq!(fresh.status(), StatusCode::OK);
    assert_eq!(kit.emulator().exchanges(), 0, "a token that is good is not refreshed");
    assert!(!fresh.headers().contains_key(SET_COOKIE));

    kit.advance(Duration::from_secs(301));

    let refreshed = send(&app, session.browser_request("/who")).await;
    assert_eq!(refreshed.status(), StatusCode::OK);
    assert_eq!(kit.emulator().exchanges(), 1, "the token expired for the service as well");
    assert!(refreshed.headers().contains_key(SET_COOKIE));
}

#[tokio::test]
async fn f12_advancing_the_emulator_alone_is_the_same() {
    let kit = TestKit::start().await;
    let app = app(&kit);
    let session = kit.session("alice@acme.test");
    kit.emulator().advance(Duration::from_secs(301));
    assert_eq!(send(&app, session.browser_request("/who")).await.status(), StatusCode::OK);
    assert_eq!(kit.emulator().exchanges(), 1);
}

#[tokio::test]
async fn f12_an_expired_session_is_refreshed() {
    let kit = TestKit::start().await;
    let session = kit.session("bob@acme.test").expired();
    let response = send(&app(&kit), session.browser_request("/who")).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(kit.emulator().calls(Grant::RefreshToken), 1);
}

#[tokio::test]
async fn a_session_that_workos_revokes_is_over_once_its_token_is() {
    let kit = TestKit::start().await;
    let app = app(&kit);
    let session = kit.session("alice@acme.test");
    assert!(kit.emulator().revoke(session.session_id()), "WorkOS knows it by that id");
    assert_eq!(send(&app, session.browser_request("/who")).await.status(), StatusCode::OK);
    kit.advance(Duration::from_secs(310));
    assert_eq!(send(&app, session.browser_request("/who")).await.status(), StatusCode::FOUND);
}

#[tokio::test]
async fn a_role_counts_at_once_and_after_a_refresh() {
    let kit = TestKit::start().await;
    let app = app(&kit);
    for email in ["in@initech.test", "out@initech.test"] {
        kit.add_user(email);
    }
    let cases = [
        ("member", kit.session("bob@acme.test"), StatusCode::FORBIDDEN),
        ("promoted", kit.session("bob@acme.test").role("admin"), StatusCode::OK),
        ("no organization", kit.session("out@initech.test"), StatusCode::FORBIDDEN),
        ("a role without one", kit.session("out@initech.test").role("admin"), StatusCode::OK),
        ("joined", kit.session("in@initech.test").organization("Globex"), StatusCode::FORBIDDEN),
        (
            "joined as",
            kit.session("in@initech.test").organization("Globex").role("admin"),
            StatusCode::OK,
        ),
    ];
    for (name, session, expected) in &cases {
        let response = send(&app, session.browser_request("/admin")).await;
        assert_eq!(response.status(), *expected, "{name}");
    }
    assert_eq!(kit.emulator().exchanges(), 0);

    // A role is the user's, so a refresh gives it to every session of the user.
    kit.advance(Duration::from_secs(301));
    for (name, session, _) in &cases {
        let response = send(&app, session.browser_request("/who")).await;
        let text = text(response).await;
        assert!(text.contains(r#"Some("admin")"#), "{name}: {text}");
    }
    assert_eq!(kit.emulator().exchanges(), 6);
}

#[tokio::test]
async fn a_claim_counts_at_once_and_after_a_refresh() {
    let kit = TestKit::start().await;
    let app = app(&kit);
    let plain = kit.session("bob@acme.test");
    assert_eq!(send(&app, plain.browser_request("/audit")).await.status(), StatusCode::FORBIDDEN);
    let auditor = kit.session("bob@acme.test").claim("permissions", vec!["audit:read"]);
    for exchanges in [0, 1] {
        let response = send(&app, auditor.browser_request("/audit")).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(kit.emulator().exchanges(), exchanges);
        kit.advance(Duration::from_secs(301));
    }
}

#[tokio::test]
async fn a_browser_without_a_session_is_sent_to_sign_in() {
    let kit = TestKit::start().await;
    let response = send(&app(&kit), kit.browser_request("/who")).await;
    assert_eq!(response.status(), StatusCode::FOUND);
    assert_eq!(response.headers()["location"], "/login?return_to=%2Fwho");
}

#[tokio::test]
async fn settings_of_the_service_hold_and_its_clock_is_the_kits() {
    let config = |config: Config| config.with_cookie_name("own").with_clock(Clock::system());
    let kit = TestKit::start_with(|emulator| emulator, config).await;
    let app = app(&kit);
    let session = kit.session("alice@acme.test");
    assert!(session.header().to_str().unwrap().starts_with("own="));
    kit.advance(Duration::from_secs(301));
    assert_eq!(send(&app, session.browser_request("/who")).await.status(), StatusCode::OK);
    assert_eq!(kit.emulator().exchanges(), 1);
}

/// The fastest of several, so that a busy machine does not fail it.
#[tokio::test]
async fn from_the_second_one_on_a_kit_starts_within_20_ms() {
    let _first = TestKit::start().await;
    let mut fastest = Duration::MAX;
    for _ in 0..20 {
        let began = Instant::now();
        let _kit = TestKit::start().await;
        fastest = fastest.min(began.elapsed());
    }
    assert!(fastest < Duration::from_millis(20), "{fastest:?}");
}

#[tokio::test]
async fn no_debug_text_has_a_secret() {
    let kit = TestKit::start().await;
    let session = kit.session("alice@acme.test");
    let text = format!("{kit:?} {session:?} {:?}", session.browser_request("/who"));
    for secret in [session.access_token(), PASSWORD, kit.emulator().api_key()] {
        assert!(!text.contains(secret), "{text}");
    }
    let cookie = session.header();
    assert!(!text.contains(cookie.to_str().unwrap().split_once('=').unwrap().1), "{text}");
}
