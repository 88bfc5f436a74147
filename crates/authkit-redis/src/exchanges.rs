//! One exchange of a refresh token for all replicas.
//!
//! 1. The process that first writes its mark makes the exchange; the mark is kept for 60 seconds, and so is the
//!    outcome.
//! 2. A later process waits for the outcome, 1.5 seconds at most, and only while the exchange is younger than 10
//!    seconds: after that, the first process may have stopped.
//! 3. An outcome replaces the mark, and an earlier outcome.
//! 4. Without Redis, or if Redis refuses one of these commands, every process is alone.
//! 5. A value that would stay for more than 60 seconds, or is longer than an outcome may be, was not written by this
//!    crate: it is ignored, and the next claim overwrites it.

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
    /// Distinguishes this process from the others.
    process: Box<str>,
}

/// The state of an exchange in Redis.
enum ExchangeStage {
    /// Redis is unavailable.
    Unknown,
    /// Nobody started it within the last minute.
    Unbegun,
    /// The stored value was not written by this crate.
    Foreign,
    /// This process has started it.
    BegunHere,
    /// Another process has started it, that long ago.
    BegunThere { ago: Duration },
    /// It has this outcome.
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
    pub(crate) async fn send_heartbeat(&self) {
        self.run::<()>(&self.probe()).await;
    }

    /// Records the result of a probe that another function ran.
    pub(crate) fn record_probe(&self, result: &Result<(), CommandFailure>) {
        self.commands.record(&self.probe(), result);
    }

    /// Writes something: a server that refuses writes, as during a failover, is of no use.
    pub(crate) fn probe(&self) -> Pipeline {
        let mut probe = redis::pipe();
        let key = self.keys.probe(&self.process);
        probe.cmd("SET").arg(key).arg("").arg("PX").arg(5_000).ignore();
        probe
    }

    /// Another process has started the exchange. Waits for its outcome, as long as that may still come soon.
    async fn wait_for_outcome(&self, exchange: &str) -> Claim {
        let until = Instant::now() + PATIENCE;
        for pause in PAUSES.into_iter().chain(iter::repeat(LONGEST_PAUSE)) {
            match self.stage(exchange).await {
                ExchangeStage::Over(outcome) => return Claim::Published(outcome),
                ExchangeStage::BegunHere => return Claim::Alone,
                ExchangeStage::Foreign => return self.restart(exchange).await,
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

    /// Replaces the stored value with this process's mark.
    async fn restart(&self, exchange: &str) -> Claim {
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
        // By Redis's clock: the processes' clocks may differ.
        let left = match u64::try_from(left).map(Duration::from_millis) {
            Ok(left) if left <= KEPT => left,
            // The key has expired since it was read.
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

    /// A command that writes an exchange's value, with its expiry.
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

/// The first byte of a value that names the process which has started the exchange.
const BEGUN: u8 = b'?';
/// The first byte of a value that is an outcome.
const OVER: u8 = b'=';
/// How long marks and outcomes are kept.
const KEPT: Duration = Duration::from_secs(60);
/// An older exchange is not waited for: its process may have stopped.
const SOON: Duration = Duration::from_secs(10);
/// How long a process waits for an outcome.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// The pauses between reads: an exchange takes WorkOS some 100 milliseconds.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(20), Duration::from_millis(40), Duration::from_millis(80)];
const LONGEST_PAUSE: Duration = Duration::from_millis(150);
/// The longest outcome, as `RefreshCoordinator` specifies it.
const LONGEST_OUTCOME: usize = 384 * 1024;
/// The answer of `PTTL` for a missing key.
const GONE: i64 = -2;
