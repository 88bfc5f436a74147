//! A run: named steps, each timed, the first failure being the last step.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::tally::Tally;

/// The steps taken so far.
pub(crate) struct Steps {
    started: Instant,
    taken: Vec<(String, Duration)>,
    tests: Option<Tally>,
}

impl Steps {
    pub(crate) fn start() -> Self {
        Self { started: Instant::now(), taken: Vec::new(), tests: None }
    }

    /// Takes one step under a heading.
    pub(crate) fn take(&mut self, name: &str, step: impl FnOnce() -> Result<()>) -> Result<()> {
        self.time(name, step)
    }

    /// Takes a step that runs tests; a failed or a skipped one fails it.
    pub(crate) fn test(&mut self, name: &str, step: impl FnOnce() -> Result<Tally>) -> Result<()> {
        let tally = self.time(name, step)?;
        *self.tests.get_or_insert_default() += tally;
        tally.check().with_context(|| name.to_owned())
    }

    fn time<T>(&mut self, name: &str, step: impl FnOnce() -> Result<T>) -> Result<T> {
        eprintln!("\n== {name}");
        let started = Instant::now();
        let outcome = step();
        self.taken.push((name.to_owned(), started.elapsed()));
        outcome.with_context(|| name.to_owned())
    }

    /// Prints how long each step took, and how many tests passed as the last line.
    pub(crate) fn summarize(&self) {
        println!();
        for (name, took) in &self.taken {
            println!("{:>7.1} s  {name}", took.as_secs_f64());
        }
        println!("{:>7.1} s  in all", self.started.elapsed().as_secs_f64());
        if let Some(tests) = self.tests {
            println!("\n{tests}");
        }
    }
}
