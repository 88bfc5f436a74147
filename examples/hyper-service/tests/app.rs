//! The application over a real socket.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::net::SocketAddr;

use authkit_emulator::{Emulator, Endpoint, TestSession};
use authkit_tower::{AuthKit, Config, CookiePassword};
use hyper_service::app;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use reqwest::{Client, RequestBuilder, Response, redirect};
use serde_json::Value;
use tokio::net::TcpListener;

const PASSWORD: &str = "a-cookie-password-of-32-characters";
const ALICE: &str = "alice@acme.test";

struct Site {
    emulator: Emulator,
    client: Client,
    address: SocketAddr,
}

impl Site {
    async fn start() -> Self {
        let emulator = Emulator::start().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let config = Config::new(
            emulator.client_id(),
            emulator.api_key(),
            format!("http://{address}/callback"),
            CookiePassword::new(PASSWORD).unwrap(),
        );
        let authkit = AuthKit::new(config.with_base_url(emulator.url())).unwrap();
        let service = TowerToHyperService::new(app(&authkit));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = service.clone();
                tokio::spawn(async move {
                    let server = auto::Builder::new(TokioExecutor::new());
                    // A client that goes away is none of the test's business.
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        let client =
            Client::builder().redirect(redirect::Policy::none()).no_proxy().build().unwrap();
        Self { emulator, client, address }
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("http://{}{path}", self.address))
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("http://{}{path}", self.address))
    }
}

fn with(request: RequestBuilder, session: &TestSession) -> RequestBuilder {
    request.header("cookie", format!("wos_session={}", session.cookie(PASSWORD)))
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn nobody_is_let_in_and_everybody_can_sign_in() {
    let site = Site::start().await;

    let page = site.get("/?tab=1").header("accept", "text/html").send().await.unwrap();
    assert_eq!(
        (page.status().as_u16(), header(&page, "location")),
        (302, "/login?return_to=%2F%3Ftab%3D1")
    );
    let sign_in = site.get("/login?return_to=%2F%3Ftab%3D1").send().await.unwrap();
    assert_eq!(sign_in.status(), 302);
    assert!(header(&sign_in, "location").starts_with(site.emulator.url()), "{sign_in:?}");

    for path in ["/", "/api/me", "/nothing"] {
        let answer = site.get(path).send().await.unwrap();
        assert_eq!(answer.status(), 401, "{path}");
        let problem: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        assert_eq!(problem["login_url"], "/login", "{path}");
    }
}

#[tokio::test]
async fn a_session_opens_everything() {
    let site = Site::start().await;
    let session = site.emulator.session(ALICE);

    let page = with(site.get("/"), &session).send().await.unwrap();
    assert_eq!(header(&page, "cache-control"), "private, no-store");
    assert!(page.text().await.unwrap().contains("Hello Alice "));
    let me = with(site.get("/api/me"), &session).send().await.unwrap();
    let me: Value = serde_json::from_slice(&me.bytes().await.unwrap()).unwrap();
    assert_eq!((&me["email"], &me["role"]), (&ALICE.into(), &"admin".into()));
    assert_eq!(with(site.get("/nothing"), &session).send().await.unwrap().status(), 404);

    let signed_out = with(site.post("/logout"), &session).send().await.unwrap();
    assert_eq!(signed_out.status(), 303);
    assert!(header(&signed_out, "set-cookie").starts_with("wos_session=;"));
    assert_eq!(with(site.get("/api/me"), &session).send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn a_body_survives_a_refresh() {
    let site = Site::start().await;
    let body = vec![7; 1 << 20];

    let expired = site.emulator.session(ALICE).expired();
    let echo = with(site.post("/api/echo"), &expired).body(body.clone()).send().await.unwrap();

    assert_eq!(echo.status(), 200);
    assert!(header(&echo, "set-cookie").starts_with("wos_session="));
    assert!(echo.bytes().await.unwrap() == body, "the body came back changed");
    assert_eq!(site.emulator.calls(Endpoint::Authenticate), 1);
}
