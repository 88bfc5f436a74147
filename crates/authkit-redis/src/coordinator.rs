//! One exchange of a refresh token for all replicas.

use std::{iter, time::Duration};

use authkit_session::{Claim, Coordinating, RefreshCoordinator};
use bytes::Bytes;
use tokio::time::{self, Instant};

use crate::replicas::{RedisReplicas, Shared};

impl RefreshCoordinator for RedisReplicas {
    fn claim<'a>(&'a self, exchange: &'a str) -> Coordinating<'a, Claim> {
        Box::pin(self.shared.claim(exchange))
    }

    fn look<'a>(&'a self, exchange: &'a str) -> Coordinating<'a, Claim> {
        Box::pin(async move {
            match self.shared.stage(exchange).await {
                Stage::Over(outcome) => Claim::Published(outcome),
                Stage::BegunThere { .. } => Claim::Contested,
                Stage::Unknown | Stage::BegunHere => Claim::Alone,
            }
        })
    }

    fn publish<'a>(&'a self, exchange: &'a str, outcome: Bytes) -> Coordinating<'a, ()> {
        Box::pin(self.shared.publish_outcome(exchange, outcome))
    }
}

/// How far an exchange is, as Redis knows.
enum Stage {
    /// It was not begun within the last minute, or Redis is not there to say.
    Unknown,
    /// This process has begun it.
    BegunHere,
    /// Another process has begun it, so long ago.
    BegunThere { ago: Duration },
    /// This came of it.
    Over(Bytes),
}

impl Shared {
    async fn claim(&self, exchange: &str) -> Claim {
        let mut begin = redis::pipe();
        begin
            .cmd("SET")
            .arg(self.key(EXCHANGE, exchange))
            .arg([&[BEGUN], self.process.as_bytes()].concat())
            .arg("NX")
            .arg("PX")
            .arg(KEPT.as_secs() * 1_000);
        match self.link.run::<(bool,)>(&begin).await {
            Some((true,)) | None => Claim::Alone,
            Some((false,)) => self.wait_for_outcome(exchange).await,
        }
    }

    /// Somebody has begun it. Waits for what comes of it, as long as that may still be soon.
    async fn wait_for_outcome(&self, exchange: &str) -> Claim {
        let until = Instant::now() + PATIENCE;
        for pause in PAUSES.into_iter().chain(iter::repeat(LONGEST_PAUSE)) {
            match self.stage(exchange).await {
                Stage::Over(outcome) => return Claim::Published(outcome),
                Stage::BegunHere => return Claim::Alone,
                Stage::BegunThere { ago } if ago < SOON => {}
                Stage::BegunThere { .. } | Stage::Unknown => break,
            }
            if Instant::now() + pause > until {
                break;
            }
            time::sleep(pause).await;
        }
        Claim::Contested
    }

    async fn stage(&self, exchange: &str) -> Stage {
        let key = self.key(EXCHANGE, exchange);
        let mut look = redis::pipe();
        look.cmd("GET").arg(&key).cmd("PTTL").arg(&key);
        let Some((Some(value), left)) = self.link.run::<(Option<Vec<u8>>, i64)>(&look).await else {
            return Stage::Unknown;
        };
        match value.as_slice() {
            [OVER, outcome @ ..] => Stage::Over(Bytes::copy_from_slice(outcome)),
            [BEGUN, process @ ..] if process == self.process.as_bytes() => Stage::BegunHere,
            _ => {
                // By Redis's clock: those of the processes may differ.
                let left = Duration::from_millis(u64::try_from(left).unwrap_or(0));
                Stage::BegunThere { ago: KEPT.saturating_sub(left) }
            }
        }
    }

    async fn publish_outcome(&self, exchange: &str, outcome: Bytes) {
        let mut publish = redis::pipe();
        publish
            .cmd("SET")
            .arg(self.key(EXCHANGE, exchange))
            .arg([&[OVER], &*outcome].concat())
            .arg("PX")
            .arg(KEPT.as_secs() * 1_000)
            .ignore();
        self.link.run::<()>(&publish).await;
    }
}

const EXCHANGE: &str = "exchange";
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
