//! The task that connects, listens, and connects again.
//!
//! 1. An attempt follows the failed one after 50 milliseconds, then after longer pauses up to a second.
//! 2. A connection has to show once a second that it is alive and takes writes.
//! 3. The task ends with the last handle.

use std::{sync::Arc, time::Duration};

use redis::{PushInfo, PushKind, from_redis_value};
use tokio::{
    runtime::Handle,
    task::JoinHandle,
    time::{self, MissedTickBehavior},
};

use crate::{
    connection::{ConnectionFault, Pushes, RedisConnection},
    exchanges::ExchangeStore,
    revocations::RevocationStore,
};

/// Keeps the connection for as long as it lives.
pub(crate) struct Keeper(JoinHandle<()>);

/// What the task works with.
struct Upkeep {
    connection: Arc<RedisConnection>,
    exchanges: Arc<ExchangeStore>,
    revocations: Arc<RevocationStore>,
}

impl Keeper {
    pub(crate) fn start(
        runtime: &Handle,
        connection: Arc<RedisConnection>,
        exchanges: Arc<ExchangeStore>,
        revocations: Arc<RevocationStore>,
    ) -> Self {
        let upkeep = Upkeep { connection, exchanges, revocations };
        Self(runtime.spawn(async move { upkeep.run().await }))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Upkeep {
    async fn run(&self) {
        let mut failures = 0;
        loop {
            let (probe, channels) = (self.exchanges.probe(), self.revocations.channels());
            match self.connection.connect(&probe, &channels).await {
                Ok(pushes) => {
                    failures = 0;
                    self.serve(pushes).await;
                }
                Err(fault) => self.connection.down(None, &fault),
            }
            time::sleep(pause(failures)).await;
            failures += 1;
        }
    }

    /// Takes what arrives until the connection is lost.
    async fn serve(&self, mut pushes: Pushes) {
        // Listening comes before looking, so that nothing falls in between.
        self.revocations.catch_up().await;
        let mut beat = time::interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.connection.lost() => return,
                push = pushes.recv() => match push {
                    Some(PushInfo { kind: PushKind::Message, data }) => self.take(data),
                    Some(PushInfo { kind: PushKind::Disconnection, .. }) | None => {
                        self.connection.down(None, &ConnectionFault::Closed);
                    }
                    Some(_) => {}
                },
                () = self.revocations.joined() => {
                    self.connection.subscribe(&self.revocations.channels()).await;
                    self.revocations.catch_up().await;
                }
                // A connection that says nothing may be dead: messages would be missed without a sign.
                _ = beat.tick() => {
                    self.connection.run::<()>(&self.exchanges.probe()).await;
                }
            }
        }
    }

    fn take(&self, data: Vec<redis::Value>) {
        let mut data = data.into_iter();
        let (Some(channel), Some(message)) = (data.next(), data.next()) else { return };
        if let (Ok(channel), Ok(message)) =
            (from_redis_value::<String>(channel), from_redis_value::<String>(message))
        {
            self.revocations.hear(&channel, &message);
        }
    }
}

/// The pause after so many failed attempts: 50 ms, doubled each time up to 800 ms, and up to a quarter more, so that
/// replicas do not come back as one.
fn pause(failures: u32) -> Duration {
    let base = 50_u64 << failures.min(4);
    let mut byte = [0];
    // Without randomness there is no spread, which is all that it is for.
    let _ = getrandom::fill(&mut byte);
    Duration::from_millis(base + base * u64::from(byte[0]) / 1_024)
}

/// How often a connection has to show that it is alive.
const BEAT: Duration = Duration::from_secs(1);
