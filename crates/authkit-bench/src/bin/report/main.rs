//! Writes `docs/benchmarks.md` and its chart from what a run measured: `report TARGET DOCS`.

#![forbid(unsafe_code)]

mod chart;
mod page;
mod results;

use std::{env, fs, path::PathBuf};

use anyhow::{Context, Result};

use crate::results::Results;

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1).map(PathBuf::from);
    let (target, docs) = arguments.next().zip(arguments.next()).context("report TARGET DOCS")?;
    let results = Results::read(&target)?;
    let page = page::write(&results);
    fs::write(docs.join("benchmarks.svg"), chart::draw(&results))?;
    fs::write(docs.join("benchmarks.md"), &page)?;
    println!("{page}");
    Ok(())
}
