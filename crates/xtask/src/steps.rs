//! A run of named steps, each of which is timed. A failed step ends the run, unless the steps are independent.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::tally::Tally;

/// The steps taken so far.
pub(crate) struct Steps {
    started: Instant,
    taken: Vec<(String, Duration)>,
    tests: Option<Tally>,
    /// The failures so far, once the steps are independent.
    failed: Option<Vec<anyhow::Error>>,
    /// Only steps whose name contains one of these are taken; all, if there are none.
    words: Vec<String>,
}

impl Steps {
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
            taken: Vec::new(),
            tests: None,
            failed: None,
            words: Vec::new(),
        }
    }

    /// Makes the further steps independent: a failed step does not end the run, and if there are words, only the steps
    /// whose names contain one of them are taken.
    pub(crate) fn independent(&mut self, words: impl Iterator<Item = String>) {
        self.failed = Some(Vec::new());
        self.words = words.collect();
    }

    /// Takes one step under a heading.
    pub(crate) fn take(&mut self, name: &str, step: impl FnOnce() -> Result<()>) -> Result<()> {
        let outcome = self.time(name, step);
        self.note(outcome.map(Option::unwrap_or_default))
    }

    /// Takes a step that runs tests. The step fails if a test fails or is skipped.
    pub(crate) fn test(&mut self, name: &str, step: impl FnOnce() -> Result<Tally>) -> Result<()> {
        let outcome = self.time(name, step).and_then(|tally| {
            let Some(tally) = tally else { return Ok(()) };
            *self.tests.get_or_insert_default() += tally;
            tally.check().with_context(|| name.to_owned())
        });
        self.note(outcome)
    }

    /// Keeps a failure for later if the steps are independent.
    fn note(&mut self, outcome: Result<()>) -> Result<()> {
        let Some(failed) = &mut self.failed else { return outcome };
        failed.extend(outcome.err());
        Ok(())
    }

    /// Runs and times a step; `None` if the words exclude the step.
    fn time<T>(&mut self, name: &str, step: impl FnOnce() -> Result<T>) -> Result<Option<T>> {
        if !self.is_wanted(name) {
            return Ok(None);
        }
        eprintln!("\n== {name}");
        let started = Instant::now();
        let outcome = step();
        self.taken.push((name.to_owned(), started.elapsed()));
        outcome.map(Some).with_context(|| name.to_owned())
    }

    /// Prints the duration of each step, and in the last line how many tests passed.
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

    /// Reports the failures of independent steps at the end of the run.
    ///
    /// # Errors
    ///
    /// The failures, or that no step has a name with the words.
    pub(crate) fn failures(&self) -> Result<()> {
        let failed = self.failed.iter().flatten();
        let failed: Vec<_> = failed.map(|error| format!("{error:#}")).collect();
        if !failed.is_empty() {
            bail!("{}", failed.join("\nerror: "));
        }
        if !self.words.is_empty() && !self.taken.iter().any(|(name, _)| self.is_wanted(name)) {
            bail!("no step is called {}", self.words.join(" or "));
        }
        Ok(())
    }

    fn is_wanted(&self, name: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| name.contains(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failing() -> Result<()> {
        bail!("it does not work")
    }

    #[test]
    fn the_first_failure_ends_a_run() {
        let mut steps = Steps::start();
        assert!(steps.take("one", || Ok(())).is_ok());
        assert!(steps.take("two", failing).is_err());
        assert!(steps.failures().is_ok());
    }

    #[test]
    fn steps_that_do_not_need_each_other_all_run_and_every_failure_is_told() {
        let mut steps = Steps::start();
        steps.independent([].into_iter());
        let mut taken = Vec::new();
        for name in ["one", "two", "three"] {
            let step = || {
                taken.push(name);
                if name == "three" { Ok(()) } else { failing() }
            };
            assert!(steps.take(name, step).is_ok(), "{name}");
        }
        assert_eq!(taken, ["one", "two", "three"]);
        let told = steps.failures().map_err(|error| error.to_string());
        assert_eq!(told, Err("one: it does not work\nerror: two: it does not work".to_owned()));
    }

    #[test]
    fn only_the_steps_that_are_named_are_taken() {
        let mut steps = Steps::start();
        assert!(steps.take("set-up", || Ok(())).is_ok());
        steps.independent(["model".to_owned(), "soak".to_owned()].into_iter());
        let mut taken = Vec::new();
        for name in ["soak: 10 refreshes", "floods", "model: dies"] {
            let step = || {
                taken.push(name);
                Ok(())
            };
            assert!(steps.take(name, step).is_ok());
        }
        assert_eq!(taken, ["soak: 10 refreshes", "model: dies"]);
        assert!(steps.failures().is_ok());

        let mut steps = Steps::start();
        assert!(steps.take("set-up", || Ok(())).is_ok());
        steps.independent(["modle".to_owned()].into_iter());
        assert!(steps.take("model: dies", failing).is_ok());
        assert!(steps.failures().is_err());
    }
}
