//! One process's knowledge of a service's revocations: its inboxes, the valid notices, and the last known head of the
//! list in Redis.
//!
//! 1. A notice is delivered to every inbox of its service; an inbox that is closed is dropped.
//! 2. A notice that an inbox has taken is held until it expires, so that it can be restored: the latest 10,000 are
//!    held.
//! 3. A notice expires after 26 hours at most, whatever the list says.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use authkit_session::{Delivery, Inbox};

use crate::list::{ListHead, ListedNotice};

/// The services of this process, by the name of their group; one, as a rule.
pub(crate) type Services = HashMap<String, ServiceNotices>;

/// What this process knows of one service's revocations.
#[derive(Default)]
pub(crate) struct ServiceNotices {
    inboxes: Vec<Inbox>,
    held: HeldNotices,
    head: ListHead,
}

/// The valid notices.
#[derive(Default)]
struct HeldNotices {
    /// The first to expire come first.
    by_end: BTreeSet<ListedNotice>,
    sealed: HashSet<Arc<str>>,
}

impl ServiceNotices {
    pub(crate) fn join(&mut self, inbox: Inbox) {
        self.inboxes.push(inbox);
    }

    /// Holds a notice of this process.
    pub(crate) fn hold(&mut self, notice: ListedNotice) {
        self.held.add(notice, unix(SystemTime::now()));
    }

    pub(crate) fn holds(&self, sealed: &str) -> bool {
        self.held.sealed.contains(sealed)
    }

    /// All held notices, the first to expire first.
    pub(crate) fn held(&self) -> impl Iterator<Item = &ListedNotice> {
        self.held.by_end.iter()
    }

    /// Delivers a notice to every inbox. Returns whether it could be read; also true if there is no inbox.
    pub(crate) fn deliver(&mut self, notice: ListedNotice) -> bool {
        let mut taken = false;
        self.inboxes.retain(|inbox| match inbox.deliver(&notice.sealed) {
            Delivery::Taken => {
                taken = true;
                true
            }
            Delivery::Unreadable => true,
            Delivery::Closed => false,
        });
        if taken {
            self.held.add(notice, unix(SystemTime::now()));
        }
        taken || self.inboxes.is_empty()
    }

    pub(crate) fn head(&self) -> &ListHead {
        &self.head
    }

    /// Records the present head of the list.
    pub(crate) fn set_head(&mut self, head: ListHead) {
        self.head = head;
    }

    /// Records that this notice is in the list.
    pub(crate) fn record_added(&mut self, notice: ListedNotice) {
        self.head.newest = self.head.newest.take().max(Some(notice));
    }
}

impl HeldNotices {
    fn add(&mut self, mut notice: ListedNotice, now: u64) {
        notice.until = notice.until.min(now + LONGEST);
        if self.sealed.insert(Arc::clone(&notice.sealed)) {
            self.by_end.insert(notice);
        }
        while self.by_end.len() > HELD
            || self.by_end.first().is_some_and(|notice| notice.until <= now)
        {
            if let Some(over) = self.by_end.pop_first() {
                self.sealed.remove(&over.sealed);
            }
        }
    }
}

/// Unix seconds.
pub(crate) fn unix(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// How many notices a process can restore.
const HELD: usize = 10_000;
/// How long a notice is held at most, in seconds: a service's notices last 24 hours, plus a difference of clocks.
const LONGEST: u64 = 26 * 60 * 60;

#[cfg(test)]
mod tests {
    use authkit_session::conformance::TestReceiver;

    use super::*;

    fn notice(until: u64, sealed: &str) -> ListedNotice {
        ListedNotice { until, sealed: sealed.into() }
    }

    #[test]
    fn what_is_held_is_bounded_in_number_and_time_and_held_once() {
        let now = unix(SystemTime::now());
        let mut service = ServiceNotices::default();
        let receiver = TestReceiver::new("group");
        service.join(receiver.inbox());
        for _ in 0..2 {
            assert!(service.deliver(notice(u64::MAX, "from a list that lies")));
            assert!(service.deliver(notice(now + 5, "from a list that lies")));
        }
        assert_eq!(service.held().count(), 1);
        assert!(service.held().all(|notice| notice.until <= now + LONGEST + 60));
        for number in 0..HELD as u64 + 10 {
            service.deliver(notice(now + 60 + number, &format!("{number}")));
        }
        assert_eq!((service.held().count(), service.held.sealed.len()), (HELD, HELD));
        service.deliver(notice(now.saturating_sub(1), "over"));
        assert!(!service.holds("over") && service.holds("from a list that lies"));
    }

    #[test]
    fn who_cannot_read_stays_and_who_is_gone_goes() {
        let mut service = ServiceNotices::default();
        assert!(service.deliver(notice(u64::MAX, "nobody")), "nobody wants to read it");
        let (reader, stranger) = (TestReceiver::new("group"), TestReceiver::new("group"));
        service.join(stranger.inbox());
        stranger.answer("secret", Delivery::Unreadable);
        assert!(!service.deliver(notice(u64::MAX, "secret")));
        assert!(!service.holds("secret"));
        service.join(reader.inbox());
        assert!(service.deliver(notice(u64::MAX, "secret")));
        assert!(service.holds("secret"));
        drop(reader);
        assert!(!service.deliver(notice(u64::MAX, "secret")));
        assert_eq!(service.inboxes.len(), 1);
    }
}
