//! Several tabs of one real browser, at once.

use std::time::Duration;

use authkit_emulator::{Endpoint, Fault, SignIn};
use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, Session};
use axum::{Router, extract::Path, response::Html, routing::get};
use support::{Chromium, Harness, Running, chromium::Habit, until};

fn app(authkit: &AuthKit) -> Router {
    Router::new()
        .route("/page/{n}", get(page))
        .route_layer(AuthKitLayer::new(authkit))
        .route("/", get(async || "home"))
        .merge(Endpoints::new(authkit))
}

async fn page(session: Session, Path(n): Path<u8>) -> Html<String> {
    let email = session.user().email.as_ref().unwrap();
    Html(format!(
        r#"<p>Page {n} of {email}</p><form method="post" action="/logout"><button>Sign out</button></form>"#
    ))
}

async fn running() -> Running {
    let interactive =
        |emulator: authkit_emulator::EmulatorBuilder| emulator.sign_in(SignIn::Interactive);
    let harness = Harness::with(interactive, |config| config).await;
    let app = app(&harness.authkit);
    harness.serve(app)
}

#[tokio::test]
async fn cb_04_five_tabs_sign_in_at_once_and_each_ends_on_its_own_page() {
    let running = running().await;
    let browser = Chromium::start().await;
    let mut tabs = vec![browser.tab().await];
    for _ in 1..5 {
        tabs.push(browser.open_tab().await);
    }
    for (n, tab) in tabs.iter().enumerate() {
        browser.bring(tab).await;
        browser.open(&running.url(&format!("/page/{n}"))).await;
        browser.see("Sign in").await;
    }
    for n in [3, 0, 4, 2, 1] {
        browser.bring(&tabs[n]).await;
        browser.press("bob@acme.test").await;
        browser.see(&format!("Page {n} of bob@acme.test")).await;
        assert_eq!(browser.url().await.as_str(), running.url(&format!("/page/{n}")));
    }
    let mut cookies = browser.cookies().await;
    cookies.retain(|name| !name.starts_with("wos_bounces_"));
    assert_eq!(cookies, ["wos_session"], "no flow cookie is left");
}

#[tokio::test]
async fn cc_06_a_tab_that_refreshes_does_not_bring_back_what_another_signed_out() {
    let running = running().await;
    let browser = Chromium::with(Habit::DoesNotWait).await;
    browser.open(&running.url("/page/1")).await;
    browser.press("bob@acme.test").await;
    browser.see("Page 1 of bob@acme.test").await;
    let first = browser.tab().await;
    let second = browser.open_tab().await;
    browser.open(&running.url("/page/2")).await;
    browser.see("Page 2 of bob@acme.test").await;

    // The second tab waits for a late reply of WorkOS. Meanwhile the first tab signs out.
    running.advance(Duration::from_secs(3600));
    running.emulator.fault(Fault::late_reply(Duration::from_secs(4)));
    browser.set_off(&running.url("/page/3")).await;
    until("a refresh", async || running.emulator.calls(Endpoint::Authenticate) >= 2).await;
    browser.bring(&first).await;
    browser.press("Sign out").await;
    browser.see("home").await;

    browser.bring(&second).await;
    browser.see("Sign in").await;
    browser.open(&running.url("/")).await;
    browser.see("home").await;
    let cookies = browser.cookies().await;
    assert!(!cookies.contains(&"wos_session".to_owned()), "{cookies:?}");
    browser.open(&running.url("/page/1")).await;
    browser.see("Sign in").await;
    assert_eq!(running.emulator.exchanges(), 1, "WorkOS has refreshed the session");
}
