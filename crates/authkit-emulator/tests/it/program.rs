use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::{Child, Command, Output, Stdio},
};

/// The program, killed when the test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_authkit-emulator"));
    command.env_remove("EMULATOR_PORT").env_remove("EMULATOR_TOKEN_TTL");
    command
}

fn fail(arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = program().args(arguments).output().unwrap();
    assert_eq!((status.code(), stdout.as_slice()), (Some(1), &b""[..]), "{arguments:?}");
    let error = String::from_utf8(stderr).unwrap();
    assert_eq!(error.lines().count(), 1, "{error}");
    error
}

/// Starts it on a free port; returns its URL and the lines that it has printed up to the users.
fn start(arguments: &[&str]) -> (Running, String, Vec<String>) {
    let child =
        program().args(["--port", "0"]).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut running = Running(child);
    let mut lines = BufReader::new(running.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut seen: Vec<String> = lines.by_ref().take_while(|line| line != "Users:").collect();
    seen.extend(lines.take(2));
    let url = seen
        .iter()
        .find_map(|line| line.strip_prefix("export WORKOS_BASE_URL="))
        .unwrap()
        .to_owned();
    (running, url, seen)
}

fn get(url: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nhost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn it_prints_what_to_paste_and_serves() {
    let (_running, url, lines) =
        start(&["--client-id", "client_mine", "--token-ttl", "5", "--strict"]);
    assert!(lines[0].contains(&url) && lines[0].contains("this machine only"), "{lines:?}");
    assert!(lines.contains(&"export WORKOS_CLIENT_ID=client_mine".to_owned()));
    assert!(lines.last().unwrap().contains("alice@acme.test"), "{lines:?}");
    assert!(get(&url, "/sso/jwks/client_mine").starts_with("HTTP/1.0 200"));
    let state = get(&url, "/_emulator/state");
    assert!(state.contains(r#""token_ttl":5"#) && state.contains(r#""replay_grace":0"#), "{state}");
}

#[test]
fn every_variable_is_printed_and_written_for_a_service() {
    let directory =
        std::env::temp_dir().join(format!("authkit-emulator-env-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("emulator.env");
    let path = file.to_str().unwrap();
    let mut passwords = Vec::new();
    for _ in 0..2 {
        let (_running, url, lines) =
            start(&["--env-file", path, "--app-url", "http://localhost:8080/"]);
        let exports: Vec<_> =
            lines.iter().filter_map(|line| line.strip_prefix("export ")).collect();
        let written = std::fs::read_to_string(&file).unwrap();
        let written: Vec<_> = written.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(written, exports);
        for variable in [
            "WORKOS_CLIENT_ID=client_emulator",
            "WORKOS_API_KEY=sk_test_emulator",
            &format!("WORKOS_BASE_URL={url}"),
            &format!("WORKOS_ISSUER={url}/user_management/client_emulator"),
            "WORKOS_REDIRECT_URI=http://localhost:8080/callback",
        ] {
            assert!(exports.contains(&variable), "{variable}: {exports:?}");
        }
        passwords.extend(
            exports
                .iter()
                .find_map(|line| line.strip_prefix("WORKOS_COOKIE_PASSWORD="))
                .map(str::to_owned),
        );
    }
    assert_eq!(passwords.iter().map(String::len).collect::<Vec<_>>(), [44, 44]);
    assert_ne!(passwords[0], passwords[1], "the sessions of the first one are gone");

    std::fs::write(&file, "WORKOS_API_KEY=sk_live_of_somebody\n").unwrap();
    let refused = fail(&["--port", "0", "--env-file", path]);
    assert!(refused.contains(path) && refused.contains("name another one"), "{refused}");
    assert!(!refused.contains("sk_live"), "{refused}");
    let kept = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
    assert_eq!(kept, "WORKOS_API_KEY=sk_live_of_somebody\n");
}

#[test]
fn it_leaves_loopback_only_when_told_and_with_a_warning() {
    let mut child = program()
        .args(["--port", "0", "--host", "0.0.0.0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let running = Running(child);
    let warning = stderr.lines().next().unwrap().unwrap();
    assert!(warning.contains("0.0.0.0") && warning.contains("sign in as anybody"), "{warning}");
    let mut lines = stdout.lines().map(Result::unwrap);
    let greeting = lines.next().unwrap();
    assert!(
        greeting.contains("http://localhost:") && greeting.contains("at 0.0.0.0"),
        "{greeting}"
    );
    let url = lines
        .find_map(|line| line.strip_prefix("export WORKOS_BASE_URL=").map(str::to_owned))
        .unwrap();
    // Any address of this machine but 127.0.0.1 will do.
    let elsewhere = url.replace("localhost", "127.0.0.2");
    assert!(get(&elsewhere, "/health").starts_with("HTTP/1.0 200"));
    drop(running);

    let (_running, url, _) = start(&[]);
    TcpStream::connect(url.trim_start_matches("http://").replace("127.0.0.1", "127.0.0.2"))
        .unwrap_err();
}

#[test]
fn it_reads_a_seed_file_and_signs_in_at_once() {
    let directory = std::env::temp_dir().join(format!("authkit-emulator-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let seed = directory.join("seed.yaml");
    std::fs::write(&seed, "users: [{ email: zoe@initech.test }]").unwrap();
    let (_running, url, lines) = start(&["--seed", seed.to_str().unwrap(), "--auto"]);
    std::fs::remove_dir_all(&directory).unwrap();

    assert!(lines.last().unwrap().contains("zoe@initech.test"), "{lines:?}");
    let query = "response_type=code&client_id=client_emulator&provider=authkit&redirect_uri=http://localhost/cb";
    let answer = get(&url, &format!("/user_management/authorize?{query}"));
    assert!(answer.contains("location: http://localhost/cb?code="), "{answer}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_it_cleanly() {
    let (mut running, url, _) = start(&[]);
    let pid = running.0.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(running.0.wait().unwrap().code(), Some(0));
    TcpStream::connect(url.trim_start_matches("http://")).unwrap_err();
}

#[test]
fn errors_are_one_clear_line() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    assert!(fail(&["--port", &port]).contains(&format!("port {port} is taken")));
    assert!(fail(&["--seed", "/nowhere/seed.yaml"]).contains("/nowhere/seed.yaml"));
    assert!(fail(&["--prot", "1"]).contains("--prot"));
}

#[test]
fn help_and_version_print_and_end() {
    let help = program().arg("--help").output().unwrap();
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(help.status.success());
    for option in [
        "--port",
        "--host",
        "--env-file",
        "--app-url",
        "--seed",
        "--token-ttl",
        "--strict",
        "--auto",
        "--rate-limit",
        "--client-id",
        "--api-key",
        "EMULATOR_PORT",
    ] {
        assert!(text.contains(option), "{option}");
    }
    let version = program().arg("--version").output().unwrap();
    let expected = concat!("authkit-emulator ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(String::from_utf8(version.stdout).unwrap(), expected);
}

/// F12: the program reports webhooks of a seed that cannot be sent.
#[test]
fn f12_webhooks_that_cannot_be_sent_are_told_on_standard_error() {
    let directory =
        std::env::temp_dir().join(format!("authkit-emulator-hooks-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let seed = directory.join("seed.yaml");
    let text = "webhookEndpoints: [{ endpoint_url: 'https://app.example.com/hooks?key=k', secret: whsec_1 }]";
    std::fs::write(&seed, text).unwrap();
    let mut child = program()
        .args(["--port", "0", "--seed", seed.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let running = Running(child);
    let line = stderr.lines().next().unwrap().unwrap();
    let secrets = stdout.lines().map(Result::unwrap).find(|line| line.contains("whsec_1")).unwrap();
    drop(running);
    std::fs::remove_dir_all(&directory).unwrap();

    assert!(line.starts_with("authkit-emulator: no webhook can be sent there"), "{line}");
    assert!(line.ends_with("url: https://app.example.com/hooks"), "{line}");
    assert!(secrets.contains("https://app.example.com/hooks"), "{secrets}");
}
