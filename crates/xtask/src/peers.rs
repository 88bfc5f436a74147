//! `cargo xtask peers`: our sealed sessions against the official crate `workos`.

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::{project::Project, setup, steps::Steps, tally::Tally};

pub(crate) fn run(sh: &Shell, project: &Project, steps: &mut Steps) -> Result<()> {
    steps.take("set-up", || setup::install(sh, project))?;
    steps.take("build the crate `workos`", || build(sh, project))?;
    steps.take("clippy", || {
        let only = ["--locked", "--package", "authkit-tests", "--test", "peers_rust"];
        Ok(cmd!(sh, "cargo clippy {only...} -- -D warnings").run()?)
    })?;
    steps.test("tests", || {
        Tally::of(cmd!(sh, "cargo test --locked --package authkit-tests --test peers_rust"))
    })
}

pub(crate) fn build(sh: &Shell, project: &Project) -> Result<()> {
    let manifest = project.root.join("tests/peers/rust/Cargo.toml");
    let target = project.peers().join("rust");
    Ok(cmd!(sh, "cargo build --locked --manifest-path {manifest} --target-dir {target}").run()?)
}
