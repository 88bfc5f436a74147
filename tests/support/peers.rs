//! The official emulator and the official SDKs, run as counterparties.
//!
//! `cargo xtask test` installs them under `target/peers`, or wherever `AUTHKIT_PEERS` points. A test
//! that needs one which is not there fails; it is never skipped.

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// WorkOS's own emulator, on a loopback port of its own; it ends when this is dropped.
///
/// It is the one in the npm package `workos` and stricter and laxer than production in places: each refresh
/// makes a new session, and signing out ends no refresh token. It accepts any client id and redirect URI.
#[derive(Debug)]
pub struct OfficialEmulator {
    base_url: String,
    process: Child,
    /// The process ends with this pipe, even if the test is killed.
    lifeline: Option<ChildStdin>,
}

impl OfficialEmulator {
    /// The one API key it accepts.
    pub const API_KEY: &str = "sk_test_default";

    /// Address and password of a user whom it knows; `tests/peers/emulator/seed.yaml` has them all.
    pub const USER: (&str, &str) = ("alice@acme.test", "alice-of-acme");

    /// How long its access tokens live, by its own clock.
    pub const TOKEN_LIFETIME: Duration = Duration::from_secs(3600);

    /// Starts it; takes about two seconds.
    ///
    /// # Panics
    ///
    /// If it is not installed or does not start.
    pub fn start() -> Self {
        Self::launch(&|| Command::new(node()))
    }

    /// Starts it with a clock that is `lag` behind, so that its tokens live that much shorter.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start), or if `faketime` is not installed.
    pub fn start_behind(lag: Duration) -> Self {
        Self::launch(&|| {
            let mut faketime = Command::new("faketime");
            faketime.arg("-f").arg(format!("-{}s", lag.as_secs())).arg(node());
            faketime
        })
    }

    /// Where it listens, such as `http://127.0.0.1:41234`; its tokens name `localhost` as issuer.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    fn launch(runtime: &dyn Fn() -> Command) -> Self {
        // The port is free when it is chosen and may be taken a moment later, hence more than one try.
        (0..5)
            .find_map(|_| Self::listen(runtime(), free_port()))
            .expect("the official emulator should start; its own words are above")
    }

    fn listen(mut runtime: Command, port: u16) -> Option<Self> {
        let here = scripts().join("emulator");
        let command = runtime
            .arg("--require")
            .arg(here.join("loopback.cjs"))
            .arg(peers().join("npm/node_modules/workos/dist/bin.js"))
            .args(["emulate", "--json", "--port", &port.to_string(), "--seed"])
            .arg(here.join("seed.yaml"))
            .env("WORKOS_TELEMETRY", "false");
        let mut process = spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
        let lifeline = process.stdin.take();
        let mut output = BufReader::new(process.stdout.take().expect("the output is piped"));
        let emulator = Self { base_url: format!("http://127.0.0.1:{port}"), process, lifeline };

        let is_listening =
            |line: io::Result<String>| line.is_ok_and(|line| line.starts_with("listening on "));
        output.by_ref().lines().any(is_listening).then(|| {
            thread::spawn(move || io::copy(&mut output, &mut io::sink()));
            emulator
        })
    }
}

impl Drop for OfficialEmulator {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        let _ = self.process.wait();
    }
}

/// A library that seals sessions, other than ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Peer {
    /// `@workos-inc/node` 11.
    Node,
    /// `@workos/authkit-session`, which the official JavaScript frameworks stand on.
    AuthkitSession,
    /// `iron-session`, with which authkit-nextjs seals.
    IronSession,
    /// `workos` 10 from PyPI.
    Python,
    /// `workos` 5 from PyPI, the quick-start guide's.
    PythonGuide,
    /// The crate `workos` 3.5; only `cargo xtask peers` builds it.
    Rust,
}

impl Peer {
    /// Those that `cargo xtask test` installs.
    pub const INSTALLED: [Self; 5] =
        [Self::Node, Self::AuthkitSession, Self::IronSession, Self::Python, Self::PythonGuide];

    /// Has `payload` sealed.
    ///
    /// # Errors
    ///
    /// The peer's own words.
    ///
    /// # Panics
    ///
    /// If the peer is not installed or does not answer.
    pub fn seal(self, password: &str, payload: &Value) -> Result<String, String> {
        let request = json!({ "op": "seal", "password": password, "payload": payload });
        let sealed = self.ask(&[request]).remove(0)?;
        Ok(sealed.as_str().expect("a sealed value is a string").to_owned())
    }

    /// Has `sealed` opened.
    ///
    /// # Errors
    ///
    /// The peer's own words.
    ///
    /// # Panics
    ///
    /// If the peer is not installed or does not answer.
    pub fn unseal(self, password: &str, sealed: &str) -> Result<Value, String> {
        self.unseal_all(password, &[sealed]).remove(0)
    }

    /// Has several opened in one run, an answer each; for the rest as [`unseal`](Self::unseal).
    pub fn unseal_all(self, password: &str, sealed: &[&str]) -> Vec<Result<Value, String>> {
        let request = |sealed| json!({ "op": "unseal", "password": password, "sealed": sealed });
        self.ask(&sealed.iter().map(request).collect::<Vec<_>>())
    }

    /// The protocol is in `tests/peers/README.md`; starting a peer takes under a second.
    fn ask(self, requests: &[Value]) -> Vec<Result<Value, String>> {
        let mut process = spawn(self.command().stdin(Stdio::piped()).stdout(Stdio::piped()));
        let mut input = process.stdin.take().expect("the input is piped");
        write!(input, "{}", json!(requests)).expect("a peer reads its requests");
        drop(input);

        let output = process.wait_with_output().expect("a peer ends");
        let answers: Vec<Value> =
            serde_json::from_slice(&output.stdout).expect("a peer answers in JSON");
        assert_eq!(answers.len(), requests.len(), "{self:?} gives each request its answer");
        let result = |answer: Value| match (&answer["ok"], &answer["error"]) {
            (ok, Value::Null) if !ok.is_null() => Ok(ok.clone()),
            (Value::Null, Value::String(error)) => Err(error.clone()),
            _ => panic!("{self:?} answers {answer}"),
        };
        answers.into_iter().map(result).collect()
    }

    fn command(self) -> Command {
        match self {
            Self::Node => Self::in_node("node"),
            Self::AuthkitSession => Self::in_node("authkit-session"),
            Self::IronSession => Self::in_node("iron-session"),
            Self::Python => Self::in_python("py10"),
            Self::PythonGuide => Self::in_python("py5"),
            Self::Rust => Command::new(peers().join("rust/debug/peer")),
        }
    }

    fn in_node(library: &str) -> Command {
        let mut command = Command::new(node());
        command.arg(scripts().join("node/peer.mjs")).arg(library).env("AUTHKIT_PEERS", peers());
        command
    }

    fn in_python(environment: &str) -> Command {
        let mut command = Command::new(peers().join(environment).join("bin/python"));
        command.arg(scripts().join("python/peer.py"));
        command
    }
}

/// Where `cargo xtask test` installs: beside the test binary, unless `AUTHKIT_PEERS` says otherwise.
fn peers() -> PathBuf {
    if let Some(named) = env::var_os("AUTHKIT_PEERS") {
        return PathBuf::from(named);
    }
    let binary = env::current_exe().expect("a test binary has a path");
    let installed =
        binary.ancestors().map(|folder| folder.join("peers")).find(|peers| peers.is_dir());
    installed.unwrap_or_else(|| panic!("no peers above {}: {INSTALL}", binary.display()))
}

fn scripts() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/peers"))
}

fn node() -> PathBuf {
    peers().join("npm/node_modules/node/bin/node")
}

fn spawn(command: &mut Command) -> Child {
    let program = command.get_program().to_owned();
    command
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run {}: {error}: {INSTALL}", program.display()))
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}

const INSTALL: &str = "run `cargo xtask test` once, which installs the peers";

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;

    use super::*;

    /// Signs in by password and answers how many seconds the access token has left.
    async fn seconds_left(emulator: &OfficialEmulator) -> u64 {
        let (email, password) = OfficialEmulator::USER;
        let request = json!({
            "grant_type": "password", "client_id": "client_peer", "client_secret": OfficialEmulator::API_KEY,
            "email": email, "password": password,
        });
        let url = format!("{}/user_management/authenticate", emulator.base_url());
        let response = reqwest::Client::new().post(url).json(&request).send().await.unwrap();
        assert_eq!(response.status(), 200);

        let grant: Value = response.json().await.unwrap();
        assert_eq!(grant["user"]["email"], email);
        let claims = grant["access_token"].as_str().unwrap().split('.').nth(1).unwrap();
        let claims: Value =
            serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        claims["exp"].as_u64().unwrap().saturating_sub(now)
    }

    #[tokio::test]
    async fn the_official_emulator_signs_in() {
        let left = seconds_left(&OfficialEmulator::start()).await;
        assert!((3590..=3600).contains(&left), "{left}");
    }

    #[tokio::test]
    async fn a_lag_shortens_what_its_tokens_have_left() {
        let lag = OfficialEmulator::TOKEN_LIFETIME - Duration::from_secs(60);
        let left = seconds_left(&OfficialEmulator::start_behind(lag)).await;
        assert!((50..=60).contains(&left), "{left}");
    }

    #[tokio::test]
    async fn dropping_it_ends_the_program() {
        let emulator = OfficialEmulator::start_behind(Duration::from_secs(1));
        let url = format!("{}/health", emulator.base_url());
        assert_eq!(reqwest::get(&url).await.unwrap().status(), 200);
        drop(emulator);
        assert!(reqwest::get(&url).await.unwrap_err().is_connect());
    }

    #[test]
    fn peers_read_their_own_family_only() {
        let password = "x4q1f9a0dH3dqv0m8s3QJb8w2mT5y7kR1c6n9pL0zUE=";
        let iron = [Peer::Node, Peer::AuthkitSession, Peer::IronSession];
        // Names in the case of both families, since each peer checks its own.
        let payload = json!({
            "accessToken": "e30.e30.", "refreshToken": "r", "access_token": "e30.e30.", "refresh_token": "r",
            "user": { "id": "user_01" },
        });
        let other = "y4q1f9a0dH3dqv0m8s3QJb8w2mT5y7kR1c6n9pL0zUE=";
        let sealed = Peer::INSTALLED.map(|writer| writer.seal(password, &payload).unwrap());
        let sealed = sealed.each_ref().map(String::as_str);
        for reader in Peer::INSTALLED {
            for (writer, opened) in Peer::INSTALLED.iter().zip(reader.unseal_all(password, &sealed))
            {
                let related = iron.contains(writer) == iron.contains(&reader);
                assert_eq!(opened.is_ok(), related, "{reader:?} on {writer:?}: {opened:?}");
                let same = opened.is_err() || opened.unwrap()["user"] == payload["user"];
                assert!(same, "{reader:?} on {writer:?}");
            }
            let opened = reader.unseal_all(other, &sealed);
            assert!(opened.iter().all(Result::is_err), "{reader:?} under another password");
        }
    }
}
