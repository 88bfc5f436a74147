//! Calls to WorkOS on systems with a proxy for every URL, and without certificates.

use std::net::TcpListener;

use authkit_emulator::{Emulator, SignIn};
use http::StatusCode;
use support::{Browser, PASSWORD, Program};

use crate::AXUM_APP;

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

    /// Whether something has connected. A connection stays in the queue until this accepts it.
    fn was_asked(&self) -> bool {
        self.listener.accept().is_ok()
    }
}

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
