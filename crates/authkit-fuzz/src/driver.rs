//! Runs targets without coverage: the corpus once, and changes of it for as long as one likes.

use std::{
    fs, io,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::targets::Target;

/// The inputs that are kept of a target, each with its file.
///
/// # Errors
///
/// Where its folder cannot be read.
pub fn corpus(target: Target) -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
    let mut files =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    files.sort();
    files.into_iter().map(|path| Ok((path.clone(), fs::read(path)?))).collect()
}

/// Runs a target on changes of its corpus for this long. Returns how many inputs were tried.
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
    let (until, mut random, mut tried) = (Instant::now() + time, Random(seed | 1), 0);
    while Instant::now() < until {
        let input = random.input(corpus);
        panic::catch_unwind(AssertUnwindSafe(|| (target.run)(&input))).map_err(|_| input)?;
        tried += 1;
    }
    Ok(tried)
}

/// Numbers that repeat with their seed: xorshift.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// Begins with this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.number() >> 16) as usize % end.max(1)
    }

    /// So many bytes.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| (self.number() >> 24) as u8).collect()
    }

    /// Bytes out of nothing, or a change of one of these inputs, or of two.
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
    use super::*;

    #[test]
    fn an_input_that_breaks_a_rule_is_found_and_handed_out() {
        let breaks = |input: &[u8]| assert!(!input.starts_with(b"ab"), "it starts so");
        let target = Target { name: "none", run: breaks };
        let found = mutate(target, &[b"aa".to_vec()], Duration::from_secs(60), 1);
        assert!(found.expect_err("a change of a byte is enough").starts_with(b"ab"));
    }
}
