//! WorkOS's signing keys over time: fetched once for all requests, kept while they are fresh, and longer in an outage.

use std::{
    fmt,
    num::NonZeroU64,
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};

use arc_swap::Guard;
use tokio::runtime::Handle;
use tracing::{Instrument, Span, field::Empty, info_span};

use crate::{
    clock::{self, Clock},
    decide::KeyFetch,
    sync::{self, ArcSwapOption, AtomicU64, Mutex, MutexGuard, watch},
    token::{jwt::Jwt, keys::KeySet},
    upstream::{client::Client, error_answer::UpstreamFailure},
};

/// One issuer's key set. Clones share it.
#[derive(Clone)]
pub(crate) struct Jwks {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    /// Where the keys are published.
    url: Box<str>,
    clock: Clock,
    stale: Duration,
    keys: ArcSwapOption<KeySet>,
    /// When the keys were requested, in nanoseconds of the monotonic clock; set after the keys are stored.
    fetched_at: AtomicU64,
    fetches: Mutex<Fetches>,
    /// Tells those who wait that a fetch has finished.
    over: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Fetches {
    under_way: bool,
    /// When the last fetch for an unknown key started.
    for_unknown: Option<Duration>,
    /// When the last fetch for the unknown key of a bearer token started.
    for_unknown_bearer: Option<Duration>,
    /// When the last fetch failed and how; `None` if it succeeded.
    failed: Option<(Duration, Failure)>,
}

/// Why there are no new keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Failure {
    /// WorkOS could not be reached, or was too busy.
    Unreachable,
    /// WorkOS answered, but without keys.
    NoKeys,
}

/// Why keys are fetched.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FetchFor {
    /// No keys are cached.
    None,
    /// The cached keys are getting old.
    Freshness,
    /// The token in a cookie, which we sealed, names a key that is not cached.
    UnknownKey,
    /// A bearer token, which anybody may have made up, names a key that is not cached.
    UnknownBearerKey,
    /// A token that WorkOS has just sent names a key that is not cached.
    OwnAnswer,
}

impl FetchFor {
    /// The name of the cause in traces.
    fn as_str(self) -> &'static str {
        match self {
            Self::None => "none_cached",
            Self::Freshness => "freshness",
            Self::UnknownKey => "unknown_key",
            Self::UnknownBearerKey => "unknown_bearer_key",
            Self::OwnAnswer => "own_answer",
        }
    }
}

impl Jwks {
    /// The keys of session tokens. They serve for `stale` while WorkOS cannot be reached.
    pub(crate) fn new(client: Client, clock: Clock, stale: Duration) -> Self {
        let url = client.key_set_url();
        Self::published_at(url, client, clock, stale)
    }

    /// The keys that are published at `url`.
    pub(crate) fn published_at(
        url: impl Into<Box<str>>,
        client: Client,
        clock: Clock,
        stale: Duration,
    ) -> Self {
        let inner = Inner {
            client,
            url: url.into(),
            clock,
            stale,
            keys: ArcSwapOption::empty(),
            fetched_at: AtomicU64::new(0),
            fetches: Mutex::default(),
            over: watch::Sender::new(()),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The keys to verify with now. Keys older than [`FRESH`] are served while new ones are fetched in the background;
    /// keys older than [`AGING`] are served only in an outage, for as long as is configured.
    pub(crate) fn current(&self) -> Guard<Option<Arc<KeySet>>> {
        self.current_at(self.inner.clock.monotonic())
    }

    /// Like [`current`](Self::current), with `now` from the monotonic clock.
    pub(crate) fn current_at(&self, now: Duration) -> Guard<Option<Arc<KeySet>>> {
        let keys = self.inner.keys.load();
        let Some(age) = keys.as_ref().map(|keys| keys.age(now)) else { return keys };
        if age >= FRESH && Handle::try_current().is_ok() {
            // The fetch runs in the background; this call does not wait for it.
            let _ = self.fetch(FetchFor::Freshness);
        }
        let serve = age < AGING || (age < self.inner.stale && self.fetches().failed.is_some());
        if serve { keys } else { Guard::from_inner(None) }
    }

    /// When the keys were requested; `None` if they are not fresh. While this value is the same, the keys are the same.
    /// It is in nanoseconds of the monotonic clock, as `now` is.
    #[inline]
    pub(crate) fn fetched_at(&self, now: u64) -> Option<NonZeroU64> {
        let at = NonZeroU64::new(self.inner.fetched_at.load(Ordering::Acquire))?;
        (now.saturating_sub(at.get()) < FRESH_NANOS).then_some(at)
    }

    /// Whether the key that signed `token` is not cached.
    pub(crate) fn lacks_key_of(&self, token: &str) -> bool {
        let Some(jwt) = Jwt::parse(token) else { return false };
        self.current().as_ref().is_none_or(|keys| !keys.has(&jwt.kid))
    }

    /// Whether a fetch may start or be joined now.
    pub(crate) fn may_fetch(&self, why: FetchFor) -> KeyFetch {
        let now = self.inner.clock.monotonic();
        let fetches = self.fetches();
        if fetches.under_way || fetches.may_start(why, now) {
            KeyFetch::Allowed
        } else {
            KeyFetch::Exhausted
        }
    }

    /// Joins the fetch that is under way, or starts one in a task of its own, which continues when the request goes
    /// away. `None` if no fetch may start now; then look at the keys again. Needs a runtime.
    pub(crate) fn fetch(&self, why: FetchFor) -> Option<KeysWaiting> {
        let now = self.inner.clock.monotonic();
        let mut fetches = self.fetches();
        let waiting = KeysWaiting(self.inner.over.subscribe());
        if fetches.under_way {
            return Some(waiting);
        }
        let there = why == FetchFor::None && self.inner.age().is_some_and(|age| age < AGING);
        if there || !fetches.may_start(why, now) {
            return None;
        }
        fetches.under_way = true;
        match why {
            FetchFor::UnknownKey => fetches.for_unknown = Some(now),
            FetchFor::UnknownBearerKey => fetches.for_unknown_bearer = Some(now),
            FetchFor::None | FetchFor::Freshness | FetchFor::OwnAnswer => {}
        }
        drop(fetches);
        let fetch = Fetch { inner: Arc::clone(&self.inner), failed: Some(Failure::Unreachable) };
        // The fetch may outlive the request, so its span is linked to the request's span and is not part of it.
        let span = info_span!(parent: None, "authkit.keys", why = why.as_str(), outcome = Empty);
        span.follows_from(Span::current());
        sync::spawn(fetch.run().instrument(span));
        Some(waiting)
    }

    /// Joins the fetch that is under way, if there is one.
    pub(crate) fn under_way(&self) -> Option<KeysWaiting> {
        let fetches = self.fetches();
        fetches.under_way.then(|| KeysWaiting(self.inner.over.subscribe()))
    }

    fn fetches(&self) -> MutexGuard<'_, Fetches> {
        self.inner.fetches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn age(&self) -> Option<Duration> {
        self.keys.load().as_deref().map(|keys| keys.age(self.clock.monotonic()))
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
        let failed = self.failed.map(|(at, _)| at);
        let may_look = |last| past(last, COOLDOWN) && past(failed, AFTER_FAILURE);
        match why {
            FetchFor::None => past(failed, AFTER_FAILURE),
            FetchFor::Freshness => past(failed, AFTER_FAILURE_WARM),
            FetchFor::UnknownKey => may_look(self.for_unknown),
            FetchFor::UnknownBearerKey => may_look(self.for_unknown_bearer),
            FetchFor::OwnAnswer => true,
        }
    }
}

/// Waits until the fetch has finished, whether or not it succeeded.
pub(crate) struct KeysWaiting(watch::Receiver<()>);

impl KeysWaiting {
    pub(crate) async fn over(mut self) {
        // The handle owns the sender; if it was dropped, nobody waits for keys.
        let _ = self.0.changed().await;
    }
}

/// One fetch. Dropping it marks the fetch as finished, even after a panic.
struct Fetch {
    inner: Arc<Inner>,
    failed: Option<Failure>,
}

impl Fetch {
    async fn run(mut self) {
        // Taken before the fetch: a token issued during the fetch may name a newer key.
        let (unix, at) = (self.inner.clock.unix(), self.inner.clock.monotonic());
        self.failed = match self.inner.client.fetch_key_set(&self.inner.url, DEADLINE).await {
            Ok(body) => match KeySet::parse(&body, unix, at) {
                Some(keys) => {
                    self.inner.keys.store(Some(Arc::new(keys)));
                    self.inner.fetched_at.store(clock::nanos(at), Ordering::Release);
                    if *self.inner.url == self.inner.client.key_set_url() {
                        self.inner.client.meter().keys_fetched(unix);
                    }
                    None
                }
                None => Some(Failure::NoKeys),
            },
            Err(error) => Some(match error.failure {
                UpstreamFailure::Transient => Failure::Unreachable,
                UpstreamFailure::Refused(_) => Failure::NoKeys,
            }),
        };
        let outcome = match self.failed {
            None => "fetched",
            Some(Failure::Unreachable) => "unreachable",
            Some(Failure::NoKeys) => "no_keys",
        };
        Span::current().record("outcome", outcome);
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        let mut fetches = self.inner.fetches.lock().unwrap_or_else(PoisonError::into_inner);
        fetches.under_way = false;
        let before = fetches.failed.map(|(_, failure)| failure);
        fetches.failed = self.failed.map(|failure| (self.inner.clock.monotonic(), failure));
        // Before the next fetch can begin: whoever waits for that one must not be woken by this one.
        self.inner.over.send_replace(());
        drop(fetches);
        // One event per change.
        match (before, self.failed) {
            (before, now) if before == now => {}
            (_, None) => tracing::info!("signing keys can be fetched again"),
            (_, Some(Failure::Unreachable)) => {
                tracing::warn!("signing keys cannot be fetched; those cached serve on");
            }
            (_, Some(Failure::NoKeys)) => {
                tracing::error!(
                    url = &*self.inner.url,
                    "WorkOS publishes no usable signing keys there; those cached serve on"
                );
            }
        }
    }
}

/// The age at which new keys are fetched in the background.
const FRESH: Duration = Duration::from_secs(5 * 60);
const FRESH_NANOS: u64 = FRESH.as_secs() * 1_000_000_000;
/// The greatest age while WorkOS can be reached: older keys may have been withdrawn, so requests wait for new ones.
const AGING: Duration = Duration::from_secs(10 * 60);
/// The pause between two fetches for an unknown key, kept separately for cookies and for bearer tokens.
const COOLDOWN: Duration = Duration::from_secs(30);
/// The pause after a failed fetch, without and with cached keys.
const AFTER_FAILURE: Duration = Duration::from_secs(2);
const AFTER_FAILURE_WARM: Duration = Duration::from_secs(30);
/// How long a fetch may take: less than a request waits, so that a waiting request still gets the stale keys of an
/// outage.
const DEADLINE: Duration = Duration::from_secs(4);

#[cfg(test)]
mod tests;
