//! Tasks, each of which is a thread of the model.

use std::{
    cell::RefCell,
    collections::VecDeque,
    pin::pin,
    task::{Context, Waker},
};

pub(crate) use loom::future::block_on;
use loom::thread::{Builder, JoinHandle};

/// What becomes of a task.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fate {
    /// It runs to its end at once, in the thread that spawns it.
    Inline,
    Runs,
    /// It is dropped before it begins, as by a runtime that shuts down.
    NeverBegins,
    /// It is dropped where it waits for the first time.
    DroppedWaiting,
}

/// Decides about the tasks that are spawned from now on, in their order.
pub(crate) fn tasks_are(fates: impl IntoIterator<Item = Fate>) {
    FATES.with_borrow_mut(|all| *all = fates.into_iter().collect());
}

thread_local! {
    /// The threads of a model are one thread of the machine.
    static FATES: RefCell<VecDeque<Fate>> = const { RefCell::new(VecDeque::new()) };
}

pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    match FATES.with_borrow_mut(VecDeque::pop_front).expect("a task that nobody expects") {
        Fate::Inline => block_on(task),
        Fate::Runs => drop(thread(move || block_on(task))),
        Fate::NeverBegins => drop(thread(move || drop(task))),
        Fate::DroppedWaiting => drop(thread(move || {
            let task = pin!(task);
            let polled = task.poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending(), "it does not wait");
        })),
    }
}

/// A thread of the model, with a stack that is large enough for cryptography.
pub(crate) fn thread<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    Builder::new().stack_size(STACK).spawn(run).unwrap()
}

/// In words.
const STACK: usize = 1 << 18;
