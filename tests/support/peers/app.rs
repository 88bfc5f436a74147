use std::{
    io::{self, BufRead, BufReader},
    process::{Child, ChildStdin, Command, Stdio},
    thread,
};

use authkit_emulator::Emulator;

use super::{installed, node, scripts, spawn};

/// A web application on an official SDK, at `localhost` like ours, so that browsers send it the same cookies.
///
/// It has the pages `/`, `/dashboard` (the user's address, or the way to `/login`), `/login`, `/callback` and
/// `/logout`. It ends when this is dropped.
#[derive(Debug)]
pub struct PeerApp {
    url: String,
    process: Child,
    /// The process ends with this pipe, even if the test is killed.
    lifeline: Option<ChildStdin>,
}

impl PeerApp {
    /// The quick-start guide's Flask app, on `workos` 5.46 from PyPI. Its cookie is `wos_session`.
    ///
    /// # Panics
    ///
    /// If it is not installed or does not start.
    pub fn flask(emulator: &Emulator, password: &str) -> Self {
        let mut command = Command::new(installed().join("py5/bin/python"));
        command.arg(scripts().join("python/flask_app.py"));
        Self::start(command, emulator, password)
    }

    /// A Node server on `@workos/authkit-session` 0.7.1. Its cookie is `wos-session`.
    ///
    /// # Panics
    ///
    /// If it is not installed or does not start.
    pub fn node(emulator: &Emulator, password: &str) -> Self {
        let mut command = Command::new(node());
        command.arg(scripts().join("node/app.mjs"));
        Self::start(command, emulator, password)
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    fn start(mut command: Command, emulator: &Emulator, password: &str) -> Self {
        command
            .envs(emulator.env())
            .env("WORKOS_COOKIE_PASSWORD", password)
            .env("AUTHKIT_PEERS", installed())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = spawn(&mut command);
        let lifeline = process.stdin.take();
        let mut output = BufReader::new(process.stdout.take().expect("the output is piped"));
        let mut url = String::new();
        output.read_line(&mut url).expect("it prints text");
        assert!(url.starts_with("http://"), "the peer should start; its own words are above");
        thread::spawn(move || io::copy(&mut output, &mut io::sink()));
        Self { url: url.trim_end().to_owned(), process, lifeline }
    }
}

impl Drop for PeerApp {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        let _ = self.process.wait();
    }
}
