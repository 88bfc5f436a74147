//! A user in a real browser signs in, works and signs out.

use std::time::Duration;

use authkit_emulator::{EmulatorBuilder, Seed, SignIn};
use authkit_tower::{AuthKitLayer, Endpoints, Session};
use axum::{Router, response::Html, routing::get};
use support::{Chromium, Harness, chromium::Habit, example, example_with};

const ALICE: &str = "alice@acme.test";

#[tokio::test]
async fn signing_in_returns_to_the_deep_link() {
    let running = example().await;
    let browser = Chromium::start().await;
    let deep_link = "/dashboard?tab=notes&x=a%20b#access-title";

    browser.open(&running.url(deep_link)).await;
    assert_eq!(browser.url().await.path(), "/user_management/authorize");
    browser.see("to continue to localhost:").await;
    browser.picture("emulator-sign-in").await;
    browser.press(ALICE).await;
    browser.see("Choose an organization").await;
    browser.see("Globex").await;
    browser.picture("emulator-organization").await;
    browser.press("Acme Corp").await;

    // The fragment is gone: browsers keep it over redirects, but not over a page of another site.
    browser.arrive(&running.url("/dashboard?tab=notes&x=a%20b")).await;
    browser.see(ALICE).await;
    assert!(browser.text().await.contains("admin"), "{}", browser.text().await);
    browser.picture("app-dashboard").await;

    browser.open(&running.url("/")).await;
    browser.see("Hello, Alice").await;
    browser.picture("app-home").await;
    browser.open(&running.url("/admin")).await;
    browser.picture("app-admin").await;
    browser.press("Open the keys").await;
    browser.see("less than five minutes ago").await;
    browser.picture("app-admin-keys").await;
    browser.open(&running.url("/login?return_to=%2Fadmin")).await;
    browser.arrive(&running.url("/admin")).await;
}

/// The content security policy of our page lets its script run, which sends the fragment of the address to `/login`.
#[tokio::test]
async fn a_fragment_is_still_there_after_an_interactive_sign_in() {
    let seed = Seed::from_json(serde_json::json!({ "users": [{ "email": "alice@acme.test" }] }));
    let with_a_page =
        |emulator: EmulatorBuilder| emulator.seed(seed.unwrap()).sign_in(SignIn::Interactive);
    let harness = Harness::with(with_a_page, |config| config).await;
    let endpoints = Endpoints::new(&harness.authkit).with_fragments();
    let page = async |session: Session| {
        let email = session.user().email.as_deref().unwrap();
        let sign_out = r#"<form method="post" action="/logout"><button>Sign out</button></form>"#;
        Html(format!("<p>A page of {email}</p>{sign_out}"))
    };
    let app = Router::new()
        .route("/page", get(page))
        .route_layer(AuthKitLayer::new(&harness.authkit))
        .route("/", get(async || Html("nothing here")))
        .merge(endpoints);
    let running = harness.serve(app);
    let browser = Chromium::start().await;
    for page in ["/page?a=b#march%201/x?y=%26", "/page?a=c"] {
        browser.open(&running.url(page)).await;
        browser.press("alice@acme.test").await;
        browser.arrive(&running.url(page)).await;
        browser.see("A page of alice@acme.test").await;
        browser.press("Sign out").await;
        browser.see("nothing here").await;
    }
}

#[tokio::test]
async fn an_organization_is_switched_and_other_tabs_follow() {
    let running = example().await;
    let browser = Chromium::start().await;
    browser.sign_in_at_acme(&running, "/dashboard").await;
    let first = browser.tab().await;
    browser.open_tab().await;
    browser.open(&running.url("/dashboard")).await;

    browser.choose("id", "Globex").await;
    browser.press("Switch").await;
    browser.see("to switch the organization").await;
    browser.see("org_01GLOBEX").await;
    browser.picture("app-switched").await;

    browser.bring(&first).await;
    browser.see("org_01ACME").await;
    browser.reload().await;
    browser.see("org_01GLOBEX").await;
    running.advance(Duration::from_secs(3600));
    browser.reload().await;
    browser.see("org_01GLOBEX").await;
    browser.see("in line: the old token had ended").await;
}

/// A script fetches a part of the page. Its request refreshes the session, and the rest of the page stays as it is.
#[tokio::test]
async fn a_part_of_the_page_is_loaded_again_after_the_token_has_expired() {
    let running = example().await;
    let browser = Chromium::start().await;
    browser.sign_in_at_acme(&running, "/dashboard").await;
    browser.write("text", "A note that is not sent yet").await;
    running.advance(Duration::from_secs(3600));

    browser.press("Reload").await;
    browser.see("in line: the old token had ended").await;
    assert_eq!(browser.value_of("text").await, "A note that is not sent yet");

    browser.press("Renew now").await;
    browser.see("the old token had 300 s left").await;
    browser.press("Renew now").await;
    browser.see("That was very quick").await;
    browser.picture("app-trouble").await;
}

#[tokio::test]
async fn a_form_keeps_its_data_though_the_session_expires_while_it_is_written() {
    let running = example().await;
    let browser = Chromium::start().await;
    browser.sign_in_at_acme(&running, "/dashboard").await;

    browser.write("text", "Written with care, äöü & <b>all</b>.").await;
    running.advance(Duration::from_secs(3600));
    browser.press("Send").await;

    browser.see("your text arrived whole").await;
    browser.see("Written with care, äöü & <b>all</b>.").await;
    browser.picture("app-form-survives").await;
    assert_eq!(running.emulator.exchanges(), 1);
}

#[tokio::test]
async fn the_back_button_shows_nothing_private_after_signing_out() {
    let running = example().await;
    let browser = Chromium::start().await;
    browser.sign_in_at_acme(&running, "/dashboard").await;
    browser.see("audit:read").await;

    browser.press("Sign out").await;
    browser.arrive(&running.url("/")).await;
    browser.see("Signed out").await;
    browser.picture("app-signed-out").await;
    browser.back().await;

    // The browser shows no stored copy: it requests the page again, without a session.
    browser.see("to continue to localhost:").await;
    let shown = browser.text().await;
    assert!(!shown.contains("audit:read") && !shown.contains("Dashboard"), "{shown}");
    browser.open(&running.url("/")).await;
    let cookies = browser.cookies().await;
    assert!(!cookies.contains(&"wos_session".to_owned()), "{cookies:?}");
}

#[tokio::test]
async fn rd_12_a_browser_that_blocks_cookies_gets_the_explanatory_page() {
    let running = example_with(SignIn::Automatic, |emulator| emulator).await;
    let browser = Chromium::with(Habit::BlocksCookies).await;

    browser.open(&running.url("/dashboard")).await;

    browser.see("Your browser does not keep our cookies").await;
    browser.see(&running.url("")).await;
    assert_eq!(browser.url().await.path(), "/callback");
    browser.picture("ours-no-cookies").await;
}

/// The user presses the tab and enter keys alone. The focus follows the order of the page.
#[tokio::test]
async fn signing_in_needs_no_mouse() {
    let running = example().await;
    let browser = Chromium::start().await;
    browser.open(&running.url("/dashboard")).await;
    browser.see("Sign in").await;
    browser.press_by_keyboard(0).await;
    browser.see("Choose an organization").await;
    browser.press_by_keyboard(0).await;
    browser.arrive(&running.url("/dashboard")).await;
    browser.press_by_keyboard(1).await;
    assert_eq!(
        browser.url().await.fragment(),
        Some("content"),
        "the first tab stop skips the navigation"
    );
}
