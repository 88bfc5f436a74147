//! Background tasks, counted so that a shutdown can wait for them.

use std::time::Duration;

use tokio::{sync::watch, time};

/// Counts the tasks that outlive the requests that started them. Clones share the count.
#[derive(Clone, Debug)]
pub(crate) struct Tasks(watch::Sender<usize>);

/// A running task. Dropping it marks the task as finished.
#[derive(Debug)]
pub(crate) struct Task(watch::Sender<usize>);

impl Tasks {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    pub(crate) fn start(&self) -> Task {
        self.0.send_modify(|tasks| *tasks += 1);
        Task(self.0.clone())
    }

    /// Waits until no task is running, `timeout` at most. Returns whether none is.
    pub(crate) async fn drain(&self, timeout: Duration) -> bool {
        let mut tasks = self.0.subscribe();
        time::timeout(timeout, tasks.wait_for(|tasks| *tasks == 0)).await.is_ok()
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.send_modify(|tasks| *tasks -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_drain_waits_for_the_tasks_under_way_and_no_longer_than_it_may() {
        let tasks = Tasks::new();
        assert!(tasks.drain(Duration::ZERO).await, "none was started");
        let task = tasks.clone().start();
        assert!(!tasks.drain(Duration::from_secs(1)).await);
        let other = tasks.start();
        drop(task);
        assert!(!tasks.drain(Duration::from_secs(1)).await, "one is left");
        drop(other);
        assert!(tasks.drain(Duration::from_secs(1)).await);
    }
}
