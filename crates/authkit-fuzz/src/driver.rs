//! Runs targets without coverage: once on the corpus, and for any time on mutations of it.

use std::{
    fs, io,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::targets::Target;

/// The corpus of a target: each input with its file. The inputs in a file of `corpus/` have a name; those that a search
/// found are the lines of one file, in base64.
///
/// # Errors
///
/// If the corpus cannot be read.
pub fn corpus(target: Target) -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
    let mut files =
        fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    files.sort();
    let mut inputs: Vec<_> = files
        .into_iter()
        .map(|path| Ok((path.clone(), fs::read(path)?)))
        .collect::<io::Result<_>>()?;
    let found = folder.with_extension("txt");
    for (number, line) in (1..).zip(fs::read_to_string(&found)?.lines()) {
        let input = STANDARD.decode(line).map_err(io::Error::other)?;
        inputs.push((PathBuf::from(format!("{}:{number}", found.display())), input));
    }
    Ok(inputs)
}

/// Runs a target on mutations of its corpus for this long. Returns how many inputs were tried.
///
/// # Errors
///
/// The input that broke a rule.
pub fn mutate(
    target: Target,
    corpus: &[Vec<u8>],
    time: Duration,
    seed: u64,
) -> Result<u64, Vec<u8>> {
    let (until, mut random, mut tried) = (Instant::now() + time, Random::new(seed), 0);
    while Instant::now() < until {
        let input = random.input(corpus);
        panic::catch_unwind(AssertUnwindSafe(|| (target.run)(&input))).map_err(|_| input)?;
        tried += 1;
    }
    Ok(tried)
}

/// A pseudo-random generator (SplitMix64) that repeats its numbers for the same seed.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// A generator with this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.number() >> 16) as usize % end.max(1)
    }

    /// This many bytes.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| (self.number() >> 24) as u8).collect()
    }

    /// Random bytes, or a mutation of one or two of these inputs.
    fn input(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        if corpus.is_empty() || self.below(4) == 0 {
            let length = self.below(512);
            return self.bytes(length);
        }
        let mut input = corpus[self.below(corpus.len())].clone();
        for _ in 0..=self.below(8) {
            let at = self.below(input.len() + 1);
            match self.below(5) {
                0 if at < input.len() => input[at] ^= 1 << self.below(8),
                1 if at < input.len() => input[at] = self.number() as u8,
                2 => input.insert(at, self.number() as u8),
                3 if at < input.len() => drop(input.remove(at)),
                _ => {
                    let other = &corpus[self.below(corpus.len())];
                    input.truncate(at);
                    input.extend_from_slice(&other[at.min(other.len())..]);
                }
            }
        }
        input
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_seed_gives_a_run_of_its_own() {
        let run = |seed| Random::new(seed).bytes(64);
        let runs: BTreeSet<_> = (0..1_000).map(run).collect();
        assert_eq!(runs.len(), 1_000);
        assert_eq!(run(7), run(7), "and the same one again");
    }

    #[test]
    fn an_input_that_breaks_a_rule_is_found_and_handed_out() {
        let breaks = |input: &[u8]| assert!(!input.starts_with(b"ab"), "it starts so");
        let target = Target { name: "none", run: breaks };
        let found = mutate(target, &[b"aa".to_vec()], Duration::from_secs(60), 1);
        assert!(found.expect_err("a change of a byte is enough").starts_with(b"ab"));
    }
}
