use std::collections::VecDeque;

use crate::{
    call::Call,
    fault::{Fault, Kind},
    state::Directory,
};

/// How often a fault happens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Times {
    Count(u32),
    UntilCleared,
}

/// The faults that are still to happen.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    queue: VecDeque<Fault>,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        if fault.times != Times::Count(0) {
            self.queue.push_back(fault);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.queue.clear();
    }

    pub(crate) fn pending(&self) -> impl Iterator<Item = &Fault> {
        self.queue.iter()
    }

    /// The first fault for a request; its remaining number of times decreases by one.
    pub(crate) fn take(&mut self, call: &Call, directory: &Directory) -> Option<Kind> {
        let index = self.queue.iter().position(|fault| fault.target.covers(call, directory))?;
        let fault = &mut self.queue[index];
        let kind = fault.kind.clone();
        if let Times::Count(left) = &mut fault.times {
            *left -= 1;
            if *left == 0 {
                self.queue.remove(index);
            }
        }
        Some(kind)
    }
}
