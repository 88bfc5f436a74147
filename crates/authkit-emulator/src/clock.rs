use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use http::HeaderValue;

/// The clock of an emulator, for services that must read the same time.
///
/// [`Emulator::advance`](crate::Emulator::advance) moves every clone of the clock at once. A service that reads the
/// machine's clock instead still accepts a token that has expired by the emulator's clock, so a test of the refresh
/// passes although nothing was refreshed. Build the service's clock from [`now`](Self::now) and
/// [`monotonic`](Self::monotonic). Services in other languages ask `GET /_emulator/clock`.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let emulator = authkit_emulator::Emulator::start().await;
/// let clock = emulator.clock();
/// // Two closures, for a service that takes its clock as closures.
/// let (wall, monotonic) = ({ let clock = clock.clone(); move || clock.now() }, move || clock.monotonic());
///
/// let before = (wall(), monotonic());
/// emulator.advance(Duration::from_secs(301));
/// assert!(wall() >= before.0 + Duration::from_secs(301));
/// assert!(monotonic() >= before.1 + Duration::from_secs(301));
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct EmulatorClock {
    base: Base,
    /// Nanoseconds: enough for 584 years.
    advanced: Arc<AtomicU64>,
}

#[derive(Clone, Copy, Debug)]
enum Base {
    /// The machine's clock; monotonic time counts from the instant.
    System(Instant),
    Frozen(SystemTime),
}

impl EmulatorClock {
    pub(crate) fn system() -> Self {
        Self { base: Base::System(Instant::now()), advanced: Arc::default() }
    }

    pub(crate) fn frozen(at: SystemTime) -> Self {
        Self { base: Base::Frozen(at), advanced: Arc::default() }
    }

    /// The wall-clock time: the machine's time, or the time at which the clock was frozen, plus all advances.
    pub fn now(&self) -> SystemTime {
        let base = match self.base {
            Base::System(_) => SystemTime::now(),
            Base::Frozen(at) => at,
        };
        let latest = UNIX_EPOCH + END_OF_TIME;
        base.checked_add(self.advanced()).unwrap_or(latest).min(latest)
    }

    /// The time since the emulator was built, plus all advances. It never goes back, even if the machine's wall clock
    /// does. If the clock is frozen, this is the sum of the advances.
    pub fn monotonic(&self) -> Duration {
        let passed = match self.base {
            Base::System(started) => started.elapsed(),
            Base::Frozen(_) => Duration::ZERO,
        };
        passed.saturating_add(self.advanced())
    }

    /// The sum of all advances.
    pub fn advanced(&self) -> Duration {
        Duration::from_nanos(self.advanced.load(Ordering::SeqCst))
    }

    /// Whether only advances move the clock.
    pub fn is_frozen(&self) -> bool {
        matches!(self.base, Base::Frozen(_))
    }

    pub(crate) fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        let add = |advanced: u64| Some(advanced.saturating_add(by));
        // This cannot fail: `add` always returns a value.
        let _ = self.advanced.fetch_update(Ordering::SeqCst, Ordering::SeqCst, add);
    }
}

/// Whole seconds since 1970, as the claims of a JWT count them.
pub(crate) fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// A date in the format of HTTP headers; `None` before 1970 and after 9999, which the format cannot express.
pub(crate) fn http_date(time: SystemTime) -> Option<HeaderValue> {
    if !(UNIX_EPOCH..=UNIX_EPOCH + END_OF_TIME).contains(&time) {
        return None;
    }
    HeaderValue::try_from(httpdate::fmt_http_date(time)).ok()
}

/// WorkOS's timestamps: ISO 8601 in UTC with milliseconds.
pub(crate) fn timestamp(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

/// The last second of the year 9999: later dates can be written neither as a timestamp nor in a header.
const END_OF_TIME: Duration = Duration::from_secs(253_402_300_799);
