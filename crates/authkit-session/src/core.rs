//! What every request of a service shares.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use aws_lc_rs::hmac;
use tokio::sync::watch;

use crate::{
    candidate::{
        cache::{InUse, SessionCache},
        jwks::Jwks,
    },
    config::settings::{Checked, Settings},
    end::{cut_offs::CutOffs, revocation::Revocations},
    payload::Payload,
    refresh::{coordinator::RefreshCoordinator, hook::Hooks},
    refresh_state::Table,
    seal::{KeyRing, SealError, Target},
    upstream::client::Client,
};

/// What every request of a service shares.
pub(crate) struct Core {
    pub(crate) settings: Settings,
    pub(crate) client: Client,
    pub(crate) ring: ArcSwap<KeyRing>,
    /// How often it was replaced; counted after the new one is in place.
    rings: AtomicU64,
    pub(crate) cache: SessionCache,
    pub(crate) jwks: Jwks,
    pub(crate) cut_offs: CutOffs,
    /// The way to the other replicas.
    pub(crate) revocations: Option<Arc<dyn Revocations>>,
    /// What the application says of sessions.
    pub(crate) hooks: Hooks,
    table: Mutex<Table>,
    /// Whether a lineage is in the table; told by whoever had it last.
    remembers_any: AtomicBool,
    pub(crate) coordinator: Arc<dyn RefreshCoordinator>,
    /// How many tasks of ours are under way.
    pub(crate) tasks: watch::Sender<usize>,
    log_key: hmac::Key,
}

impl Core {
    pub(crate) fn new(checked: Checked) -> Self {
        let Checked {
            settings,
            client,
            ring,
            cache,
            revocations,
            hooks,
            coordinator,
            refresh_limits,
            stale_keys,
            log_key,
        } = checked;
        Self {
            jwks: Jwks::new(client.clone(), settings.clock().clone(), stale_keys),
            settings,
            client,
            ring: ArcSwap::from_pointee(ring),
            rings: AtomicU64::new(0),
            cache,
            cut_offs: CutOffs::new(),
            revocations,
            hooks,
            table: Mutex::new(Table::new(refresh_limits)),
            remembers_any: AtomicBool::new(false),
            coordinator,
            tasks: watch::Sender::new(0),
            log_key,
        }
    }

    /// Puts another ring in the place of the one in use.
    pub(crate) fn replace_ring(&self, ring: KeyRing) {
        self.ring.store(Arc::new(ring));
        self.rings.fetch_add(1, Ordering::Release);
    }

    /// What sessions are opened and verified with at `now`.
    pub(crate) fn in_use(&self, now: Duration) -> InUse {
        InUse { rings: self.rings.load(Ordering::Acquire), keys: self.jwks.fetched_at(now) }
    }

    /// The table of refreshes. Never held across an await.
    pub(crate) fn table(&self) -> LockedTable<'_> {
        // Each of its methods leaves it whole, so a panic elsewhere says nothing about it.
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        LockedTable { table, remembers_any: &self.remembers_any }
    }

    /// The same where a refresh or a sign-out is remembered; asked for every request, so it locks nothing for nothing.
    pub(crate) fn table_if_any(&self) -> Option<LockedTable<'_>> {
        self.remembers_any.load(Ordering::Acquire).then(|| self.table())
    }

    /// Seals a session; leaves out what no SDK reads back where it would not fit into one cookie.
    pub(crate) fn seal(&self, plaintext: &[u8], target: &Target<'_>) -> Result<String, SealError> {
        let now = self.settings.clock().unix_millis();
        let sealed = target.seal(plaintext, now)?;
        if self.settings.cookies.fits_one(&sealed) {
            return Ok(sealed);
        }
        Payload::slimmed(plaintext).map_or(Ok(sealed), |slim| target.seal(&slim, now))
    }

    /// What sealed values are bound to: our client id, and what the caller names.
    pub(crate) fn context(&self, context: &[u8]) -> Vec<u8> {
        let client_id = self.settings.client_id().as_bytes();
        let mut bound = Vec::with_capacity(8 + client_id.len() + context.len());
        bound.extend_from_slice(&(client_id.len() as u64).to_be_bytes());
        bound.extend_from_slice(client_id);
        bound.extend_from_slice(context);
        bound
    }

    /// A word for a session in logs: the same on every replica, and no way back to the id.
    pub(crate) fn log_word(&self, session_id: &str) -> String {
        let tag = hmac::sign(&self.log_key, session_id.as_bytes());
        tag.as_ref()[..6].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The table of refreshes while it is locked.
pub(crate) struct LockedTable<'c> {
    table: MutexGuard<'c, Table>,
    remembers_any: &'c AtomicBool,
}

impl Deref for LockedTable<'_> {
    type Target = Table;

    fn deref(&self) -> &Table {
        &self.table
    }
}

impl DerefMut for LockedTable<'_> {
    fn deref_mut(&mut self) -> &mut Table {
        &mut self.table
    }
}

impl Drop for LockedTable<'_> {
    fn drop(&mut self) {
        // Still locked, so that the last word is the latest one's.
        self.remembers_any.store(!self.table.lineages.is_empty(), Ordering::Release);
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("settings", &self.settings)
            .field("jwks", &self.jwks)
            .finish_non_exhaustive()
    }
}
