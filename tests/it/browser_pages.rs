//! The pages of the library and of the emulator, in a real browser.

use std::time::Duration;

use authkit_emulator::{Endpoint, Fault};
use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, HookDecision, NewSession, Require};
use axum::{
    Router,
    response::{Html, Redirect},
    routing::get,
};
use serde_json::{Value, json};
use support::{Chromium, Harness, example};

/// Asserts that the page has its style, which a wrong content security policy would block.
async fn assert_styled(browser: &Chromium) {
    let width = browser.width_of("main").await;
    assert!((300..=500).contains(&width), "a card of {width} px");
}

#[tokio::test]
async fn every_page_of_ours_says_what_happened_and_what_to_do() {
    let running = example().await;
    let browser = Chromium::start().await;

    browser.open(&running.url("/callback?error=access_denied&error_description=%3Cb%3E")).await;
    browser.see("You are not signed in").await;
    assert_styled(&browser).await;
    browser.picture("ours-cancelled").await;
    browser.open(&running.url("/callback?code=x&state=forged")).await;
    browser.see("This sign-in was not started here").await;
    browser.picture("ours-forged").await;

    browser.press("Sign in").await;
    browser.see("to continue to localhost:").await;
    running.advance(Duration::from_secs(601));
    browser.press("bob@acme.test").await;
    browser.see("finished within ten minutes").await;
    browser.picture("ours-too-late").await;

    browser.press("Sign in").await;
    browser.see("to continue to localhost:").await;
    running.emulator.fault(Fault::status(503));
    browser.press("bob@acme.test").await;
    browser.see("Signing in is not possible right now").await;
    assert_styled(&browser).await;
    browser.picture("ours-unavailable").await;
    browser.press("Try again").await;
    browser.press("bob@acme.test").await;
    browser.arrive(&running.url("/")).await;

    browser.open(&running.url("/admin")).await;
    browser.see("this is not yours to see or do").await;
    assert_styled(&browser).await;
    browser.picture("ours-forbidden").await;
    browser.press("Use another account").await;
    browser.press("alice@acme.test").await;
    // The test waits for this page, since buttons of the page before it name `Acme Corp` too.
    browser.see("Choose an organization").await;
    browser.press("Acme Corp").await;
    browser.arrive(&running.url("/admin")).await;
    browser.see("You see this because").await;

    running.advance(Duration::from_secs(3600));
    running.emulator.fault(Fault::status(503).on(Endpoint::Authenticate).until_cleared());
    browser.open(&running.url("/dashboard")).await;
    browser.see("You are still signed in").await;
    browser.picture("ours-outage").await;
    running.emulator.clear_faults();
    // The failures may have opened the circuit, which lets one call in two seconds through.
    running.advance(Duration::from_secs(3));
    assert!(running.authkit.drain(Duration::from_secs(25)).await, "the exchange hangs");
    browser.press("Try again").await;
    browser.see("alice@acme.test").await;

    browser.open(&running.url("/logout")).await;
    browser.see("You will be signed out").await;
    assert_styled(&browser).await;
    browser.picture("ours-sign-out").await;
    browser.press("Stay signed in").await;
    browser.see("Hello, Alice").await;
    browser.open(&running.url("/logout")).await;
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
    browser.open(&running.url("/")).await;
    browser.see("is using this session in the name of").await;
    browser.open(&running.url("/login?prompt=login")).await;
    browser.press("carol@example.test").await;
    browser.see("Hello, Carol").await;
    let shown = browser.text().await;
    assert!(!shown.contains("is using this session"), "{shown}");
}

/// A service whose routes lead to the pages that end a sign-in or deny a request.
fn troubled(authkit: &AuthKit) -> Router {
    let rule = async |new: NewSession| {
        if new.return_to() == "/refused" { HookDecision::Refuse } else { HookDecision::Keep }
    };
    Router::new()
        .route("/form", get(async || "the form's page").post(async || "received"))
        .route_layer(AuthKitLayer::new(authkit))
        .route("/loop", get(async || Redirect::to("/login?return_to=%2Floop")))
        .route("/guarded", get(async || "guarded").route_layer(Require::role("admin")))
        .merge(Endpoints::new(authkit).with_sign_in_hook(rule))
}

#[tokio::test]
async fn rd_12_every_reason_to_stop_has_a_page_that_names_it() {
    let harness = Harness::start().await;
    let app = troubled(&harness.authkit);
    let running = harness.serve(app);
    let browser = Chromium::start().await;
    let weigh = |claim| running.emulator.set_claim("alice@acme.test", "weight", claim);

    browser.open(&running.url("/form")).await;
    browser.see("the form's page").await;
    let form = format!(
        r#"<form method="post" action="{}"><button>A present!</button></form>"#,
        running.url("/form")
    );
    let page = |_: &AuthKit| Router::new().route("/", get(async || Html(form)));
    let neighbour = running.beside(|config| config, page).await;
    browser.open(&neighbour.url("/")).await;
    browser.press("A present!").await;
    browser.see("Another site sent this request").await;
    assert_styled(&browser).await;
    browser.picture("ours-cross-origin").await;

    browser.open(&running.url("/loop")).await;
    browser.see("You keep being sent to sign in").await;
    assert_styled(&browser).await;
    browser.picture("ours-loop").await;

    browser.open(&running.url("/login?prompt=login&return_to=%2Frefused")).await;
    browser.see("it may not be used here").await;
    browser.picture("ours-refused").await;

    weigh(json!("x".repeat(8_000)));
    browser.open(&running.url("/login?prompt=login")).await;
    browser.see("Your session is too large").await;
    browser.picture("ours-too-large").await;
    weigh(Value::Null);

    running.emulator.fault(Fault::clock_behind(Duration::from_secs(600)));
    browser.open(&running.url("/login?prompt=login")).await;
    browser.see("A clock is wrong").await;
    browser.picture("ours-clock").await;

    browser.open(&running.url("/guarded")).await;
    browser.see("This service is not set up correctly").await;
    browser.picture("ours-misconfigured").await;
}

#[tokio::test]
async fn each_page_of_the_emulator_is_shown() {
    let running = example().await;
    let browser = Chromium::start().await;

    browser.open(running.emulator.url()).await;
    browser.see("Settings for your service").await;
    browser.picture("emulator-overview").await;
    browser.open(&running.url("/login?screen_hint=sign-up")).await;
    browser.see("Create an account").await;
    browser.picture("emulator-sign-up").await;
    browser.open(&running.url("/login?organization_id=org_01GLOBEX00000000000000000")).await;
    browser.see("as a member of Globex").await;
    browser.picture("emulator-member").await;

    browser.open(&running.url("/login?login_hint=carol%40example.test")).await;
    running.emulator.remove_user("carol@example.test");
    browser.press("carol@example.test").await;
    browser.see("That user no longer exists").await;
    browser.press("Fail this sign-in").await;
    browser.see("Code refused").await;
    browser.picture("emulator-failures").await;
    browser.press("Code refused").await;
    browser.see("This sign-in was used up").await;
    browser.picture("ours-code-refused").await;

    let authorize = format!("{}/user_management/authorize", running.emulator.url());
    browser.open(&authorize).await;
    browser.see("This request cannot go on").await;
    browser.picture("emulator-refusal").await;
    let logout = format!("{}/user_management/sessions/logout", running.emulator.url());
    let session = running.emulator.session("alice@acme.test");
    browser.open(&format!("{logout}?session_id={}", session.session_id())).await;
    browser.see("You are signed out").await;
    browser.picture("emulator-signed-out").await;
}
