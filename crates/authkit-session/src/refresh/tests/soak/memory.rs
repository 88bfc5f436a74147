//! How much is remembered while the days go by.

use std::{fmt, fs};

use crate::Authenticator;

/// What is remembered at one time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Memory {
    /// Tokens, lineages and ended sessions.
    pub(super) entries: usize,
    /// Bytes of new pairs.
    pairs: usize,
    /// Bytes of verified sessions.
    cached: u64,
    /// KiB of the whole process, as Linux counts them; none elsewhere.
    resident: u64,
}

impl Memory {
    pub(super) fn of(authenticator: &Authenticator) -> Self {
        let (entries, pairs) = {
            let table = authenticator.refresh_state().lock();
            (table.lineages.len(), table.lineages.bytes())
        };
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident = resident.and_then(|kib| kib.split_whitespace().next()?.parse().ok());
        Self {
            entries,
            pairs,
            cached: authenticator.reader().cache().bytes(),
            resident: resident.unwrap_or_default(),
        }
    }

    fn most(self, other: Self) -> Self {
        Self {
            entries: self.entries.max(other.entries),
            pairs: self.pairs.max(other.pairs),
            cached: self.cached.max(other.cached),
            resident: self.resident.max(other.resident),
        }
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entries, pairs, cached, resident } = self;
        write!(f, "{entries:>6} entries, {pairs:>7} bytes of pairs, {cached:>8} of sessions; ")?;
        write!(f, "process: {resident:>7} KiB")
    }
}

/// The most that was remembered in each tenth of the refreshes.
#[derive(Debug, Default)]
pub(super) struct Memories([Memory; 10]);

impl Memories {
    pub(super) fn add(&mut self, done: usize, of: usize, memory: Memory) {
        let most = &mut self.0[(done * 10 / of).min(9)];
        *most = most.most(memory);
    }

    pub(super) fn most(&self) -> Memory {
        self.0.into_iter().reduce(Memory::most).unwrap_or_default()
    }

    /// Fails where the second half took half as much again as what came before it: what leaks would take twice as much.
    pub(super) fn assert_flat(&self) {
        let half = |half: &[Memory]| half.iter().copied().reduce(Memory::most).unwrap_or_default();
        let (before, after) = (half(&self.0[..5]), half(&self.0[5..]));
        assert!(after.entries <= before.entries * 3 / 2, "{self}");
        assert!(after.pairs <= before.pairs * 3 / 2, "{self}");
        assert!(after.cached <= before.cached * 3 / 2, "{self}");
        assert!(after.resident <= before.resident + 8 * 1_024, "{self}");
    }
}

impl fmt::Display for Memories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tenths = (1..).zip(&self.0);
        tenths.try_for_each(|(tenth, memory)| writeln!(f, "{tenth:>6}/10  {memory}"))
    }
}
