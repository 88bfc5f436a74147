use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The emulator's own time: the machine's clock, or one that stands still, moved by `advance`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    base: Base,
    advanced: Duration,
}

#[derive(Clone, Copy, Debug)]
enum Base {
    System,
    Frozen(SystemTime),
}

impl Clock {
    pub(crate) fn system() -> Self {
        Self { base: Base::System, advanced: Duration::ZERO }
    }

    pub(crate) fn frozen(at: SystemTime) -> Self {
        Self { base: Base::Frozen(at), advanced: Duration::ZERO }
    }

    pub(crate) fn now(&self) -> SystemTime {
        let base = match self.base {
            Base::System => SystemTime::now(),
            Base::Frozen(at) => at,
        };
        base.checked_add(self.advanced).unwrap_or(base)
    }

    pub(crate) fn advance(&mut self, by: Duration) {
        self.advanced = self.advanced.saturating_add(by);
    }
}

/// Whole seconds since 1970, as the claims of a JWT count them.
pub(crate) fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// WorkOS's timestamps: ISO 8601 in UTC with milliseconds.
pub(crate) fn timestamp(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}
