//! `axum-app` as a process.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    process::{Child, Command, Output, Stdio},
};

/// The program with these variables and no others.
fn program(variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_axum-app"));
    command.env_clear().envs(variables.iter().copied());
    command
}

fn refusal(variables: &[(&str, &str)]) -> String {
    let Output { status, stderr, .. } = program(variables).output().unwrap();
    assert_eq!(status.code(), Some(1));
    String::from_utf8(stderr).unwrap()
}

/// A running program, which ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Fails only where it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    /// Starts it, and reads what it says until it says where it listens.
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

    for problem in
        ["WORKOS_API_KEY is not set", "WORKOS_REDIRECT_URI is not set", "fewer than 32 bytes"]
    {
        assert!(
            error.lines().any(|line| line.starts_with("  - ") && line.contains(problem)),
            "{problem}: {error}"
        );
    }
    assert!(!error.contains("short"), "{error}");
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
fn what_is_wrong_at_the_start_is_said_in_a_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();

    for (variables, said) in [
        (&[("PORT", port.as_str())][..], format!("port {port} is taken")),
        (&[("PORT", "http")], "PORT is `http`".to_owned()),
        (&[("PORT", "0"), ("EMULATOR_PORT", "70000")], "EMULATOR_PORT is `70000`".to_owned()),
        (
            &[("PORT", "0"), ("EMULATOR_TOKEN_TTL", "soon")],
            "EMULATOR_TOKEN_TTL is `soon`".to_owned(),
        ),
    ] {
        let error = refusal(variables);
        assert!(error.contains(&said), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn ctrl_c_ends_it_in_order() {
    let (mut running, lines) = Running::start(&[("PORT", "0"), ("EMULATOR_PORT", "0")]);
    // Whoever answers also listens for signals.
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.get(format!("{}/healthz", lines.last().unwrap())).send().await.unwrap();
    drop(client);

    let interrupted =
        Command::new("kill").args(["-INT", &running.0.id().to_string()]).status().unwrap();

    assert!(interrupted.success());
    assert_eq!(running.0.wait().unwrap().code(), Some(0));
}
