//! The frameworks whose examples and crates have a workspace of their own, so that no other build waits for them.

use std::path::PathBuf;

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::{project::Project, tally::Tally};

/// Whether the lock file of the workspace still fits the client crates' dependencies. Reads the index, builds nothing.
pub(crate) fn check_lock(sh: &Shell, project: &Project) -> Result<()> {
    let manifest = manifest(project);
    Ok(cmd!(sh, "cargo update --workspace --locked --quiet --manifest-path {manifest}").run()?)
}

/// Checks the workspace as `cargo xtask test` checks the main one, and runs its tests.
pub(crate) fn test(sh: &Shell, project: &Project) -> Result<Tally> {
    let manifest = manifest(project);
    let target = project.target.join("frameworks");
    cmd!(sh, "cargo fmt --manifest-path {manifest} --all --check").run()?;
    let only = ["--workspace", "--locked"];
    cmd!(sh, "cargo clippy --manifest-path {manifest} {only...} --all-targets -- -D warnings")
        .env("CARGO_TARGET_DIR", &target)
        .run()?;
    cmd!(sh, "cargo doc --manifest-path {manifest} {only...} --no-deps")
        .env("CARGO_TARGET_DIR", &target)
        .env("RUSTDOCFLAGS", "-D warnings")
        .run()?;
    let test = cmd!(sh, "cargo test --manifest-path {manifest} {only...} --no-fail-fast");
    Tally::of(test.env("CARGO_TARGET_DIR", &target))
}

fn manifest(project: &Project) -> PathBuf {
    project.root.join("examples/frameworks/Cargo.toml")
}
