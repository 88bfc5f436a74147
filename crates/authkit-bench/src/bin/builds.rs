//! Measures the processor time of clean debug builds, one after the other, and prints it as JSON:
//! `builds ROOT SCRATCH [ROUNDS]`.
//!
//! It builds `hello` alone, with an HTTPS client, and behind the layer with either cryptography, and `axum-app` as a newcomer
//! builds it.

#![forbid(unsafe_code)]

use std::{
    collections::BTreeMap,
    env, fs, io,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

/// The builds: the name in the report, the manifest, and the arguments of cargo.
const KINDS: [(&str, &str, &[&str]); 5] = [
    ("hello", "crates/authkit-bench/hello/Cargo.toml", &[]),
    ("https", "crates/authkit-bench/hello/Cargo.toml", &["--features", "https"]),
    ("ring", "crates/authkit-bench/hello/Cargo.toml", &["--features", "ring"]),
    ("aws-lc-rs", "crates/authkit-bench/hello/Cargo.toml", &["--features", "aws-lc-rs"]),
    ("axum-app", "Cargo.toml", &["--package", "axum-app"]),
];

/// The least of all rounds, since other work of the machine only adds time.
#[derive(Serialize)]
struct Least {
    /// The processor time in user and system mode, of cargo and all its child processes.
    seconds: f64,
    crates: usize,
    /// How long the compilers and the build script of each package ran, the longest first.
    packages: Vec<(String, f64)>,
}

/// A unit of work in cargo's timing report.
#[derive(Deserialize)]
struct Unit {
    name: String,
    version: String,
    duration: f64,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let paths = arguments.first().zip(arguments.get(1)).context("builds ROOT SCRATCH [ROUNDS]")?;
    let (root, scratch) = (PathBuf::from(paths.0), PathBuf::from(paths.1));
    let rounds: u32 = arguments.get(2).map_or(Ok(2), |rounds| rounds.parse())?;

    for (_, manifest, _) in KINDS {
        // Downloads do not count as work of a build.
        cargo("fetch", &root.join(manifest), &[])?;
    }
    let mut least: BTreeMap<&str, Least> = BTreeMap::new();
    for round in 1..=rounds {
        for (kind, manifest, options) in KINDS {
            let built = build(&root.join(manifest), options, &scratch)?;
            eprintln!("round {round} {kind:>10} {:6.1} s, {} crates", built.seconds, built.crates);
            match least.get(kind) {
                Some(before) if before.seconds <= built.seconds => {}
                Some(_) | None => drop(least.insert(kind, built)),
            }
        }
    }
    println!("{}", serde_json::to_string_pretty(&least)?);
    Ok(())
}

/// Builds into `scratch`, which is empty before and after.
fn build(manifest: &Path, options: &[&str], scratch: &Path) -> Result<Least> {
    let empty = || match fs::remove_dir_all(scratch) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    };
    empty()?;
    let scratch_option = scratch.to_str().context("a path that is text")?;
    let mut all = vec!["--timings", "--target-dir", scratch_option];
    all.extend_from_slice(options);
    let output = cargo("build", manifest, &all)?;
    let seconds = processor_time(&String::from_utf8(output.stdout)?)?;
    let report = fs::read_to_string(scratch.join("cargo-timings/cargo-timing.html"))?;
    let units = units(&report)?;
    empty()?;
    let mut packages: BTreeMap<String, f64> = BTreeMap::new();
    for Unit { name, version, duration } in units {
        *packages.entry(format!("{name} {version}")).or_default() += duration;
    }
    let mut packages: Vec<_> = packages.into_iter().collect();
    packages.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    Ok(Least { seconds, crates: packages.len(), packages })
}

/// Runs cargo, and a shell's `times` after it.
fn cargo(command: &str, manifest: &Path, options: &[&str]) -> Result<Output> {
    let output = Command::new("sh")
        .args(["-c", r#""$@" && times"#, "sh", "cargo", command, "--quiet", "--locked"])
        .arg("--manifest-path")
        .arg(manifest)
        .args(options)
        .output()
        .context("sh")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(output)
}

/// The processor time of the children, from the last line of a shell's `times`: user and system, `1m2.50s 0m3.25s`.
fn processor_time(times: &str) -> Result<f64> {
    let seconds = |time: &str| {
        let (minutes, seconds) = time.strip_suffix('s')?.split_once('m')?;
        Some(minutes.parse::<f64>().ok()? * 60.0 + seconds.parse::<f64>().ok()?)
    };
    let line = times.lines().last().context("times prints two lines")?;
    let parts: Option<Vec<f64>> = line.split_whitespace().map(seconds).collect();
    let parts = parts.filter(|parts| parts.len() == 2);
    Ok(parts.with_context(|| format!("no times: {line}"))?.iter().sum())
}

/// The units in cargo's timing report, a page that contains the data as JSON.
fn units(report: &str) -> Result<Vec<Unit>> {
    let (_, data) = report.split_once("UNIT_DATA = ").context("the report has no units")?;
    let mut values = serde_json::Deserializer::from_str(data).into_iter();
    Ok(values.next().context("the report's units are JSON")??)
}
