//! `cargo xtask simulate`: simulates many replicas and sessions in virtual time, and prints two tables.
//!
//! A test of `authkit-session` runs the simulation, since it needs that crate's private tables.

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::{project::Project, steps::Steps};

/// Simulates, and prints the tables. Fails if a user is signed out although there was no fault.
pub(crate) fn run(sh: &Shell, project: &Project, steps: &mut Steps) -> Result<()> {
    steps.take("simulate", || {
        let file = project.target.join("simulation.md");
        let package = ["--release", "--locked", "--package", "authkit-session", "--all-features"];
        let test = cmd!(sh, "cargo test {package...} --lib simulation::tables -- --nocapture");
        test.env("AUTHKIT_SIMULATION", &file).run()?;
        eprintln!("The tables are also in {}.", file.display());
        Ok(())
    })
}
