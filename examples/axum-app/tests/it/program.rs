//! `axum-app` as a process.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use authkit_emulator::{Emulator, Endpoint, Fault};
use reqwest::redirect::Policy;

/// The program with these variables and no others.
fn program(variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_axum-app"));
    command.env_clear().envs(EMULATED).envs(variables.iter().copied());
    command
}

/// The variables with which the program starts an emulator: none in a debug build, `AUTHKIT_DEV` in a release build.
const EMULATED: Option<(&str, &str)> =
    if cfg!(debug_assertions) { None } else { Some(("AUTHKIT_DEV", "1")) };

fn refusal(variables: &[(&str, &str)]) -> String {
    let Output { status, stderr, .. } = program(variables).output().unwrap();
    assert_eq!(status.code(), Some(1));
    String::from_utf8(stderr).unwrap()
}

/// A running program, which ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Fails only if the process has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    /// Starts the program, and reads its output up to the address that it listens on.
    fn start(variables: &[(&str, &str)]) -> (Self, Vec<String>) {
        let mut child = program(variables).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let running = Self(child);
        let mut lines = Vec::new();
        for line in stdout.lines() {
            lines.push(line.unwrap());
            if lines.last().is_some_and(|line| line.starts_with("http://localhost:")) {
                return (running, lines);
            }
        }
        panic!("it ended early: {lines:?}");
    }

    /// Sends a signal, and waits for its end.
    #[cfg(unix)]
    fn stop(&mut self, signal: &str) -> Option<i32> {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        self.0.wait().unwrap().code()
    }
}

#[tokio::test]
async fn without_variables_it_brings_an_emulator_and_says_who_can_sign_in() {
    let (_running, lines) = Running::start(&[("PORT", "0"), ("EMULATOR_PORT", "0")]);

    assert!(lines[0].contains("emulator") && lines[0].contains("http://127.0.0.1:"), "{lines:?}");
    for email in ["alice@acme.test", "bob@acme.test", "carol@example.test", "dave@acme.test"] {
        assert!(
            lines.iter().any(|line| line.trim_start().starts_with(email)),
            "{email}: {lines:?}"
        );
    }
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let page = client.get(format!("{}/login", lines.last().unwrap())).send().await.unwrap();
    assert_eq!(page.status(), 200);
    assert!(page.text().await.unwrap().contains("alice@acme.test"), "the emulator's sign-in page");
}

#[test]
fn a_taken_emulator_port_is_replaced() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();

    let (_running, lines) = Running::start(&[("PORT", "0"), ("EMULATOR_PORT", &port)]);

    assert!(!lines[0].contains(&format!(":{port}.")), "{lines:?}");
}

#[test]
fn one_workos_variable_demands_them_all() {
    let error = refusal(&[
        ("PORT", "0"),
        ("WORKOS_CLIENT_ID", "client_123"),
        ("WORKOS_COOKIE_PASSWORD", "short"),
    ]);

    for problem in [
        "WORKOS_API_KEY (Config::new) is not set",
        "WORKOS_REDIRECT_URI (Config::new) is not set",
        "fewer than 32 bytes",
    ] {
        assert!(
            error.lines().any(|line| line.starts_with("  - ") && line.contains(problem)),
            "{problem}: {error}"
        );
    }
    assert!(!error.contains("short"), "{error}");
}

#[test]
fn e9_without_certificates_it_says_what_to_install() {
    let error = refusal(&[
        ("PORT", "0"),
        ("WORKOS_CLIENT_ID", "client_123"),
        ("WORKOS_API_KEY", "sk_test_123"),
        ("WORKOS_REDIRECT_URI", "http://localhost:3000/callback"),
        ("WORKOS_COOKIE_PASSWORD", PASSWORD),
        ("SSL_CERT_FILE", "/nonexistent/certificates.pem"),
    ]);

    let problems: Vec<_> = error.lines().filter(|line| line.starts_with("  - ")).collect();
    let [problem] = problems[..] else { panic!("{error}") };
    for hint in ["SSL_CERT_FILE", "/nonexistent/certificates.pem", "`ca-certificates`"] {
        assert!(problem.contains(hint), "{hint}: {error}");
    }
    assert!(!problem.contains("WORKOS_"), "{error}");
}

/// The program starts with a warning, since the setting may be intended.
#[test]
fn e10_what_is_hardly_meant_is_warned_of() {
    let mut running = program(&[
        ("PORT", "0"),
        ("WORKOS_CLIENT_ID", "client_123"),
        ("WORKOS_API_KEY", "sk_test_123"),
        ("WORKOS_REDIRECT_URI", "http://app.example.com/callback"),
        ("WORKOS_COOKIE_PASSWORD", PASSWORD),
        ("WORKOS_BASE_URL", "http://127.0.0.1:1"),
    ]);
    let child = running.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut running = Running(child);
    let mut lines = BufReader::new(running.0.stderr.take().unwrap()).lines().map_while(Result::ok);
    for words in [
        ["INFO", "sessions are configured", "client_123"],
        ["WARN", "WORKOS_REDIRECT_URI", "write the `https://` URL"],
        ["WARN", "WORKOS_COOKIE_PASSWORD", "openssl rand -base64 32"],
    ] {
        let line = lines.next().unwrap();
        assert!(words.iter().all(|word| line.contains(word)), "{words:?}: {line}");
    }
}

#[test]
fn with_workos_there_is_no_emulator() {
    let (_running, lines) = Running::start(&[
        ("PORT", "0"),
        ("WORKOS_CLIENT_ID", "client_123"),
        ("WORKOS_API_KEY", "sk_test_123"),
        ("WORKOS_REDIRECT_URI", "http://localhost:3000/callback"),
        ("WORKOS_COOKIE_PASSWORD", "0123456789abcdef0123456789abcdef"),
    ]);

    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        !lines[0].contains("emulator") && lines[0].contains("http://localhost:3000/callback"),
        "{lines:?}"
    );
}

#[test]
fn what_is_wrong_at_the_start_is_said_and_nothing_else() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();

    for (variables, said) in [
        (&[("PORT", port.as_str())][..], format!("port {port} is taken")),
        (&[("PORT", "http")], "PORT is `http`".to_owned()),
        (
            &[("PORT", "0"), ("EMULATOR_PORT", "70000")],
            "EMULATOR_PORT (EnvOrEmulator::with_emulator_port) is `70000`".to_owned(),
        ),
        (
            &[("PORT", "0"), ("EMULATOR_TOKEN_TTL", "soon")],
            "EMULATOR_TOKEN_TTL (EnvOrEmulator::with_token_ttl) is `soon`".to_owned(),
        ),
    ] {
        let error = refusal(variables);
        let last = error.lines().last().unwrap_or_default();
        assert!(last.contains(&said), "{error}");
        assert!(error.lines().count() <= 2, "{error}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn e12_a_signal_ends_it_in_order_as_soon_as_it_has_said_where_it_listens() {
    for signal in ["-INT", "-TERM"] {
        let (mut running, _) = Running::start(&[("PORT", "0"), ("EMULATOR_PORT", "0")]);
        assert_eq!(running.stop(signal), Some(0), "{signal}");
    }
}

/// A program that talks to this emulator, and where it listens.
#[cfg(unix)]
fn beside(emulator: &Emulator) -> (Running, String) {
    let mut variables = vec![
        ("PORT", "0".to_owned()),
        ("WORKOS_REDIRECT_URI", "http://localhost:3000/callback".to_owned()),
        ("WORKOS_COOKIE_PASSWORD", PASSWORD.to_owned()),
    ];
    variables.extend(emulator.env());
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let (running, mut lines) = Running::start(&variables);
    (running, lines.pop().unwrap())
}

/// The program waits for the call to WorkOS that a finished request has started.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_signal_waits_for_what_is_under_way_at_workos() {
    for signal in ["-INT", "-TERM"] {
        let emulator = Emulator::start().await;
        let (mut running, url) = beside(&emulator);
        let session = emulator.session("alice@acme.test");
        emulator.fault(Fault::latency(Duration::from_secs(1)).on(Endpoint::Revoke));

        let client =
            reqwest::Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
        let sign_out = client.post(format!("{url}/logout"));
        let cookie = format!("wos_session={}", session.cookie(PASSWORD));
        let signed_out =
            sign_out.header("cookie", cookie).header("accept", "text/html").send().await.unwrap();
        assert_eq!(signed_out.status(), 303);
        assert!(emulator.is_active(session.session_id()), "WorkOS takes its time");
        drop(client);

        assert_eq!(running.stop(signal), Some(0), "{signal}");
        assert!(!emulator.is_active(session.session_id()), "{signal}");
    }
}

/// The request that waits for its session's refresh is answered before the program ends.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn e12_a_request_that_waits_for_a_refresh_is_answered() {
    let emulator = Emulator::start().await;
    let (mut running, url) = beside(&emulator);
    let session = emulator.session("alice@acme.test").expired();
    emulator.fault(Fault::latency(Duration::from_secs(1)).on(Endpoint::Authenticate));
    let request = tokio::spawn(async move {
        let client =
            reqwest::Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
        let cookie = format!("wos_session={}", session.cookie(PASSWORD));
        let page = client.get(format!("{url}/dashboard")).header("cookie", cookie);
        page.header("accept", "text/html").send().await.unwrap().status()
    });
    while emulator.calls(Endpoint::Authenticate) == 0 {
        tokio::task::yield_now().await;
    }
    let code = tokio::task::spawn_blocking(move || running.stop("-TERM")).await.unwrap();
    assert_eq!(code, Some(0));
    assert_eq!(request.await.unwrap(), 200);
}

const PASSWORD: &str = "0123456789abcdef0123456789abcdef";
