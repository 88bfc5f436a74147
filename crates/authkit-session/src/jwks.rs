//! WorkOS's signing keys over time: fetched once for everybody, kept while they are good, and longer in an outage.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use tokio::{runtime::Handle, sync::watch};

use crate::{client::Client, clock::Clock, decide::KeyFetch, error::ErrorKind, keys::KeySet};

/// The key set of one client id. Clones share it.
#[derive(Clone)]
pub(crate) struct Jwks {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    clock: Clock,
    keys: ArcSwapOption<KeySet>,
    fetches: Mutex<Fetches>,
    /// Counts the fetches that are over.
    over: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Fetches {
    under_way: bool,
    /// When the last fetch for an unknown key started.
    for_unknown: Option<Duration>,
    /// When the last fetch failed, if the last one did.
    failed: Option<Duration>,
}

/// Why keys are to be fetched.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FetchFor {
    /// There are none.
    None,
    /// Those that are there are getting old.
    Freshness,
    /// A token of the request names a key that is not there.
    UnknownKey,
    /// A token that WorkOS has just answered names a key that is not there.
    OwnAnswer,
}

impl Jwks {
    pub(crate) fn new(client: Client, clock: Clock) -> Self {
        let inner = Inner {
            client,
            clock,
            keys: ArcSwapOption::empty(),
            fetches: Mutex::default(),
            over: watch::Sender::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The keys to verify with now. Those older than [`FRESH`] serve on while new ones are fetched in the background;
    /// those older than [`STALE`] serve no more.
    pub(crate) fn current(&self) -> Option<Arc<KeySet>> {
        let keys = self.inner.keys.load_full()?;
        let age = self.inner.clock.monotonic().saturating_sub(keys.fetched_at);
        if age >= FRESH && Handle::try_current().is_ok() {
            // Nobody waits for it.
            let _ = self.fetch(FetchFor::Freshness);
        }
        (age < STALE).then_some(keys)
    }

    /// Whether a fetch may start or be joined now.
    pub(crate) fn may_fetch(&self, why: FetchFor) -> KeyFetch {
        let now = self.inner.clock.monotonic();
        let fetches = self.inner.fetches.lock().unwrap_or_else(PoisonError::into_inner);
        if fetches.under_way || fetches.may_start(why, now) {
            KeyFetch::Allowed
        } else {
            KeyFetch::Exhausted
        }
    }

    /// Joins the fetch that is under way, or starts one in a task of its own, so that nobody's leaving ends it.
    /// `None` if it is too early for another one. Needs a runtime.
    pub(crate) fn fetch(&self, why: FetchFor) -> Option<KeysWaiting> {
        let now = self.inner.clock.monotonic();
        let mut fetches = self.inner.fetches.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = KeysWaiting(self.inner.over.subscribe());
        if fetches.under_way {
            return Some(waiting);
        }
        if !fetches.may_start(why, now) {
            return None;
        }
        fetches.under_way = true;
        if why == FetchFor::UnknownKey {
            fetches.for_unknown = Some(now);
        }
        drop(fetches);
        let fetch = Fetch { inner: Arc::clone(&self.inner), succeeded: false };
        tokio::spawn(fetch.run());
        Some(waiting)
    }
}

impl fmt::Debug for Jwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwks").field("keys", &self.inner.keys.load()).finish()
    }
}

impl Fetches {
    fn may_start(&self, why: FetchFor, now: Duration) -> bool {
        let past = |since: Option<Duration>, pause| {
            since.is_none_or(|since| now.saturating_sub(since) >= pause)
        };
        match why {
            FetchFor::None => past(self.failed, AFTER_FAILURE),
            FetchFor::Freshness => past(self.failed, AFTER_FAILURE_WARM),
            FetchFor::UnknownKey => {
                past(self.for_unknown, COOLDOWN) && past(self.failed, AFTER_FAILURE)
            }
            FetchFor::OwnAnswer => true,
        }
    }
}

/// Waits until the fetch is over, however it ended.
pub(crate) struct KeysWaiting(watch::Receiver<u64>);

impl KeysWaiting {
    pub(crate) async fn over(mut self) {
        // The sender lives as long as the handle; if it is gone, so is the fetch.
        let _ = self.0.changed().await;
    }
}

/// One fetch. It is over when this is dropped, even by a panic.
struct Fetch {
    inner: Arc<Inner>,
    succeeded: bool,
}

impl Fetch {
    async fn run(mut self) {
        // The time before the fetch: a token made while it was on its way may name a newer key.
        let (unix, at) = (self.inner.clock.unix(), self.inner.clock.monotonic());
        let was_failing =
            self.inner.fetches.lock().unwrap_or_else(PoisonError::into_inner).failed.is_some();
        match self.inner.client.jwks().await {
            Ok(body) => match KeySet::parse(&body, unix, at) {
                Some(keys) => {
                    self.inner.keys.store(Some(Arc::new(keys)));
                    self.succeeded = true;
                    if was_failing {
                        tracing::info!("signing keys can be fetched again");
                    }
                }
                None => {
                    tracing::error!("WorkOS answered no usable signing keys; those cached serve on")
                }
            },
            Err(error) if error.kind() == ErrorKind::Transient => {
                if !was_failing {
                    tracing::warn!(%error, "signing keys cannot be fetched; those cached serve on");
                }
            }
            Err(error) => tracing::error!(%error, "WorkOS has no signing keys for this client id"),
        }
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        let mut fetches = self.inner.fetches.lock().unwrap_or_else(PoisonError::into_inner);
        fetches.under_way = false;
        fetches.failed = (!self.succeeded).then(|| self.inner.clock.monotonic());
        drop(fetches);
        self.inner.over.send_modify(|over| *over += 1);
    }
}

/// How old keys are before new ones are fetched in the background.
const FRESH: Duration = Duration::from_secs(5 * 60);
/// How old keys may get while WorkOS cannot be reached.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);
/// How often a key that is not there is looked for.
const COOLDOWN: Duration = Duration::from_secs(30);
/// How long a failed fetch is not repeated while there are no keys, and while there are.
const AFTER_FAILURE: Duration = Duration::from_secs(2);
const AFTER_FAILURE_WARM: Duration = Duration::from_secs(30);
