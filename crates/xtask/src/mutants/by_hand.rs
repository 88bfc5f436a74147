//! Mutants that were made by hand: changes of a line or two to security code, each with the tests that have to fail.
//! `docs/proof.md` has a row for each, as [`ByHand::row`] writes it.

mod beside;
mod interleavings;

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use self::{beside::BESIDE, interleavings::INTERLEAVINGS};
use super::{
    mutant::{Mutant, Place},
    workshop::Workshop,
};

/// One change.
#[derive(Clone, Copy, Debug)]
pub(super) struct ByHand {
    /// In words.
    change: &'static str,
    /// From the root of the workspace.
    pub(super) file: &'static str,
    function: &'static str,
    /// What is there; it is there once.
    old: &'static str,
    new: &'static str,
    /// The names of the tests that fail, without their modules.
    tests: &'static [&'static str],
}

/// Which tests of a package notice a change.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum NoticedBy {
    /// Those beside the code.
    Units,
    /// Those in every interleaving of their threads.
    Interleavings,
}

impl ByHand {
    /// The mutant in the text of its file, woken by this number.
    pub(super) fn mutant(&self, id: usize, text: &str) -> Result<Mutant> {
        let mut places = text.match_indices(self.old);
        let (start, _) = places.next().with_context(|| format!("not there any more: {self:?}"))?;
        ensure!(places.next().is_none(), "there more than once: {self:?}");
        Ok(Mutant {
            id,
            name: self.change.to_owned(),
            file: self.file.to_owned(),
            start: Place::at(text, start),
            end: Place::at(text, start + self.old.len()),
            replacement: self.new.to_owned(),
        })
    }

    pub(super) fn package(&self) -> &'static str {
        self.file.split('/').nth(1).unwrap_or_default()
    }

    /// Its row in `docs/proof.md`.
    pub(super) fn row(&self) -> String {
        let (_, place) = self.file.split_once("/src/").unwrap_or_default();
        let tests = self.tests.join("`, `");
        format!("| {} | `{place}`, `{}` | `{tests}` |", self.change, self.function)
    }
}

/// All changes; the id of each mutant is its place among them, counted from 1.
pub(super) fn all() -> impl Iterator<Item = (usize, NoticedBy, &'static ByHand)> {
    let units = BESIDE.iter().map(|it| (NoticedBy::Units, it));
    let interleavings = INTERLEAVINGS.iter().map(|it| (NoticedBy::Interleavings, it));
    (1..).zip(units.chain(interleavings)).map(|(id, (noticed_by, it))| (id, noticed_by, it))
}

/// Has each mutant meet the tests that it is said to fail, and prints its row.
pub(super) fn try_all(workshop: &mut Workshop<'_>) -> Result<()> {
    let (mut programs, mut pass, mut survive) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
    for (id, noticed_by, by_hand) in all() {
        let package = by_hand.package();
        let program = match programs.entry((package, noticed_by)) {
            Entry::Occupied(program) => program.into_mut(),
            Entry::Vacant(none) => none.insert(workshop.build_by_hand(package, noticed_by)?),
        };
        ensure!(workshop.is_built(id), "this does not compile: {by_hand:?}");
        let known = program.list()?;
        for test in by_hand.tests {
            let is_it = |known: &&String| known.rsplit("::").next() == Some(test);
            let name = known.iter().find(is_it).with_context(|| format!("no test {test}"))?;
            let run = |mutant| program.run(mutant, [name.as_str()], MUST_END);
            if pass.insert(name.clone()) {
                ensure!(run(NONE)?.success(), "{test} fails without a mutant");
            }
            if run(id)?.success() {
                survive.push(by_hand.row());
            }
        }
        println!("{}", by_hand.row());
    }
    ensure!(survive.is_empty(), "these survive:\n{}", survive.join("\n"));
    Ok(())
}

/// The id of no mutant.
const NONE: usize = 0;
/// How long a test may have a processor.
const MUST_END: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    fn read(file: &str) -> String {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        fs::read_to_string(root.join(file)).unwrap()
    }

    #[test]
    fn every_change_can_be_made_in_its_function_and_has_its_row() {
        let proof = read("docs/proof.md");
        for (id, _, by_hand) in all() {
            let text = read(by_hand.file);
            let mutant = by_hand.mutant(id, &text).unwrap();
            let (start, end) = (mutant.start.offset(&text), mutant.end.offset(&text));
            assert_eq!(&text[start..end], by_hand.old);
            let name = by_hand.function.rsplit("::").next().unwrap();
            assert!(text[..start].contains(&format!("fn {name}")), "{by_hand:?}");
            assert!(proof.contains(&by_hand.row()), "docs/proof.md lacks: {}", by_hand.row());
        }
    }
}
