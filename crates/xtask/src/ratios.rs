//! Compares a run of the benchmarks with the recorded run.
//!
//! The figures are ratios of measurements that were made side by side, or counts, so that other machines get the same.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};
use xshell::Shell;

/// Records the figures of a run, with the processor of the machine.
pub(crate) fn record(sh: &Shell, results: &Path) -> Result<()> {
    let (figures, processor) = read(sh, results)?;
    let record = json!({ "figures": figures, "processor": processor });
    Ok(sh.write_file(RECORD, format!("{record:#}\n"))?)
}

/// Fails if a figure of a run is over 10 % worse than the recorded one.
pub(crate) fn check(sh: &Shell, results: &Path) -> Result<()> {
    let (figures, processor) = read(sh, results)?;
    if !sh.path_exists(RECORD) {
        bail!("no run is recorded in {RECORD}; {AGAIN}");
    }
    let record: Value = serde_json::from_str(&sh.read_file(RECORD)?).context(RECORD)?;
    let recorded_on = record["processor"].as_str().context(RECORD)?;
    let worse = worse(record["figures"].as_object().context(RECORD)?, &figures)?;
    if worse.is_empty() {
        return Ok(());
    }
    bail!(
        "over 10 % worse than recorded (on {recorded_on}; this is {processor}):\n{}\n\
         if that is intended, {AGAIN}",
        worse.join("\n")
    )
}

/// The figures of a run by name, and its processor.
fn read(sh: &Shell, results: &Path) -> Result<(Map<String, Value>, String)> {
    let read = |name: &str| -> Result<Value> {
        let path = results.join(name);
        serde_json::from_str(&sh.read_file(&path)?).with_context(|| path.display().to_string())
    };
    let figures = read("figures.json")?;
    let machine = read("machine.json")?;
    let processor = machine["processor"].as_str().context("machine.json names no processor")?;
    Ok((figures.as_object().context("figures.json")?.clone(), processor.to_owned()))
}

/// A line for each figure that is over 10 % worse.
fn worse(recorded: &Map<String, Value>, figures: &Map<String, Value>) -> Result<Vec<String>> {
    if let Some(name) = recorded.keys().find(|name| !figures.contains_key(*name)) {
        bail!("{name} is no longer measured; {AGAIN}");
    }
    let mut worse = Vec::new();
    for (name, figure) in figures {
        let measured = figure["measured"].as_f64().with_context(|| name.clone())?;
        let before = recorded.get(name).and_then(|before| before["measured"].as_f64());
        let before = before.with_context(|| format!("{name} is not recorded; {AGAIN}"))?;
        let is_worse = match figure["better"].as_str() {
            Some("higher") => measured < before * 0.9,
            Some("lower") => measured > before * 1.1,
            Some(_) | None => bail!("{name}: better is neither higher nor lower"),
        };
        if is_worse {
            worse.push(format!("{name}: {measured:.2}, recorded {before:.2}"));
        }
    }
    Ok(worse)
}

const RECORD: &str = "crates/authkit-bench/ratios.json";
const AGAIN: &str = "run `cargo xtask bench --record`";

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(of: &[(&str, f64, &str)]) -> Map<String, Value> {
        let figure = |(name, measured, better): &(&str, f64, &str)| {
            ((*name).to_owned(), json!({ "measured": measured, "better": better }))
        };
        of.iter().map(figure).collect()
    }

    #[test]
    fn ten_percent_worse_are_allowed_and_better_always_is() {
        let recorded = figures(&[
            ("times", 100.0, "higher"),
            ("share", 2.0, "lower"),
            ("count", 0.0, "lower"),
        ]);
        let cases: [(f64, f64, f64, &[&str]); 6] = [
            (100.0, 2.0, 0.0, &[]),
            (90.0, 2.2, 0.0, &[]),
            (500.0, 0.1, 0.0, &[]),
            (89.0, 2.0, 0.0, &["times: 89.00, recorded 100.00"]),
            (100.0, 2.21, 0.0, &["share: 2.21, recorded 2.00"]),
            (100.0, 2.0, 1.0, &["count: 1.00, recorded 0.00"]),
        ];
        for (times, share, count, expected) in cases {
            let measured = figures(&[
                ("times", times, "higher"),
                ("share", share, "lower"),
                ("count", count, "lower"),
            ]);
            assert_eq!(worse(&recorded, &measured).unwrap(), expected, "{times} {share} {count}");
        }
    }

    #[test]
    fn what_is_measured_has_to_be_what_is_recorded() {
        let [one, both] =
            [&[("a", 1.0, "lower")][..], &[("a", 1.0, "lower"), ("b", 1.0, "higher")]].map(figures);
        let error = worse(&one, &both).unwrap_err().to_string();
        assert!(error.starts_with("b is not recorded; run"), "{error}");
        let error = worse(&both, &one).unwrap_err().to_string();
        assert!(error.starts_with("b is no longer measured; run"), "{error}");
        assert!(worse(&one, &figures(&[("a", 1.0, "sideways")])).is_err());
    }
}
