//! The programs that need no set-up, `cargo run -p axum-app` and the README's program in a folder of its own: they start,
//! sign users in and keep them signed in.

use std::{
    fs,
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Method, StatusCode, header::SET_COOKIE};
use serde_json::{Value, json};
use support::{Answer, Browser, Chromium, Program, served::free_port};
use tokio::time::sleep;

use crate::{AXUM_APP, README};

/// Signs this user in on the emulator's pages, on the way to the dashboard.
async fn signed_in(app: &Program, email: &str) -> Browser {
    let browser = Browser::new();
    let page = browser.open(&app.url("/dashboard")).await;
    assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/user_management/authorize"));

    let mut answer = browser.press(&page, email).await;
    if answer.status == StatusCode::OK {
        // A user with several organizations chooses one.
        answer = browser.press(&answer, "Acme Corp").await;
    }
    let page = browser.open(browser.target(&answer).as_str()).await;
    assert_eq!((page.status, page.url.as_str()), (StatusCode::OK, app.url("/dashboard").as_str()));
    assert!(page.text().contains(email), "{}", page.text());
    browser
}

/// The README's program, in a folder of its own. Dropping it stops it.
struct Copied {
    process: Child,
    port: u16,
    folder: PathBuf,
}

impl Copied {
    /// Starts it in an empty folder with no variables but its ports. It prints nothing, so this tries to connect until it
    /// listens.
    async fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("authkit-readme-{}", std::process::id()));
        // Another process may take the free port first, so this tries several times.
        for _ in 0..5 {
            let port = free_port();
            fs::create_dir_all(&folder).unwrap();
            let mut command = Command::new(README);
            command.current_dir(&folder).env_clear().envs(EMULATED);
            command.envs([("PORT", port.to_string()), ("EMULATOR_PORT", "0".to_owned())]);
            let process = command.spawn().unwrap();
            let mut copied = Self { process, port, folder: folder.clone() };
            let began = Instant::now();
            while copied.process.try_wait().unwrap().is_none() && began.elapsed() < PATIENCE {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return copied;
                }
                sleep(Duration::from_millis(20)).await;
            }
        }
        panic!("the README's program has not listened on any port");
    }

    fn url(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.port)
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir(&self.folder);
    }
}

/// Whether the answer sets the session cookie once, and no other cookie.
fn sets_one_session(answer: &Answer) -> bool {
    answer.set_cookies("wos_session").len() == 1
        && answer.headers.get_all(SET_COOKIE).iter().count() == 1
}

#[tokio::test]
async fn the_readmes_program_signs_a_user_in_in_a_browser_within_a_minute() {
    let began = Instant::now();
    let app = Copied::start().await;
    let browser = Chromium::start().await;
    browser.open(&app.url("/dashboard")).await;
    browser.press("bob@acme.test").await;
    browser.arrive(&app.url("/dashboard")).await;
    browser.see("Hello Bob").await;
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());

    browser.open(&app.url("/")).await;
    browser.see("Welcome").await;
    let stranger = Browser::new().fetch(Method::GET, &app.url("/dashboard"), "").await;
    assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn public_pages_need_no_session_and_the_api_does() {
    let app = Program::start(AXUM_APP, &[]);
    let browser = Browser::new();
    let health = browser.fetch(Method::GET, &app.url("/healthz"), "").await;
    assert_eq!((health.status, health.text().as_str()), (StatusCode::OK, "ok"));
    let home = browser.navigate(&app.url("/")).await;
    assert_eq!(home.status, StatusCode::OK);
    assert!(home.text().contains("Sign in"));
    let me = browser.fetch(Method::GET, &app.url("/api/me"), "").await;
    assert_eq!(me.status, StatusCode::UNAUTHORIZED);
    assert_eq!(me.header("content-type"), "application/problem+json");
}

#[tokio::test]
async fn a_user_signs_in_on_the_emulators_page_and_out_again() {
    let app = Program::start(AXUM_APP, &[]);
    let browser = signed_in(&app, "alice@acme.test").await;

    let admin = browser.navigate(&app.url("/admin")).await;
    assert_eq!(admin.status, StatusCode::OK, "alice is an admin");
    let me = browser.fetch(Method::GET, &app.url("/api/me"), "").await.json();
    assert_eq!(me["user"]["email"], "alice@acme.test");
    assert_eq!(me["user"]["last_name"], "Ångström");
    assert_eq!(me["organization_id"], "org_01ACME0000000000000000000");
    assert_eq!((&me["role"], &me["roles"]), (&json!("admin"), &json!(["admin"])));
    assert_eq!(me["entitlements"], json!(["audit-logs", "sso"]));
    assert_eq!(me["impersonator"], Value::Null);
    assert!(me["permissions"].as_array().unwrap().contains(&json!("audit:read")), "{me}");
    assert!(me["session_id"].as_str().unwrap().starts_with("session_"), "{me}");
    assert!(me["expires_at"].is_u64(), "{me}");

    let dashboard = browser.navigate(&app.url("/dashboard")).await;
    let answer = browser.press(&dashboard, "Sign out").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let home = browser.open(browser.target(&answer).as_str()).await;
    assert_eq!((home.status, home.url.as_str()), (StatusCode::OK, app.url("/").as_str()));
    assert_eq!(browser.cookie("wos_session"), None);
    let again = browser.open(&app.url("/dashboard")).await;
    assert_eq!(again.url.path(), "/user_management/authorize", "the sign-in page");
}

#[tokio::test]
async fn the_page_for_admins_denies_a_member() {
    let app = Program::start(AXUM_APP, &[]);
    let browser = signed_in(&app, "bob@acme.test").await;
    let admin = browser.navigate(&app.url("/admin")).await;
    assert_eq!(admin.status, StatusCode::FORBIDDEN);
    assert_eq!(admin.header("location"), "");
}

/// The program uses the machine's clock, so the test waits until the tokens have expired.
#[tokio::test]
async fn rf_01_rf_02_a_session_outlives_its_token() {
    let app = Program::start(AXUM_APP, &[("EMULATOR_TOKEN_TTL", "5")]);
    let (reader, writer) =
        (signed_in(&app, "alice@acme.test").await, signed_in(&app, "bob@acme.test").await);
    let before = (reader.cookie("wos_session"), writer.cookie("wos_session"));
    sleep(Duration::from_secs(6)).await;

    let page = reader.navigate(&app.url("/dashboard")).await;
    assert_eq!(page.status, StatusCode::OK, "no redirect");
    assert!(page.text().contains("alice@acme.test"));
    assert!(sets_one_session(&page), "{:?}", page.headers);

    let body: Bytes =
        (0..10 << 20).map(|n: u32| n.to_le_bytes()[(n % 4) as usize]).collect::<Vec<_>>().into();
    let echo = writer.fetch(Method::POST, &app.url("/api/echo"), body.clone()).await;
    assert_eq!(echo.status, StatusCode::OK);
    assert!(echo.body == body, "{} bytes of {} came back", echo.body.len(), body.len());
    assert!(sets_one_session(&echo), "{:?}", echo.headers);

    let after = (reader.cookie("wos_session"), writer.cookie("wos_session"));
    assert!(before.0 != after.0 && before.1 != after.1, "both are refreshed");
    let me = writer.fetch(Method::GET, &app.url("/api/me"), "").await;
    assert_eq!((me.status, &me.json()["user"]["email"]), (StatusCode::OK, &json!("bob@acme.test")));
}

/// How long the README's program may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);

/// The variable that a release build of the README's program needs to start an emulator. A debug build needs none.
const EMULATED: Option<(&str, &str)> =
    if cfg!(debug_assertions) { None } else { Some(("AUTHKIT_DEV", "1")) };
