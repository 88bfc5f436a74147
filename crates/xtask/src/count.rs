//! `cargo xtask bench --count`: counts the instructions of an authentication. Counts are repeatable; times are not.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use xshell::{Shell, cmd};

use crate::{bench, project::Project, setup, steps::Steps};

/// Counts, and records the counts that later changes are compared with.
pub(crate) fn run(sh: &Shell, project: &Project, steps: &mut Steps) -> Result<()> {
    steps.take("set-up", || setup::install(sh, project))?;
    steps.take("instructions", || {
        let counts = count(sh, project)?;
        let record = json!({ "rustc": bench::rustc(sh)?, "instructions": counts });
        Ok(sh.write_file(project.root.join(RECORD), format!("{record:#}\n"))?)
    })
}

/// Counts, and fails if a count differs much from the one recorded with the same compiler.
pub(crate) fn check(sh: &Shell, project: &Project) -> Result<()> {
    let record = sh.read_file(project.root.join(RECORD))?;
    let record: Value = serde_json::from_str(&record).context(RECORD)?;
    let counts = count(sh, project)?;
    for program in ["machine", "api_key"] {
        let is_cheap = counts[program] <= counts["bearer"];
        ensure!(is_cheap, "a known {program} costs more than a user's bearer token");
    }
    let (recorded, used) = (record["rustc"].as_str().context(RECORD)?, bench::rustc(sh)?);
    if recorded != used {
        eprintln!("not compared: recorded with {recorded}, counted with {used}");
        return Ok(());
    }
    compare(&record, &counts)
}

fn compare(record: &Value, counts: &BTreeMap<&str, u64>) -> Result<()> {
    let recorded = record["instructions"].as_object().context("instructions")?;
    ensure!(recorded.len() == counts.len(), "what is counted has changed; {AGAIN}");
    for (path, count) in counts {
        let before = recorded.get(*path).and_then(Value::as_u64).context(AGAIN)?;
        ensure!(
            count.abs_diff(before) <= before / 10,
            "{path}: {count} instructions, over 10 % from the {before} recorded; \
             if that is as it should be, {AGAIN}"
        );
    }
    Ok(())
}

/// The instructions of one authentication, by kind.
fn count(sh: &Shell, project: &Project) -> Result<BTreeMap<&'static str, u64>> {
    let (manifest, target) = (bench::manifest(project), bench::target(project));
    // Without its default features it builds none of the compared libraries.
    let only = ["--release", "--locked", "--no-default-features", "--bin", "count"];
    cmd!(sh, "cargo build {only...} --manifest-path {manifest} --target-dir {target}").run()?;
    let program = target.join("release/count");
    let mut counts = BTreeMap::new();
    for path in PATHS {
        // The instructions before the first authentication are in both counts.
        let [few, many] = TIMES.map(|times| instructions(sh, &program, path, times));
        let count = (many? - few?) / (TIMES[1] - TIMES[0]);
        eprintln!("{path}: {count} instructions");
        counts.insert(path, count);
    }
    Ok(counts)
}

/// The instructions of the whole program.
fn instructions(sh: &Shell, program: &Path, path: &str, times: u64) -> Result<u64> {
    let times = times.to_string();
    let callgrind = ["--tool=callgrind", "--callgrind-out-file=/dev/null"];
    let output = cmd!(sh, "valgrind {callgrind...} {program} {path} {times}").quiet().output()?;
    parse(&String::from_utf8_lossy(&output.stderr))
}

/// Reads `==7== Collected : 123456`.
fn parse(report: &str) -> Result<u64> {
    let mut counts = report.lines().filter_map(|line| line.split_once("Collected : "));
    let count = counts.next().and_then(|(_, count)| count.trim().parse().ok());
    count.with_context(|| format!("callgrind counted nothing:\n{report}"))
}

const PATHS: [&str; 9] =
    ["warm", "cold", "cryptography", "layer", "service", "marks", "bearer", "machine", "api_key"];
const TIMES: [u64; 2] = [200, 1_200];
const RECORD: &str = "crates/authkit-bench/instructions.json";
const AGAIN: &str = "run `cargo xtask bench --count`";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_from_callgrinds_report() {
        let report = "==7== Callgrind, a call-graph generating cache profiler\n==7== \n==7== Collected : 123456\n";
        assert_eq!(parse(report).ok(), Some(123_456));
        assert!(parse("==7== Collected : none").is_err());
        assert!(parse("").is_err());
    }

    #[test]
    fn ten_percent_either_way_are_allowed() {
        let record = json!({ "instructions": { "cold": 1_000, "warm": 100 } });
        let cases = [
            ([("cold", 1_000), ("warm", 100)], true),
            ([("cold", 1_100), ("warm", 90)], true),
            ([("cold", 1_101), ("warm", 100)], false),
            ([("cold", 1_000), ("warm", 89)], false),
            ([("cold", 1_000), ("hot", 100)], false),
        ];
        for (counts, good) in cases {
            assert_eq!(compare(&record, &BTreeMap::from(counts)).is_ok(), good, "{counts:?}");
        }
        assert!(compare(&record, &BTreeMap::from([("cold", 1_000)])).is_err());
    }
}
