//! Which mutants do not compile, from one call of the command to the next.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
    path::PathBuf,
};

use anyhow::Result;
use xshell::Shell;

use super::mutant::Mutant;

/// Mutants that do not compile, each with the text of its file.
pub(super) struct Memory<'a> {
    sh: &'a Shell,
    path: PathBuf,
    lines: BTreeSet<String>,
}

impl<'a> Memory<'a> {
    pub(super) fn read(sh: &'a Shell, path: PathBuf) -> Self {
        // There is none before the first call.
        let text = sh.read_file(&path).unwrap_or_default();
        Self { sh, path, lines: text.lines().map(str::to_owned).collect() }
    }

    pub(super) fn has(&self, mutant: &Mutant, text: &str) -> bool {
        self.lines.contains(&line(mutant, text))
    }

    pub(super) fn add(&mut self, mutant: &Mutant, text: &str) {
        self.lines.insert(line(mutant, text));
    }

    pub(super) fn write(&self) -> Result<()> {
        let lines: Vec<_> = self.lines.iter().map(String::as_str).collect();
        Ok(self.sh.write_file(&self.path, lines.join("\n"))?)
    }
}

fn line(mutant: &Mutant, text: &str) -> String {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("{:016x} {} {}", hasher.finish(), mutant.name, mutant.replacement.replace('\n', " "))
}
