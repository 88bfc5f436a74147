//! `cargo xtask fuzz`: looks for inputs that break a rule of `crates/authkit-fuzz`.
//!
//! libFuzzer is guided by coverage. What it needs beside a C++ compiler is a flag of the stable compiler, so no other
//! toolchain. Without a C++ compiler, changes of the corpus are tried as they come.
//!
//! Each target goes on with the inputs that it found in earlier calls, in `target/fuzz/found`, where the length of each turn
//! is written down too, so that a search may be ended at any time and continued later. `--merge` keeps as few of them
//! as enter all the code that they enter together, beside the inputs that have a name.

mod corpus;
mod search;

use std::{
    env, fs,
    num::NonZeroU32,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use xshell::{Shell, cmd};

use self::{corpus::Corpus, search::Search};
use crate::{project::Project, steps::Steps};

pub(crate) fn run(sh: &Shell, project: &Project, steps: &mut Steps) -> Result<()> {
    let Wanted { targets, task } = wanted(project, env::args().skip(2))?;
    let is_guided = cmd!(sh, "c++ --version").quiet().ignore_stdout().ignore_stderr().run().is_ok();
    let fuzzer = fuzzer(project, &host(sh)?, is_guided);
    steps.take("build", || if is_guided { build_guided(sh, project) } else { build_plain(sh) })?;
    match task {
        Task::Search(time) => steps.take("search", || {
            let search = Search { project, fuzzer: &fuzzer, is_guided };
            search.run(&targets, time)
        }),
        Task::Merge => steps.take("merge", || {
            ensure!(is_guided, "a C++ compiler is needed, since libFuzzer merges by coverage");
            for target in targets {
                let kept = merge(sh, project, &fuzzer, &target)?;
                println!("{target}: {kept} inputs beside those that have a name");
            }
            Ok(())
        }),
    }
}

/// Keeps those inputs of the corpus and of what was found that enter code which no other one enters.
fn merge(sh: &Shell, project: &Project, fuzzer: &Path, target: &str) -> Result<usize> {
    let (corpus, found) = (Corpus::of(project, target), found(project, target)?);
    let (kept, named) = (kept(project, target)?, &corpus.named);
    let merged = found.with_extension("merged");
    sh.remove_path(&merged)?;
    sh.create_dir(&merged)?;
    // Code that is entered counts, and not how often it is.
    let options = ["-merge=1", "-set_cover_merge=1", "-use_counters=0", "-max_len=4096"];
    let merge = cmd!(sh, "{fuzzer} {options...} -verbosity=0 {merged} {named} {kept} {found}");
    merge.env("AUTHKIT_FUZZ_TARGET", target).ignore_stderr().run()?;
    corpus.pack(&merged)
}

/// A folder with the inputs of the corpus that were found in earlier searches.
fn kept(project: &Project, target: &str) -> Result<PathBuf> {
    let folder = project.target.join("fuzz").join("kept").join(target);
    Corpus::of(project, target).unpack(&folder)?;
    Ok(folder)
}

/// Where the inputs that a target finds are.
fn found(project: &Project, target: &str) -> Result<PathBuf> {
    let found = project.target.join("fuzz").join("found").join(target);
    fs::create_dir_all(&found)?;
    Ok(found)
}

/// What the command line asks for.
#[derive(Debug, Eq, PartialEq)]
struct Wanted {
    targets: Vec<String>,
    task: Task,
}

/// What to do with each target.
#[derive(Debug, Eq, PartialEq)]
enum Task {
    Search(Duration),
    Merge,
}

fn wanted(project: &Project, arguments: impl Iterator<Item = String>) -> Result<Wanted> {
    let known = corpus::targets(project)?;
    parse(&known, arguments)
}

fn parse(known: &[String], mut arguments: impl Iterator<Item = String>) -> Result<Wanted> {
    let task = Task::Search(MINUTE);
    let mut wanted = Wanted { targets: known.to_vec(), task };
    while let Some(argument) = arguments.next() {
        if argument == "--merge" {
            wanted.task = Task::Merge;
        } else if argument == "--minutes" {
            let minutes = arguments.next().and_then(|it| it.parse::<NonZeroU32>().ok());
            let minutes = minutes.context("--minutes wants a number")?;
            wanted.task = Task::Search(MINUTE * minutes.get());
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

const MINUTE: Duration = Duration::from_secs(60);

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
            wanted.map(|wanted| (wanted.targets.join(" "), wanted.task)).ok()
        };
        let search = |seconds| Task::Search(Duration::from_secs(seconds));
        for (words, targets, task) in [
            (&[][..], "jwt seal", search(60)),
            (&["jwt", "--minutes", "30"], "jwt", search(1_800)),
            (&["--minutes", "2", "seal"], "seal", search(120)),
            (&["seal", "--merge"], "seal", Task::Merge),
        ] {
            assert_eq!(read(words), Some((targets.to_owned(), task)), "{words:?}");
        }
        for wrong in [&["none"][..], &["--minutes"], &["--minutes", "0"], &["--minutes", "x"]] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }
}
