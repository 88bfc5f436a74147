//! The pages that stand in for a service's own, seen in a real browser.

use std::time::Duration;

use authkit_emulator::{Endpoint, Fault};
use support::{Chromium, example};

/// The browser shows the page, and its policy has not kept its style from it.
async fn is_styled(browser: &Chromium) {
    let width = browser.width_of("main").await;
    assert!((300..=500).contains(&width), "a card of {width} px");
}

#[tokio::test]
async fn every_page_of_ours_says_what_happened_and_what_to_do() {
    let running = example().await;
    let browser = Chromium::start().await;

    browser.open(&running.url("/callback?error=access_denied&error_description=%3Cb%3E")).await;
    browser.see("You are not signed in").await;
    is_styled(&browser).await;
    browser.picture("ours-cancelled").await;
    browser.open(&running.url("/callback?code=x&state=forged")).await;
    browser.see("This sign-in was not started here").await;
    browser.picture("ours-forged").await;

    browser.press("Sign in").await;
    browser.see("to continue to localhost:").await;
    running.emulator.fault(Fault::status(503));
    browser.press("bob@acme.test").await;
    browser.see("Signing in is not possible right now").await;
    is_styled(&browser).await;
    browser.picture("ours-unavailable").await;
    browser.press("Try again").await;
    browser.press("bob@acme.test").await;
    browser.arrive(&running.url("/")).await;

    browser.open(&running.url("/admin")).await;
    browser.see("this is not yours to see or do").await;
    is_styled(&browser).await;
    browser.picture("ours-forbidden").await;

    running.advance(Duration::from_secs(3600));
    running.emulator.fault(Fault::status(503).on(Endpoint::Authenticate).until_cleared());
    browser.open(&running.url("/dashboard")).await;
    browser.see("You are still signed in").await;
    browser.picture("ours-outage").await;
    running.emulator.clear_faults();
    tokio::time::sleep(Duration::from_secs(2)).await;
    browser.press("Try again").await;
    browser.see("bob@acme.test").await;

    browser.open(&running.url("/logout")).await;
    browser.see("You will be signed out").await;
    is_styled(&browser).await;
    browser.picture("ours-sign-out").await;
    browser.press("Sign out").await;
    browser.arrive(&running.url("/")).await;
    browser.see("Signed out").await;
    browser.open(&running.url("/nothing")).await;
    browser.picture("app-not-found").await;
}

#[tokio::test]
async fn an_impersonator_is_announced_on_every_page() {
    let running = example().await;
    let browser = Chromium::start().await;
    browser.open(&running.url("/dashboard")).await;
    browser.press("dave@acme.test").await;
    browser.see("is using this session in the name of").await;
    browser.picture("app-impersonation").await;
    browser.open(&running.url("/login?prompt=login")).await;
    browser.press("carol@example.test").await;
    browser.see("Hello, Carol").await;
    let shown = browser.text().await;
    assert!(!shown.contains("is using this session"), "{shown}");
}
