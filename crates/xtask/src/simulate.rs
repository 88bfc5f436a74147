//! `cargo xtask simulate`: many replicas and sessions in virtual time, as two tables.
//!
//! A test of the core simulates, since it has the code that decides.

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::{project::Project, steps::Steps};

/// Simulates, and prints the tables. Fails where somebody is signed out though nothing goes wrong.
pub(crate) fn run(sh: &Shell, project: &Project, steps: &mut Steps) -> Result<()> {
    steps.take("simulate", || {
        let file = project.target.join("simulation.md");
        let package = ["--release", "--locked", "--package", "authkit-session", "--all-features"];
        let test = cmd!(sh, "cargo test {package...} --lib simulation::tables -- --nocapture");
        test.env("AUTHKIT_SIMULATION", &file).run()?;
        eprintln!("The tables are in {} too.", file.display());
        Ok(())
    })
}
