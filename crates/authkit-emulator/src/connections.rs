use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::state::Shared;

/// Which connections answer nothing any more.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    accepted: u64,
    /// Of those accepted so far, the ones with an id below this are silent.
    frozen_below: u64,
    /// So many of those that have yet to bring a first request will be.
    to_swallow: u32,
}

impl Connections {
    /// Accepts one, and returns its id.
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
/// // Whoever keeps connections in a pool finds them dead; new ones work, but for the first two.
/// emulator.connections().freeze();
/// emulator.connections().swallow(2);
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Lines<'a> {
    shared: &'a Shared,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(shared: &'a Shared) -> Self {
        Self { shared }
    }

    /// How many have been accepted since the start.
    pub fn accepted(&self) -> u64 {
        self.shared.lock().connections.accepted
    }

    /// Answers nothing more on those that there are, and closes none: what a client with a pool meets after a
    /// router in between has forgotten them. What is being worked on is done and not answered. New ones work.
    pub fn freeze(&self) {
        self.shared.lock().connections.freeze();
    }

    /// Answers nothing on so many of the next that bring a request to an endpoint, and closes none. Others work.
    ///
    /// Unlike [`Fault::swallow`](crate::Fault::swallow), it spares connections that have been used already.
    pub fn swallow(&self, count: u32) {
        self.shared.lock().connections.swallow(count);
    }
}

/// One connection, as the requests on it know it.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    id: u64,
    shared: Arc<Shared>,
    flags: Arc<Flags>,
}

#[derive(Debug, Default)]
struct Flags {
    /// It has brought a request to an endpoint.
    used: AtomicBool,
    /// Nothing is answered on it.
    silent: AtomicBool,
    /// It ends with a reset rather than as TCP connections should.
    doomed: AtomicBool,
}

impl Line {
    pub(crate) fn accept(shared: Arc<Shared>) -> Self {
        let id = shared.lock().connections.accept();
        Self { id, shared, flags: Arc::default() }
    }

    /// Whether a request that has just come must not be answered. The first one that a connection brings says
    /// whether it is one of those to be swallowed.
    pub(crate) fn swallows(&self, connections: &mut Connections) -> bool {
        let is_first = !self.flags.used.swap(true, Ordering::SeqCst);
        if is_first && !self.is_silent_in(connections) && connections.to_swallow > 0 {
            connections.to_swallow -= 1;
            self.flags.silent.store(true, Ordering::SeqCst);
        }
        self.is_silent_in(connections)
    }

    /// Whether an answer that is ready must not be sent.
    pub(crate) fn is_silent(&self) -> bool {
        self.is_silent_in(&self.shared.lock().connections)
    }

    fn is_silent_in(&self, connections: &Connections) -> bool {
        self.id < connections.frozen_below || self.flags.silent.load(Ordering::SeqCst)
    }

    pub(crate) fn doom(&self) {
        self.flags.doomed.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_doomed(&self) -> bool {
        self.flags.doomed.load(Ordering::SeqCst)
    }
}
