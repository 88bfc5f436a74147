//! What every request of a service shares, and how it is used to judge the session that one brought.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arc_swap::ArcSwap;
use aws_lc_rs::hmac;
use http::HeaderMap;
use tokio::sync::watch;

use crate::{
    cache::SessionCache,
    client::Client,
    coordinator::RefreshCoordinator,
    cut_offs::{CutOffs, Hit, Made},
    decide::{PairAge, Verdict},
    flight::Table,
    hooks::{Hooks, Ruled},
    jar::{self, Candidate, Seen},
    jwks::Jwks,
    lineage::Standing,
    payload::Payload,
    presented::{Presented, Sealed, better},
    revocations::Revocations,
    seal::{Attempts, KeyRing, SealError, Target},
    settings::{Checked, Settings},
    verify::verify,
};

/// What every request of a service shares.
pub(crate) struct Core {
    pub(crate) settings: Settings,
    pub(crate) client: Client,
    pub(crate) ring: ArcSwap<KeyRing>,
    pub(crate) cache: SessionCache,
    pub(crate) jwks: Jwks,
    pub(crate) cut_offs: CutOffs,
    /// The way to the other replicas.
    pub(crate) revocations: Option<Arc<dyn Revocations>>,
    /// What the application says of sessions.
    pub(crate) hooks: Hooks,
    table: Mutex<Table>,
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
            cache,
            cut_offs: CutOffs::new(),
            revocations,
            hooks,
            table: Mutex::new(Table::new(refresh_limits)),
            coordinator,
            tasks: watch::Sender::new(0),
            log_key,
        }
    }

    /// The table of refreshes. Never held across an await.
    pub(crate) fn table(&self) -> MutexGuard<'_, Table> {
        // Each of its methods leaves it whole, so a panic elsewhere says nothing about it.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds the session among the cookies of a request, and verifies it unless it was verified before.
    pub(crate) fn present(&self, headers: &HeaderMap) -> Presented {
        let mut attempts = Attempts::new();
        self.best(headers, |value, seen| {
            self.remembered(value, seen)
                .unwrap_or_else(|| self.examine_anew(value, seen, &mut attempts))
        })
    }

    /// The same, but what is inside the cookie is there too, as a refresh needs it.
    pub(crate) fn present_opened(&self, headers: &HeaderMap) -> Presented {
        let mut attempts = Attempts::new();
        self.best(headers, |value, seen| self.examine_anew(value, seen, &mut attempts))
    }

    /// Looks at each session that a request brought, and looks up what else is known of the one that counts.
    fn best(
        &self,
        headers: &HeaderMap,
        mut look: impl FnMut(Candidate<'_>, Seen) -> Presented,
    ) -> Presented {
        let found = jar::find(headers, self.settings.cookie_name());
        let presented = found.candidates().map(|value| look(value, found.seen)).reduce(better);
        let mut presented =
            presented.unwrap_or_else(|| Presented::nothing(Verdict::Absent, found.seen));
        self.recall(&mut presented);
        self.check_cut_offs(&mut presented);
        if self.ruled(&presented) != Ruled::Already {
            presented.hit = presented.hit.max(Hit::ChangedSince);
        }
        presented
    }

    /// Whether the application has said what it thinks of the session.
    pub(crate) fn ruled(&self, presented: &Presented) -> Ruled {
        if self.hooks.refresh.is_none() {
            return Ruled::Already;
        }
        let Some(Made { session: Some(id), at, .. }) = presented.made() else {
            return Ruled::Already;
        };
        self.hooks.ruled(id, at, self.settings.clock().monotonic())
    }

    /// Opens and verifies one value of a request, and remembers it.
    fn examine_anew(&self, value: Candidate<'_>, seen: Seen, attempts: &mut Attempts) -> Presented {
        let value = value.whole();
        let presented = self.examine(&value, seen, attempts);
        self.remember(&value, &presented);
        presented
    }

    /// Opens and verifies one value.
    pub(crate) fn examine(
        &self,
        candidate: &[u8],
        seen: Seen,
        attempts: &mut Attempts,
    ) -> Presented {
        let clock = self.settings.clock();
        let Ok(opened) = self.ring.load().open(candidate, clock.unix_millis(), attempts) else {
            return Presented::nothing(Verdict::Unreadable, seen);
        };
        let Ok(mut payload) = Payload::parse(&opened.plaintext) else {
            return Presented::nothing(Verdict::NotASession, seen);
        };
        let (verdict, session) = verify(
            &mut payload,
            self.jwks.current().as_deref(),
            &self.settings.rules,
            clock.unix(),
        );
        Presented::of(Sealed::new(opened, payload), verdict, session, seen)
    }

    /// Looks up what is remembered of the session, and remembers that the browser has it.
    fn recall(&self, presented: &mut Presented) {
        let Some(made) = presented.made() else { return };
        let mut table = self.table();
        if table.lineages.is_empty() {
            return;
        }
        let now = self.settings.clock().monotonic();
        match table.lineages.presented(presented.pair, made.session, now) {
            Standing::Unknown => {}
            Standing::Ended => {
                presented.verdict = Verdict::SignedOut;
                presented.session = None;
            }
            Standing::Known(age) => {
                presented.lineage = presented.pair.map(|pair| pair.token);
                presented.age = PairAge::of(age, presented.lifetime());
            }
        }
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

    /// A word for a session in logs: the same on every replica, and no way back to the id.
    pub(crate) fn log_word(&self, session_id: &str) -> String {
        let tag = hmac::sign(&self.log_key, session_id.as_bytes());
        tag.as_ref()[..6].iter().map(|byte| format!("{byte:02x}")).collect()
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
