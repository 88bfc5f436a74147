use std::collections::HashMap;

use crate::{call::Call, state::Directory, target::Target};

/// Counts of calls, including those that a fault answered.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    calls: HashMap<Call, u64>,
    /// Refresh exchanges that issued a new pair of tokens; a replay within the grace does not count.
    pub(crate) exchanges: u64,
    /// Calls that the rate limit refused.
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
