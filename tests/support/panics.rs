//! Collects the texts of panics.

use std::{cell::RefCell, panic, sync::Once, thread};

/// Collects the texts of panics of this thread, until it is dropped. They are printed only if the test panics too.
///
/// A test on tokio's single-threaded runtime is one thread.
#[derive(Debug)]
pub struct Panics(());

thread_local! {
    static TEXTS: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

impl Panics {
    /// Collects from now on.
    pub fn collect() -> Self {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let others = panic::take_hook();
            panic::set_hook(Box::new(move |panic| {
                let is_collected = TEXTS.with_borrow_mut(|texts| {
                    texts.as_mut().map(|texts| texts.push(panic.to_string())).is_some()
                });
                if !is_collected {
                    others(panic);
                }
            }));
        });
        TEXTS.set(Some(Vec::new()));
        Self(())
    }

    /// The texts so far.
    pub fn text(&self) -> String {
        TEXTS.with_borrow(|texts| texts.as_ref().map(|texts| texts.join("\n"))).unwrap_or_default()
    }
}

impl Drop for Panics {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.text());
        }
        TEXTS.set(None);
    }
}
