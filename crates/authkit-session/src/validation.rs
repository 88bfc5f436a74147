//! Validates credentials that only WorkOS can judge: one call serves all requests with the same credential, and its answer
//! is remembered for a while.
//!
//! 1. A credential is stored as its hash only.
//! 2. There is one call for each credential at a time. It runs in a task of its own, so that a client that leaves does not
//!    end it.
//! 3. An accepted credential is remembered for the configured time, or until it expires; a refused one for 10 seconds.
//! 4. Unknown credentials share an allowance of calls, so that a client that makes credentials up cannot flood WorkOS.
//!    Credentials that were accepted before need no allowance. Those that were refused before have an allowance of their
//!    own, and stay refused when it is used up: revoked keys in forgotten scripts take no calls from new keys.
//! 5. If WorkOS has no answer about one credential, that is remembered for 10 seconds and for this credential alone: a
//!    client that finds a credential which WorkOS cannot handle does not affect the credentials of others.
//! 6. After any other fault there are no calls for two seconds. A fault does not change what is remembered about a
//!    credential.

pub(crate) mod allowance;
pub(crate) mod answer;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError},
    time::Duration,
};

use foldhash::quality::RandomState;
use quick_cache::{UnitWeighter, sync::DefaultLifecycle};
use tokio::time;

use crate::{
    clock::Clock,
    crypto::digest,
    decide::reason::Reason,
    request::waiting::PATIENCE,
    sync::{self, Cache, Mutex, MutexGuard, watch},
    validation::{allowance::Allowance, answer::CredentialAnswer},
};

/// Validates credentials and remembers the answers. `V` is the content of an accepted credential; cloning it is cheap.
pub(crate) struct Validations<V> {
    clock: Clock,
    /// How long an accepted credential is remembered.
    memory: Duration,
    accepted: Cache<CredentialHash, Accepted<V>, UnitWeighter, RandomState>,
    /// Until when each refused credential is remembered, by the monotonic clock.
    refused: Cache<CredentialHash, Duration, UnitWeighter, RandomState>,
    /// Credentials about which WorkOS had no answer: until when that is remembered, and the reason.
    unanswered: Cache<CredentialHash, (Duration, Reason), UnitWeighter, RandomState>,
    checks: Mutex<ChecksUnderWay<V>>,
}

/// The SHA-256 of a credential, which identifies it without revealing it.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub(crate) struct CredentialHash([u8; 32]);

#[derive(Clone)]
struct Accepted<V> {
    value: V,
    /// By the monotonic clock. Afterwards, the entry only means that the credential was accepted before.
    until: Duration,
}

/// What is remembered about a credential.
pub(crate) enum RememberedCredential<V> {
    Accepted(V),
    Refused,
    Nothing,
}

struct ChecksUnderWay<V> {
    under_way: HashMap<CredentialHash, watch::Receiver<Option<CredentialAnswer<V>>>>,
    strangers: Allowance,
    refused_before: Allowance,
    fault: Option<(Duration, Reason)>,
}

impl CredentialHash {
    pub(crate) fn of(credential: &str) -> Self {
        let digest = digest::digest(&digest::SHA256, credential.as_bytes());
        Self(digest.as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }
}

impl<V: Clone + Send + Sync + 'static> Validations<V> {
    /// Remembers accepted credentials for `memory`.
    pub(crate) fn new(clock: Clock, memory: Duration) -> Self {
        Self {
            memory,
            accepted: cache(),
            refused: cache(),
            unanswered: cache(),
            checks: Mutex::new(ChecksUnderWay {
                under_way: HashMap::new(),
                strangers: Allowance::new(STRANGERS, STRANGER_EVERY, clock.monotonic()),
                refused_before: Allowance::new(REFUSED_BEFORE, REFUSED_EVERY, clock.monotonic()),
                fault: None,
            }),
            clock,
        }
    }

    /// What is remembered about a credential now.
    pub(crate) fn remembered(&self, hash: CredentialHash) -> RememberedCredential<V> {
        let now = self.clock.monotonic();
        if let Some(Accepted { value, until }) = self.accepted.get(&hash)
            && now < until
        {
            return RememberedCredential::Accepted(value);
        }
        match self.refused.get(&hash) {
            Some(until) if now < until => RememberedCredential::Refused,
            Some(_) | None => RememberedCredential::Nothing,
        }
    }

    /// Makes the next request with this credential ask WorkOS again.
    pub(crate) fn forget(&self, hash: CredentialHash) {
        if let Some(accepted) = self.accepted.get(&hash) {
            self.accepted.insert(hash, Accepted { until: Duration::ZERO, ..accepted });
        }
    }

    /// Asks WorkOS about a credential of which nothing is remembered, or joins a running call. `None` if WorkOS refused the
    /// credential. `check` makes the call.
    ///
    /// # Errors
    ///
    /// Why there is no answer about the credential.
    pub(crate) async fn ask<Q>(
        self: &Arc<Self>,
        hash: CredentialHash,
        check: impl FnOnce() -> Q,
    ) -> Result<Option<V>, Reason>
    where
        Q: Future<Output = CredentialAnswer<V>> + Send + 'static,
    {
        let mut answer = match self.join_or_start(hash, check) {
            JoinedCheck::Answered(answer) => return answer.into_result(),
            JoinedCheck::UnderWay(answer) => answer,
        };
        let answer = match time::timeout(PATIENCE, answer.wait_for(Option::is_some)).await {
            Ok(Ok(answer)) => (*answer).clone(),
            Ok(Err(_)) => None,
            Err(_) => return Err(Reason::TimedOut),
        };
        answer.unwrap_or(CredentialAnswer::Fault(Reason::Upstream)).into_result()
    }

    fn join_or_start<Q>(
        self: &Arc<Self>,
        hash: CredentialHash,
        check: impl FnOnce() -> Q,
    ) -> JoinedCheck<V>
    where
        Q: Future<Output = CredentialAnswer<V>> + Send + 'static,
    {
        let now = self.clock.monotonic();
        let mut checks = self.checks();
        if let Some(answer) = checks.under_way.get(&hash) {
            return JoinedCheck::UnderWay(answer.clone());
        }
        // A call that was running may have finished just now.
        match self.remembered(hash) {
            RememberedCredential::Accepted(value) => {
                return JoinedCheck::Answered(CredentialAnswer::Accepted {
                    value,
                    expires_at: None,
                });
            }
            RememberedCredential::Refused => {
                return JoinedCheck::Answered(CredentialAnswer::Refused);
            }
            RememberedCredential::Nothing => {}
        }
        if let Some((until, reason)) = self.unanswered.get(&hash)
            && now < until
        {
            return JoinedCheck::Answered(CredentialAnswer::Unanswered(reason));
        }
        if let Some((at, reason)) = checks.fault
            && now.saturating_sub(at) < AFTER_FAULT
        {
            return JoinedCheck::Answered(CredentialAnswer::Fault(reason));
        }
        let history = if self.accepted.get(&hash).is_some() {
            CredentialHistory::AcceptedBefore
        } else if self.refused.get(&hash).is_some() {
            if !checks.refused_before.take(now) {
                return JoinedCheck::Answered(CredentialAnswer::Refused);
            }
            CredentialHistory::RefusedBefore
        } else if checks.strangers.take(now) {
            CredentialHistory::Stranger
        } else {
            return JoinedCheck::Answered(CredentialAnswer::Fault(Reason::Busy));
        };
        let (sender, receiver) = watch::channel(None);
        checks.under_way.insert(hash, receiver.clone());
        drop(checks);
        let task = CheckTask { validations: Arc::clone(self), hash, history, sender };
        let check = check();
        sync::spawn(async move { task.finish(check.await) });
        JoinedCheck::UnderWay(receiver)
    }

    /// Remembers an answer.
    fn remember(&self, hash: CredentialHash, answer: &CredentialAnswer<V>) {
        let now = self.clock.monotonic();
        match answer {
            CredentialAnswer::Accepted { value, expires_at } => {
                let wall = self.clock.wall();
                let left = expires_at.map_or(self.memory, |at| {
                    at.duration_since(wall).unwrap_or_default().min(self.memory)
                });
                let until = now.saturating_add(left);
                self.refused.remove(&hash);
                self.accepted.insert(hash, Accepted { value: value.clone(), until });
            }
            CredentialAnswer::Refused => {
                self.accepted.remove(&hash);
                self.refused.insert(hash, now.saturating_add(REFUSED));
            }
            CredentialAnswer::Unanswered(reason) => {
                self.unanswered.insert(hash, (now.saturating_add(REFUSED), *reason));
            }
            CredentialAnswer::Fault(_) => {}
        }
    }

    fn checks(&self) -> MutexGuard<'_, ChecksUnderWay<V>> {
        // Each change leaves the table consistent, so a panic elsewhere does no harm.
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many credentials are remembered, accepted and refused.
    #[cfg(test)]
    fn len(&self) -> (usize, usize) {
        (self.accepted.len(), self.refused.len())
    }
}

impl<V> fmt::Debug for Validations<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Validations").field("memory", &self.memory).finish_non_exhaustive()
    }
}

enum JoinedCheck<V> {
    Answered(CredentialAnswer<V>),
    UnderWay(watch::Receiver<Option<CredentialAnswer<V>>>),
}

/// Which allowance a credential's call comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum CredentialHistory {
    AcceptedBefore,
    RefusedBefore,
    Stranger,
}

/// A running call. It counts as running until this is dropped, which a panic does too.
struct CheckTask<V: Clone + Send + Sync + 'static> {
    validations: Arc<Validations<V>>,
    hash: CredentialHash,
    history: CredentialHistory,
    sender: watch::Sender<Option<CredentialAnswer<V>>>,
}

impl<V: Clone + Send + Sync + 'static> CheckTask<V> {
    fn finish(self, answer: CredentialAnswer<V>) {
        self.validations.remember(self.hash, &answer);
        let mut checks = self.validations.checks();
        let gives_back = match &answer {
            CredentialAnswer::Accepted { .. } => true,
            CredentialAnswer::Refused | CredentialAnswer::Unanswered(_) => false,
            CredentialAnswer::Fault(reason) => {
                // `Busy` comes from our own budget and is not a fault of WorkOS.
                if *reason != Reason::Busy {
                    checks.fault = Some((self.validations.clock.monotonic(), *reason));
                }
                true
            }
        };
        match self.history {
            CredentialHistory::Stranger if gives_back => checks.strangers.give_back(),
            CredentialHistory::RefusedBefore if gives_back => checks.refused_before.give_back(),
            CredentialHistory::AcceptedBefore
            | CredentialHistory::RefusedBefore
            | CredentialHistory::Stranger => {}
        }
        drop(checks);
        self.sender.send_replace(Some(answer));
    }
}

impl<V: Clone + Send + Sync + 'static> Drop for CheckTask<V> {
    fn drop(&mut self) {
        self.validations.checks().under_way.remove(&self.hash);
    }
}

fn cache<V: Clone>() -> Cache<CredentialHash, V, UnitWeighter, RandomState> {
    let (hash, lifecycle) = (RandomState::default(), DefaultLifecycle::default());
    Cache::with(LIMIT, LIMIT as u64, UnitWeighter, hash, lifecycle)
}

/// The most accepted credentials that are remembered, and the most refused ones.
const LIMIT: usize = 10_000;
/// The allowance of unknown credentials: the calls at once, and the time after which one more is allowed.
const STRANGERS: u32 = 8;
const STRANGER_EVERY: Duration = Duration::from_secs(15);
/// The allowance of credentials that were refused before.
const REFUSED_BEFORE: u32 = 10;
const REFUSED_EVERY: Duration = Duration::from_secs(2);
/// How long a refused credential is remembered, and one about which WorkOS had no answer.
const REFUSED: Duration = Duration::from_secs(10);
/// How long there are no calls after a fault.
const AFTER_FAULT: Duration = Duration::from_secs(2);

#[cfg(all(test, interleavings))]
mod interleavings;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    struct Workos {
        calls: AtomicUsize,
        answer: Mutex<CredentialAnswer<u8>>,
    }

    impl Workos {
        fn answering(answer: CredentialAnswer<u8>) -> Arc<Self> {
            Arc::new(Self { calls: AtomicUsize::new(0), answer: Mutex::new(answer) })
        }

        fn calls(&self) -> usize {
            self.calls.load(Ordering::SeqCst)
        }

        fn answers(&self, answer: CredentialAnswer<u8>) {
            *self.answer.lock().unwrap() = answer;
        }

        async fn ask(
            self: &Arc<Self>,
            validations: &Arc<Validations<u8>>,
            credential: &str,
        ) -> Result<Option<u8>, Reason> {
            let workos = Arc::clone(self);
            let check = || async move {
                workos.calls.fetch_add(1, Ordering::SeqCst);
                time::sleep(Duration::from_millis(50)).await;
                workos.answer.lock().unwrap().clone()
            };
            validations.ask(CredentialHash::of(credential), check).await
        }
    }

    const GOOD: CredentialAnswer<u8> = CredentialAnswer::Accepted { value: 1, expires_at: None };

    fn validations() -> (Arc<Validations<u8>>, Clock) {
        let clock = crate::testing::clock();
        (Arc::new(Validations::new(clock.clone(), Duration::from_secs(60))), clock)
    }

    fn is_remembered(validations: &Validations<u8>, credential: &str) -> Option<bool> {
        match validations.remembered(CredentialHash::of(credential)) {
            RememberedCredential::Accepted(_) => Some(true),
            RememberedCredential::Refused => Some(false),
            RememberedCredential::Nothing => None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_credential_is_asked_about_once_for_all_who_present_it() {
        let (validations, _) = validations();
        let workos = Workos::answering(GOOD);
        let all = (0..100).map(|_| workos.ask(&validations, "key"));
        let mut all: Vec<_> = all.map(Box::pin).collect();
        // The first of them leaves while it waits.
        let first = all.remove(0);
        assert!(time::timeout(Duration::from_millis(10), first).await.is_err());
        for one in all {
            assert_eq!(one.await, Ok(Some(1)));
        }
        assert_eq!(workos.calls(), 1);
        assert_eq!(workos.ask(&validations, "other").await, Ok(Some(1)));
        assert_eq!(workos.calls(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_remembered_for_its_time_and_no_longer_than_the_credential_lives() {
        let (validations, clock) = validations();
        let soon = clock.wall() + Duration::from_secs(30);
        let cases = [
            (
                "ends soon",
                CredentialAnswer::Accepted { value: 1, expires_at: Some(soon) },
                Some(true),
                30,
            ),
            ("good", GOOD, Some(true), 60),
            ("refused", CredentialAnswer::Refused, Some(false), 10),
        ];
        for (name, answer, expected, seconds) in cases {
            let workos = Workos::answering(answer);
            let _ = workos.ask(&validations, name).await;
            assert_eq!(is_remembered(&validations, name), expected, "{name}");
            let _ = workos.ask(&validations, name).await;
            assert_eq!(workos.calls(), 1, "{name}");
            let asked = time::Instant::now();
            time::sleep(Duration::from_secs(seconds - 1)).await;
            assert_eq!(
                is_remembered(&validations, name),
                expected,
                "{name}: {:?}",
                asked.elapsed()
            );
            time::sleep(Duration::from_secs(1)).await;
            assert_eq!(is_remembered(&validations, name), None, "{name}: {:?}", asked.elapsed());
            time::sleep(Duration::from_secs(100)).await;
        }
        let workos = Workos::answering(CredentialAnswer::Fault(Reason::Upstream));
        assert_eq!(workos.ask(&validations, "fault").await, Err(Reason::Upstream));
        assert_eq!(is_remembered(&validations, "fault"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn ten_thousand_made_up_credentials_make_eight_calls_and_cost_nobody_else_theirs() {
        let (validations, _) = validations();
        let workos = Workos::answering(GOOD);
        assert_eq!(workos.ask(&validations, "known").await, Ok(Some(1)));
        time::sleep(Duration::from_secs(60)).await;
        assert_eq!(is_remembered(&validations, "known"), None);

        workos.answers(CredentialAnswer::Refused);
        let before = workos.calls();
        let flood: Vec<_> = (0..10_000)
            .map(|n| {
                let (workos, validations) = (Arc::clone(&workos), Arc::clone(&validations));
                tokio::spawn(async move { workos.ask(&validations, &format!("made up {n}")).await })
            })
            .collect();
        let mut refused = 0;
        for one in flood {
            match one.await.unwrap() {
                Ok(None) => refused += 1,
                Ok(Some(_)) => panic!("nobody knows that"),
                Err(reason) => assert_eq!(reason, Reason::Busy),
            }
        }
        assert_eq!((workos.calls() - before, refused), (8, 8));

        workos.answers(GOOD);
        assert_eq!(workos.ask(&validations, "stranger").await, Err(Reason::Busy));
        assert_eq!(workos.ask(&validations, "known").await, Ok(Some(1)), "it was good before");
        time::sleep(STRANGER_EVERY).await;
        assert_eq!(workos.ask(&validations, "stranger").await, Ok(Some(1)));
        let (accepted, refused) = validations.len();
        assert!(accepted <= LIMIT && refused <= LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn dead_credentials_in_forgotten_scripts_take_nothing_from_new_ones() {
        let (validations, _) = validations();
        let workos = Workos::answering(CredentialAnswer::Refused);
        let dead: Vec<_> = (0..20).map(|n| format!("dead {n}")).collect();
        for credential in &dead {
            assert_eq!(workos.ask(&validations, credential).await, Ok(None));
            time::sleep(STRANGER_EVERY).await;
        }
        let before = workos.calls();
        for credential in dead.iter().cycle().take(1_000) {
            assert_eq!(workos.ask(&validations, credential).await, Ok(None), "asked about or not");
        }
        assert!(workos.calls() - before <= REFUSED_BEFORE as usize + 1);
        workos.answers(GOOD);
        assert_eq!(workos.ask(&validations, "new").await, Ok(Some(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn good_strangers_use_up_nothing() {
        let (validations, _) = validations();
        let workos = Workos::answering(GOOD);
        for n in 0..100 {
            assert_eq!(workos.ask(&validations, &n.to_string()).await, Ok(Some(1)));
        }
        assert_eq!(workos.calls(), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_fault_nobody_is_asked_about_for_a_moment_and_what_is_known_lasts() {
        let (validations, _) = validations();
        let workos = Workos::answering(GOOD);
        assert_eq!(workos.ask(&validations, "known").await, Ok(Some(1)));
        for reason in [Reason::Upstream, Reason::Misconfigured] {
            workos.answers(CredentialAnswer::Fault(reason));
            let before = workos.calls();
            for n in 0..1_000 {
                assert_eq!(workos.ask(&validations, &n.to_string()).await, Err(reason));
            }
            assert_eq!(workos.calls() - before, 1, "{reason}");
            assert_eq!(workos.ask(&validations, "known").await, Ok(Some(1)));
            time::sleep(AFTER_FAULT).await;
        }
        workos.answers(GOOD);
        assert_eq!(workos.ask(&validations, "new").await, Ok(Some(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_workos_would_not_say_of_one_credential_stops_no_other() {
        let (validations, _) = validations();
        let workos = Workos::answering(CredentialAnswer::Unanswered(Reason::Misconfigured));
        for _ in 0..100 {
            let asked = workos.ask(&validations, "odd").await;
            assert_eq!(asked, Err(Reason::Misconfigured));
        }
        assert_eq!(workos.calls(), 1);
        workos.answers(GOOD);
        assert_eq!(workos.ask(&validations, "new").await, Ok(Some(1)));
        time::sleep(REFUSED).await;
        assert_eq!(workos.ask(&validations, "odd").await, Ok(Some(1)));
        // Whoever makes such credentials up uses the strangers' allowance up.
        workos.answers(CredentialAnswer::Unanswered(Reason::Misconfigured));
        let before = workos.calls();
        for n in 0..1_000 {
            let _ = workos.ask(&validations, &format!("odd {n}")).await;
        }
        assert!(workos.calls() - before <= 10, "{}", workos.calls() - before);
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_vanishes_or_takes_too_long_blocks_nobody() {
        let (validations, _) = validations();
        let hash = CredentialHash::of("key");
        let panics = || async { panic!("a bug") };
        assert_eq!(validations.ask(hash, panics).await, Err(Reason::Upstream));
        assert_eq!(validations.ask(hash, std::future::pending).await, Err(Reason::TimedOut));
        let other = CredentialHash::of("other");
        assert_eq!(validations.ask(other, || std::future::ready(GOOD)).await, Ok(Some(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_forgotten_is_asked_about_again_as_somebody_known() {
        let (validations, clock) = validations();
        let workos = Workos::answering(GOOD);
        assert_eq!(workos.ask(&validations, "key").await, Ok(Some(1)));
        validations.forget(CredentialHash::of("key"));
        assert_eq!(is_remembered(&validations, "key"), None);
        while validations.checks().strangers.take(clock.monotonic()) {}
        assert_eq!(workos.ask(&validations, "key").await, Ok(Some(1)));
        assert_eq!(workos.calls(), 2);
    }
}
