//! A user in a real browser signs in, works and signs out.

use std::time::Duration;

use authkit_emulator::SignIn;
use support::{Chromium, chromium::Habit, example, example_with};

const ALICE: &str = "alice@acme.test";

#[tokio::test]
async fn a_deep_link_leads_by_way_of_the_sign_in_page_to_where_it_points() {
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

    // Browsers carry a fragment over redirects, but not over a page of another site.
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

/// A script fetches a part of the page. The request refreshes the session, and the page stays.
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

    // The page was asked for again, and needs a session.
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

/// Tab and enter alone: everything can be reached, in the order of the page.
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
        "the way past the navigation comes first"
    );
}
