//! A program of tests with mutants, one of which may be awake.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Result, bail, ensure};

/// A program of tests, with mutants.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) executable: PathBuf,
    /// Where `cargo test` runs it.
    pub(super) folder: PathBuf,
}

impl Program {
    /// The names of its tests.
    pub(super) fn list(&self) -> Result<Vec<String>> {
        let output =
            Command::new(&self.executable).args(["--list", "--format", "terse"]).output()?;
        ensure!(output.status.success(), "{:?} does not list its tests", self.executable);
        let list = String::from_utf8(output.stdout)?;
        Ok(list.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
    }

    /// Runs one test while no mutant is awake, and writes to a file which mutants could be.
    pub(super) fn explore(
        &self,
        test: &str,
        reached: &Path,
        limit: Duration,
    ) -> Result<ExitStatus> {
        if reached.exists() {
            fs::remove_file(reached)?;
        }
        run(self.command([test], limit).env("MUTANTS_REACHED", reached))
    }

    /// Runs these tests while one mutant is awake; `limit` is the time that they may have a processor.
    pub(super) fn run<'a>(
        &self,
        mutant: usize,
        tests: impl IntoIterator<Item = &'a str>,
        limit: Duration,
    ) -> Result<ExitStatus> {
        run(self.command(tests, limit).env("MUTANT_AWAKE", mutant.to_string()))
    }

    fn command<'a>(&self, tests: impl IntoIterator<Item = &'a str>, limit: Duration) -> Command {
        // A mutant may take all memory, or never end.
        let mut command = Command::new("timeout");
        command
            .arg((limit * PATIENCE).as_secs().to_string())
            .args(["prlimit", "--as=12000000000", &format!("--cpu={}", limit.as_secs())])
            .arg(&self.executable)
            // One failure is enough. The option is not stable yet.
            .args(["--quiet", "-Z", "unstable-options", "--fail-fast", "--exact"])
            .env("RUSTC_BOOTSTRAP", "1")
            .args(tests)
            .current_dir(&self.folder)
            .env("CARGO_MANIFEST_DIR", &self.folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }
}

fn run(command: &mut Command) -> Result<ExitStatus> {
    let status = command.status()?;
    match status.code() {
        Some(126 | 127) => bail!("timeout and prlimit cannot start: {command:?}"),
        _ => Ok(status),
    }
}

/// What `timeout` ends with if it ends the program, and if the program has used its time.
pub(super) const TIMED_OUT: i32 = 124;
pub(super) const OUT_OF_CPU: i32 = 128 + 24;

/// Tests that wait for ever use no processor; and other programs may have the processors too.
const PATIENCE: u32 = 6;
