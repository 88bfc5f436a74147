//! `cargo xtask fuzz`: looks for inputs that break a rule of `crates/authkit-fuzz`.
//!
//! libFuzzer is guided by coverage. What it needs beside a C++ compiler is a flag of the stable compiler, so no other
//! toolchain. Without a C++ compiler, changes of the corpus are tried as they come.

use std::{env, fs, num::NonZeroU32, path::PathBuf};

use anyhow::{Context, Result, bail, ensure};
use xshell::{Shell, cmd};

use crate::{project::Project, steps::Steps};

pub(crate) fn run(sh: &Shell, project: &Project, steps: &mut Steps) -> Result<()> {
    let Wanted { targets, seconds } = wanted(project, env::args().skip(2))?;
    let is_guided = cmd!(sh, "c++ --version").quiet().ignore_stdout().ignore_stderr().run().is_ok();
    let fuzzer = fuzzer(project, &host(sh)?, is_guided);
    steps.take("build", || if is_guided { build_guided(sh, project) } else { build_plain(sh) })?;
    for target in targets {
        steps.take(&target, || {
            let corpus = corpora(project).join(&target);
            let found = project.target.join("fuzz").join("found").join(&target);
            sh.create_dir(&found)?;
            if !is_guided {
                return Ok(cmd!(sh, "{fuzzer} {target} {seconds}").run()?);
            }
            // New inputs go where the first folder is; what is kept is added to by hand, or by a merge.
            let prefix = format!("-artifact_prefix={}/crash-", found.display());
            let time = format!("-max_total_time={seconds}");
            let limits = ["-max_len=4096", "-timeout=10", "-print_final_stats=1", "-verbosity=0"];
            let fuzz = cmd!(sh, "{fuzzer} {found} {corpus} {time} {prefix} {limits...}");
            Ok(fuzz.env("AUTHKIT_FUZZ_TARGET", &target).run()?)
        })?;
    }
    Ok(())
}

/// What the command line asks for.
#[derive(Debug, Eq, PartialEq)]
struct Wanted {
    targets: Vec<String>,
    seconds: String,
}

fn wanted(project: &Project, arguments: impl Iterator<Item = String>) -> Result<Wanted> {
    let mut known = Vec::new();
    for entry in fs::read_dir(corpora(project))? {
        known.push(entry?.file_name().into_string().ok().context("a target has a plain name")?);
    }
    known.sort();
    parse(&known, arguments)
}

fn parse(known: &[String], mut arguments: impl Iterator<Item = String>) -> Result<Wanted> {
    let mut wanted = Wanted { targets: known.to_vec(), seconds: "60".to_owned() };
    while let Some(argument) = arguments.next() {
        if argument == "--minutes" {
            let minutes = arguments.next().and_then(|it| it.parse::<NonZeroU32>().ok());
            wanted.seconds =
                (u64::from(minutes.context("--minutes wants a number")?.get()) * 60).to_string();
        } else if known.contains(&argument) {
            wanted.targets = vec![argument];
        } else {
            bail!("there is no target `{argument}`, only {}", known.join(", "));
        }
    }
    ensure!(!wanted.targets.is_empty(), "no target has a corpus");
    Ok(wanted)
}

/// Builds the targets with coverage, and libFuzzer around them.
fn build_guided(sh: &Shell, project: &Project) -> Result<()> {
    let manifest = project.root.join("crates/authkit-fuzz/libfuzzer/Cargo.toml");
    let (target, host) = (project.target.join("fuzz"), host(sh)?);
    // The host is named so that build scripts and macros are built without the flags.
    let place = cmd!(sh, "cargo build --locked --release --target-dir {target} --target {host}");
    place.arg("--manifest-path").arg(manifest).env("RUSTFLAGS", COVERAGE).run()?;
    Ok(())
}

fn build_plain(sh: &Shell) -> Result<()> {
    Ok(cmd!(sh, "cargo build --locked --release --package authkit-fuzz").run()?)
}

fn fuzzer(project: &Project, host: &str, is_guided: bool) -> PathBuf {
    if is_guided {
        project.target.join("fuzz").join(host).join("release/authkit-libfuzzer")
    } else {
        project.target.join("release/authkit-fuzz")
    }
}

fn host(sh: &Shell) -> Result<String> {
    Ok(cmd!(sh, "rustc --print host-tuple").quiet().read()?)
}

fn corpora(project: &Project) -> PathBuf {
    project.root.join("crates/authkit-fuzz/corpus")
}

/// As `cargo fuzz` sets them. The sanitizers that it adds look for faults of `unsafe` code, of which there is none.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=4";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_and_a_time_are_read_in_either_order() {
        let known = ["jwt", "seal"].map(str::to_owned);
        let read = |words: &[&str]| {
            let wanted = parse(&known, words.iter().map(|word| (*word).to_owned()));
            wanted.map(|wanted| (wanted.targets.join(" "), wanted.seconds)).ok()
        };
        let is = |targets: &str, seconds: &str| Some((targets.to_owned(), seconds.to_owned()));
        assert_eq!(read(&[]), is("jwt seal", "60"));
        assert_eq!(read(&["jwt", "--minutes", "30"]), is("jwt", "1800"));
        assert_eq!(read(&["--minutes", "2", "seal"]), is("seal", "120"));
        for wrong in [&["none"][..], &["--minutes"], &["--minutes", "0"], &["--minutes", "x"]] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }
}
