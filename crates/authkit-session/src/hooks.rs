//! What the application says of sessions that were refreshed: a hook that may refuse them.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time;

use crate::session::VerifiedSession;

/// What an application says of a session.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "an application says one of these three")]
pub enum Ruling {
    /// It goes on.
    Keep,
    /// It ends, here and at WorkOS.
    Refuse,
    /// That cannot be told now, as when a database does not answer: the user is told to try again, and the application
    /// is asked again.
    Undecided,
}

/// A session that was refreshed, or switched to another organization.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RefreshedSession {
    /// What it is from now on.
    pub session: Arc<VerifiedSession>,
    /// What it was, where that can still be verified. Its token has mostly expired.
    pub previous: Option<Arc<VerifiedSession>>,
}

type Answer = Pin<Box<dyn Future<Output = Ruling> + Send>>;

/// See [`Config::with_refresh_hook`](crate::Config::with_refresh_hook).
#[derive(Clone)]
pub(crate) struct RefreshHook(Arc<dyn Fn(RefreshedSession) -> Answer + Send + Sync>);

impl RefreshHook {
    pub(crate) fn new<F, A>(hook: F) -> Self
    where
        F: Fn(RefreshedSession) -> A + Send + Sync + 'static,
        A: Future<Output = Ruling> + Send + 'static,
    {
        Self(Arc::new(move |refreshed| Box::pin(hook(refreshed))))
    }

    /// Asks, on a task of its own: a panic there is the hook's.
    pub(crate) async fn ask(&self, refreshed: RefreshedSession) -> Ruling {
        let hook = Arc::clone(&self.0);
        within_patience(async move { hook(refreshed).await }).await
    }
}

impl fmt::Debug for RefreshHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshHook(..)")
    }
}

/// Waits for an application's ruling, on a task of its own, for as long as one may take.
pub(crate) async fn within_patience(
    ruling: impl Future<Output = Ruling> + Send + 'static,
) -> Ruling {
    let mut task = tokio::spawn(ruling);
    match time::timeout(PATIENCE, &mut task).await {
        Ok(Ok(ruling)) => ruling,
        Ok(Err(_)) => {
            tracing::error!("a session hook panicked");
            Ruling::Undecided
        }
        Err(_) => {
            task.abort();
            tracing::error!("a session hook took longer than {} s", PATIENCE.as_secs());
            Ruling::Undecided
        }
    }
}

/// The hook, and the sessions about which it could not say anything yet.
#[derive(Debug)]
pub(crate) struct Hooks {
    pub(crate) refresh: Option<RefreshHook>,
    undecided: Mutex<Undecided>,
}

/// What is known of a session's token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ruled {
    /// Nothing is to be asked.
    Already,
    /// It has to be refreshed, so that the hook is asked again.
    NotYet,
    /// The same, but not before this time has passed: the hook was asked just now.
    Later(Duration),
}

impl Hooks {
    pub(crate) fn new(refresh: Option<RefreshHook>) -> Self {
        Self { refresh, undecided: Mutex::default() }
    }

    /// What is known of a token of this session, made at `made`.
    pub(crate) fn ruled(&self, session_id: &str, made: u64, now: Duration) -> Ruled {
        if self.refresh.is_none() {
            return Ruled::Already;
        }
        match self.undecided().sessions.get(session_id) {
            Some(entry) if entry.made <= made => match (entry.asked + PAUSE).saturating_sub(now) {
                Duration::ZERO => Ruled::NotYet,
                left => Ruled::Later(left),
            },
            Some(_) | None => Ruled::Already,
        }
    }

    /// Remembers whether the session's tokens made from `made` on wait for a ruling.
    pub(crate) fn remember(&self, session_id: &str, made: u64, ruling: Ruling, now: Duration) {
        let mut undecided = self.undecided();
        match ruling {
            Ruling::Undecided => undecided.add(session_id, made, now),
            Ruling::Keep | Ruling::Refuse => drop(undecided.sessions.remove(session_id)),
        }
    }

    fn undecided(&self) -> MutexGuard<'_, Undecided> {
        // Each of its methods leaves it whole, so a panic elsewhere says nothing about it.
        self.undecided.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct Undecided {
    sessions: HashMap<Arc<str>, Entry>,
    order: VecDeque<Arc<str>>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// When the first token was made about which nothing was said, in Unix seconds.
    made: u64,
    asked: Duration,
}

impl Undecided {
    fn add(&mut self, session_id: &str, made: u64, asked: Duration) {
        if let Some(entry) = self.sessions.get_mut(session_id) {
            entry.asked = asked;
            return;
        }
        let id: Arc<str> = session_id.into();
        self.sessions.insert(Arc::clone(&id), Entry { made, asked });
        self.order.push_back(id);
        while self.order.len() > LIMIT {
            if let Some(oldest) = self.order.pop_front() {
                self.sessions.remove(&oldest);
            }
        }
    }
}

/// How long a hook may take: less than a request waits for the refresh and the hook together.
const PATIENCE: Duration = Duration::from_secs(3);
/// How far apart a hook is asked about one session.
const PAUSE: Duration = Duration::from_secs(2);
/// How many sessions are remembered that wait for a ruling. Beyond, the oldest go on without one.
const LIMIT: usize = 100_000;
