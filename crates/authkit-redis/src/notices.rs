//! What one process knows of a service's revocations: who wants to hear of them, and which still hold.
//!
//! 1. A notice is delivered to every inbox of its service; an inbox that is closed is dropped.
//! 2. A notice that an inbox has taken is remembered until it is over, so that it can be put back.
//! 3. The latest 10,000 are remembered.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use authkit_session::{Delivery, Inbox};

/// The services of this process, by the name of their group; one, as a rule.
pub(crate) type Services = HashMap<String, ServiceNotices>;

/// What this process knows of one service's revocations.
#[derive(Default)]
pub(crate) struct ServiceNotices {
    inboxes: Vec<Inbox>,
    held: HeldNotices,
    /// Whether the last notice could not be read, which is said once.
    is_garbled: bool,
}

/// The notices that hold, those that are over first: what Redis has lost is put back from here.
#[derive(Default)]
struct HeldNotices(BTreeSet<(u64, Arc<str>)>);

impl ServiceNotices {
    pub(crate) fn join(&mut self, inbox: Inbox) {
        self.inboxes.push(inbox);
    }

    /// Remembers a notice of our own.
    pub(crate) fn hold(&mut self, until: u64, sealed: &str) {
        self.held.add(until, sealed);
    }

    /// What is known here and not in the list.
    pub(crate) fn missing_in(&self, listed: &HashSet<String>) -> Vec<(u64, Arc<str>)> {
        let HeldNotices(held) = &self.held;
        held.iter().filter(|(_, sealed)| !listed.contains(&**sealed)).cloned().collect()
    }

    /// Delivers a notice that holds until this Unix second to everybody here.
    pub(crate) fn deliver(&mut self, until: u64, sealed: &str) {
        let mut taken = false;
        self.inboxes.retain(|inbox| match inbox.deliver(sealed) {
            Delivery::Taken => {
                taken = true;
                true
            }
            Delivery::Unreadable => true,
            Delivery::Closed => false,
        });
        if taken {
            self.held.add(until, sealed);
        }
        if !taken && !self.inboxes.is_empty() && !self.is_garbled {
            tracing::warn!(
                "a revocation on Redis cannot be read: a replica seals with a password that is not known here, or it is forged"
            );
        }
        self.is_garbled = !taken;
    }
}

impl HeldNotices {
    fn add(&mut self, until: u64, sealed: &str) {
        self.0.insert((until, sealed.into()));
        let now = unix(SystemTime::now());
        while self.0.len() > HELD || self.0.first().is_some_and(|(until, _)| *until <= now) {
            self.0.pop_first();
        }
    }
}

/// Unix seconds.
pub(crate) fn unix(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// How many notices a process can put back.
const HELD: usize = 10_000;
