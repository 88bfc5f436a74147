//! What every user does, in the browsers that users have: `cargo xtask deep` installs them and runs this.
//!
//! `tests/it` tests more in Chromium. Here is what engines might treat differently: redirects and the cookies on them,
//! forms, the history. All of it goes over TLS, as in production: WebKit keeps pages of plain http for the back button,
//! whatever their `Cache-Control` says.

#![forbid(unsafe_code)]

use std::time::Duration;

use support::{BrowserEngine, example_over_tls};

const ALICE: &str = "alice@acme.test";

async fn a_deep_link_leads_by_way_of_the_sign_in_page_to_where_it_points(engine: BrowserEngine) {
    let running = example_over_tls().await;
    let browser = engine.start().await;
    browser.sign_in_at_acme(&running, "/dashboard?tab=notes&x=a%20b").await;
    browser.see(ALICE).await;
    let cookies = browser.cookies().await;
    assert!(cookies.contains(&"wos_session".to_owned()), "{cookies:?}");
    assert!(!cookies.iter().any(|name| name.contains("wos_auth")), "{cookies:?}");
    assert_eq!(browser.url().await.scheme(), "https");
}

async fn a_form_keeps_its_data_though_the_session_expires_while_it_is_written(
    engine: BrowserEngine,
) {
    let running = example_over_tls().await;
    let browser = engine.start().await;
    browser.sign_in_at_acme(&running, "/dashboard").await;

    browser.write("text", "Written with care, äöü & <b>all</b>.").await;
    running.advance(Duration::from_secs(3600));
    browser.press("Send").await;

    browser.see("your text arrived whole").await;
    browser.see("Written with care, äöü & <b>all</b>.").await;
    assert_eq!(running.emulator.exchanges(), 1);
    // The browser has kept the new cookie.
    browser.open(&running.url("/dashboard")).await;
    browser.see(ALICE).await;
    assert_eq!(running.emulator.exchanges(), 1);
}

async fn an_organization_is_switched(engine: BrowserEngine) {
    let running = example_over_tls().await;
    let browser = engine.start().await;
    browser.sign_in_at_acme(&running, "/dashboard").await;
    browser.see("org_01ACME").await;

    browser.choose("id", "Globex").await;
    browser.press("Switch").await;
    browser.see("to switch the organization").await;
    browser.see("org_01GLOBEX").await;
    browser.reload().await;
    browser.see("org_01GLOBEX").await;
}

async fn the_back_button_shows_nothing_private_after_signing_out(engine: BrowserEngine) {
    let running = example_over_tls().await;
    let browser = engine.start().await;
    browser.sign_in_at_acme(&running, "/dashboard").await;
    browser.see("audit:read").await;

    browser.press("Sign out").await;
    browser.arrive(&running.url("/")).await;
    browser.see("Signed out").await;
    browser.back().await;

    // The browser has asked for the page again, and the page needs a session.
    browser.see("to continue to localhost:").await;
    let shown = browser.text().await;
    assert!(!shown.contains("audit:read") && !shown.contains("Dashboard"), "{shown}");
    browser.open(&running.url("/")).await;
    let cookies = browser.cookies().await;
    assert!(!cookies.contains(&"wos_session".to_owned()), "{cookies:?}");
}

/// The confirmation page's button sends a `POST`, whose `Origin` depends on the `Referrer-Policy` of the page.
async fn our_own_page_signs_out(engine: BrowserEngine) {
    let running = example_over_tls().await;
    let browser = engine.start().await;
    browser.sign_in_at_acme(&running, "/dashboard").await;

    browser.open(&running.url("/logout")).await;
    browser.see("You will be signed out").await;
    browser.press("Sign out").await;
    browser.arrive(&running.url("/")).await;
    browser.see("Signed out").await;
    let cookies = browser.cookies().await;
    assert!(!cookies.contains(&"wos_session".to_owned()), "{cookies:?}");
}

/// A test of each rule for one engine.
macro_rules! every_rule_in {
    ($engine:expr; $($rule:ident)*) => {$(
        #[tokio::test]
        async fn $rule() {
            super::$rule($engine).await;
        }
    )*};
    ($($module:ident: $engine:expr,)*) => {$(
        mod $module {
            use support::BrowserEngine;

            every_rule_in! { $engine;
                a_deep_link_leads_by_way_of_the_sign_in_page_to_where_it_points
                a_form_keeps_its_data_though_the_session_expires_while_it_is_written
                an_organization_is_switched
                the_back_button_shows_nothing_private_after_signing_out
                our_own_page_signs_out
            }
        }
    )*};
}

every_rule_in! {
    chromium: BrowserEngine::Chromium,
    gecko: BrowserEngine::Gecko,
    webkit: BrowserEngine::WebKit,
}
