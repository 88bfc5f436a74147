use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::state::Shared;

/// Counts connections, and says which of them the emulator no longer answers on.
#[derive(Debug, Default)]
pub(crate) struct ConnectionTable {
    accepted: u64,
    /// Connections with an id below this one are frozen.
    frozen_below: u64,
    /// How many of the connections that have not brought a request yet will be swallowed.
    to_swallow: u32,
}

impl ConnectionTable {
    /// Counts a new connection, and returns its id.
    pub(crate) fn accept(&mut self) -> u64 {
        self.accepted += 1;
        self.accepted - 1
    }

    pub(crate) fn accepted(&self) -> u64 {
        self.accepted
    }

    pub(crate) fn to_swallow(&self) -> u32 {
        self.to_swallow
    }

    pub(crate) fn freeze(&mut self) {
        self.frozen_below = self.accepted;
    }

    pub(crate) fn swallow(&mut self, count: u32) {
        self.to_swallow = count;
    }
}

/// The connections of a running emulator; see [`Emulator::connections`](crate::Emulator::connections).
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let emulator = authkit_emulator::Emulator::start().await;
/// // A client with a pool gets no answer on its connections; new ones work, except the first two.
/// emulator.connections().freeze();
/// emulator.connections().swallow(2);
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Connections<'a> {
    shared: &'a Shared,
}

impl<'a> Connections<'a> {
    pub(crate) fn new(shared: &'a Shared) -> Self {
        Self { shared }
    }

    /// How many connections the emulator has accepted since the start.
    pub fn accepted(&self) -> u64 {
        self.shared.lock().connections.accepted
    }

    /// Stops answering on all open connections, and closes none, as when a router between client and server has dropped
    /// its state. The emulator finishes the requests in progress and does not answer them. New connections work.
    pub fn freeze(&self) {
        self.shared.lock().connections.freeze();
    }

    /// Never answers on the next `count` connections that bring a first request to an endpoint, and closes none of them.
    /// Other connections work.
    ///
    /// Unlike [`Fault::swallow`](crate::Fault::swallow), this spares connections that have been used already.
    pub fn swallow(&self, count: u32) {
        self.shared.lock().connections.swallow(count);
    }
}

/// One connection, shared by the requests on it.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    id: u64,
    shared: Arc<Shared>,
    flags: Arc<Flags>,
}

#[derive(Debug, Default)]
struct Flags {
    /// Whether it has brought a request to an endpoint.
    used: AtomicBool,
    /// Whether the emulator never answers on it.
    silent: AtomicBool,
    /// Whether it ends with a reset instead of a FIN.
    doomed: AtomicBool,
}

impl Connection {
    pub(crate) fn accept(shared: Arc<Shared>) -> Self {
        let id = shared.lock().connections.accept();
        Self { id, shared, flags: Arc::default() }
    }

    /// Whether a request that has just arrived must not be answered. The first request of a connection decides whether
    /// the connection is one of those to be swallowed.
    pub(crate) fn swallows(&self, table: &mut ConnectionTable) -> bool {
        let is_first = !self.flags.used.swap(true, Ordering::SeqCst);
        if is_first && !self.is_silent_in(table) && table.to_swallow > 0 {
            table.to_swallow -= 1;
            self.flags.silent.store(true, Ordering::SeqCst);
        }
        self.is_silent_in(table)
    }

    /// Whether an answer that is ready must not be sent.
    pub(crate) fn is_silent(&self) -> bool {
        self.is_silent_in(&self.shared.lock().connections)
    }

    fn is_silent_in(&self, table: &ConnectionTable) -> bool {
        self.id < table.frozen_below || self.flags.silent.load(Ordering::SeqCst)
    }

    pub(crate) fn doom(&self) {
        self.flags.doomed.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_doomed(&self) -> bool {
        self.flags.doomed.load(Ordering::SeqCst)
    }
}
