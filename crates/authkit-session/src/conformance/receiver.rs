//! A receiver of notices that keeps them.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{self, Instant};

use crate::{Delivery, Inbox, Revocations, end::revocation::Receiver};

/// Receives notices in place of an [`Authenticator`](crate::Authenticator), and keeps them.
///
/// Its inbox is closed when the receiver is dropped.
pub struct TestReceiver {
    group: Box<str>,
    ledger: Arc<Ledger>,
}

/// What a receiver was given, and what it answers.
#[derive(Default)]
struct Ledger(Mutex<LedgerEntries>);

#[derive(Default)]
struct LedgerEntries {
    received: Vec<String>,
    answers: Vec<(String, Delivery)>,
    is_closed: bool,
    after_closing: usize,
}

impl TestReceiver {
    /// A receiver of the notices for `group`.
    pub fn new(group: &str) -> Self {
        Self { group: group.into(), ledger: Arc::default() }
    }

    /// An inbox that delivers to it.
    pub fn inbox(&self) -> Inbox {
        let ledger = Arc::downgrade(&self.ledger);
        Inbox::new(self.group.clone(), ledger)
    }

    /// Every notice that it got, once, in the order in which they came first.
    pub fn received(&self) -> Vec<String> {
        self.ledger.entries().received.clone()
    }

    /// Answers this notice with `delivery`, rather than with [`Delivery::Taken`].
    pub fn answer(&self, sealed: &str, delivery: Delivery) {
        self.ledger.entries().answers.push((sealed.to_owned(), delivery));
    }

    /// Answers every notice with [`Delivery::Closed`] from now on.
    pub fn close(&self) {
        self.ledger.entries().is_closed = true;
    }

    /// How many notices it was given since it was closed.
    pub fn deliveries_after_closing(&self) -> usize {
        self.ledger.entries().after_closing
    }

    /// Waits until it has got this notice.
    ///
    /// # Panics
    ///
    /// If it has not within 5 seconds.
    pub async fn until_received(&self, sealed: &str) {
        let until = Instant::now() + ARRIVAL;
        while !self.received().iter().any(|received| received == sealed) {
            assert!(Instant::now() < until, "a notice arrives: {sealed:?}");
            time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(super) fn subscribed(carrier: &dyn Revocations, group: &str) -> Self {
        let receiver = Self::new(group);
        let asked = Instant::now();
        carrier.subscribe(receiver.inbox());
        assert!(asked.elapsed() < Duration::from_millis(500), "subscribing does not wait");
        receiver
    }
}

impl fmt::Debug for TestReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.ledger.entries();
        f.debug_struct("TestReceiver")
            .field("group", &self.group)
            .field("received", &entries.received)
            .finish_non_exhaustive()
    }
}

impl Ledger {
    fn entries(&self) -> MutexGuard<'_, LedgerEntries> {
        // Each change leaves the entries whole, so a panic elsewhere says nothing about them.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Receiver for Ledger {
    fn receive(&self, sealed: &str) -> Delivery {
        let mut entries = self.entries();
        if entries.is_closed {
            entries.after_closing += 1;
            return Delivery::Closed;
        }
        if !entries.received.iter().any(|received| received == sealed) {
            entries.received.push(sealed.to_owned());
        }
        let answer = entries.answers.iter().find(|(text, _)| text == sealed);
        answer.map_or(Delivery::Taken, |(_, delivery)| *delivery)
    }
}

/// How long a notice may take to the other process.
const ARRIVAL: Duration = Duration::from_secs(5);
