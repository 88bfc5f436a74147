//! A handler switches its session to another organization. The browser's other tabs and later refreshes use the new one.

use std::time::Duration;

use authkit_emulator::{Endpoint, Rotation};
use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, Session, Switched};
use axum::{
    Router,
    extract::Path,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{Method, StatusCode};
use support::{Browser, Harness, Running};

const ACME: &str = "org_01ACME0000000000000000000";
const GLOBEX: &str = "org_01GLOBEX00000000000000000";

fn app(authkit: &AuthKit) -> Router {
    Router::new()
        .route(
            "/here",
            get(async |session: Session| session.organization_id().unwrap_or("nowhere").to_owned()),
        )
        .route("/to/{id}", post(switch))
        .route("/refresh", post(refresh))
        .route("/leave", post(async |session: Session| session.sign_out().unwrap()))
        .route_layer(AuthKitLayer::new(authkit))
        .route("/", get(async || "home"))
        .merge(Endpoints::new(authkit))
}

async fn switch(session: Session, Path(id): Path<String>) -> Response {
    match session.switch_organization(&id).await {
        Ok(Switched::Session(session)) => {
            session.organization_id().unwrap().to_owned().into_response()
        }
        Ok(Switched::SignIn(redirect)) => redirect.with_return_to("/here").into_response(),
        Err(error) => (StatusCode::CONFLICT, format!("{:?}", error.kind())).into_response(),
    }
}

async fn refresh(session: Session) -> Response {
    match session.refresh().await {
        Ok(session) => session.role().unwrap_or("none").to_owned().into_response(),
        Err(error) => (StatusCode::CONFLICT, format!("{:?}", error.kind())).into_response(),
    }
}

async fn running() -> Running {
    let harness = Harness::start().await;
    harness.emulator.set_rotation(Rotation::Strict);
    let app = app(&harness.authkit);
    harness.serve(app)
}

async fn post_to(running: &Running, browser: &Browser, path: &str) -> (StatusCode, String) {
    let answer = browser.fetch(Method::POST, &running.url(path), "").await;
    (answer.status, answer.text())
}

async fn here(running: &Running, browser: &Browser) -> String {
    let answer = browser.fetch(Method::GET, &running.url("/here"), "").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.text()
}

#[tokio::test]
async fn a_switch_lasts_through_refreshes_and_back() {
    let running = running().await;
    let browser = running.signed_in("alice@acme.test");
    assert_eq!(here(&running, &browser).await, ACME);

    assert_eq!(
        post_to(&running, &browser, &format!("/to/{GLOBEX}")).await,
        (StatusCode::OK, GLOBEX.to_owned())
    );
    assert_eq!(here(&running, &browser).await, GLOBEX);
    running.advance(Duration::from_secs(3600));
    assert_eq!(here(&running, &browser).await, GLOBEX, "a refresh stays in the organization");

    running.advance(Duration::from_secs(3600));
    assert_eq!(
        post_to(&running, &browser, &format!("/to/{ACME}")).await,
        (StatusCode::OK, ACME.to_owned())
    );
    assert_eq!(here(&running, &browser).await, ACME);
    assert_eq!(running.emulator.exchanges(), 4, "two switches, and a refresh after each hour");
}

#[tokio::test]
async fn a_user_who_may_not_switch_stays_in_their_organization() {
    let running = running().await;
    let browser = running.signed_in("bob@acme.test");
    let gone = (StatusCode::CONFLICT, "OrganizationGone".to_owned());
    assert_eq!(post_to(&running, &browser, &format!("/to/{GLOBEX}")).await, gone);
    assert_eq!(here(&running, &browser).await, ACME);
    running.advance(Duration::from_secs(3600));
    assert_eq!(here(&running, &browser).await, ACME, "the next refresh stays there too");
}

/// WorkOS demands the organization's single sign-on.
#[tokio::test]
async fn a_step_up_is_a_redirect_to_a_sign_in_at_the_organization() {
    let running = running().await;
    let browser = running.signed_in("alice@acme.test");
    running.emulator.fault(authkit_emulator::Fault::error(403, "sso_required"));

    let answer = browser.submit(&running.url(&format!("/to/{GLOBEX}")), &[]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let page = browser.open(browser.target(&answer).as_str()).await;
    assert_eq!((page.status, page.text().as_str()), (StatusCode::OK, GLOBEX), "by way of AuthKit");
    assert_eq!(running.emulator.calls(Endpoint::Authorize), 1);
}

#[tokio::test]
async fn other_tabs_follow_a_switch_and_nobody_is_signed_out() {
    let running = running().await;
    let browser = running.signed_in("alice@acme.test");
    running.advance(Duration::from_secs(3600));
    let (path, page) = (format!("/to/{GLOBEX}"), running.url("/here"));
    let (switched, one, two) = tokio::join!(
        post_to(&running, &browser, &path),
        post_to(&running, &browser, &path),
        browser.fetch(Method::GET, &page, ""),
    );
    assert_eq!(switched, (StatusCode::OK, GLOBEX.to_owned()));
    assert_eq!(one, switched, "the second click of a double click");
    assert!(
        two.status == StatusCode::OK || two.status == StatusCode::SERVICE_UNAVAILABLE,
        "{two:?}"
    );
    assert_eq!(here(&running, &browser).await, GLOBEX);
    assert_eq!(running.emulator.exchanges(), 2, "the refresh that was due, and the switch");
}

#[tokio::test]
async fn a_role_that_changed_is_there_after_a_refresh_on_demand() {
    let running = running().await;
    let browser = running.signed_in("bob@acme.test");
    assert_eq!(
        post_to(&running, &browser, "/refresh").await,
        (StatusCode::OK, "member".to_owned())
    );
    let too_soon = (StatusCode::CONFLICT, "TooSoon".to_owned());
    assert_eq!(post_to(&running, &browser, "/refresh").await, too_soon);
    running.advance(Duration::from_secs(2));
    running.emulator.set_role("bob@acme.test", ACME, "admin");
    assert_eq!(post_to(&running, &browser, "/refresh").await, (StatusCode::OK, "admin".to_owned()));
}

#[tokio::test]
async fn a_handler_signs_its_user_out() {
    let running = running().await;
    let browser = running.signed_in("alice@acme.test");

    let answer = browser.submit(&running.url("/leave"), &[]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.cookie("wos_session"), None);
    running.authkit.drain(Duration::from_secs(5)).await;
    assert_eq!(running.emulator.calls(Endpoint::Revoke), 1);
    let home = browser.open(browser.target(&answer).as_str()).await;
    assert_eq!((home.status, home.text().as_str()), (StatusCode::OK, "home"), "by way of WorkOS");
}
