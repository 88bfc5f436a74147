//! Runs `cargo test`, and counts the tests.

use std::{
    fmt,
    io::{BufRead, BufReader},
    ops::AddAssign,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use xshell::Cmd;

/// The numbers of tests that passed, failed and were ignored.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Tally {
    passed: u32,
    failed: u32,
    ignored: u32,
}

impl Tally {
    /// Runs a `cargo test`, prints its output, and counts its results.
    pub(crate) fn of(test: Cmd<'_>) -> Result<Self> {
        eprintln!("$ {test}");
        let mut cargo = Command::from(test).stdout(Stdio::piped()).spawn()?;
        let output = cargo.stdout.take().context("the output is piped")?;
        let mut tally = Self::default();
        for line in BufReader::new(output).split(b'\n') {
            let line = String::from_utf8_lossy(&line?).into_owned();
            println!("{line}");
            tally += Self::parse(&line).unwrap_or_default();
        }
        let status = cargo.wait()?;
        ensure!(status.success() || tally.failed > 0, "cargo test: {status}");
        Ok(tally)
    }

    /// Fails unless at least one test ran and all tests passed.
    pub(crate) fn check(self) -> Result<()> {
        ensure!(self.failed == 0, "{} tests failed", self.failed);
        ensure!(self.ignored == 0, "{} tests are ignored: run or remove them", self.ignored);
        ensure!(self.passed > 0, "no test ran");
        Ok(())
    }

    /// Reads `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; …`.
    fn parse(line: &str) -> Option<Self> {
        let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let mut counts = counts.split("; ").map(|count| count.split_once(' '));
        let mut next = |word| match counts.next()?? {
            (count, name) if name == word => count.parse().ok(),
            _ => None,
        };
        Some(Self { passed: next("passed")?, failed: next("failed")?, ignored: next("ignored")? })
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        match self.ignored {
            0 => Ok(()),
            ignored => write!(f, ", {ignored} skipped"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_line_is_counted_and_no_other() {
        let counts = |passed, failed, ignored| Some(Tally { passed, failed, ignored });
        let cases = [
            (
                "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s",
                counts(12, 0, 1),
            ),
            (
                "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 4 filtered out",
                counts(3, 2, 0),
            ),
            ("test seal::tests::round_trip ... ok", None),
            ("a test prints: test result: ok. 9 passed; 0 failed; 0 ignored;", None),
            ("test result: ok. many passed", None),
            ("", None),
        ];
        for (line, expected) in cases {
            assert_eq!(Tally::parse(line), expected, "{line}");
        }
    }

    #[test]
    fn only_a_run_in_which_every_test_passed_is_good() {
        let cases = [
            ("all passed", Tally { passed: 2, failed: 0, ignored: 0 }, true),
            ("one failed", Tally { passed: 2, failed: 1, ignored: 0 }, false),
            ("one ignored", Tally { passed: 2, failed: 0, ignored: 1 }, false),
            ("none ran", Tally::default(), false),
        ];
        for (name, tally, good) in cases {
            assert_eq!(tally.check().is_ok(), good, "{name}");
        }
    }
}
