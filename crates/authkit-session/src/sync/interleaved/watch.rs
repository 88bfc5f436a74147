//! A channel that shows its last value, with tokio's meaning: in tokio's own, the order in which waiters are woken is random.

use std::{mem, ops::Deref, sync::Arc, task::Poll};

use loom::sync::{Mutex, MutexGuard};

pub(crate) fn channel<T>(value: T) -> (Sender<T>, Receiver<T>) {
    let sender = Sender::new(value);
    let receiver = sender.subscribe();
    (sender, receiver)
}

#[derive(Debug)]
pub(crate) struct Sender<T>(Arc<Mutex<Shown<T>>>);

#[derive(Debug)]
pub(crate) struct Receiver<T> {
    shown: Arc<Mutex<Shown<T>>>,
    seen: u64,
}

#[derive(Debug)]
struct Shown<T> {
    value: T,
    version: u64,
    is_closed: bool,
    waiting: Vec<std::task::Waker>,
}

/// A value that was shown.
pub(crate) struct Ref<T>(T);

#[derive(Debug)]
pub(crate) struct Closed;

impl<T> Sender<T> {
    pub(crate) fn new(value: T) -> Self {
        let shown = Shown { value, version: 0, is_closed: false, waiting: Vec::new() };
        Self(Arc::new(Mutex::new(shown)))
    }

    pub(crate) fn subscribe(&self) -> Receiver<T> {
        let seen = self.0.lock().unwrap().version;
        Receiver { shown: Arc::clone(&self.0), seen }
    }

    pub(crate) fn send_replace(&self, value: T) -> T {
        let mut before = value;
        self.send_modify(|shown| mem::swap(shown, &mut before));
        before
    }

    pub(crate) fn send_modify(&self, modify: impl FnOnce(&mut T)) {
        let mut shown = self.0.lock().unwrap();
        modify(&mut shown.value);
        shown.version += 1;
        wake(shown);
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut shown = self.0.lock().unwrap();
        shown.is_closed = true;
        wake(shown);
    }
}

fn wake<T>(mut shown: MutexGuard<'_, Shown<T>>) {
    let waiting = mem::take(&mut shown.waiting);
    drop(shown);
    waiting.into_iter().for_each(std::task::Waker::wake);
}

impl<T: Clone> Receiver<T> {
    pub(crate) async fn wait_for(&mut self, is_it: impl Fn(&T) -> bool) -> Result<Ref<T>, Closed> {
        self.wait(|shown, _| is_it(&shown.value)).await
    }

    pub(crate) async fn changed(&mut self) -> Result<(), Closed> {
        self.wait(|shown, seen| shown.version != seen).await.map(drop)
    }

    async fn wait(&mut self, is_over: impl Fn(&Shown<T>, u64) -> bool) -> Result<Ref<T>, Closed> {
        std::future::poll_fn(|cx| {
            let mut shown = self.shown.lock().unwrap();
            if is_over(&shown, self.seen) {
                self.seen = shown.version;
                return Poll::Ready(Ok(Ref(shown.value.clone())));
            }
            if shown.is_closed {
                return Poll::Ready(Err(Closed));
            }
            shown.waiting.push(cx.waker().clone());
            Poll::Pending
        })
        .await
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Self { shown: Arc::clone(&self.shown), seen: self.seen }
    }
}

impl<T> Deref for Ref<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
