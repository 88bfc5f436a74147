//! `cargo xtask interleavings`: the tests of `authkit-session` in every interleaving of their threads, by the model checker loom.
//!
//! `--cfg interleavings` goes to this crate alone, so no dependency is built again: `src/sync.rs` there says what it changes.

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

use crate::{built::Built, project::Project, steps::Steps, tally::Tally};

pub(crate) fn run(sh: &Shell, _: &Project, steps: &mut Steps) -> Result<()> {
    steps.test("interleavings", || test(sh))
}

/// Builds these tests and runs them, one after the other; each prints how many interleavings it tried.
fn test(sh: &Shell) -> Result<Tally> {
    let only = ["--package", "authkit-session", "--lib", "--profile", "test"];
    let messages = cmd!(
        sh,
        "cargo rustc {only...} --all-features --locked --message-format json-render-diagnostics
            -- --cfg interleavings -D warnings"
    );
    let built = Built::read(&messages.read()?)?;
    let program = built.executable.context("cargo names no program of tests")?;
    Tally::of(cmd!(sh, "{program} interleavings:: --test-threads 1 --nocapture"))
}
