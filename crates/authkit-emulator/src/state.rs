//! The emulator's state: one struct behind one lock, which every request takes once or more.

mod codes;
pub(crate) mod connect;
mod directory;
pub(crate) mod events;
pub(crate) mod grants;
pub(crate) mod pairs;
mod sessions;
mod token;
mod user;

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

pub(crate) use self::{
    codes::{CodeOutcome, Codes, StepUp},
    directory::{Directory, Membership, Organization},
    sessions::{ClientKind, NewSession, Replay, Session, Sessions, TokenState},
    user::{Impersonator, User},
};
use crate::{
    clock::EmulatorClock,
    config::{Config, Rotation},
    connections::ConnectionTable,
    counts::Counts,
    fault::Faults,
    keys::KeyRing,
    rate_limit::Limiter,
    webhooks::WebhookEndpoints,
};

// No `Debug` here or in the modules: codes and refresh tokens are keys of the maps.
pub(crate) struct State {
    pub(crate) config: Config,
    pub(crate) clock: EmulatorClock,
    pub(crate) token_ttl: Duration,
    pub(crate) rotation: Rotation,
    pub(crate) directory: Directory,
    pub(crate) sessions: Sessions,
    pub(crate) codes: Codes,
    pub(crate) connect: connect::Connect,
    pub(crate) keys: KeyRing,
    pub(crate) faults: Faults,
    pub(crate) limiter: Limiter,
    pub(crate) connections: ConnectionTable,
    pub(crate) counts: Counts,
    pub(crate) webhooks: WebhookEndpoints,
}

impl State {
    pub(crate) fn now(&self) -> SystemTime {
        self.clock.now()
    }
}

pub(crate) struct Shared {
    state: Mutex<State>,
}

impl Shared {
    pub(crate) fn new(state: State) -> Self {
        Self { state: Mutex::new(state) }
    }

    /// Takes the lock even after a panic of another thread, such as a test's, so that the emulator goes on.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}
