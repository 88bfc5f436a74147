//! The application's hook, which may refuse refreshed sessions.

use std::{
    fmt,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time;

use crate::{
    bounded_map::BoundedMap, boxed_future::BoxFuture, log_limit::EventLog, session::VerifiedSession,
};

/// An application's decision about a session.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "an application says one of these three")]
pub enum HookDecision {
    /// The session continues.
    Keep,
    /// The session ends, here and at WorkOS.
    Refuse,
    /// The application cannot decide now, for instance because a database does not answer: the user is told to try
    /// again, and the application is asked again.
    Undecided,
}

/// A session that was refreshed, or switched to another organization.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RefreshedSession {
    /// The session from now on.
    pub session: Arc<VerifiedSession>,
    /// The session before, if it can still be verified. Usually its token has expired.
    pub previous: Option<Arc<VerifiedSession>>,
}

/// See [`Config::with_refresh_hook`](crate::Config::with_refresh_hook).
#[derive(Clone)]
pub(crate) struct RefreshHook(
    Arc<dyn Fn(RefreshedSession) -> BoxFuture<'static, HookDecision> + Send + Sync>,
);

impl RefreshHook {
    pub(crate) fn new<F, A>(hook: F) -> Self
    where
        F: Fn(RefreshedSession) -> A + Send + Sync + 'static,
        A: Future<Output = HookDecision> + Send + 'static,
    {
        Self(Arc::new(move |refreshed| Box::pin(hook(refreshed))))
    }

    /// Calls the hook in a task of its own, so that a panic of the hook stays there.
    pub(crate) async fn ask(&self, refreshed: RefreshedSession, log: &EventLog) -> HookDecision {
        let hook = Arc::clone(&self.0);
        within_timeout(async move { hook(refreshed).await }, log).await
    }
}

impl fmt::Debug for RefreshHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshHook(..)")
    }
}

/// Runs the application's decision in a task of its own, and waits for it at most [`PATIENCE`].
pub(crate) async fn within_timeout(
    decision: impl Future<Output = HookDecision> + Send + 'static,
    log: &EventLog,
) -> HookDecision {
    let mut task = tokio::spawn(decision);
    match time::timeout(PATIENCE, &mut task).await {
        Ok(Ok(decision)) => decision,
        Ok(Err(_)) => {
            if let Some(left_out) = log.due("a hook panicked") {
                tracing::error!(left_out, "a session hook panicked");
            }
            HookDecision::Undecided
        }
        Err(_) => {
            task.abort();
            if let Some(left_out) = log.due("a hook took too long") {
                let seconds = PATIENCE.as_secs();
                tracing::error!(left_out, "a session hook took longer than {seconds} s");
            }
            HookDecision::Undecided
        }
    }
}

/// The hook, and the sessions about which it has not decided yet.
#[derive(Debug)]
pub(crate) struct RefreshHooks {
    pub(crate) refresh: Option<RefreshHook>,
    undecided: Mutex<Undecided>,
}

/// The hook's decision about a session's token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum HookStatus {
    /// The session continues, or there is no hook.
    Decided,
    /// The hook has not decided. The session must be refreshed, so that the hook is asked again.
    Undecided,
    /// The hook has not decided, and was asked a moment ago; it is asked again after this time.
    AskAgainIn(Duration),
}

impl RefreshHooks {
    pub(crate) fn new(refresh: Option<RefreshHook>) -> Self {
        Self { refresh, undecided: Mutex::default() }
    }

    /// The hook's decision about a token of this session that was issued at `issued_at`.
    pub(crate) fn status(&self, session_id: &str, issued_at: u64, now: Duration) -> HookStatus {
        let undecided = self.undecided();
        match undecided.sessions.get(session_id) {
            Some(entry) if entry.first <= issued_at => {
                match (entry.asked + PAUSE).saturating_sub(now) {
                    Duration::ZERO => HookStatus::Undecided,
                    left => HookStatus::AskAgainIn(left),
                }
            }
            // The session may be one that was forgotten.
            _ if undecided.forgotten.is_some_and(|forgotten| issued_at <= forgotten) => {
                HookStatus::Undecided
            }
            Some(_) | None => HookStatus::Decided,
        }
    }

    /// Records whether the session's tokens issued from `issued_at` on wait for a decision.
    pub(crate) fn remember(
        &self,
        session_id: &str,
        issued_at: u64,
        decision: HookDecision,
        now: Duration,
    ) {
        let mut undecided = self.undecided();
        match decision {
            HookDecision::Undecided => undecided.add(session_id, issued_at, now),
            HookDecision::Keep | HookDecision::Refuse => {
                undecided.sessions.remove(session_id);
            }
        }
    }

    fn undecided(&self) -> MutexGuard<'_, Undecided> {
        // Each method leaves the table consistent, so a panic elsewhere does no harm.
        self.undecided.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Undecided {
    sessions: BoundedMap<UndecidedSession>,
    /// The issue time of the newest forgotten token, in Unix seconds.
    forgotten: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct UndecidedSession {
    /// The issue times of the first and the last undecided token, in Unix seconds.
    first: u64,
    last: u64,
    asked: Duration,
}

impl Default for Undecided {
    fn default() -> Self {
        Self { sessions: BoundedMap::new(LIMIT, Duration::MAX), forgotten: None }
    }
}

impl Undecided {
    fn add(&mut self, session_id: &str, issued_at: u64, asked: Duration) {
        if let Some(session) = self.sessions.get_mut(session_id) {
            session.asked = asked;
            session.last = session.last.max(issued_at);
            return;
        }
        let session = UndecidedSession { first: issued_at, last: issued_at, asked };
        if let Some(pushed_out) = self.sessions.add(session_id, session, asked) {
            self.forgotten = self.forgotten.max(Some(pushed_out.last));
        }
    }
}

/// How long a hook may take: less than a request waits for the refresh and the hook together.
const PATIENCE: Duration = Duration::from_secs(3);
/// The least time between two calls of the hook about one session.
const PAUSE: Duration = Duration::from_secs(2);
/// The greatest number of undecided sessions that are remembered. Beyond it, every session as old as a forgotten one is
/// refreshed, so that the hook is asked.
const LIMIT: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn hooks() -> RefreshHooks {
        RefreshHooks::new(Some(RefreshHook::new(async |_| HookDecision::Undecided)))
    }

    const NOW: Duration = Duration::from_secs(1_000);

    #[test]
    fn what_finds_no_room_is_asked_about_again_rather_than_let_in() {
        let hooks = hooks();
        for n in 0..=100_000_u64 {
            hooks.remember(&format!("session_{n}"), 100 + n, HookDecision::Undecided, NOW);
        }
        let later = NOW + Duration::from_secs(2);
        assert_eq!(hooks.status("session_0", 100, later), HookStatus::Undecided, "forgotten");
        assert_eq!(hooks.status("another", 99, later), HookStatus::Undecided, "as old as that one");
        assert_eq!(hooks.status("another", 101, later), HookStatus::Decided, "younger");
        assert_eq!(hooks.status("session_1", 101, later), HookStatus::Undecided, "remembered");
        assert_eq!(hooks.undecided().sessions.len(), 100_000);
        hooks.remember("session_0", 200, HookDecision::Undecided, NOW);
        assert_eq!(
            hooks.status("session_0", 100, later),
            HookStatus::Undecided,
            "the old one, asked about anew"
        );
    }

    #[test]
    fn a_decision_is_awaited_about_the_token_that_it_was_asked_about_and_newer_ones() {
        let hooks = hooks();
        hooks.remember("session_1", 200, HookDecision::Undecided, NOW);
        let cases = [
            ("session_1", 199, HookStatus::Decided),
            ("session_1", 200, HookStatus::AskAgainIn(Duration::from_secs(2))),
            ("session_1", 201, HookStatus::AskAgainIn(Duration::from_secs(2))),
            ("session_2", 200, HookStatus::Decided),
        ];
        for (session, issued_at, expected) in cases {
            assert_eq!(hooks.status(session, issued_at, NOW), expected, "{session} {issued_at}");
        }
    }

    #[test]
    fn what_was_ruled_takes_no_room() {
        let hooks = hooks();
        hooks.remember("session_first", 50, HookDecision::Undecided, NOW);
        for n in 0..=200_000_u64 {
            let id = format!("session_{n}");
            hooks.remember(&id, 100, HookDecision::Undecided, NOW);
            hooks.remember(&id, 100, HookDecision::Keep, NOW);
        }
        assert_eq!(
            hooks.status("session_first", 50, NOW),
            HookStatus::AskAgainIn(Duration::from_secs(2))
        );
        assert_eq!(hooks.status("session_0", 100, NOW), HookStatus::Decided);
        assert_eq!(hooks.undecided().sessions.len(), 1);
    }
}
