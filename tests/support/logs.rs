//! Collects log lines.

use std::{
    io,
    sync::{Arc, LazyLock, Mutex},
};

use tracing::{
    Dispatch, Level, Subscriber,
    subscriber::{DefaultGuard, NoSubscriber},
};
use tracing_subscriber::fmt::format::FmtSpan;

use crate::watch::{self, watch_line};

/// Collects the lines that this thread logs, of every crate and at every level, until it is dropped.
///
/// A test on tokio's single-threaded runtime is one thread.
#[derive(Debug)]
pub struct Logs {
    page: Page,
    _guard: DefaultGuard,
}

#[derive(Clone, Debug, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Logs {
    /// Collects from now on.
    pub fn collect() -> Self {
        let page = Page::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::TRACE)
            .with_span_events(FmtSpan::FULL)
            .with_ansi(false)
            .with_writer({
                let page = page.clone();
                move || page.clone()
            })
            .finish();
        Self { page, _guard: listen(subscriber) }
    }

    /// The log lines so far.
    ///
    /// # Panics
    ///
    /// If a test panicked while it logged something.
    pub fn text(&self) -> String {
        let page = self.page.0.lock().expect("logging does not panic");
        String::from_utf8_lossy(&page).into_owned()
    }
}

/// Gives what this thread logs to `subscriber`, until the guard is dropped.
pub(crate) fn listen(subscriber: impl Subscriber + Send + Sync) -> DefaultGuard {
    watch::begin();
    LazyLock::force(&SECOND);
    tracing::subscriber::set_default(subscriber)
}

/// If a process has one subscriber, tracing asks only the first thread that reaches an event whether the event is enabled,
/// and caches the answer: the thread of another test would disable the event for all. With two subscribers it asks each.
static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::new()));

impl io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        watch_line(bytes);
        self.0.lock().expect("logging does not panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
