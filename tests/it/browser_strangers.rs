//! Other sites, other tabs and scripts make a real browser act on its session.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, Session};
use axum::{Router, extract::Request, response::Html, routing::get};
use support::{Chromium, Harness, PASSWORD, Port, Running, until};

async fn whose(session: Session) -> Html<String> {
    let email = session.user().email.as_deref().unwrap();
    Html(format!(
        r#"<p>A page of {email}</p><form method="post" action="/logout"><button>Sign out</button></form>"#
    ))
}

fn app(authkit: &AuthKit) -> Router {
    Router::new()
        .route("/page", get(whose))
        .route_layer(AuthKitLayer::new(authkit))
        .route("/", get(async || Html("home")))
        .merge(Endpoints::new(authkit))
}

async fn running() -> Running {
    let harness = Harness::start().await;
    let app = app(&harness.authkit);
    harness.serve(app)
}

/// Stores a sealed session as a cookie. The browser must show a page of the service.
async fn hold(browser: &Chromium, sealed: &str) {
    browser.run(&format!("document.cookie = 'wos_session={sealed}; Path=/'")).await;
}

/// Over plain http, browsers send no `Sec-Fetch-Site`. From a page whose referrer policy is `no-referrer`, they send
/// `Origin: null`.
#[tokio::test]
async fn e2_the_button_of_our_sign_out_page_works_on_plain_http() {
    let harness = Harness::start().await;
    let port = Port::bind().await;
    let origin = format!("http://app.example.test:{}", port.address().port());
    let authkit = harness.authkit_at(&origin, |config| config);
    let _served = port.serve_axum(app(&authkit));
    let browser = Chromium::start().await;
    browser.open(&format!("{origin}/")).await;
    hold(&browser, &harness.emulator.session("alice@acme.test").cookie(PASSWORD)).await;
    browser.open(&format!("{origin}/page")).await;
    browser.see("A page of alice@acme.test").await;

    browser.open(&format!("{origin}/logout")).await;
    browser.press("Sign out").await;
    // The sign-out ends at the emulator, which knows no address of this service to return to. The test waits for its page,
    // since a navigation that has not ended would replace the next one.
    browser.see("AuthKit emulator").await;

    browser.open(&format!("{origin}/")).await;
    browser.see("home").await;
    let cookies = browser.cookies().await;
    assert!(!cookies.contains(&"wos_session".to_owned()), "{cookies:?}");
}

#[tokio::test]
async fn e3_a_script_of_the_page_signs_out() {
    let running = running().await;
    let browser = Chromium::start().await;
    browser.open(&running.url("/page")).await;
    browser.see("A page of alice@acme.test").await;

    let script = "return fetch('/logout', { method: 'POST' })
        .then(async it => [it.status, (await it.json()).logout_url])";
    let answer = browser.run(script).await;

    assert_eq!(answer[0], 200, "{answer}");
    let url = answer[1].as_str().unwrap();
    assert!(url.starts_with(running.emulator.url()), "{url}");
    browser.open(url).await;
    browser.see("home").await;
    let cookies = browser.cookies().await;
    assert!(!cookies.contains(&"wos_session".to_owned()), "{cookies:?}");
}

#[tokio::test]
async fn e1_a_link_of_another_site_needs_clicks_to_change_who_is_signed_in() {
    let running = running().await;
    let browser = Chromium::start().await;
    browser.open(&running.url("/")).await;
    hold(&browser, &running.emulator.session("bob@acme.test").cookie(PASSWORD)).await;
    let evil = running.url("/login?organization_id=org_01ACME0000000000000000000&return_to=/page");
    let links = format!(r#"<a href="{evil}">A present!</a>"#);
    let page = |_: &AuthKit| Router::new().route("/", get(async || Html(links)));
    let another = running.beside(|config| config, page).await;

    browser.open(&another.url("/").replace("localhost", "evil.example.test")).await;
    browser.press("A present!").await;
    browser.see("Go on only if you expected that").await;
    browser.picture("ours-sign-in-elsewhere").await;
    browser.open(&running.url("/page")).await;
    browser.see("A page of bob@acme.test").await;

    browser.open(&another.url("/").replace("localhost", "evil.example.test")).await;
    browser.press("A present!").await;
    browser.press("Go on").await;
    browser.see("Sign in as somebody else?").await;
    browser.picture("ours-another-user").await;
    browser.press("Stay signed in").await;
    browser.open(&running.url("/page")).await;
    browser.see("A page of bob@acme.test").await;

    browser.open(&another.url("/").replace("localhost", "evil.example.test")).await;
    browser.press("A present!").await;
    browser.press("Go on").await;
    browser.press("Sign in as somebody else").await;
    browser.see("A page of alice@acme.test").await;
}

/// A page makes Chromium prefetch the page behind a link. Another tab signs out, and then the user follows the link.
#[tokio::test]
async fn d7_a_page_that_was_loaded_in_advance_is_not_shown_after_signing_out() {
    let harness = Harness::start().await;
    let prefetched = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&prefetched);
    let counted = move |request: Request| {
        count.fetch_add(
            usize::from(request.headers().contains_key("sec-purpose")),
            Ordering::SeqCst,
        );
        std::future::ready(request)
    };
    let rules = r#"<script type="speculationrules">
        { "prefetch": [{ "urls": ["/page"], "eagerness": "immediate" }] }</script>
        <a href="/page">My page</a>"#;
    let app = app(&harness.authkit)
        .route("/rules", get(async move || Html(rules)))
        .layer(axum::middleware::map_request(counted));
    let running = harness.serve(app);
    let browser = Chromium::start().await;
    browser.open(&running.url("/page")).await;
    browser.see("A page of alice@acme.test").await;
    let first = browser.tab().await;
    browser.open(&running.url("/rules")).await;
    until("a prefetch", async || prefetched.load(Ordering::SeqCst) > 0).await;

    browser.open_tab().await;
    browser.open(&running.url("/page")).await;
    browser.press("Sign out").await;
    browser.see("home").await;
    running.emulator.fault(authkit_emulator::Fault::status(503).until_cleared());

    browser.bring(&first).await;
    browser.press("My page").await;
    browser.see("Signing in is not possible right now").await;
    let shown = browser.text().await;
    assert!(!shown.contains("A page of alice"), "{shown}");
}
