//! Processes of tests, and signals to them.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use authkit_emulator::Emulator;

use crate::harness::PASSWORD;

/// A signal to a process.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Signal {
    /// Pauses the process.
    Stop,
    /// Continues the process.
    Continue,
}

/// Signals a child. Panics if there is no `kill`.
pub(crate) fn signal(child: &Child, signal: Signal) {
    let name = match signal {
        Signal::Stop => "-STOP",
        Signal::Continue => "-CONT",
    };
    let told = Command::new("kill").arg(name).arg(child.id().to_string()).status();
    assert!(told.expect("`kill` is there").success(), "the child is there");
}

/// A replica of a service, as a process; dropping it kills it.
#[derive(Debug)]
pub struct Replica {
    child: Child,
    url: String,
}

impl Replica {
    /// Starts `program` with the configuration for this emulator, and more variables.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn start(program: &str, emulator: &Emulator, variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(program)
            .envs(emulator.env())
            .env("WORKOS_REDIRECT_URI", "http://localhost/callback")
            .env("WORKOS_COOKIE_PASSWORD", PASSWORD)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .expect("cargo has built it");
        let stdout = child.stdout.take().expect("it was asked for");
        let mut url = String::new();
        BufReader::new(stdout).read_line(&mut url).expect("it prints its URL");
        Self { child, url: url.trim().to_owned() }
    }

    /// The URL of a path of it.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Ends it at once (SIGKILL).
    ///
    /// # Panics
    ///
    /// If it cannot be waited for.
    pub fn kill(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        self.child.wait().expect("a child can be waited for");
    }

    /// Pauses the replica.
    pub fn pause(&self) {
        signal(&self.child, Signal::Stop);
    }

    /// Continues the replica.
    pub fn resume(&self) {
        signal(&self.child, Signal::Continue);
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.kill();
    }
}
