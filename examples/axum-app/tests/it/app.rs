use std::{convert::Infallible, net::SocketAddr, time::Duration};

use authkit_emulator::{Emulator, Fault, TestSession};
use authkit_tower::{AuthKit, Config, CookiePassword};
use axum_app::{Organization, Organizations, Refreshes, app_with};
use futures_util::{SinkExt, StreamExt, stream};
use reqwest::{Body, Client, RequestBuilder, Response, redirect};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{client::IntoClientRequest, protocol::Message},
};

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
        let refreshes = Refreshes::default();
        let hook = refreshes.clone();
        let config = config
            .with_base_url(emulator.url())
            .with_refresh_hook(move |refreshed| hook.clone().note(refreshed));
        let authkit = AuthKit::new(config).unwrap();
        let organizations: Organizations = emulator
            .users()
            .into_iter()
            .flat_map(|user| user.memberships.into_iter().map(move |one| (user.id.clone(), one)))
            .map(|(user, one)| {
                (user, Organization::new(one.organization_id, one.organization_name))
            })
            .collect();
        let app = app_with(&authkit, organizations, refreshes);
        tokio::spawn(async move { axum::serve(listener, app).await });
        let client =
            Client::builder().redirect(redirect::Policy::none()).no_proxy().build().unwrap();
        Self { emulator, client, address }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(self.url(path))
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(self.url(path))
    }

    async fn page(&self, path: &str) -> Response {
        self.get(path).page().send().await.unwrap()
    }

    async fn page_of(&self, email: &str, path: &str) -> Response {
        let session = self.emulator.session(email);
        self.get(path).page().session(&session).send().await.unwrap()
    }
}

trait Browser {
    fn page(self) -> Self;
    fn session(self, session: &TestSession) -> Self;
}

impl Browser for RequestBuilder {
    /// Requests a page as a browser does.
    fn page(self) -> Self {
        self.header("accept", "text/html")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-site", "same-origin")
    }

    fn session(self, session: &TestSession) -> Self {
        self.header("cookie", format!("wos_session={}", session.cookie(PASSWORD)))
    }
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn everybody_sees_the_public_pages() {
    let site = Site::start().await;

    for (path, content_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/healthz", "text/plain; charset=utf-8"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
    ] {
        let response = site.page(path).await;
        assert_eq!(
            (response.status().as_u16(), header(&response, "content-type")),
            (200, content_type),
            "{path}"
        );
        assert!(
            header(&response, "content-security-policy").starts_with("default-src 'none'"),
            "{path}"
        );
        assert_eq!(header(&response, "x-content-type-options"), "nosniff", "{path}");
    }
    assert_eq!(site.page("/healthz").await.text().await.unwrap(), "ok");
    assert_eq!(site.page("/nothing").await.status(), 404);
    assert!(site.page("/").await.text().await.unwrap().contains("Signed out"));
}

#[tokio::test]
async fn nobody_is_sent_to_sign_in_and_back() {
    let site = Site::start().await;

    let response = site.page("/dashboard").await;
    assert_eq!(response.status(), 302);
    assert_eq!(header(&response, "location"), "/login?return_to=%2Fdashboard");

    let response = site.get("/api/me").send().await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(header(&response, "content-type"), "application/problem+json");
    assert_eq!(response.json::<Value>().await.unwrap()["login_url"], "/login");

    for path in ["/admin", "/admin/keys", "/fragment", "/events", "/ws"] {
        assert_eq!(site.get(path).send().await.unwrap().status(), 401, "{path}");
    }
    for path in ["/dashboard", "/organization", "/api/echo"] {
        assert_eq!(site.post(path).send().await.unwrap().status(), 401, "{path}");
    }
}

#[tokio::test]
async fn a_session_opens_the_pages() {
    let site = Site::start().await;

    let home = site.page_of(ALICE, "/").await.text().await.unwrap();
    assert!(home.contains("Hello, Alice") && home.contains("Acme Corp"), "{home}");
    let dashboard = site.page_of(ALICE, "/dashboard").await;
    assert_eq!(dashboard.status(), 200);
    assert_eq!(header(&dashboard, "cache-control"), "private, no-store");
    let dashboard = dashboard.text().await.unwrap();
    for shown in [
        ALICE,
        "org_01ACME0000000000000000000",
        "audit:read",
        "beta-dashboard",
        "Globex",
        r#"data-left="#,
    ] {
        assert!(dashboard.contains(shown), "{shown}");
    }
    assert_eq!(site.page_of(ALICE, "/admin").await.status(), 200);
    assert_eq!(site.page_of(ALICE, "/admin/keys").await.status(), 200);
}

#[tokio::test]
async fn a_member_is_told_that_admin_is_not_for_members() {
    let site = Site::start().await;

    let response = site.page_of("bob@acme.test", "/admin").await;

    assert_eq!(response.status(), 403);
    assert_eq!(header(&response, "content-type"), "text/html; charset=utf-8");
}

#[tokio::test]
async fn me_has_every_field_even_of_who_has_nothing() {
    let site = Site::start().await;
    let me = async |session: &TestSession| -> Value {
        let response = site.get("/api/me").session(session).send().await.unwrap();
        assert_eq!(response.status(), 200);
        response.json().await.unwrap()
    };

    let alice = site.emulator.session(ALICE);
    let claims = alice.claims();
    let answer = me(&alice).await;
    assert_eq!(answer["user"]["email"], ALICE);
    assert_eq!(answer["user"]["first_name"], "Alice");
    assert_eq!(answer["user"]["email_verified"], true);
    assert_eq!(answer["session_id"], claims["sid"]);
    assert_eq!(answer["organization_id"], "org_01ACME0000000000000000000");
    assert_eq!(answer["role"], "admin");
    assert_eq!(answer["roles"], json!(["admin"]));
    assert_eq!(answer["permissions"], claims["permissions"]);
    assert_eq!(answer["entitlements"], json!(["audit-logs", "sso"]));
    assert_eq!(answer["feature_flags"], json!(["beta-dashboard", "new-billing"]));
    assert_eq!(answer["impersonator"], Value::Null);
    assert_eq!(answer["expires_at"], claims["exp"]);

    let mut carol = me(&site.emulator.session("carol@example.test")).await;
    carol["user"].take();
    let (session_id, expires_at) = (carol["session_id"].take(), carol["expires_at"].take());
    assert!(session_id.is_string() && expires_at.is_u64());
    let nothing = json!({
        "user": null, "session_id": null, "organization_id": null, "role": null, "roles": [], "permissions": [],
        "entitlements": [], "feature_flags": [], "impersonator": null, "expires_at": null,
    });
    assert_eq!(carol, nothing);
}

#[tokio::test]
async fn an_impersonator_is_announced() {
    let site = Site::start().await;

    let page = site.page_of("dave@acme.test", "/dashboard").await.text().await.unwrap();
    assert!(
        page.contains(r#"aria-label="Impersonation""#) && page.contains("support@acme.test"),
        "{page}"
    );
    let session = site.emulator.session("dave@acme.test");
    let me: Value =
        site.get("/api/me").session(&session).send().await.unwrap().json().await.unwrap();
    assert_eq!(
        me["impersonator"],
        json!({ "email": "support@acme.test", "reason": "ticket #4711" })
    );

    let page = site.page_of(ALICE, "/dashboard").await.text().await.unwrap();
    assert!(!page.contains("Impersonation"));
}

#[tokio::test]
async fn ten_mebibytes_come_back_as_they_are_while_the_session_is_renewed() {
    let site = Site::start().await;
    let body: Vec<u8> =
        (0..10 * 1024 * 1024_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let expired = site.emulator.session(ALICE).expired();

    let response = site
        .post("/api/echo")
        .session(&expired)
        .header("content-type", "application/x-thing")
        .body(body.clone())
        .send()
        .await
        .unwrap();

    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "content-type"), "application/x-thing");
    assert_eq!(response.headers().get_all("set-cookie").iter().count(), 1);
    assert!(response.bytes().await.unwrap() == body, "the body came back changed");
}

#[tokio::test]
async fn the_echo_keeps_nothing_back() {
    let site = Site::start().await;
    let session = site.emulator.session(ALICE);
    let (sender, receiver) = mpsc::channel::<&'static str>(1);
    let chunks = stream::unfold(receiver, async |mut receiver| {
        let chunk = receiver.recv().await?;
        Some((Ok::<_, Infallible>(chunk), receiver))
    });

    sender.send("first").await.unwrap();
    let request = site.post("/api/echo").session(&session).body(Body::wrap_stream(chunks));
    let mut response = request.send().await.unwrap();

    assert_eq!(response.chunk().await.unwrap().unwrap(), "first");
    sender.send("second").await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "second");
    drop(sender);
    assert_eq!(response.chunk().await.unwrap(), None);
}

#[tokio::test]
async fn a_form_survives_an_expired_token() {
    let site = Site::start().await;
    let expired = site.emulator.session(ALICE).expired();
    let loaded_with = expired.claims()["exp"].to_string();
    let note = "<script>alert(1)</script> & \"more\"";

    let response = site
        .post("/dashboard")
        .page()
        .session(&expired)
        .form(&[("text", note), ("expires_at", &loaded_with)])
        .send()
        .await
        .unwrap();

    assert_eq!(response.status(), 200);
    assert!(header(&response, "set-cookie").starts_with("wos_session="));
    let page = response.text().await.unwrap();
    assert!(
        page.contains(
            "<blockquote>&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;more&quot;</blockquote>"
        ),
        "{page}"
    );
    assert!(page.contains("the session was renewed"), "{page}");
}

#[tokio::test]
async fn another_site_sends_no_form() {
    let site = Site::start().await;
    let session = site.emulator.session(ALICE);

    let response = site
        .post("/dashboard")
        .session(&session)
        .header("sec-fetch-site", "cross-site")
        .form(&[("text", "hello"), ("expires_at", "0")])
        .send()
        .await
        .unwrap();

    assert_eq!(response.status(), 403);
}

#[tokio::test]
async fn htmx_gets_a_fragment_and_everybody_else_the_page() {
    let site = Site::start().await;
    let session = site.emulator.session(ALICE);

    let fragment =
        site.get("/fragment").header("hx-request", "true").session(&session).send().await.unwrap();
    assert!(fragment.text().await.unwrap().starts_with(r#"<section class="card" id="session""#));
    let page = site.get("/fragment").page().session(&session).send().await.unwrap();
    assert_eq!((page.status().as_u16(), header(&page, "location")), (303, "/dashboard"));

    let here = site.url("/dashboard");
    let nobody = site
        .get("/fragment")
        .header("hx-request", "true")
        .header("hx-current-url", here)
        .send()
        .await
        .unwrap();
    assert_eq!(
        (nobody.status().as_u16(), header(&nobody, "hx-redirect")),
        (401, "/login?return_to=%2Fdashboard")
    );
}

#[tokio::test]
async fn an_event_stream_ends_with_the_token() {
    let site = Site::start().await;
    let session = site.emulator.session(ALICE).lifetime(Duration::from_secs(3));

    let response = site
        .get("/events")
        .header("accept", "text/event-stream")
        .session(&session)
        .send()
        .await
        .unwrap();
    assert_eq!(header(&response, "content-type"), "text/event-stream");
    let events = tokio::time::timeout(Duration::from_secs(20), response.text())
        .await
        .expect("it ends")
        .unwrap();

    assert!(events.contains("event: tick\ndata: 1\n"), "{events}");
    assert!(events.ends_with("event: end\ndata: the token has expired\n\n"), "{events}");
}

/// A WebSocket of somebody whose token ends in 3 seconds.
async fn socket(site: &Site) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
    let session = site.emulator.session(ALICE).lifetime(Duration::from_secs(3));
    let mut request = format!("ws://{}/ws", site.address).into_client_request().unwrap();
    let cookie = format!("wos_session={}", session.cookie(PASSWORD));
    request.headers_mut().insert("cookie", cookie.parse().unwrap());
    let (socket, _) = connect_async(request).await.unwrap();
    socket
}

#[tokio::test]
async fn a_websocket_talks_until_the_token_ends() {
    let site = Site::start().await;
    let mut socket = socket(&site).await;

    socket.send(Message::text("hello")).await.unwrap();

    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("hello"));
    let farewell =
        tokio::time::timeout(Duration::from_secs(20), socket.next()).await.expect("it ends");
    let Some(Ok(Message::Close(Some(frame)))) = farewell else { panic!("{farewell:?}") };
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1008, "the token has expired"));
}

#[tokio::test]
async fn a_websocket_that_nobody_reads_ends_with_the_token_too() {
    let site = Site::start().await;
    let mut socket = socket(&site).await;

    // Enough data that neither end can send any more.
    let talk = async { while socket.send(Message::binary(vec![0; 32 * 1024])).await.is_ok() {} };

    tokio::time::timeout(Duration::from_secs(20), talk).await.expect("the connection ends");
}

/// The browser's cookies after this answer.
fn session_cookie(response: &Response) -> &str {
    let cookie = header(response, "set-cookie");
    assert!(cookie.starts_with("wos_session="), "{cookie}");
    cookie.split(';').next().unwrap()
}

#[tokio::test]
async fn switching_takes_the_session_to_the_other_organization() {
    let site = Site::start().await;
    let session = site.emulator.session(ALICE);
    let chosen = [("id", "org_01GLOBEX00000000000000000")];

    let response =
        site.post("/organization").page().session(&session).form(&chosen).send().await.unwrap();

    assert_eq!((response.status().as_u16(), header(&response, "location")), (303, "/dashboard"));
    let page = site.get("/dashboard").page().header("cookie", session_cookie(&response));
    let page = page.send().await.unwrap().text().await.unwrap();
    assert!(page.contains(r#"<span class="pill accent">Globex</span>"#), "{page}");
    assert!(page.contains("to switch the organization"), "{page}");
    assert!(page.contains(r#"role: <s class="quiet">admin</s> → member"#), "{page}");
}

#[tokio::test]
async fn switching_leads_to_a_sign_in_where_workos_wants_one() {
    let site = Site::start().await;
    let session = site.emulator.session(ALICE);
    site.emulator.fault(Fault::error(403, "sso_required"));
    let chosen = [("id", "org_01GLOBEX00000000000000000")];

    let response =
        site.post("/organization").page().session(&session).form(&chosen).send().await.unwrap();

    let location = "/login?organization_id=org_01GLOBEX00000000000000000&return_to=%2Fdashboard";
    assert_eq!((response.status().as_u16(), header(&response, "location")), (303, location));
}

#[tokio::test]
async fn a_switch_that_fails_says_so_and_changes_nothing() {
    let site = Site::start().await;
    let session = site.emulator.session(ALICE);
    let post =
        |id: &'static str| site.post("/organization").page().session(&session).form(&[("id", id)]);

    let response = post("org_nobody's").send().await.unwrap();
    assert_eq!(response.status(), 403);
    assert!(response.text().await.unwrap().contains("you are not a member"));

    let response = post("org_01GLOBEX00000000000000000").send().await.unwrap();
    assert_eq!(response.status(), 429, "two seconds later at the earliest");
    assert_eq!(header(&response, "set-cookie"), "");
    let page = site.get("/dashboard").page().session(&session).send().await.unwrap();
    assert!(page.text().await.unwrap().contains(r#"<span class="pill accent">Acme Corp</span>"#));
}

#[tokio::test]
async fn a_button_renews_the_session_and_the_page_says_what_happened() {
    let site = Site::start().await;
    let session = site.emulator.session(ALICE);
    let page = site.get("/dashboard").page().session(&session).send().await.unwrap();
    assert!(page.text().await.unwrap().contains("none since this program started"));

    let response = site.post("/refresh").page().session(&session).send().await.unwrap();
    assert_eq!((response.status().as_u16(), header(&response, "location")), (303, "/dashboard"));
    let page = site.get("/dashboard").page().header("cookie", session_cookie(&response));
    let page = page.send().await.unwrap().text().await.unwrap();
    assert!(page.contains("the old token had "), "{page}");

    let expired = site.emulator.session(ALICE).expired();
    let page = site.get("/dashboard").page().session(&expired).send().await.unwrap();
    assert!(page.text().await.unwrap().contains("in line: the old token had ended "));
}

#[tokio::test]
async fn signing_keys_want_a_recent_sign_in() {
    let site = Site::start().await;
    let long_ago = json!(site.emulator.session(ALICE).claims()["iat"].as_u64().unwrap() - 600);
    let session = site.emulator.session(ALICE).claim("auth_time", long_ago);

    let response = site.get("/admin/keys").page().session(&session).send().await.unwrap();

    assert_eq!(response.status(), 302);
    assert_eq!(header(&response, "location"), "/login?return_to=%2Fadmin%2Fkeys&max_age=300");
    assert_eq!(site.page_of("dave@acme.test", "/admin/keys").await.status(), 403);
}
