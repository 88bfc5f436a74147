//! What became of mutants.

use std::{collections::BTreeSet, fmt, path::Path};

use anyhow::Result;
use xshell::Shell;

use super::request::Module;

/// The mutants of one module, by what became of each.
#[derive(Debug, Default)]
pub(super) struct Score {
    caught: BTreeSet<String>,
    /// A test did not end.
    hung: BTreeSet<String>,
    /// They do not compile.
    unviable: BTreeSet<String>,
    /// No test so far has failed.
    pub(super) missed: BTreeSet<String>,
}

impl Score {
    /// Adds what one run of `cargo-mutants` reports, and has the next one leave out what hung.
    pub(super) fn add(&mut self, sh: &Shell, report: &Path) -> Result<()> {
        let read = |name: &str| Ok::<_, anyhow::Error>(sh.read_file(report.join(name))?);
        let hung = read("timeout.txt")?;
        self.caught.extend(lines(&read("caught.txt")?));
        self.unviable.extend(lines(&read("unviable.txt")?));
        self.hung.extend(lines(&hung));
        self.missed = lines(&read("missed.txt")?).collect();
        sh.write_file(report.join("caught.txt"), read("caught.txt")? + &hung)?;
        Ok(())
    }

    fn counts(&self) -> [usize; 4] {
        [self.caught.len(), self.missed.len(), self.unviable.len(), self.hung.len()]
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [caught, missed, unviable, hung] = self.counts();
        write!(f, "{caught} caught, {missed} missed, {unviable} unviable, {hung} hung")?;
        self.missed.iter().try_for_each(|mutant| write!(f, "\n  missed: {mutant}"))
    }
}

/// Prints a table of the modules, and what was missed.
pub(super) fn summarize(scores: &[(Module, Score)]) {
    println!("\n| module | caught | missed | unviable | hung |\n|---|---|---|---|---|");
    for (module, score) in scores {
        let counts = score.counts().map(|count| count.to_string()).join(" | ");
        println!("| `{}` | {counts} |", module.name());
    }
    for mutant in scores.iter().flat_map(|(_, score)| &score.missed) {
        println!("missed: {mutant}");
    }
}

fn lines(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_later_stage_catches_is_missed_no_more() {
        let sh = Shell::new().unwrap();
        let report = sh.create_temp_dir().unwrap();
        let report = report.path();
        let write = |name: &str, text: &str| sh.write_file(report.join(name), text).unwrap();
        let mut score = Score::default();

        write("caught.txt", "a\n");
        write("timeout.txt", "b\n");
        write("unviable.txt", "c\n");
        write("missed.txt", "d\ne\n");
        score.add(&sh, report).unwrap();
        assert_eq!(score.counts(), [1, 2, 1, 1]);
        assert_eq!(sh.read_file(report.join("caught.txt")).unwrap(), "a\nb\n");

        write("caught.txt", "d\n");
        write("timeout.txt", "");
        write("unviable.txt", "");
        write("missed.txt", "e\n");
        score.add(&sh, report).unwrap();
        assert_eq!(score.counts(), [2, 1, 1, 1]);
    }
}
