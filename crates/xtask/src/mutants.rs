//! `cargo xtask mutants`: breaks the code that decides, one place at a time, and looks whether a test fails.
//!
//! `cargo-mutants` says which changes to make; `.cargo/mutants.toml` says what is left out. All of them are built into
//! one program of tests, which a variable of its environment tells which mutant is awake. A mutant meets the tests that enter
//! its function, the cheapest first; only what survives them meets the next ones.

mod by_hand;
mod memory;
mod mutant;
mod program;
mod reach;
mod request;
mod score;
mod stage;
mod weave;
mod workshop;

use std::collections::{BTreeMap, btree_map::Entry};

use anyhow::{Context, Result};
use xshell::Shell;

use self::{reach::Reach, request::Request, stage::Stage, workshop::Workshop};
use crate::{project::Project, steps::Steps};

pub(crate) fn run(sh: &Shell, project: &Project, steps: &mut Steps) -> Result<()> {
    let request = Request::from_command_line()?;
    let stages = Stage::of(request.thoroughness());
    let mut prepared = None;
    steps.take("list of mutants", || {
        prepared = Some(Workshop::prepare(sh, project, &request)?);
        Ok(())
    })?;
    let mut workshop = prepared.context("the list has been taken")?;

    let modules = workshop.modules();
    let mut programs = BTreeMap::new();
    steps.take("build of all mutants", || {
        for (module, stage) in
            modules.iter().flat_map(|module| stages.iter().map(move |it| (module, *it)))
        {
            if let Entry::Vacant(program) = programs.entry(stage.program(module)) {
                program.insert(workshop.build(module, stage)?);
            }
        }
        Ok(())
    })?;

    let mut reaches = BTreeMap::new();
    steps.take("tests by what they enter", || {
        for (key, program) in &programs {
            reaches.insert(*key, Reach::of(program)?);
        }
        Ok(())
    })?;

    let mut scores = Vec::new();
    for module in &modules {
        steps.take(&format!("mutants of {}", module.name()), || {
            let score = workshop.try_all(module, stages, |stage| {
                let key = stage.program(module);
                programs.get(&key).zip(reaches.get(&key)).context("a program of the stage")
            })?;
            println!("{score}");
            scores.push((module.clone(), score));
            Ok(())
        })?;
    }
    score::summarize(&scores);
    Ok(())
}

/// Has the mutants that were made by hand meet the tests that are said to fail.
pub(crate) fn run_by_hand(sh: &Shell, project: &Project, steps: &mut Steps) -> Result<()> {
    steps.take("mutants made by hand", || by_hand::try_all(&mut Workshop::by_hand(sh, project)?))
}
