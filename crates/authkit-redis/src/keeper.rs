//! The task that connects, listens, and connects again.

use std::{sync::Arc, time::Duration};

use redis::{Pipeline, PushInfo, PushKind, from_redis_value};
use tokio::time::{self, MissedTickBehavior};

use crate::{
    link::{Pushes, Trouble},
    replicas::Shared,
};

impl Shared {
    /// Keeps the connection for as long as it is polled.
    pub(crate) async fn keep(self: Arc<Self>) {
        let mut failures = 0;
        loop {
            match self.link.connect(&self.probe(), &self.channels()).await {
                Ok(pushes) => {
                    failures = 0;
                    self.serve(pushes).await;
                }
                Err(trouble) => self.link.down(None, &trouble),
            }
            time::sleep(pause(failures)).await;
            failures += 1;
        }
    }

    /// Takes what arrives until the connection is lost.
    async fn serve(&self, mut pushes: Pushes) {
        // Listening comes before looking, so that nothing falls in between.
        self.catch_up().await;
        let mut beat = time::interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.link.lost() => return,
                push = pushes.recv() => match push {
                    Some(PushInfo { kind: PushKind::Message, data }) => self.take(data),
                    Some(PushInfo { kind: PushKind::Disconnection, .. }) | None => {
                        self.link.down(None, &Trouble::Closed);
                    }
                    Some(_) => {}
                },
                () = self.subscribed.notified() => {
                    self.link.listen(&self.channels()).await;
                    self.catch_up().await;
                }
                // A connection that says nothing may be dead: messages would be missed without a sign.
                _ = beat.tick() => {
                    self.link.run::<()>(&self.probe()).await;
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
            self.hear(&channel, &message);
        }
    }

    /// Writes something: a replica that does not take writes, as during a failover, is of no use.
    fn probe(&self) -> Pipeline {
        let mut probe = redis::pipe();
        probe
            .cmd("SET")
            .arg(self.key("probe", &self.process))
            .arg("")
            .arg("PX")
            .arg(5_000)
            .ignore();
        probe
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
