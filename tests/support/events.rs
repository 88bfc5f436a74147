//! Collects `tracing` events.

use std::{
    fmt::{self, Write},
    sync::{Arc, Mutex},
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::DefaultGuard,
};

use crate::{
    logs::listen,
    watch::{self, watch_line},
};

/// Collects the events of this thread at `INFO` and above, until it is dropped.
///
/// A test on tokio's single-threaded runtime is one thread.
#[derive(Debug)]
pub struct Events {
    told: Arc<Mutex<Vec<String>>>,
    _guard: DefaultGuard,
}

impl Events {
    /// Listens from now on.
    pub fn listen() -> Self {
        let told = Arc::default();
        let guard = listen(Listener(Arc::clone(&told)));
        Self { told, _guard: guard }
    }

    /// The events so far, each as `LEVEL name=value ...`, and forgets them.
    ///
    /// # Panics
    ///
    /// If a test panicked while it told something.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.told.lock().expect("telling does not panic"))
    }
}

struct Listener(Arc<Mutex<Vec<String>>>);

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_told(metadata) || watch::is_wanted()
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        let mut line = Line(span.metadata().name().to_owned());
        span.record(&mut line);
        watch_line(line.0.as_bytes());
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, fields: &span::Record<'_>) {
        let mut line = Line(String::new());
        fields.record(&mut line);
        watch_line(line.0.as_bytes());
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        watch_line(format!("{}: {}", event.metadata().target(), line.0).as_bytes());
        if is_told(event.metadata()) {
            self.0.lock().expect("telling does not panic").push(line.0);
        }
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

fn is_told(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::INFO && metadata.target().starts_with("authkit")
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {field}={value:?}").expect("a string takes everything");
    }
}
