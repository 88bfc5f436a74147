//! `cargo xtask test`: the checks and tests that must pass before a change is merged.

use std::iter;

use anyhow::{Result, ensure};
use xshell::{Shell, cmd};

use crate::{
    bench, count, frameworks, http_clients, layout, owners, packages, project::Project, setup,
    steps::Steps, tally::Tally,
};

pub(crate) fn run(sh: &Shell, project: &Project, steps: &mut Steps) -> Result<()> {
    steps.take("set-up", || setup::install(sh, project))?;
    steps.take("format", || format(sh))?;
    steps.take("layout", || layout::check(sh, project))?;
    steps.take("owners", || owners::check(sh, &project.root))?;
    steps.take("HTTP clients", || http_clients::check(project))?;
    steps.take("front pages", || packages::front_pages(project))?;
    steps.take("one version of each dependency", || duplicates(sh))?;
    steps.take("lock file of the other frameworks", || frameworks::check_lock(sh, project))?;
    steps.take("lock files of the benchmarks", || bench::check_locks(sh, project))?;
    steps.take("clippy", || clippy(sh))?;
    steps.take("docs", || docs(sh))?;
    steps.take("each feature alone", || features(sh, project))?;
    steps.test("tests", || {
        Tally::of(cmd!(sh, "cargo test --workspace --all-features --locked --no-fail-fast"))
    })?;
    steps.take("instructions", || count::check(sh, project))
}

fn format(sh: &Shell) -> Result<()> {
    cmd!(sh, "cargo fmt --all --check").run()?;
    for apart in [
        "tests/peers/rust/Cargo.toml",
        "crates/authkit-bench/Cargo.toml",
        "crates/authkit-bench/hello/Cargo.toml",
        "crates/authkit-fuzz/libfuzzer/Cargo.toml",
    ] {
        cmd!(sh, "cargo fmt --manifest-path {apart} --check").run()?;
    }
    Ok(())
}

/// Fails if the tree of a service contains two versions of a crate, which cost build time and size.
fn duplicates(sh: &Shell) -> Result<()> {
    let tree = cmd!(
        sh,
        "cargo tree --locked --package authkit-tower --duplicates --edges normal,no-proc-macro"
    )
    .read()?;
    ensure!(tree.is_empty(), "several versions of one crate:\n{tree}");
    Ok(())
}

fn clippy(sh: &Shell) -> Result<()> {
    cmd!(sh, "cargo clippy --workspace --all-targets --all-features --locked -- -D warnings")
        .run()?;
    // The tests that `cargo xtask interleavings` runs are compiled with this alone. What they share may unwrap as they do.
    let only = ["--package", "authkit-session", "--lib", "--profile", "test"];
    let lint = cmd!(sh, "cargo clippy {only...} --all-features --locked");
    let lint = lint.args(["--", "--cfg", "interleavings", "-D", "warnings"]);
    Ok(lint.args(["-A", "clippy::unwrap_used"]).run()?)
}

fn docs(sh: &Shell) -> Result<()> {
    let docs = cmd!(sh, "cargo doc --workspace --no-deps --all-features --locked");
    Ok(docs.env("RUSTDOCFLAGS", "-D warnings").run()?)
}

/// Checks each package without features, and with each feature alone. The other steps turn all features on.
fn features(sh: &Shell, project: &Project) -> Result<()> {
    for package in &project.published {
        let alone = iter::once("").chain(package.features.iter().map(String::as_str));
        let sets = alone.map(|set| packages::with_cryptography(&package.features, set));
        packages::check_features(sh, package, sets.collect())?;
    }
    Ok(())
}
