//! One session that two applications on one host name share: `axum-app`, and a neighbour with an official SDK.

use std::time::Duration;

use authkit_emulator::{Emulator, SignIn};
use authkit_tower::{AuthKit, Config, CookiePassword, SealFormat};
use http::{Method, StatusCode};
use support::{Browser, Harness, PASSWORD, Port, Served, peers::PeerApp};

/// An emulator on the machine's clock, since the SDKs know no other.
async fn workos() -> Emulator {
    let emulator = Emulator::builder().sign_in(SignIn::Automatic).token_ttl(AT_ONCE);
    emulator.start().await.unwrap()
}

/// `axum-app` on a port of its own.
async fn ours(emulator: &Emulator, config: impl FnOnce(Config) -> Config) -> Served {
    let port = Port::bind().await;
    let defaults = Harness::config(emulator, &format!("{}/callback", port.url()));
    let authkit = AuthKit::new(config(defaults)).unwrap();
    port.serve_axum(axum_app::app(&authkit))
}

/// Opens the page that needs a session, and returns whether the service showed it.
async fn is_shown(browser: &Browser, url: &str) -> bool {
    let mut page = browser.navigate(&format!("{url}/dashboard")).await;
    // The guide's Flask app refreshes by a redirect to the same page, with the new cookie.
    if page.status == StatusCode::FOUND && browser.target(&page).path() == "/dashboard" {
        page = browser.navigate(browser.target(&page).as_str()).await;
    }
    let is_shown = page.status == StatusCode::OK;
    assert_eq!(is_shown, page.text().contains("alice@acme.test"), "{}", page.text());
    is_shown
}

/// The id of the session, as `axum-app` shows it.
async fn session_id(browser: &Browser, ours: &Served) -> String {
    let me = browser.fetch(Method::GET, &format!("{}/api/me", ours.url()), "").await.json();
    me["session_id"].as_str().unwrap().to_owned()
}

/// A token has expired at once for the SDKs, which allow no leeway. For us it is within the leeway of five seconds, and due
/// for a refresh.
const AT_ONCE: Duration = Duration::ZERO;
const USUAL: Duration = Duration::from_secs(300);

/// Signs in at the neighbour, refreshes here and at the neighbour, and signs out at the neighbour.
async fn begun_by_the_neighbour(
    emulator: &Emulator,
    ours: &Served,
    neighbour: &PeerApp,
    cookie: &str,
) {
    let browser = Browser::new();
    browser.open(&neighbour.url("/login")).await;
    assert!(browser.cookie_names().contains(&cookie.to_owned()), "{:?}", browser.cookie_names());

    assert!(is_shown(&browser, &ours.url()).await, "what the neighbour sealed is a session here");
    assert_eq!(emulator.exchanges(), 1, "refreshed here");
    emulator.set_token_ttl(USUAL);
    assert!(is_shown(&browser, &neighbour.url("")).await, "what we sealed is a session there");
    assert_eq!(emulator.exchanges(), 2, "refreshed there");
    for _ in 0..2 {
        assert!(is_shown(&browser, &ours.url()).await);
        assert!(is_shown(&browser, &neighbour.url("")).await);
    }
    assert_eq!(emulator.exchanges(), 2, "each accepts the other's token as it is");
    assert_eq!(browser.cookie_names(), [cookie], "one cookie");

    let session = session_id(&browser, ours).await;
    assert!(emulator.is_active(&session));
    let page = browser.open(&neighbour.url("/logout")).await;
    assert_eq!((page.status, page.text().as_str()), (StatusCode::OK, "home"));
    assert!(!emulator.is_active(&session));
    assert!(!is_shown(&browser, &ours.url()).await, "signed out here as well");
    assert_eq!(browser.cookie(cookie), None);
}

/// Signs in here, refreshes here and at the neighbour, and signs out here.
async fn begun_by_us(emulator: &Emulator, ours: &Served, neighbour: &PeerApp, cookie: &str) {
    emulator.set_token_ttl(AT_ONCE);
    emulator.reset_calls();
    let browser = Browser::new();
    let page = browser.open(&format!("{}/dashboard", ours.url())).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    assert_eq!(emulator.exchanges(), 1, "refreshed here");
    emulator.set_token_ttl(USUAL);
    assert!(is_shown(&browser, &neighbour.url("")).await, "what we sealed is a session there");
    assert_eq!(emulator.exchanges(), 2, "refreshed there");
    assert!(is_shown(&browser, &ours.url()).await, "what the neighbour sealed is a session here");
    assert_eq!(emulator.exchanges(), 2);
    assert_eq!(browser.cookie_names(), [cookie], "one cookie");

    let session = session_id(&browser, ours).await;
    assert!(emulator.is_active(&session));
    let gone = browser.submit(&format!("{}/logout", ours.url()), &[]).await;
    assert_eq!(gone.status, StatusCode::SEE_OTHER);
    browser.navigate(browser.target(&gone).as_str()).await;
    assert!(!emulator.is_active(&session));
    assert!(!is_shown(&browser, &neighbour.url("")).await, "signed out there as well");
    assert_eq!(browser.cookie(cookie), None);
}

#[tokio::test]
async fn the_guides_flask_app_and_axum_app_share_a_session() {
    let emulator = workos().await;
    let neighbour = PeerApp::flask(&emulator, PASSWORD);
    let ours = ours(&emulator, |config| config.with_seal_format(SealFormat::Python)).await;

    begun_by_the_neighbour(&emulator, &ours, &neighbour, "wos_session").await;
    begun_by_us(&emulator, &ours, &neighbour, "wos_session").await;
}

/// A refresh keeps the neighbour's format, whatever format is configured for new sessions.
#[tokio::test]
async fn a_flask_app_with_an_older_password_is_not_cut_off() {
    let emulator = workos().await;
    let neighbour = PeerApp::flask(&emulator, PASSWORD);
    let newer = "ddW7ld9IZBd1DoR+/EWsU+394lgsZAbNdCiupTTK7Dc=";
    let ours = {
        let port = Port::bind().await;
        let password = |password| CookiePassword::new(password).unwrap();
        let (id, key) = (emulator.client_id(), emulator.api_key());
        let config = Config::new(id, key, format!("{}/callback", port.url()), password(newer))
            .with_other_passwords([password(PASSWORD)])
            .with_pinned_neighbours()
            .with_base_url(emulator.url());
        let authkit = AuthKit::new(config).unwrap();
        port.serve_axum(axum_app::app(&authkit))
    };

    begun_by_the_neighbour(&emulator, &ours, &neighbour, "wos_session").await;
}

#[tokio::test]
async fn a_node_server_and_axum_app_share_a_session() {
    let emulator = workos().await;
    let neighbour = PeerApp::node(&emulator, PASSWORD);
    let ours = ours(&emulator, |config| {
        config.with_seal_format(SealFormat::Node).with_cookie_name("wos-session")
    })
    .await;

    begun_by_the_neighbour(&emulator, &ours, &neighbour, "wos-session").await;
    begun_by_us(&emulator, &ours, &neighbour, "wos-session").await;
}
