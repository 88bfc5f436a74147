//! Stops the program on Ctrl-C, or on the `SIGTERM` of a container or a service manager.

use std::{future::Future, io};

use tokio::sync::watch;

/// Starts to listen for the signals, so that one that comes before the first wait is not missed.
pub(crate) fn armed() -> io::Result<Stop> {
    let (sender, asked) = watch::channel(false);
    let signal = signal()?;
    tokio::spawn(async move {
        signal.await;
        sender.send_replace(true);
    });
    Ok(Stop(asked))
}

/// Waits for a signal. Clones wait for the same one.
#[derive(Clone)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Returns when the program should stop.
    pub(crate) async fn asked(mut self) {
        // Fails only if the task that listens has ended; then only killing the process stops it.
        if self.0.wait_for(|asked| *asked).await.is_err() {
            std::future::pending().await
        }
    }
}

#[cfg(unix)]
fn signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    use tokio::{
        select,
        signal::unix::{SignalKind, signal},
    };

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    })
}
