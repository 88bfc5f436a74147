//! `cargo xtask deep`: the tests under conditions that take too long for every change.

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::{project::Project, setup, steps::Steps, tally::Tally};

pub(crate) fn run(sh: &Shell, project: &Project, steps: &mut Steps) -> Result<()> {
    steps.take("set-up", || setup::install(sh, project))?;
    // One thread shows a test that leans on its neighbours; many show one that leans on being prompt.
    for threads in ["1", "32"] {
        steps.test(&format!("optimized, threads: {threads}"), || {
            let test =
                cmd!(sh, "cargo test --workspace --all-features --release --locked --no-fail-fast");
            Tally::of(test.args(["--", "--test-threads", threads]))
        })?;
    }
    Ok(())
}
