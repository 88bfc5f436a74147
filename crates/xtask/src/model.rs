//! `cargo xtask model`: checks `docs/replicas.pml`, the model of what replicas do together, with spin.
//!
//! No order of events may break an assertion. Then each rule is removed, and some order must break the assertion that
//! depends on it, and no other one: otherwise the assertion would prove nothing.

use anyhow::{Context, Result, ensure};
use xshell::{Shell, cmd};

use crate::{project::Project, setup, steps::Steps};

pub(crate) fn run(sh: &Shell, project: &Project, steps: &mut Steps) -> Result<()> {
    steps.take("model: set-up of spin", || setup::install_spin(sh))?;
    for setting in SETTINGS {
        steps.take(&format!("model: {}", setting.name), || setting.check(sh, project))?;
    }
    Ok(())
}

/// The macros that the model is checked with, and the expected result.
struct Setting {
    name: &'static str,
    macros: &'static [&'static str],
    expected: Expected,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Expected {
    /// Every order of events keeps the assertions.
    Holds,
    /// Some order breaks this one.
    Breaks(Assertion),
}

/// The assertions of the model.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Assertion {
    /// WorkOS is asked by one process.
    OneExchange,
    /// Who has not signed out is not sent to sign in.
    NoSignIn,
    /// Whose session goes on keeps the cookie.
    KeepsCookie,
    /// Nobody is admitted later than 5 s after the end.
    NobodyAfterTheEnd,
}

impl Assertion {
    /// The one whose condition spin's report has.
    fn of(condition: &str) -> Option<Self> {
        let has = |part| condition.contains(part);
        match (has("asked["), has("signed_out_ago"), has("given_up"), has("incident")) {
            (true, false, false, true) => Some(Self::OneExchange),
            (false, true, false, false) => Some(Self::NobodyAfterTheEnd),
            (false, false, true, true) => Some(Self::NoSignIn),
            (false, false, true, false) => Some(Self::KeepsCookie),
            _ => None,
        }
    }
}

const SETTINGS: &[Setting] = &[
    holds("two replicas and a store", &[]),
    holds("a process dies", &["-DDEATHS"]),
    holds("the store goes away and loses its data", &["-DFAILURES"]),
    holds("WorkOS refuses for a while what it should not", &["-DINCIDENT"]),
    breaks("no mark in the store", &["-DWITHOUT_MARK"], Assertion::OneExchange),
    breaks("the store is not asked after a refusal", &["-DWITHOUT_LOOK"], Assertion::NoSignIn),
    breaks(
        "one refusal is enough",
        &["-DINCIDENT", "-DWITHOUT_SECOND_REFUSAL"],
        Assertion::KeepsCookie,
    ),
    breaks(
        "another process's refusal within the minute is the second one",
        &["-DINCIDENT", "-DWITHOUT_MINUTE_BETWEEN_REFUSALS"],
        Assertion::KeepsCookie,
    ),
    breaks(
        "a sign-out is not published",
        &["-DWITHOUT_PUBLISHED_SIGN_OUT"],
        Assertion::NobodyAfterTheEnd,
    ),
    breaks(
        "a refreshed session is not held against sign-outs",
        &["-DWITHOUT_CUT_OFFS_OF_RENEWED"],
        Assertion::NobodyAfterTheEnd,
    ),
];

const fn holds(name: &'static str, macros: &'static [&'static str]) -> Setting {
    Setting { name, macros, expected: Expected::Holds }
}

const fn breaks(
    name: &'static str,
    macros: &'static [&'static str],
    assertion: Assertion,
) -> Setting {
    Setting { name, macros, expected: Expected::Breaks(assertion) }
}

impl Setting {
    fn check(&self, sh: &Shell, project: &Project) -> Result<()> {
        let (macros, model) = (self.macros, project.root.join(MODEL));
        let folder = project.target.join("model");
        sh.create_dir(&folder)?;
        let _in_folder = sh.push_dir(&folder);
        cmd!(sh, "spin {macros...} -a {model}").ignore_stdout().run()?;
        cmd!(sh, "cc -O2 -DSAFETY -DCOLLAPSE -o pan pan.c").run()?;
        // A depth that no order reaches, and a hash table large enough for the states.
        let report = cmd!(sh, "./pan -m1000000 -w26").ignore_status().read()?;
        let found = outcome(&report).with_context(|| format!("no result in:\n{report}"))?;
        ensure!(found == self.expected, "{:?} and not {found:?}:\n{report}", self.expected);
        Ok(())
    }
}

/// The result in spin's report; `None` if the search did not finish.
fn outcome(report: &str) -> Option<Expected> {
    if let Some((_, violated)) = report.split_once("assertion violated") {
        let condition = violated.lines().next().unwrap_or_default();
        return Assertion::of(condition).map(Expected::Breaks);
    }
    let is_complete = report.contains("errors: 0")
        && !report.contains("Search not completed")
        && !report.contains("max search depth too small");
    is_complete.then_some(Expected::Holds)
}

const MODEL: &str = "docs/replicas.pml";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_search_that_was_cut_off_shows_nothing() {
        let cases = [
            ("State-vector 68 byte, depth reached 11333, errors: 0\n", Some(Expected::Holds)),
            ("pan:1: assertion violated (x) (at depth 3)\nerrors: 1\n", None),
            (
                "pan:1: assertion violated (( !(signed_out)||untold)||(signed_out_ago<=1)) (at depth 3)\n",
                Some(Expected::Breaks(Assertion::NobodyAfterTheEnd)),
            ),
            ("Warning: Search not completed\nerrors: 0\n", None),
            ("error: max search depth too small\nerrors: 0\n", None),
            ("pan:1: invalid end state (at depth 3)\nerrors: 1\n", None),
            ("", None),
        ];
        for (report, expected) in cases {
            assert_eq!(outcome(report), expected, "{report}");
        }
    }

    #[test]
    fn every_rule_that_can_be_taken_out_is() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        let model = std::fs::read_to_string(root.join(MODEL)).unwrap();
        let tried: Vec<_> = SETTINGS.iter().flat_map(|setting| setting.macros).collect();
        let known = model.lines().filter_map(|line| {
            line.trim().strip_prefix("#ifdef ").or_else(|| line.trim().strip_prefix("#ifndef "))
        });
        for name in known {
            assert!(tried.iter().any(|tried| tried.strip_prefix("-D") == Some(name)), "{name}");
        }
    }
}
