//! A program of tests with mutants, one of which may be awake.

use std::{
    path::PathBuf,
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Result, bail};

/// A program of tests, with mutants.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) executable: PathBuf,
    /// Where `cargo test` runs it.
    pub(super) folder: PathBuf,
}

impl Program {
    /// Runs these tests while one mutant is awake, or none; `limit` is the time that they may have a processor.
    pub(super) fn run(
        &self,
        mutant: usize,
        tests: &[String],
        limit: Duration,
    ) -> Result<ExitStatus> {
        // Without a mutant no test should fail; then it says why.
        let output = || if mutant == 0 { Stdio::inherit() } else { Stdio::null() };
        // A mutant may take all memory, or never end.
        let status = Command::new("timeout")
            .arg((limit * PATIENCE).as_secs().to_string())
            .args(["prlimit", "--as=12000000000", &format!("--cpu={}", limit.as_secs())])
            .arg(&self.executable)
            // One failure is enough. The option is not stable yet.
            .args(["--quiet", "-Z", "unstable-options", "--fail-fast"])
            .env("RUSTC_BOOTSTRAP", "1")
            .args(tests)
            .current_dir(&self.folder)
            .env("CARGO_MANIFEST_DIR", &self.folder)
            .env("MUTANT_AWAKE", mutant.to_string())
            .stdout(output())
            .stderr(output())
            .status()?;
        match status.code() {
            Some(126 | 127) => bail!("timeout and prlimit cannot start {:?}", self.executable),
            _ => Ok(status),
        }
    }
}

/// What `timeout` ends with if it ends the program, and if the program has used its time.
pub(super) const TIMED_OUT: i32 = 124;
pub(super) const OUT_OF_CPU: i32 = 128 + 24;

/// Tests that wait for ever use no processor; and other programs may have the processors too.
const PATIENCE: u32 = 6;
