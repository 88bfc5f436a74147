use std::collections::HashMap;

use crate::{call::Call, state::Directory, target::Target};

/// How often what was called, faults included.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    calls: HashMap<Call, u64>,
    /// Refresh exchanges that issued a new pair; a replay inside the grace does not count.
    pub(crate) exchanges: u64,
    /// Calls that were too many.
    pub(crate) limited: u64,
}

impl Counts {
    pub(crate) fn count(&mut self, call: Call) {
        *self.calls.entry(call).or_default() += 1;
    }

    pub(crate) fn of(&self, target: &Target, directory: &Directory) -> u64 {
        let covered = self.calls.iter().filter(|(call, _)| target.covers(call, directory));
        covered.map(|(_, count)| count).sum()
    }

    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }
}
