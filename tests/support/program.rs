//! The example `axum-app` as its users run it: a process and its environment.

use std::{
    io::{self, BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    thread,
};

use crate::served::free_port;

/// A running `axum-app`; it ends when this is dropped.
#[derive(Debug)]
pub struct Program {
    process: Child,
    url: String,
}

impl Program {
    /// Starts `program` on a free port with these environment variables and no others.
    ///
    /// # Panics
    ///
    /// If it does not serve.
    pub fn start(program: &str, variables: &[(&str, &str)]) -> Self {
        Self::launch(program, 0, variables).expect("axum-app should serve; its own words are above")
    }

    /// Starts `program` on a port that its variables name, such as in the redirect URI.
    ///
    /// # Panics
    ///
    /// If it does not serve.
    pub fn start_where(
        program: &str,
        variables: impl Fn(u16) -> Vec<(&'static str, String)>,
    ) -> Self {
        // Another process may take the free port first, so there are several tries.
        (0..5)
            .find_map(|_| {
                let port = free_port();
                let variables = variables(port);
                let variables: Vec<_> =
                    variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
                Self::launch(program, port, &variables)
            })
            .expect("axum-app should serve; its own words are above")
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    fn launch(program: &str, port: u16, variables: &[(&str, &str)]) -> Option<Self> {
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs([("PORT", port.to_string()), ("EMULATOR_PORT", "0".to_owned())])
            .env("RUST_LOG", "warn")
            .envs(EMULATED)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut process = command.spawn().expect("cargo has built it");
        let mut output = BufReader::new(process.stdout.take().expect("the output is piped"));

        let is_url = |line: &String| line.starts_with("http://localhost:");
        let Some(url) = output.by_ref().lines().map_while(Result::ok).find(is_url) else {
            let _ = process.wait();
            return None;
        };
        // A pipe without a reader fills up and blocks the writer.
        thread::spawn(move || io::copy(&mut output, &mut io::sink()));
        Some(Self { process, url })
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The variables with which an example starts an emulator: none in a debug build, `AUTHKIT_DEV` in a release build.
const EMULATED: Option<(&str, &str)> =
    if cfg!(debug_assertions) { None } else { Some(("AUTHKIT_DEV", "1")) };
