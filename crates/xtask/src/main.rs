//! The project's chores, as `cargo xtask <command>`; [`HELP`] names them.

#![forbid(unsafe_code)]

mod bench;
mod built;
mod cases;
mod count;
mod coverage;
mod deep;
mod frameworks;
mod fuzz;
mod http_clients;
mod interleavings;
mod layout;
mod model;
mod mutants;
mod owners;
mod packages;
mod peers;
mod pictures;
mod project;
mod ratios;
mod secrets;
mod setup;
mod simulate;
mod steps;
mod tally;
mod test;

use std::{env, process::ExitCode};

use anyhow::Result;
use xshell::Shell;

use crate::{project::Project, steps::Steps};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let chore = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["test"] => test::run,
        ["peers"] => peers::run,
        ["deep", ..] => deep::run,
        ["cases"] => cases::run,
        ["owners"] => owners::run,
        ["model"] => model::run,
        ["interleavings"] => interleavings::run,
        ["coverage"] => coverage::run,
        ["coverage", "--quick"] => coverage::run_quick,
        ["mutants", "--by-hand"] => mutants::run_by_hand,
        ["mutants", ..] => mutants::run,
        ["fuzz", ..] => fuzz::run,
        ["packages"] => packages::run,
        ["pictures"] => pictures::run,
        ["simulate"] => simulate::run,
        ["bench"] => bench::run,
        ["bench", "--record"] => bench::record,
        ["bench", "--count"] => count::run,
        ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };

    let mut steps = Steps::start();
    let outcome = in_project(|sh, project| chore(sh, project, &mut steps));
    steps.summarize();
    match outcome.and_then(|()| steps.failures()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn in_project(chore: impl FnOnce(&Shell, &Project) -> Result<()>) -> Result<()> {
    let sh = Shell::new()?;
    let project = Project::read(&sh)?;
    sh.change_dir(&project.root);
    sh.set_var("AUTHKIT_PEERS", project.peers());
    if env::var_os("CI").is_some() {
        // One build from nothing: what incremental compilation writes is never read.
        sh.set_var("CARGO_INCREMENTAL", "0");
    }
    chore(&sh, &project)
}

const HELP: &str = "\
Usage: cargo xtask <command>

  test    all that must pass before a change lands: installs what the tests need (once),
          then format, layout, owners, dependencies, clippy, docs, each feature alone, all tests,
          and the instructions that a check takes; about 10 minutes on 2 cores from a fresh clone
  peers   our sealed sessions against the official crate `workos`, which takes a minute or
          two to build
  deep [STEP]...
          what every user does in Chromium, Firefox and WebKit, which it installs (once);
          the example MCP server with the clients of two SDKs; 100,000 refreshes under
          faults, with what they came to; every order of nine events of three users; 200 replicas
          that are killed; secrets in what every behaviour test logs, counts, answers and stores;
          what replicas share, on Valkey in place of Redis; 10,000 changed cookies for each official SDK; then all tests
          again as users build them, optimized, first in one thread and then in four a core;
          `interleavings`, `model`, the examples of other frameworks, and `packages`; goes on after
          a failure, and takes only the steps whose names contain a word that is given, such as
          `floods`
  cases   brings docs/cases.md up to date: which tests keep which promise; and whether each claim
          of SECURITY.md leads to what shows it
  owners  whether every type has its methods in one file, and a name of its own
  model   every order of what two replicas and a store do, by the model checker spin, and
          that each rule is needed; about 5 minutes and 5 GB of memory
  interleavings
          every order of what threads do with the core's tables, by the model checker loom; a minute
  coverage [--quick]
          which lines of authkit-session and authkit-tower no test runs, tests not counted;
          about 20 minutes; with the tests beside the code alone, 6
  mutants [PATH]... [--in-diff REVISION] [--shard K/N] [--units | --quick | --beside]
          breaks the modules that decide, or those at the paths (such as
          crates/authkit-session/src/decide), one place at a time, and lists what no test notices;
          only where something has changed since the revision; only every N-th place; with the
          tests beside the code alone, with the quick ones of them, or with those beside the module;
          a build of all of them takes 3 minutes, and each then as long as the tests that enter
          its function
  mutants --by-hand
          changes of a line or two, each with the tests that have to fail: some once passed every
          test, and others show in some interleavings alone; three minutes
  fuzz [TARGET] [--minutes N | --merge]
          looks for inputs that break a rule, of one target of crates/authkit-fuzz or of each,
          for a minute or as long as it says, and prints how long that was with earlier calls;
          `test` runs the inputs that are kept; `--merge` adds to these what was found and enters
          code that none of them enters
  packages
          whether what is published is fit to be: each built from its package alone, with every
          set of features, the oldest compiler and the oldest dependencies; licences; changes
          since the last release; about 15 minutes
  pictures
          what the README shows of the example, as a browser test sees it
  simulate
          many replicas and sessions in virtual time: exchanges, Redis commands, memory, and who
          is signed out by which fault, as two tables
  bench   what a check costs beside the alternatives, into docs/benchmarks.md; fails where a
          ratio is over 10 % worse than the recorded one; leave the machine alone meanwhile,
          for about 20 minutes
  bench --record
          the same, and records the ratios
  bench --count
          how many instructions it takes, into a file that `test` compares with
  help    this text
";
