//! What WorkOS alone can say of a credential: asked once for everybody who presents it, and remembered for a while.
//!
//! 1. A credential is known by its hash alone.
//! 2. There is one call for each credential at a time, in a task of its own, so that no client's leaving ends it.
//! 3. An accepted one is remembered for as long as is configured, or until it expires; a refused one for 10 seconds.
//! 4. Credentials that were never accepted here share an allowance of calls. Whoever makes credentials up uses it up, and
//!    WorkOS hears no more of it than that; those that were accepted before are asked about all the same.
//! 5. After a fault nobody is asked about for two seconds. A fault says nothing of the credential: what is remembered
//!    lasts up to its time.

pub(crate) mod allowance;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use aws_lc_rs::digest;
use foldhash::quality::RandomState;
use quick_cache::{
    UnitWeighter,
    sync::{Cache, DefaultLifecycle},
};
use tokio::{sync::watch, time};

use crate::{
    clock::Clock, decide::reason::Reason, request::waiting::PATIENCE,
    validation::allowance::Allowance,
};

/// Asks about credentials and remembers the answers. `V` is what an accepted one is worth; cloning it is cheap.
pub(crate) struct Validations<V> {
    clock: Clock,
    /// How long an accepted credential is remembered.
    memory: Duration,
    accepted: Cache<CredentialHash, Accepted<V>, UnitWeighter, RandomState>,
    /// Until when the refused ones are remembered, by the monotonic clock.
    refused: Cache<CredentialHash, Duration, UnitWeighter, RandomState>,
    questions: Mutex<Questions<V>>,
}

/// SHA-256 of a credential: names it without being it.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub(crate) struct CredentialHash([u8; 32]);

#[derive(Clone)]
struct Accepted<V> {
    value: V,
    /// By the monotonic clock. Afterwards the entry says only that the credential was accepted once.
    until: Duration,
}

/// What is remembered of a credential.
pub(crate) enum Remembered<V> {
    Accepted(V),
    Refused,
    Nothing,
}

/// What WorkOS says of a credential.
#[derive(Clone)]
pub(crate) enum Answer<V> {
    Accepted {
        value: V,
        expires_at: Option<SystemTime>,
    },
    Refused,
    /// Nothing was learnt.
    Fault(Reason),
}

struct Questions<V> {
    under_way: HashMap<CredentialHash, watch::Receiver<Option<Answer<V>>>>,
    strangers: Allowance,
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
            questions: Mutex::new(Questions {
                under_way: HashMap::new(),
                strangers: Allowance::new(clock.monotonic()),
                fault: None,
            }),
            clock,
        }
    }

    /// What is remembered of a credential now.
    pub(crate) fn remembered(&self, hash: CredentialHash) -> Remembered<V> {
        let now = self.clock.monotonic();
        if let Some(Accepted { value, until }) = self.accepted.get(&hash)
            && now < until
        {
            return Remembered::Accepted(value);
        }
        match self.refused.get(&hash) {
            Some(until) if now < until => Remembered::Refused,
            Some(_) | None => Remembered::Nothing,
        }
    }

    /// Has WorkOS be asked about a credential anew.
    pub(crate) fn forget(&self, hash: CredentialHash) {
        if let Some(accepted) = self.accepted.get(&hash) {
            self.accepted.insert(hash, Accepted { until: Duration::ZERO, ..accepted });
        }
    }

    /// Asks about a credential of which nothing is remembered, or joins those who are asking. `None`: it is refused.
    ///
    /// # Errors
    ///
    /// Why nothing is known of it.
    pub(crate) async fn ask<Q>(
        self: &Arc<Self>,
        hash: CredentialHash,
        question: impl FnOnce() -> Q,
    ) -> Result<Option<V>, Reason>
    where
        Q: Future<Output = Answer<V>> + Send + 'static,
    {
        let mut answer = match self.join_or_start(hash, question) {
            Question::Answered(answer) => return answer.into_result(),
            Question::UnderWay(answer) => answer,
        };
        let answer = match time::timeout(PATIENCE, answer.wait_for(Option::is_some)).await {
            Ok(Ok(answer)) => (*answer).clone(),
            Ok(Err(_)) => None,
            Err(_) => return Err(Reason::TimedOut),
        };
        answer.unwrap_or(Answer::Fault(Reason::Upstream)).into_result()
    }

    fn join_or_start<Q>(
        self: &Arc<Self>,
        hash: CredentialHash,
        question: impl FnOnce() -> Q,
    ) -> Question<V>
    where
        Q: Future<Output = Answer<V>> + Send + 'static,
    {
        let now = self.clock.monotonic();
        let mut questions = self.questions();
        if let Some(answer) = questions.under_way.get(&hash) {
            return Question::UnderWay(answer.clone());
        }
        // One that was under way may just have been answered.
        match self.remembered(hash) {
            Remembered::Accepted(value) => {
                return Question::Answered(Answer::Accepted { value, expires_at: None });
            }
            Remembered::Refused => return Question::Answered(Answer::Refused),
            Remembered::Nothing => {}
        }
        if let Some((at, reason)) = questions.fault
            && now.saturating_sub(at) < AFTER_FAULT
        {
            return Question::Answered(Answer::Fault(reason));
        }
        let standing = if self.accepted.get(&hash).is_some() {
            Standing::AcceptedBefore
        } else if questions.strangers.take(now) {
            Standing::Stranger
        } else {
            return Question::Answered(Answer::Fault(Reason::Busy));
        };
        let (sender, receiver) = watch::channel(None);
        questions.under_way.insert(hash, receiver.clone());
        drop(questions);
        let asking = Asking { validations: Arc::clone(self), hash, standing, sender };
        let question = question();
        tokio::spawn(async move { asking.finish(question.await) });
        Question::UnderWay(receiver)
    }

    /// Remembers an answer.
    fn remember(&self, hash: CredentialHash, answer: &Answer<V>) {
        let now = self.clock.monotonic();
        match answer {
            Answer::Accepted { value, expires_at } => {
                let wall = self.clock.wall();
                let left = expires_at.map_or(self.memory, |at| {
                    at.duration_since(wall).unwrap_or_default().min(self.memory)
                });
                let until = now.saturating_add(left);
                self.refused.remove(&hash);
                self.accepted.insert(hash, Accepted { value: value.clone(), until });
            }
            Answer::Refused => {
                self.accepted.remove(&hash);
                self.refused.insert(hash, now.saturating_add(REFUSED));
            }
            Answer::Fault(_) => {}
        }
    }

    fn questions(&self) -> MutexGuard<'_, Questions<V>> {
        // Each change of it is whole, so a panic elsewhere says nothing about it.
        self.questions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many credentials are remembered, accepted and refused.
    #[cfg(test)]
    fn len(&self) -> (usize, usize) {
        (self.accepted.len(), self.refused.len())
    }
}

impl<V> Answer<V> {
    fn into_result(self) -> Result<Option<V>, Reason> {
        match self {
            Self::Accepted { value, .. } => Ok(Some(value)),
            Self::Refused => Ok(None),
            Self::Fault(reason) => Err(reason),
        }
    }
}

impl<V> fmt::Debug for Validations<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Validations").field("memory", &self.memory).finish_non_exhaustive()
    }
}

enum Question<V> {
    Answered(Answer<V>),
    UnderWay(watch::Receiver<Option<Answer<V>>>),
}

/// Whether a credential takes part of the strangers' allowance.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Standing {
    AcceptedBefore,
    Stranger,
}

/// A question under way. It is over when this is dropped, even by a panic.
struct Asking<V: Clone + Send + Sync + 'static> {
    validations: Arc<Validations<V>>,
    hash: CredentialHash,
    standing: Standing,
    sender: watch::Sender<Option<Answer<V>>>,
}

impl<V: Clone + Send + Sync + 'static> Asking<V> {
    fn finish(self, answer: Answer<V>) {
        self.validations.remember(self.hash, &answer);
        let mut questions = self.validations.questions();
        let gives_back = match &answer {
            Answer::Accepted { .. } => true,
            Answer::Refused => false,
            Answer::Fault(reason) => {
                // Our own budget is no fault of WorkOS's.
                if *reason != Reason::Busy {
                    questions.fault = Some((self.validations.clock.monotonic(), *reason));
                }
                true
            }
        };
        if gives_back && self.standing == Standing::Stranger {
            questions.strangers.give_back();
        }
        drop(questions);
        self.sender.send_replace(Some(answer));
    }
}

impl<V: Clone + Send + Sync + 'static> Drop for Asking<V> {
    fn drop(&mut self) {
        self.validations.questions().under_way.remove(&self.hash);
    }
}

fn cache<V: Clone>() -> Cache<CredentialHash, V, UnitWeighter, RandomState> {
    let (hash, lifecycle) = (RandomState::default(), DefaultLifecycle::default());
    Cache::with(LIMIT, LIMIT as u64, UnitWeighter, hash, lifecycle)
}

/// How many accepted credentials are remembered, and how many refused ones.
const LIMIT: usize = 10_000;
/// How long a refused one is remembered.
const REFUSED: Duration = Duration::from_secs(10);
/// How long nobody is asked about after a fault.
const AFTER_FAULT: Duration = Duration::from_secs(2);
