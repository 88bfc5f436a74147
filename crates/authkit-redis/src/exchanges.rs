//! One exchange of a refresh token for all replicas.
//!
//! 1. Whoever writes its mark first makes the exchange; the mark is kept for 60 seconds, as the outcome is.
//! 2. Who comes later waits for the outcome, 1.5 seconds at most, and only while the exchange is younger than 10 seconds:
//!    after that, its process may be gone.
//! 3. An outcome replaces the mark, and an earlier outcome.
//! 4. Without Redis, every process is alone.

use std::{iter, sync::Arc, time::Duration};

use authkit_session::Claim;
use bytes::Bytes;
use redis::Pipeline;
use tokio::time::{self, Instant};

use crate::{connection::RedisConnection, keys::KeyNames};

/// Marks and outcomes of exchanges, in Redis.
pub(crate) struct ExchangeStore {
    connection: Arc<RedisConnection>,
    keys: KeyNames,
    /// Tells this process from the others.
    process: Box<str>,
}

/// How far an exchange is, as Redis knows.
enum ExchangeStage {
    /// It was not begun within the last minute, or Redis is not there to say.
    Unknown,
    /// This process has begun it.
    BegunHere,
    /// Another process has begun it, so long ago.
    BegunThere { ago: Duration },
    /// This came of it.
    Over(Bytes),
}

impl ExchangeStore {
    pub(crate) fn new(connection: Arc<RedisConnection>, keys: KeyNames, process: Box<str>) -> Self {
        Self { connection, keys, process }
    }

    pub(crate) async fn claim(&self, exchange: &str) -> Claim {
        let mut begin = redis::pipe();
        begin
            .cmd("SET")
            .arg(self.keys.exchange(exchange))
            .arg([&[BEGUN], self.process.as_bytes()].concat())
            .arg("NX")
            .arg("PX")
            .arg(KEPT.as_secs() * 1_000);
        match self.connection.run::<(bool,)>(&begin).await {
            Some((true,)) | None => Claim::Alone,
            Some((false,)) => self.wait_for_outcome(exchange).await,
        }
    }

    pub(crate) async fn look(&self, exchange: &str) -> Claim {
        match self.stage(exchange).await {
            ExchangeStage::Over(outcome) => Claim::Published(outcome),
            ExchangeStage::BegunThere { .. } => Claim::Contested,
            ExchangeStage::Unknown | ExchangeStage::BegunHere => Claim::Alone,
        }
    }

    pub(crate) async fn publish(&self, exchange: &str, outcome: Bytes) {
        let mut publish = redis::pipe();
        publish
            .cmd("SET")
            .arg(self.keys.exchange(exchange))
            .arg([&[OVER], &*outcome].concat())
            .arg("PX")
            .arg(KEPT.as_secs() * 1_000)
            .ignore();
        self.connection.run::<()>(&publish).await;
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
                ExchangeStage::BegunThere { ago } if ago < SOON => {}
                ExchangeStage::BegunThere { .. } | ExchangeStage::Unknown => break,
            }
            if Instant::now() + pause > until {
                break;
            }
            time::sleep(pause).await;
        }
        Claim::Contested
    }

    async fn stage(&self, exchange: &str) -> ExchangeStage {
        let key = self.keys.exchange(exchange);
        let mut look = redis::pipe();
        look.cmd("GET").arg(&key).cmd("PTTL").arg(&key);
        let Some((Some(value), left)) = self.connection.run::<(Option<Vec<u8>>, i64)>(&look).await
        else {
            return ExchangeStage::Unknown;
        };
        match value.as_slice() {
            [OVER, outcome @ ..] => ExchangeStage::Over(Bytes::copy_from_slice(outcome)),
            [BEGUN, process @ ..] if process == self.process.as_bytes() => ExchangeStage::BegunHere,
            _ => {
                // By Redis's clock: those of the processes may differ.
                let left = Duration::from_millis(u64::try_from(left).unwrap_or(0));
                ExchangeStage::BegunThere { ago: KEPT.saturating_sub(left) }
            }
        }
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
