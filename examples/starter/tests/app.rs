//! The program as whoever copied it runs it: without an account, in a folder of its own.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use reqwest::{Client, Method, Response, redirect};

/// A running program and its folder; both go with the test.
struct Program {
    process: Child,
    port: u16,
    folder: PathBuf,
    greeting: String,
}

impl Program {
    /// Starts it with nothing but a free port, and a file `.env` that says more.
    fn start(name: &str, dotenv: &str) -> Self {
        // The port is free when it is chosen and may be taken a moment later, hence more than one try.
        let started = (0..5).find_map(|_| Self::launch(name, dotenv).ok());
        started.expect("it should serve")
    }

    /// What it says in its end, if it does not serve.
    fn launch(name: &str, dotenv: &str) -> Result<Self, String> {
        let folder = std::env::temp_dir().join(format!("starter-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(".env"), dotenv).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut process = Command::new(env!("CARGO_BIN_EXE_starter"))
            .current_dir(&folder)
            .env_clear()
            .envs(EMULATED)
            .env("PORT", port.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let mut stderr = BufReader::new(process.stderr.take().unwrap());
        if line.trim_end() != format!("http://localhost:{port}") {
            let mut words = String::new();
            stderr.read_to_string(&mut words).unwrap();
            let _ = process.wait();
            return Err(words);
        }
        let mut greeting = String::new();
        stderr.read_line(&mut greeting).unwrap();
        Ok(Self { process, port, folder, greeting })
    }

    fn url(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.port)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // They may be gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A browser of one user, whose cookies are the application's.
struct Browser {
    client: Client,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    fn new() -> Self {
        let client = Client::builder().redirect(redirect::Policy::none()).no_proxy().build();
        Self { client: client.unwrap(), cookies: BTreeMap::new() }
    }

    async fn send(&mut self, method: Method, url: &str, body: &str) -> Response {
        let cookies: Vec<_> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = self
            .client
            .request(method, url)
            .header("accept", "text/html")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("cookie", cookies.join("; "));
        let answer = request.body(body.to_owned()).send().await.unwrap();
        for cookie in answer.headers().get_all("set-cookie") {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// Goes where redirects lead.
    async fn open(&mut self, url: String) -> Response {
        let mut url = url;
        for _ in 0..8 {
            let answer = self.send(Method::GET, &url, "").await;
            match location(&answer) {
                Some(next) => url = next,
                None => return answer,
            }
        }
        panic!("too many redirects: {url}")
    }
}

/// Where an answer leads to.
fn location(answer: &Response) -> Option<String> {
    let location = answer.headers().get("location")?.to_str().unwrap();
    Some(answer.url().join(location).unwrap().into())
}

#[tokio::test]
async fn a_user_signs_in_sees_the_dashboard_and_signs_out() {
    let app = Program::start("sign-in", "EMULATOR_PORT=0\n");
    assert!(app.greeting.contains("emulator of WorkOS"), "{}", app.greeting);
    assert!(app.greeting.contains("bob@acme.test"), "{}", app.greeting);
    assert!(app.greeting.contains(&app.url("")), "{}", app.greeting);
    let mut browser = Browser::new();
    let home = browser.open(app.url("/")).await;
    assert_eq!(home.status(), 200);
    assert!(home.text().await.unwrap().contains("/dashboard"));

    let sign_in = browser.open(app.url("/dashboard")).await;
    let page = sign_in.url().to_string();
    assert!(page.contains("/user_management/authorize"), "{page}");
    let form = "email=bob%40acme.test";
    let signed_in = browser.send(Method::POST, &page, form).await;
    let dashboard = browser.open(location(&signed_in).expect("back to the application")).await;
    assert_eq!((dashboard.status().as_u16(), dashboard.url().path()), (200, "/dashboard"));
    let text = dashboard.text().await.unwrap();
    assert!(text.contains("(member)") && text.contains("Sign out"), "{text}");

    let signed_out = browser.send(Method::POST, &app.url("/logout"), "").await;
    assert_eq!(signed_out.status(), 303);
    assert!(!browser.cookies.contains_key("wos_session"));
    let home = browser.open(location(&signed_out).unwrap()).await;
    assert_eq!((home.status().as_u16(), home.url().as_str()), (200, &*app.url("/")));
    let again = browser.open(app.url("/dashboard")).await;
    assert_eq!(again.url().path(), "/user_management/authorize");
}

#[test]
fn a_file_with_some_of_the_variables_is_told_which_are_missing() {
    let words = Program::launch("missing", "WORKOS_CLIENT_ID=client_123\n").err().unwrap();
    for variable in ["WORKOS_API_KEY", "WORKOS_REDIRECT_URI", "WORKOS_COOKIE_PASSWORD"] {
        assert!(words.contains(&format!("{variable} (Config::new) is not set")), "{words}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_no_reason_for_an_emulator() {
    let words = Program::launch("unreadable", "WORKOS_CLIENT_ID='client\n").err().unwrap();
    assert!(!words.contains("emulator"), "{words}");
}

#[test]
fn it_is_short_enough_to_copy() {
    let lines = include_str!("../src/main.rs").lines().count();
    assert!(lines <= 60, "{lines} lines");
}

/// What it needs to start an emulator by itself: nothing, unless it is optimized.
const EMULATED: Option<(&str, &str)> =
    if cfg!(debug_assertions) { None } else { Some(("AUTHKIT_DEV", "1")) };
