//! The tree in which mutants are made and built, and in which each of them meets the tests.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use xshell::{Shell, cmd};

use super::{
    by_hand::{self, NoticedBy},
    memory::Memory,
    mutant::Mutant,
    program::{OUT_OF_CPU, Program, TIMED_OUT},
    reach::Reach,
    request::{Module, Request},
    score::Score,
    stage::Stage,
    weave::{At, SWITCH, Weave},
};
use crate::{built::Built, project::Project, setup};

pub(super) struct Workshop<'a> {
    sh: &'a Shell,
    /// The copy of the tree that is changed.
    tree: PathBuf,
    target: PathBuf,
    programs: PathBuf,
    /// What `cargo-mutants` is told of the request.
    options: Vec<String>,
    mutants: Vec<(Module, Vec<Mutant>)>,
    /// Do not compile.
    unviable: BTreeSet<usize>,
    /// The same of earlier calls.
    memory: Memory<'a>,
    /// Cannot be chosen when a program runs.
    apart: BTreeSet<usize>,
}

impl<'a> Workshop<'a> {
    /// Copies the tree, and lists the mutants of the modules.
    pub(super) fn prepare(sh: &'a Shell, project: &Project, request: &Request) -> Result<Self> {
        let folder = project.target.join("mutants");
        let mut workshop = Self::copy(sh, project)?;
        workshop.options = request.shard_options();
        if let Some(revision) = request.revision() {
            let diff = folder.join("change.diff");
            let text = cmd!(sh, "git diff {revision} -- crates/*.rs").quiet().read()?;
            sh.write_file(&diff, text + "\n")?;
            workshop.options.extend(["--in-diff".to_owned(), diff.display().to_string()]);
        }
        let modules = request.modules();
        let cargo_mutants = setup::install_cargo_mutants(sh, project)?;
        let mut all = Mutant::all(&workshop.list(&cargo_mutants, &modules)?)?;
        for module in modules {
            let (own, others) = all.into_iter().partition(|mutant| module.holds(&mutant.file));
            workshop.mutants.push((module, own));
            all = others;
        }
        for mutant in workshop.mutants.iter().flat_map(|(_, mutants)| mutants) {
            if workshop.memory.has(mutant, &sh.read_file(workshop.tree.join(&mutant.file))?) {
                workshop.unviable.insert(mutant.id);
            }
        }
        Ok(workshop)
    }

    /// Copies the tree, for the mutants that were made by hand.
    pub(super) fn by_hand(sh: &'a Shell, project: &Project) -> Result<Self> {
        let mut workshop = Self::copy(sh, project)?;
        let mut of_package: BTreeMap<&str, Vec<Mutant>> = BTreeMap::new();
        for (id, _, by_hand) in by_hand::all() {
            let text = sh.read_file(workshop.tree.join(by_hand.file))?;
            of_package.entry(by_hand.package()).or_default().push(by_hand.mutant(id, &text)?);
        }
        let modules =
            of_package.into_iter().map(|(package, mutants)| (Module::whole(package), mutants));
        workshop.mutants = modules.collect();
        Ok(workshop)
    }

    fn copy(sh: &'a Shell, project: &Project) -> Result<Self> {
        let folder = project.target.join("mutants");
        let workshop = Self {
            sh,
            tree: folder.join("tree"),
            target: project.target.clone(),
            programs: folder.join("programs"),
            options: Vec::new(),
            mutants: Vec::new(),
            unviable: BTreeSet::new(),
            memory: Memory::read(sh, folder.join("unviable.txt")),
            apart: BTreeSet::new(),
        };
        copy_changed(sh, &project.root, &workshop.tree)?;
        Ok(workshop)
    }

    /// Whether the programs have this mutant.
    pub(super) fn is_built(&self, id: usize) -> bool {
        !self.unviable.contains(&id) && !self.apart.contains(&id)
    }

    /// The modules that have mutants.
    pub(super) fn modules(&self) -> Vec<Module> {
        let some = self.mutants.iter().filter(|(_, mutants)| !mutants.is_empty());
        some.map(|(module, _)| module.clone()).collect()
    }

    /// The program of tests of this stage, with every mutant in it that compiles.
    pub(super) fn build(&mut self, module: &Module, stage: Stage) -> Result<Program> {
        let (package, options) = stage.program(module);
        let folder = match stage {
            Stage::Module | Stage::Crate | Stage::Slow => format!("crates/{package}"),
            Stage::Behaviour => "tests".to_owned(),
        };
        self.build_by(&folder, |workshop| workshop.cargo_test(package, options))
    }

    /// The program of these tests of a package.
    pub(super) fn build_by_hand(&mut self, package: &str, tests: NoticedBy) -> Result<Program> {
        self.build_by(&format!("crates/{package}"), |workshop| match tests {
            NoticedBy::Units => workshop.cargo_test(package, &["--lib"]),
            NoticedBy::Interleavings => {
                let only = ["rustc", "--quiet", "--lib", "--profile", "test", "--package", package];
                workshop.cargo(&only, &["--", "--cfg", "interleavings"])
            }
        })
    }

    /// Builds until every mutant that does not compile is left out.
    fn build_by(
        &mut self,
        folder: &str,
        cargo: impl Fn(&Self) -> Result<Built>,
    ) -> Result<Program> {
        loop {
            let woven = self.weave()?;
            let built = cargo(self)?;
            if let Some(executable) = built.executable {
                // Another build, of the tree as it is, would write over it.
                let name = executable.file_name().context("a program has a name")?;
                let kept = self.programs.join(name);
                self.sh.create_dir(&self.programs)?;
                self.sh.remove_path(&kept)?;
                self.sh.copy_file(&executable, &kept)?;
                return Ok(Program { executable: kept, folder: self.tree.join(folder) });
            }
            let before = self.unviable.len() + self.apart.len();
            for (file, line) in &built.errors {
                match woven.get(file).map(|woven| woven.at(*line)) {
                    Some(At::Mutant(mutant)) => drop(self.unviable.insert(mutant)),
                    Some(At::Function(mutants)) => self.apart.extend(mutants),
                    Some(At::Elsewhere) | None => {}
                }
            }
            let found = self.unviable.len() + self.apart.len() - before;
            ensure!(found > 0, "{folder} does not compile: {:?}", built.errors);
            println!("{found} mutants do not compile");
            self.remember()?;
        }
    }

    /// Has each mutant of the module meet the tests that enter its function, stage after stage, until one fails.
    pub(super) fn try_all(
        &self,
        module: &Module,
        stages: &[Stage],
        programs: impl Fn(Stage) -> Result<(&'a Program, &'a Reach)>,
    ) -> Result<Score> {
        let mutants = self.mutants.iter().filter(|(of, _)| of == module);
        let mut score = Score::default();
        let mut alive = Vec::new();
        for mutant in mutants.flat_map(|(_, mutants)| mutants) {
            if self.unviable.contains(&mutant.id) {
                score.unviable.push(mutant.name.clone());
            } else if self.apart.contains(&mutant.id) {
                score.apart.push(mutant.name.clone());
            } else {
                alive.push(mutant);
            }
        }
        for stage in stages {
            if alive.is_empty() {
                break;
            }
            let (program, reach) = programs(*stage)?;
            println!("{stage:?}: {} mutants meet it", alive.len());
            let mut survivors = Vec::new();
            for mutant in alive {
                let tests = stage.choose(module, reach.tests(mutant.id));
                if tests.is_empty() {
                    survivors.push(mutant);
                    continue;
                }
                let names = tests.iter().map(|test| &*test.name);
                let time: Duration = tests.iter().map(|test| test.time).sum();
                match program.run(mutant.id, names, time * SLOWER + LEAST)?.code() {
                    Some(0) => survivors.push(mutant),
                    Some(TIMED_OUT | OUT_OF_CPU) => score.hung.push(mutant.name.clone()),
                    Some(_) | None => score.caught.push(mutant.name.clone()),
                }
            }
            alive = survivors;
            println!("{stage:?}: {} survive", alive.len());
            alive.iter().for_each(|mutant| println!("  {}", mutant.name));
        }
        score.missed.extend(alive.iter().map(|mutant| mutant.name.clone()));
        Ok(score)
    }

    fn remember(&mut self) -> Result<()> {
        for mutant in self.mutants.iter().flat_map(|(_, mutants)| mutants) {
            if self.unviable.contains(&mutant.id) {
                let original = self.tree.join(&mutant.file).with_extension("rs.original");
                self.memory.add(mutant, &self.sh.read_file(original)?);
            }
        }
        self.memory.write()
    }

    fn list(&self, cargo_mutants: &Path, modules: &[Module]) -> Result<String> {
        let Self { sh, options, .. } = self;
        let globs = modules.iter().flat_map(Module::globs);
        let files = globs.flat_map(|glob| ["--file".to_owned(), glob]);
        let _in_tree = sh.push_dir(&self.tree);
        let list = cmd!(sh, "{cargo_mutants} mutants --list --json {files...} {options...}");
        Ok(list.quiet().read()?)
    }

    /// Writes the files that have mutants, and returns how they are written.
    fn weave(&mut self) -> Result<BTreeMap<String, Weave>> {
        let mut of_file: BTreeMap<&str, Vec<&Mutant>> = BTreeMap::new();
        for mutant in self.mutants.iter().flat_map(|(_, mutants)| mutants) {
            let mutants = of_file.entry(&mutant.file).or_default();
            if !self.unviable.contains(&mutant.id) && !self.apart.contains(&mutant.id) {
                mutants.push(mutant);
            }
        }
        let mut woven = BTreeMap::new();
        for (file, mutants) in of_file {
            let path = self.tree.join(file);
            let original = path.with_extension("rs.original");
            if !self.sh.path_exists(&original) {
                self.sh.copy_file(&path, &original)?;
            }
            let weave = Weave::of(&self.sh.read_file(&original)?, &mutants)
                .with_context(|| file.to_owned())?;
            write_changed(self.sh, &path, weave.text.as_bytes())?;
            self.apart.extend(&weave.apart);
            woven.insert(file.to_owned(), weave);
            if let Some((package, _)) = file.split_once("/src/") {
                let root = self.tree.join(package).join("src/lib.rs");
                let text = self.sh.read_file(&root)?;
                if !text.ends_with(SWITCH) {
                    self.sh.write_file(&root, text + SWITCH)?;
                }
            }
        }
        Ok(woven)
    }

    fn cargo_test(&self, package: &str, options: &[&str]) -> Result<Built> {
        self.cargo(&["test", "--quiet", "--no-run", "--package", package], options)
    }

    fn cargo(&self, command: &[&str], options: &[&str]) -> Result<Built> {
        let output = Command::new("cargo")
            .current_dir(&self.tree)
            .args(command)
            .args(["--all-features", "--message-format", "json"])
            .args(options)
            // The registry's crates are built already, and what is built anew has no debug information.
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            // The compiler has panicked over what it had kept of a tree with other mutants.
            .env("CARGO_INCREMENTAL", "0")
            .stderr(Stdio::inherit())
            .output()?;
        Built::read(&String::from_utf8_lossy(&output.stdout))
    }
}

/// How much longer the tests may take with a mutant, and how long in any case.
const SLOWER: u32 = 5;
const LEAST: Duration = Duration::from_secs(5);

/// Copies the files that git knows, those alone whose content differs: cargo builds what is newer.
fn copy_changed(sh: &Shell, from: &Path, to: &Path) -> Result<()> {
    let files = cmd!(sh, "git ls-files --cached --others --exclude-standard").quiet().read()?;
    for file in files.lines() {
        let (source, copy) = (from.join(file), to.join(file));
        sh.remove_path(copy.with_extension("rs.original"))?;
        // A file that is deleted but not committed is listed.
        let Ok(content) = sh.read_binary_file(&source) else {
            sh.remove_path(&copy)?;
            continue;
        };
        write_changed(sh, &copy, &content)?;
    }
    Ok(())
}

fn write_changed(sh: &Shell, path: &Path, content: &[u8]) -> Result<()> {
    if sh.read_binary_file(path).ok().as_deref() != Some(content) {
        sh.write_file(path, content)?;
    }
    Ok(())
}
