use std::time::{Duration, Instant, SystemTime};

use crate::Clock;

/// When a token expires, by the clock of the configuration.
pub(crate) struct Deadline {
    at: SystemTime,
    clock: Clock,
}

impl Deadline {
    pub(crate) fn new(at: SystemTime, clock: &Clock) -> Self {
        Self { at, clock: clock.clone() }
    }

    /// The same time on the clock of timers.
    pub(crate) fn instant(&self) -> Instant {
        Instant::now() + self.remaining()
    }

    /// Completes at the deadline. Reads the clock once a second, because it may be set meanwhile.
    pub(crate) async fn passed(self) {
        loop {
            match self.remaining() {
                Duration::ZERO => return,
                left => tokio::time::sleep(left.min(Duration::from_secs(1))).await,
            }
        }
    }

    fn remaining(&self) -> Duration {
        self.at.duration_since(self.clock.wall()).unwrap_or_default()
    }
}
