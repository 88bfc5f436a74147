//! Runs every behaviour test while `tests/support/watch.rs` looks for secrets in what they log, count, answer and store.

use std::{collections::BTreeMap, fs};

use anyhow::{Context, Result, ensure};
use xshell::{Shell, cmd};

use crate::{project::Project, tally::Tally};

/// Runs the tests, prints how much was searched, and fails if a secret was found.
pub(crate) fn watch(sh: &Shell, project: &Project) -> Result<Tally> {
    let report = project.target.join("watch.txt");
    sh.remove_path(&report)?;
    // As `cargo xtask test` has built them.
    let test = cmd!(sh, "cargo test --workspace --all-features --locked --no-fail-fast --test it");
    // This one is about a span of the application's own that has a code.
    let others = ["--", "--skip", "cb_09_a_span_of_trace_layer_has_the_code"];
    let tally = Tally::of(test.args(others).env("AUTHKIT_WATCH", &report))?;
    let report = Report::read(&fs::read_to_string(&report)?)?;
    for (place, texts) in &report.searched {
        println!("{texts:>9} searched: {place}");
    }
    report.check()?;
    Ok(tally)
}

/// What the watch wrote down.
#[derive(Debug, Default, Eq, PartialEq)]
struct Report {
    /// How many texts were searched in each place.
    searched: BTreeMap<String, u64>,
    /// The places in which the watch found what it had planted there itself.
    planted: BTreeMap<String, u64>,
    found: Vec<String>,
}

impl Report {
    fn read(text: &str) -> Result<Self> {
        let mut report = Self::default();
        for line in text.lines() {
            let words: Vec<_> = line.splitn(3, ' ').collect();
            match words[..] {
                ["searched", place, texts] => {
                    let texts: u64 = texts.parse().with_context(|| line.to_owned())?;
                    *report.searched.entry(place.to_owned()).or_default() += texts;
                }
                ["found", place, what] if what.contains("planted") => {
                    *report.planted.entry(place.to_owned()).or_default() += 1;
                }
                _ => report.found.push(line.to_owned()),
            }
        }
        Ok(report)
    }

    /// Says whether the search worked everywhere, and found nothing.
    fn check(&self) -> Result<()> {
        for place in ["answer", "log", "metric", "redis"] {
            ensure!(self.searched.contains_key(place), "nothing was searched: {place}");
        }
        for place in ["answer", "log", "metric"] {
            ensure!(self.planted.contains_key(place), "what was planted is not found: {place}");
        }
        ensure!(self.found.is_empty(), "{}", self.found.join("\n"));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_good_if_everything_was_searched_and_only_what_was_planted_found() {
        let searched = "searched log 20\nsearched log 20\nsearched metric 20\nsearched redis 20\nsearched answer 20\n";
        let planted = ["answer", "log", "metric"]
            .map(|place| format!("found {place} Known(\"cookie password\") planted: x\n"))
            .concat();
        let good = format!("{searched}{planted}");
        let read = |text: &str| Report::read(text).expect("it is a report");
        assert!(read(&good).check().is_ok());
        assert_eq!(read(&good).searched["log"], 40);
        for (bad, told) in [
            (good.replace("searched redis 20\n", ""), "nothing was searched: redis"),
            (good.replace("found metric", "found log"), "what was planted is not found: metric"),
            (format!("{good}found log Known(\"email\") x"), "found log Known(\"email\") x"),
        ] {
            let outcome = read(&bad).check().map_err(|error| error.to_string());
            assert_eq!(outcome, Err(told.to_owned()));
        }
        assert!(Report::read("searched log many").is_err());
    }
}
