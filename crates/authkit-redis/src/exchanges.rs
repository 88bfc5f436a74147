//! One exchange of a refresh token for all replicas.
//!
//! 1. Whoever writes its mark first makes the exchange; the mark is kept for 60 seconds, as the outcome is.
//! 2. Who comes later waits for the outcome, 1.5 seconds at most, and only while the exchange is younger than 10 seconds:
//!    after that, its process may be gone.
//! 3. An outcome replaces the mark, and an earlier outcome.
//! 4. Without Redis, or where it refuses a command of this, every process is alone.
//! 5. A value that would stay for more than 60 seconds, or that is longer than an outcome may be, was not written by
//!    such a process: it counts for nothing, and the next claim overwrites it.

use std::{iter, time::Duration};

use authkit_session::Claim;
use bytes::Bytes;
use redis::{FromRedisValue, Pipeline};
use tokio::time::{self, Instant};

use crate::{command_group::CommandGroup, fault::CommandFailure, keys::KeyNames};

/// Marks and outcomes of exchanges, in Redis.
pub(crate) struct ExchangeStore {
    commands: CommandGroup,
    keys: KeyNames,
    /// Tells this process from the others.
    process: Box<str>,
}

/// How far an exchange is, as Redis knows.
enum ExchangeStage {
    /// Redis is not there to say.
    Unknown,
    /// It was not begun within the last minute.
    Unbegun,
    /// What stands there was not written by a process like this one.
    Foreign,
    /// This process has begun it.
    BegunHere,
    /// Another process has begun it, so long ago.
    BegunThere { ago: Duration },
    /// This came of it.
    Over(Bytes),
}

impl ExchangeStore {
    pub(crate) fn new(commands: CommandGroup, keys: KeyNames, process: Box<str>) -> Self {
        Self { commands, keys, process }
    }

    pub(crate) async fn claim(&self, exchange: &str) -> Claim {
        let mut begin = redis::pipe();
        self.set(&mut begin, exchange, &self.mark()).arg("NX");
        match self.run::<(bool,)>(&begin).await {
            Some((true,)) | None => Claim::Alone,
            Some((false,)) => self.wait_for_outcome(exchange).await,
        }
    }

    pub(crate) async fn look(&self, exchange: &str) -> Claim {
        match self.stage(exchange).await {
            ExchangeStage::Over(outcome) => Claim::Published(outcome),
            ExchangeStage::BegunThere { .. } => Claim::Contested,
            ExchangeStage::Unknown
            | ExchangeStage::Unbegun
            | ExchangeStage::Foreign
            | ExchangeStage::BegunHere => Claim::Alone,
        }
    }

    pub(crate) async fn publish(&self, exchange: &str, outcome: Bytes) {
        if outcome.len() > LONGEST_OUTCOME {
            tracing::debug!(length = outcome.len(), "an outcome is too long for other processes");
            return;
        }
        let mut publish = redis::pipe();
        self.set(&mut publish, exchange, &[&[OVER], &*outcome].concat()).ignore();
        self.run::<()>(&publish).await;
    }

    /// Shows that Redis answers and takes writes, unless it refuses to take these.
    pub(crate) async fn beat(&self) {
        self.run::<()>(&self.probe()).await;
    }

    /// What came of a probe that was not run by this.
    pub(crate) fn probed(&self, result: &Result<(), CommandFailure>) {
        self.commands.learn(&self.probe(), result);
    }

    /// Writes something: a server that takes no writes, as during a failover, is of no use.
    pub(crate) fn probe(&self) -> Pipeline {
        let mut probe = redis::pipe();
        let key = self.keys.probe(&self.process);
        probe.cmd("SET").arg(key).arg("").arg("PX").arg(5_000).ignore();
        probe
    }

    /// Somebody has begun it. Waits for what comes of it, as long as that may still be soon.
    async fn wait_for_outcome(&self, exchange: &str) -> Claim {
        let until = Instant::now() + PATIENCE;
        for pause in PAUSES.into_iter().chain(iter::repeat(LONGEST_PAUSE)) {
            match self.stage(exchange).await {
                ExchangeStage::Over(outcome) => return Claim::Published(outcome),
                ExchangeStage::BegunHere => return Claim::Alone,
                ExchangeStage::Foreign => return self.begin_anew(exchange).await,
                ExchangeStage::BegunThere { ago } if ago < SOON => {}
                ExchangeStage::BegunThere { .. }
                | ExchangeStage::Unknown
                | ExchangeStage::Unbegun => break,
            }
            if Instant::now() + pause > until {
                break;
            }
            time::sleep(pause).await;
        }
        Claim::Contested
    }

    /// Puts this process's mark over what stands there.
    async fn begin_anew(&self, exchange: &str) -> Claim {
        let mut begin = redis::pipe();
        self.set(&mut begin, exchange, &self.mark()).ignore();
        self.run::<()>(&begin).await;
        Claim::Alone
    }

    async fn stage(&self, exchange: &str) -> ExchangeStage {
        let key = self.keys.exchange(exchange);
        let mut look = redis::pipe();
        look.cmd("GET").arg(&key).cmd("PTTL").arg(&key);
        let Some((value, left)) = self.run::<(Option<Vec<u8>>, i64)>(&look).await else {
            return ExchangeStage::Unknown;
        };
        let Some(value) = value else { return ExchangeStage::Unbegun };
        // By Redis's clock: those of the processes may differ.
        let left = match u64::try_from(left).map(Duration::from_millis) {
            Ok(left) if left <= KEPT => left,
            // It has gone since it was read.
            Err(_) if left == GONE => return ExchangeStage::Unbegun,
            Ok(_) | Err(_) => return ExchangeStage::Foreign,
        };
        match value.as_slice() {
            [OVER, outcome @ ..] if outcome.len() <= LONGEST_OUTCOME => {
                ExchangeStage::Over(Bytes::copy_from_slice(outcome))
            }
            [BEGUN, process @ ..] if process == self.process.as_bytes() => ExchangeStage::BegunHere,
            [BEGUN, process @ ..] if process.len() == self.process.len() => {
                ExchangeStage::BegunThere { ago: KEPT.saturating_sub(left) }
            }
            _ => ExchangeStage::Foreign,
        }
    }

    fn mark(&self) -> Vec<u8> {
        [&[BEGUN], self.process.as_bytes()].concat()
    }

    /// A command that writes about an exchange, for as long as it counts.
    fn set<'a>(
        &self,
        commands: &'a mut Pipeline,
        exchange: &str,
        value: &[u8],
    ) -> &'a mut Pipeline {
        let key = self.keys.exchange(exchange);
        commands.cmd("SET").arg(key).arg(value).arg("PX").arg(KEPT.as_secs() * 1_000)
    }

    async fn run<T: FromRedisValue>(&self, commands: &Pipeline) -> Option<T> {
        self.commands.run(commands).await.ok()
    }
}

/// What a value begins with that names the process which has begun.
const BEGUN: u8 = b'?';
/// What a value begins with that is an outcome.
const OVER: u8 = b'=';
/// How long both are kept.
const KEPT: Duration = Duration::from_secs(60);
/// An exchange that was begun longer ago is not waited for: its process may be gone.
const SOON: Duration = Duration::from_secs(10);
/// How long an outcome is waited for.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// An exchange takes WorkOS some 100 milliseconds.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(20), Duration::from_millis(40), Duration::from_millis(80)];
const LONGEST_PAUSE: Duration = Duration::from_millis(150);
/// The longest outcome: `RefreshCoordinator` says how long one is.
const LONGEST_OUTCOME: usize = 384 * 1024;
/// What `PTTL` says of a key that is not there.
const GONE: i64 = -2;
