//! The texts that an operator gets at the start, and the effects of the system's settings.

use std::net::TcpListener;

use authkit_emulator::{Emulator, SignIn};
use authkit_tower::{AuthKit, AuthKitLayer, Config, CookiePassword, SealFormat};
use axum::{Router, routing::get};
use http::StatusCode;
use support::{Browser, Events, Harness, PASSWORD, Program};

use crate::AXUM_APP;

const API_KEY: &str = "sk_test_of_this_test";
const GOOD_PASSWORD: &str = "v0RAnCHm6QTHGrCBBeqiJxWURBoavNMLO0ZUTmNlX8g=";
const WEAK_PASSWORD: &str = "abababababababababababababababab";

fn config(redirect_uri: &str, password: &str) -> Config {
    let password = CookiePassword::new(password).unwrap();
    Config::new("client_1", API_KEY, redirect_uri, password)
}

#[test]
fn e10_what_was_configured_is_said_once_and_what_is_doubtful_is_warned_of_once() {
    let events = Events::listen();
    let config =
        config("http://app.example.com/callback", WEAK_PASSWORD).with_seal_format(SealFormat::Go);
    let authkit = AuthKit::new(config).unwrap();
    let told = events.take();

    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].starts_with("INFO "), "{told:?}");
    for field in [
        "environment=\"test\"",
        "client_id=\"client_1\"",
        "origin=\"http://app.example.com\"",
        "cookie=\"wos_session\"",
        "seal_format=\"go\"",
        "coordinator=\"InProcess\"",
    ] {
        assert!(told[0].contains(field), "{field}: {told:?}");
    }
    for (line, warning) in told[1..].iter().zip(authkit.settings().warnings()) {
        assert!(line.starts_with("WARN ") && line.contains(&warning.to_string()), "{line}");
    }
    for secret in [API_KEY, WEAK_PASSWORD] {
        assert!(!told.concat().contains(secret), "{told:?}");
    }

    let clone = authkit.clone();
    assert_eq!(clone.settings().warnings().len(), 2);
    assert_eq!(events.take(), Vec::<String>::new(), "a clone is nothing new");
}

#[test]
fn e10_a_configuration_as_it_should_be_is_not_warned_of() {
    let events = Events::listen();
    AuthKit::new(config("https://app.example.com/callback", GOOD_PASSWORD)).unwrap();
    let told = events.take();
    assert_eq!(told.len(), 1, "{told:?}");
}

#[tokio::test]
async fn an_api_key_is_replaced_while_the_service_runs() {
    let harness = Harness::start().await;
    let app = Router::new()
        .route("/", get(async || "in"))
        .route_layer(AuthKitLayer::new(&harness.authkit));
    let running = harness.serve(app);
    let key = running.emulator.api_key().to_owned();
    let events = Events::listen();
    let status = async |email: &str| {
        let browser = running.holding(&running.emulator.session(email).expired());
        browser.navigate(&running.url("/")).await.status
    };
    let revoke = async || {
        let session = running.emulator.session("bob@acme.test");
        running.authkit.client().revoke(session.session_id()).await
    };

    running.authkit.reload_api_key("sk_test_that_was_revoked").unwrap();
    assert_eq!(status("alice@acme.test").await, StatusCode::SERVICE_UNAVAILABLE);
    assert!(revoke().await.is_err());

    let problem = running.authkit.reload_api_key(format!("'{key}'")).unwrap_err();
    assert!(problem.to_string().contains("WORKOS_API_KEY"), "{problem}");
    assert!(revoke().await.is_err(), "a key that is refused replaces none");

    running.authkit.reload_api_key(key.as_str()).unwrap();
    assert_eq!(status("bob@acme.test").await, StatusCode::OK);
    revoke().await.unwrap();
    let told = events.take().concat();
    assert!(!told.contains(&key) && !told.contains("was_revoked"), "{told}");
    assert_eq!(told.matches("the API key was replaced").count(), 2, "{told}");
}

/// A listener in place of a forward proxy.
struct Proxy {
    listener: TcpListener,
}

impl Proxy {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self { listener }
    }

    fn url(&self) -> String {
        format!("http://{}", self.listener.local_addr().unwrap())
    }

    /// Whether something has connected. A connection stays in the queue, since nobody accepts or answers it earlier.
    fn was_asked(&self) -> bool {
        self.listener.accept().is_ok()
    }
}

/// The example as its users run it, with a WorkOS on loopback: on a system with proxies for everything, and on one without
/// certificates.
#[tokio::test]
async fn e8_e9_a_loopback_workos_needs_neither_proxy_nor_certificates() {
    let emulator = Emulator::builder().sign_in(SignIn::Automatic).start().await.unwrap();
    let proxy = Proxy::new();
    let app = Program::start_where(AXUM_APP, |port| {
        let proxies = ["http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"];
        let proxies = proxies.map(|name| (name, proxy.url()));
        let own = [
            ("WORKOS_REDIRECT_URI", format!("http://localhost:{port}/callback")),
            ("WORKOS_COOKIE_PASSWORD", PASSWORD.to_owned()),
            ("SSL_CERT_FILE", "/nonexistent/certificates.pem".to_owned()),
        ];
        emulator.env().into_iter().chain(proxies).chain(own).collect()
    });
    let browser = Browser::new();
    let page = browser.open(&app.url("/dashboard")).await;
    assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/dashboard"), "{}", page.text());
    assert!(!proxy.was_asked(), "the proxy would have learned the API key");
}

/// What a setting is without a call is the first that its reader wants to know.
#[test]
fn every_setting_states_its_default() {
    let sources = [
        include_str!("../../crates/authkit-session/src/config.rs"),
        include_str!("../../crates/authkit-session/src/connect/resource.rs"),
        include_str!("../../crates/authkit-tower/src/layer.rs"),
        include_str!("../../crates/authkit-tower/src/endpoints.rs"),
        include_str!("../../crates/authkit-tower/src/webhooks.rs"),
        include_str!("../../crates/authkit-redis/src/builder.rs"),
    ];
    let mut settings = 0;
    for source in sources {
        let mut documentation = String::new();
        for line in source.lines().map(str::trim) {
            if line.starts_with("///") {
                documentation += line;
            } else if let Some((name, _)) =
                line.strip_prefix("pub fn with").and_then(|rest| rest.split_once(['(', '<']))
            {
                let states_it = documentation.to_ascii_lowercase().contains("default");
                assert!(states_it, "with{name}: {documentation}");
                settings += 1;
            } else if !line.starts_with("#[") {
                documentation.clear();
            }
        }
    }
    assert!(settings > 50, "{settings}");
}
