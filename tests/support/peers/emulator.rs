use std::{
    io::{self, BufRead, BufReader, Read},
    process::{Child, ChildStdin, Command, Stdio},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use super::{installed, node, scripts, spawn};
use crate::served::free_port;

/// WorkOS's own emulator, on a loopback port of its own; it ends when this is dropped.
///
/// It is the one in the npm package `workos`. In places it is stricter or laxer than production: each refresh starts a new
/// session, and a sign-out does not end the refresh token. It accepts any client id and redirect URI.
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

    /// Address and password of one of its users; `tests/peers/emulator/seed.yaml` lists all.
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

    /// Signs [`USER`](Self::USER) in, and returns WorkOS's answer: tokens and user.
    ///
    /// # Panics
    ///
    /// If it refuses.
    pub async fn sign_in(&self) -> Value {
        let (email, password) = Self::USER;
        let request = json!({
            "grant_type": "password", "client_id": "client_peer", "client_secret": Self::API_KEY,
            "email": email, "password": password,
        });
        let url = format!("{}/user_management/authenticate", self.base_url);
        let response = reqwest::Client::new().post(url).json(&request).send().await;
        let response = response.expect("the emulator answers");
        assert_eq!(response.status(), 200, "the emulator knows {email}");
        response.json().await.expect("the emulator answers in JSON")
    }

    fn launch(runtime: &dyn Fn() -> Command) -> Self {
        // Another process may take the free port first, so there are several tries.
        (0..5)
            .find_map(|_| Self::listen(runtime(), free_port()))
            .expect("the official emulator should start; its own words are above")
    }

    fn listen(mut runtime: Command, port: u16) -> Option<Self> {
        let here = scripts().join("emulator");
        let command = runtime
            .arg("--require")
            .arg(here.join("loopback.cjs"))
            .arg(installed().join("npm/node_modules/workos/dist/bin.js"))
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

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

    use super::*;

    async fn seconds_left(emulator: &OfficialEmulator) -> u64 {
        let answer = emulator.sign_in().await;
        assert_eq!(answer["user"]["email"], OfficialEmulator::USER.0);
        let claims = answer["access_token"].as_str().unwrap().split('.').nth(1).unwrap();
        let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
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
}
