//! The example `axum-app` as its users run it: a process and its environment.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::SystemTime,
};

use crate::served::free_port;

/// A running `axum-app`; it ends when this is dropped.
#[derive(Debug)]
pub struct Program {
    process: Child,
    url: String,
}

impl Program {
    /// Starts it on a free port with these environment variables and no others.
    ///
    /// # Panics
    ///
    /// If it is not built, or does not serve.
    pub fn start(variables: &[(&str, &str)]) -> Self {
        Self::launch(0, variables).expect("axum-app should serve; its own words are above")
    }

    /// Starts it on a port that its variables name, such as in the redirect URI.
    ///
    /// # Panics
    ///
    /// If it is not built, or does not serve.
    pub fn start_where(variables: impl Fn(u16) -> Vec<(&'static str, String)>) -> Self {
        // The port is free when it is chosen and may be taken a moment later, hence more than one try.
        (0..5)
            .find_map(|_| {
                let port = free_port();
                let variables = variables(port);
                let variables: Vec<_> =
                    variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
                Self::launch(port, &variables)
            })
            .expect("axum-app should serve; its own words are above")
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    fn launch(port: u16, variables: &[(&str, &str)]) -> Option<Self> {
        let mut command = Command::new(built("axum-app"));
        command
            .env_clear()
            .envs([("PORT", port.to_string()), ("EMULATOR_PORT", "0".to_owned())])
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut process = command.spawn().expect("a program that is there can be started");
        let mut output = BufReader::new(process.stdout.take().expect("the output is piped"));

        let is_url = |line: &String| line.starts_with("http://localhost:");
        let Some(url) = output.by_ref().lines().map_while(Result::ok).find(is_url) else {
            let _ = process.wait();
            return None;
        };
        // A pipe that nobody reads fills up, and then whoever writes waits.
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

/// A program of the workspace, which cargo builds into the folder above that of the test binary.
fn built(name: &str) -> PathBuf {
    let test = env::current_exe().expect("a test binary has a path");
    let folder = test.ancestors().nth(2).expect("a test binary is in `deps` of a target folder");
    let program = folder.join(name).with_extension(env::consts::EXE_EXTENSION);
    assert!(
        is_current(&program),
        "{} is missing or older than its sources: `cargo test --workspace` builds it, and so does `cargo build -p {name}`",
        program.display()
    );
    program
}

/// Whether none of its sources, which cargo lists beside it, is newer than the program.
fn is_current(program: &Path) -> bool {
    let Ok(made) = modified(program) else { return false };
    let Ok(listed) = fs::read_to_string(program.with_extension("d")) else { return false };
    let Some((_, sources)) = listed.split_once(": ") else { return false };
    // A space within a path has a backslash before it.
    let sources = sources.trim_end().replace("\\ ", "\0");
    let mut sources = sources.split(' ').map(|source| source.replace('\0', " "));
    sources.all(|source| modified(Path::new(&source)).is_ok_and(|changed| changed <= made))
}

fn modified(file: &Path) -> io::Result<SystemTime> {
    fs::metadata(file)?.modified()
}
