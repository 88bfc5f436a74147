use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::time::Instant;

/// Where the time comes from: the wall clock for times in tokens, the monotonic clock for the ages of our own records.
///
/// Clones share one time. Production uses [`Clock::system`]; tests pass time in with [`Clock::simulated`], or follow
/// another clock with [`Clock::of`].
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
    System(Arc<Reading>),
    Simulated { start: SystemTime, advanced_ms: Arc<AtomicU64> },
    Of { wall: Arc<Function<SystemTime>>, monotonic: Arc<Function<Duration>> },
}

/// Reads a clock of the application's.
type Function<T> = dyn Fn() -> T + Send + Sync;

/// The last reading of the machine's wall clock by [`Clock::both`], in nanoseconds.
#[derive(Default)]
struct Reading {
    /// The time of the reading, by the monotonic clock.
    at: AtomicU64,
    /// How far the wall clock is ahead of the monotonic clock; 0 before the first reading.
    ahead: AtomicU64,
}

impl Clock {
    /// The machine's clocks (the default).
    pub fn system() -> Self {
        Self { origin: Instant::now(), source: Source::System(Arc::default()) }
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

    /// A clock that reads the time from functions, such as those of an emulator's clock, so that a service and the
    /// emulator share one time.
    ///
    /// `monotonic` counts from any fixed moment and must never go back.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    ///
    /// use authkit_session::Clock;
    ///
    /// let clock = Clock::of(
    ///     || SystemTime::UNIX_EPOCH + Duration::from_secs(1_000),
    ///     || Duration::from_secs(7),
    /// );
    /// assert_eq!((clock.unix(), clock.monotonic()), (1_000, Duration::from_secs(7)));
    /// ```
    pub fn of(
        wall: impl Fn() -> SystemTime + Send + Sync + 'static,
        monotonic: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Self {
        let source = Source::Of { wall: Arc::new(wall), monotonic: Arc::new(monotonic) };
        Self { origin: Instant::now(), source }
    }

    /// Moves a simulated clock forward by whole milliseconds; every other clock stays as it is.
    pub fn advance(&self, by: Duration) {
        if let Source::Simulated { advanced_ms, .. } = &self.source {
            advanced_ms
                .fetch_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
        }
    }

    /// The wall-clock time.
    pub fn wall(&self) -> SystemTime {
        match &self.source {
            Source::System(_) => SystemTime::now(),
            Source::Simulated { start, .. } => *start + self.monotonic(),
            Source::Of { wall, .. } => wall(),
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

    /// [`unix`](Self::unix) and [`monotonic`](Self::monotonic) at the price of one: the wall clock is carried on by the
    /// other one for up to a tenth of a second, so that a correction of it is noticed that much later. The second is in
    /// nanoseconds.
    #[inline]
    pub(crate) fn both(&self) -> (u64, u64) {
        let Source::System(reading) = &self.source else { return self.both_read() };
        let since = self.origin.elapsed();
        let now = since.as_secs().wrapping_mul(NANOS).wrapping_add(since.subsec_nanos().into());
        let (at, ahead) =
            (reading.at.load(Ordering::Relaxed), reading.ahead.load(Ordering::Relaxed));
        if ahead > 0 && now.saturating_sub(at) < CARRIED_ON {
            return (now.saturating_add(ahead) / NANOS, now);
        }
        (self.read_wall(reading, now), now)
    }

    #[inline(never)]
    fn both_read(&self) -> (u64, u64) {
        (self.unix(), nanos(self.monotonic()))
    }

    #[inline(never)]
    fn read_wall(&self, reading: &Reading, now: u64) -> u64 {
        let unix = nanos(self.wall().duration_since(UNIX_EPOCH).unwrap_or_default());
        // A reader that gets one new and one old value is off by no more than one correction.
        reading.ahead.store(unix.saturating_sub(now), Ordering::Relaxed);
        reading.at.store(now, Ordering::Relaxed);
        unix / NANOS
    }

    /// Time since this clock was made; for a clock made by [`of`](Self::of), since the moment that its function counts
    /// from. Never goes back.
    pub fn monotonic(&self) -> Duration {
        let elapsed = self.origin.elapsed();
        match &self.source {
            Source::System(_) => elapsed,
            Source::Simulated { advanced_ms, .. } => {
                elapsed + Duration::from_millis(advanced_ms.load(Ordering::SeqCst))
            }
            Source::Of { monotonic, .. } => monotonic(),
        }
    }
}

/// A time in nanoseconds; what 64 bits do not hold is 584 years.
pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// In a second.
const NANOS: u64 = 1_000_000_000;
/// How long the wall clock is not read again, in nanoseconds.
const CARRIED_ON: u64 = 100_000_000;

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.source {
            Source::System(_) => "Clock::System",
            Source::Simulated { .. } => "Clock::Simulated",
            Source::Of { .. } => "Clock::Of",
        };
        f.debug_struct(name).field("wall", &self.wall()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_times_are_what_each_is_alone() {
        let start = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let made = Instant::now();
        let of = Clock::of(SystemTime::now, move || made.elapsed());
        for clock in [Clock::system(), Clock::simulated(start), of] {
            for _ in 0..1_000 {
                let monotonic = || nanos(clock.monotonic());
                let before = (clock.unix_millis().saturating_sub(2) / 1_000, monotonic());
                let both = clock.both();
                let after = (clock.unix_millis().saturating_add(2) / 1_000, monotonic());
                assert!(before.0 <= both.0 && both.0 <= after.0, "{clock:?}");
                assert!(before.1 <= both.1 && both.1 <= after.1, "{clock:?}");
            }
        }
    }

    #[test]
    fn a_reading_is_carried_on_for_a_tenth_of_a_second() {
        let clock = Clock { origin: Instant::now(), ..Clock::system() };
        let Source::System(reading) = &clock.source else { unreachable!("it is the system's") };
        let (unix, _) = clock.both();
        // As if the wall clock had been an hour ahead when it was read.
        let hour = 3_600 * NANOS;
        reading.ahead.fetch_add(hour, Ordering::Relaxed);
        let at = reading.at.load(Ordering::Relaxed);
        reading.at.store(at.saturating_add(CARRIED_ON / 2), Ordering::Relaxed);
        assert!(clock.both().0 >= unix + 3_600, "carried on");

        reading.at.store(0, Ordering::Relaxed);
        let later = Clock { origin: clock.origin - Duration::from_secs(1), ..clock.clone() };
        assert!(later.both().0 < unix + 3_600, "read again");
    }
}
