//! Writes `docs/benchmarks.md` and its chart from the results of a run: `report TARGET DOCS`. Also writes
//! `TARGET/results/figures.json`, with which later runs are compared.

#![forbid(unsafe_code)]

mod chart;
mod figures;
mod page;
mod results;
mod texts;

use std::{env, fs, path::PathBuf};

use anyhow::{Context, Result};

use crate::{figures::Figure, results::Results};

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1).map(PathBuf::from);
    let (target, docs) = arguments.next().zip(arguments.next()).context("report TARGET DOCS")?;
    let results = Results::read(&target)?;
    let figures = Figure::of(&results);
    let page = page::write(&results, &figures);
    let record = serde_json::to_vec_pretty(&Figure::record(&figures))?;
    fs::write(target.join("results/figures.json"), record)?;
    fs::write(docs.join("benchmarks.svg"), chart::draw(&results))?;
    fs::write(docs.join("benchmarks.md"), &page)?;
    println!("{page}");
    Ok(())
}
