use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::time::Instant;

/// Where the time comes from: wall clock for what tokens say, monotonic clock for what we remember.
///
/// Clones share one time. Production uses [`Clock::system`]; tests pass time in with [`Clock::simulated`].
///
/// # Examples
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use authkit_session::Clock;
///
/// let clock = Clock::simulated(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000));
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.unix(), 1_060);
/// ```
#[derive(Clone)]
pub struct Clock {
    origin: Instant,
    source: Source,
}

#[derive(Clone)]
enum Source {
    System,
    Simulated { start: SystemTime, advanced_ms: Arc<AtomicU64> },
}

impl Clock {
    /// The machine's clocks (the default).
    pub fn system() -> Self {
        Self { origin: Instant::now(), source: Source::System }
    }

    /// A clock that shows `start` now and runs on from there; [`advance`](Self::advance) moves it.
    ///
    /// It follows tokio's clock, so that a test that pauses tokio's time moves both together.
    pub fn simulated(start: SystemTime) -> Self {
        Self {
            origin: Instant::now(),
            source: Source::Simulated { start, advanced_ms: Arc::default() },
        }
    }

    /// Moves a simulated clock forward by whole milliseconds; the machine's clock stays as it is.
    pub fn advance(&self, by: Duration) {
        if let Source::Simulated { advanced_ms, .. } = &self.source {
            advanced_ms
                .fetch_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
        }
    }

    /// The wall-clock time.
    pub fn wall(&self) -> SystemTime {
        match &self.source {
            Source::System => SystemTime::now(),
            Source::Simulated { start, .. } => *start + self.monotonic(),
        }
    }

    /// The wall-clock time in whole seconds since the Unix epoch; 0 before it.
    pub fn unix(&self) -> u64 {
        self.wall().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }

    /// The wall-clock time in milliseconds since the Unix epoch; 0 before it.
    pub(crate) fn unix_millis(&self) -> u64 {
        self.wall()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// Time since this clock was made; never goes back.
    pub fn monotonic(&self) -> Duration {
        let elapsed = self.origin.elapsed();
        match &self.source {
            Source::System => elapsed,
            Source::Simulated { advanced_ms, .. } => {
                elapsed + Duration::from_millis(advanced_ms.load(Ordering::SeqCst))
            }
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.source {
            Source::System => "Clock::System",
            Source::Simulated { .. } => "Clock::Simulated",
        };
        f.debug_struct(name).field("wall", &self.wall()).finish()
    }
}
