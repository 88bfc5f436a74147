//! `cargo xtask mutants`: breaks the code that decides, one place at a time, and looks whether a test fails.
//!
//! `cargo-mutants` makes the changes, in a copy of the tree that stays, so that each one is an incremental build. The
//! cheapest tests come first; only what survives them meets the next ones. `.cargo/mutants.toml` says what is left out.

mod request;
mod score;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use xshell::{Shell, cmd};

use self::{
    request::{Module, Request, Thoroughness},
    score::Score,
};
use crate::{project::Project, setup, steps::Steps};

pub(crate) fn run(sh: &Shell, project: &Project, steps: &mut Steps) -> Result<()> {
    let request = Request::from_command_line()?;
    let mut workshop = None;
    steps.take("set-up of cargo-mutants", || {
        workshop = Some(Workshop::prepare(sh, project, &request)?);
        Ok(())
    })?;
    let workshop = workshop.context("the set-up has been taken")?;

    let mut scores = Vec::new();
    for module in workshop.modules(&request)? {
        steps.take(&format!("mutants of {}", module.name()), || {
            let score = workshop.try_all(&module)?;
            println!("{score}");
            scores.push((module, score));
            Ok(())
        })?;
    }
    score::summarize(&scores);
    Ok(())
}

/// Where mutants are made and tested.
struct Workshop<'a> {
    sh: &'a Shell,
    program: PathBuf,
    /// The copy of the tree that is changed.
    tree: PathBuf,
    reports: PathBuf,
    target: PathBuf,
    stages: &'static [Stage],
    /// What every call of `cargo-mutants` is told of the request.
    options: Vec<String>,
}

impl<'a> Workshop<'a> {
    fn prepare(sh: &'a Shell, project: &Project, request: &Request) -> Result<Self> {
        let folder = project.target.join("mutants");
        let mut options = request.shard_options();
        let program = setup::install_cargo_mutants(sh, project)?;
        let tree = folder.join("tree");
        copy_changed(sh, &project.root, &tree)?;
        if let Some(revision) = request.revision() {
            let diff = folder.join("change.diff");
            sh.write_file(
                &diff,
                cmd!(sh, "git diff {revision} -- crates/*.rs").quiet().read()? + "\n",
            )?;
            options.extend(["--in-diff".to_owned(), diff.display().to_string()]);
        }
        let reports = folder.join("reports");
        let stages = Stage::of(request.thoroughness());
        Ok(Self { sh, program, tree, reports, target: project.target.clone(), stages, options })
    }

    /// The modules that the request names, or those in which something has changed.
    fn modules(&self, request: &Request) -> Result<Vec<Module>> {
        let Some(revision) = request.revision() else {
            return Ok(request.modules());
        };
        let changed =
            cmd!(self.sh, "git diff --name-only {revision} -- crates/*.rs").quiet().read()?;
        Ok(request.modules().into_iter().filter(|module| module.holds_any(&changed)).collect())
    }

    /// Makes every mutant of the module, and tests it until one test fails.
    fn try_all(&self, module: &Module) -> Result<Score> {
        let report = self.reports.join(module.name());
        self.sh.remove_path(&report)?;
        self.sh.create_dir(&report)?;

        let mut score = Score::default();
        for stage in self.stages {
            self.test(module, *stage, &report)?;
            let outcome = report.join("mutants.out");
            if !self.sh.path_exists(&outcome) {
                // There is no mutant in what has changed.
                break;
            }
            score.add(self.sh, &outcome)?;
            if score.missed.is_empty() {
                break;
            }
        }
        Ok(score)
    }

    fn test(&self, module: &Module, stage: Stage, report: &Path) -> Result<()> {
        let Self { sh, program, tree, options, .. } = self;
        let files = module.globs().into_iter().flat_map(|glob| ["--file".to_owned(), glob]);
        let before = stage.options(module);
        let tests = stage.tests(module);
        let _in_tree = sh.push_dir(tree);
        let command = cmd!(
            sh,
            "{program} mutants --in-place --output {report} --all-features --baseline run --colors never
             --no-times {files...} {options...} {before...} -- {tests...}"
        )
        // The registry's crates are built already, and what is built anew has no debug information.
        .env("CARGO_TARGET_DIR", &self.target)
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_INCREMENTAL", "1");
        let status = std::process::Command::from(command).status()?;
        match status.code() {
            // Nothing missed; something missed; a test hung.
            Some(0 | 2 | 3) => Ok(()),
            _ => bail!("cargo-mutants of {}, {stage:?}: {status}", module.name()),
        }
    }
}

/// Which tests a mutant meets; the next stage is for those that survive.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// The tests beside the module's code.
    Module,
    /// All quick tests beside the crate's code.
    Crate,
    /// The tests beside the crate's code that take seconds.
    Slow,
    /// The behaviour of it all.
    Behaviour,
}

impl Stage {
    fn of(thoroughness: Thoroughness) -> &'static [Self] {
        match thoroughness {
            Thoroughness::Quick => &[Self::Module, Self::Crate],
            Thoroughness::All => &[Self::Module, Self::Crate, Self::Slow, Self::Behaviour],
        }
    }

    /// What `cargo-mutants` is told.
    fn options(self, module: &Module) -> Vec<String> {
        let timeout = match self {
            Self::Module | Self::Crate => QUICK_TIMEOUT,
            Self::Slow | Self::Behaviour => SLOW_TIMEOUT,
        };
        let mut options = vec!["--timeout".to_owned(), timeout.to_owned()];
        match self {
            Self::Module => {}
            Self::Crate | Self::Slow | Self::Behaviour => options.push("--iterate".to_owned()),
        }
        let (package, target) = match self {
            Self::Module | Self::Crate | Self::Slow => (module.package(), "--lib"),
            Self::Behaviour => ("authkit-tests", "--test=it"),
        };
        options.extend(["--test-package".to_owned(), package.to_owned()]);
        options.push(format!("--cargo-arg={target}"));
        options
    }

    /// What `cargo test` is told: which tests to run.
    fn tests(self, module: &Module) -> Vec<String> {
        let quick = SLOW.iter().flat_map(|slow| ["--skip", *slow]).map(str::to_owned);
        let mut tests = vec!["--".to_owned()];
        match self {
            Self::Module => tests.extend([module.tests()].into_iter().chain(quick)),
            Self::Crate => tests.extend(quick),
            Self::Slow => tests.extend(SLOW.iter().map(|slow| (*slow).to_owned())),
            Self::Behaviour => {}
        }
        tests
    }
}

/// Copies the files that git knows, those alone whose content differs: cargo builds what is newer.
fn copy_changed(sh: &Shell, from: &Path, to: &Path) -> Result<()> {
    let files = cmd!(sh, "git ls-files --cached --others --exclude-standard").quiet().read()?;
    for file in files.lines() {
        let (source, copy) = (from.join(file), to.join(file));
        // A file that is deleted but not committed is listed.
        let Ok(content) = sh.read_binary_file(&source) else {
            sh.remove_path(&copy)?;
            continue;
        };
        if sh.read_binary_file(&copy).ok().as_ref() != Some(&content) {
            sh.write_file(&copy, content)?;
        }
    }
    Ok(())
}

/// In seconds; other programs may have the processors too.
const QUICK_TIMEOUT: &str = "300";
const SLOW_TIMEOUT: &str = "600";

/// Tests beside the code that take more than three seconds each.
const SLOW: &[&str] = &[
    "cc_01_on_several_threads_too",
    "cc_03_threads_of_two_users",
    "d3_a_session_that_the_hook_refuses",
    "dl_03_five_thousand_sessions",
    "every_flipped_bit_is_refused",
    "every_order_of_eight_events",
    "jk_02_ten_thousand_unknown_keys",
    "nobody_is_signed_out_by_a_fault",
];
