//! What became of mutants.

use std::fmt;

use super::request::Module;

/// The mutants of one module, by what became of each.
#[derive(Debug, Default)]
pub(super) struct Score {
    pub(super) caught: Vec<String>,
    /// A test did not end.
    pub(super) hung: Vec<String>,
    /// They do not compile.
    pub(super) unviable: Vec<String>,
    /// They cannot be in one program with the code as it is.
    pub(super) apart: Vec<String>,
    /// No test has failed.
    pub(super) missed: Vec<String>,
}

impl Score {
    fn counts(&self) -> [usize; 5] {
        [&self.caught, &self.missed, &self.unviable, &self.hung, &self.apart].map(Vec::len)
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [caught, missed, unviable, hung, apart] = self.counts();
        write!(
            f,
            "{caught} caught, {missed} missed, {unviable} unviable, {hung} hung, {apart} not tried"
        )
    }
}

/// Prints a table of the modules, and what was missed.
pub(super) fn summarize(scores: &[(Module, Score)]) {
    println!("\n| module | caught | missed | unviable | hung | not tried |");
    println!("|---|---|---|---|---|---|");
    for (module, score) in scores {
        let counts = score.counts().map(|count| count.to_string()).join(" | ");
        println!("| `{}` | {counts} |", module.name());
    }
    for (_, score) in scores {
        for (fate, mutants) in
            [("missed", &score.missed), ("hung", &score.hung), ("not tried", &score.apart)]
        {
            mutants.iter().for_each(|mutant| println!("{fate}: {mutant}"));
        }
    }
}
