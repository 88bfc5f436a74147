//! Keeps the connections to Redis.
//!
//! 1. They have a thread and a runtime of their own, so that they outlive every runtime of the application. Both end
//!    with the last handle. If the application's code panics there, the panic is logged and the thread starts again.
//! 2. After a failed attempt to connect, the next one follows after 50 milliseconds, then after longer pauses up to a
//!    second; if Redis refuses the connection for another reason than a failover, up to ten seconds. The pauses start
//!    again at the shortest when a connection has lasted ten seconds.
//! 3. Once a second a connection has to show that it is alive and accepts writes; the lists of revocations are read
//!    then, too.

use std::{io, sync::Arc, thread, time::Duration};

use tokio::{
    runtime,
    sync::oneshot,
    task::AbortHandle,
    time::{self, Instant, MissedTickBehavior},
};
use tracing::{
    dispatcher::{self, Dispatch},
    subscriber::NoSubscriber,
};

use crate::{
    backoff::Backoff, connection::CommandConnection, dialer::Driver, exchanges::ExchangeStore,
    fault::ConnectionFault, listener::Listener, revocations::RevocationStore,
};

/// The thread that keeps the connections. Dropping it ends them.
pub(crate) struct Keeper(
    #[expect(dead_code, reason = "its drop is the message")] oneshot::Sender<()>,
);

/// What the thread works with.
pub(crate) struct Upkeep {
    pub(crate) connection: Arc<CommandConnection>,
    pub(crate) exchanges: Arc<ExchangeStore>,
    pub(crate) revocations: Arc<RevocationStore>,
    pub(crate) listener: Listener,
}

impl Keeper {
    pub(crate) fn start(upkeep: Upkeep) -> io::Result<Self> {
        let (keeper, dropped) = oneshot::channel();
        // A few blocking threads resolve host names.
        let runtime =
            runtime::Builder::new_current_thread().enable_all().max_blocking_threads(4).build()?;
        // The events of this thread go to the subscriber of the thread that made it.
        let subscriber = dispatcher::get_default(Dispatch::clone);
        let keep = move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = dropped => {}
                    () = Arc::new(upkeep).run_for_ever() => {}
                }
            });
            runtime.shutdown_background();
        };
        thread::Builder::new().name("authkit-redis".into()).spawn(move || {
            if subscriber.is::<NoSubscriber>() {
                keep();
            } else {
                dispatcher::with_default(&subscriber, keep);
            }
        })?;
        Ok(Self(keeper))
    }
}

impl Upkeep {
    /// Starts again after a panic: a credentials provider and a subscriber are code of the application.
    async fn run_for_ever(self: Arc<Self>) {
        loop {
            let upkeep = Arc::clone(&self);
            let task = tokio::spawn(async move { upkeep.run().await });
            let _abort = AbortOnDrop(task.abort_handle());
            if task.await.is_err_and(|error| error.is_panic()) {
                tracing::error!("what keeps the connection to Redis has panicked, and begins anew");
            }
            self.connection.closed();
            self.revocations.set_listening(false);
            time::sleep(BEAT).await;
        }
    }

    async fn run(&self) {
        tokio::join!(self.keep_connected(), self.listener.run());
    }

    async fn keep_connected(&self) {
        let mut unreachable = Backoff::new(SHORTEST_PAUSE, Duration::from_millis(800), HEALTHY);
        let mut refused = Backoff::new(SHORTEST_PAUSE, Duration::from_secs(8), HEALTHY);
        loop {
            let pause = match self.connection.connect(&self.exchanges.probe()).await {
                Ok((driver, probed)) => {
                    self.exchanges.record_probe(&probed);
                    let lasted = self.serve(driver).await;
                    refused.worked_for(lasted);
                    unreachable.worked_for(lasted);
                    unreachable.failed()
                }
                Err(fault) => {
                    self.connection.failed(&fault);
                    match fault {
                        ConnectionFault::Refused(reply) if reply.is_transient() => {
                            unreachable.failed()
                        }
                        ConnectionFault::Refused(_)
                        | ConnectionFault::NoCredentials(_)
                        | ConnectionFault::NoServer => refused.failed(),
                        ConnectionFault::Unreachable(_)
                        | ConnectionFault::Silent
                        | ConnectionFault::Closed
                        | ConnectionFault::Garbled(_) => unreachable.failed(),
                    }
                }
            };
            time::sleep(pause).await;
        }
    }

    /// Keeps a connection until it is lost, and returns how long it lasted.
    async fn serve(&self, mut driver: Driver) -> Duration {
        let began = Instant::now();
        let mut is_healthy = false;
        let mut wanted = self.revocations.read_requests();
        self.revocations.request_whole();
        let mut beat = time::interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.connection.lost() => return began.elapsed(),
                () = driver.ended() => {
                    self.connection.closed();
                    return began.elapsed();
                }
                _ = wanted.changed() => self.revocations.check_lists().await,
                _ = beat.tick() => {
                    self.exchanges.send_heartbeat().await;
                    self.revocations.check_lists().await;
                    if !is_healthy && began.elapsed() >= HEALTHY {
                        is_healthy = true;
                        self.connection.forget_outages();
                    }
                }
            }
        }
    }
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
/// A connection that lasted this long was healthy.
const HEALTHY: Duration = Duration::from_secs(10);
/// How often a connection must show that it is alive.
const BEAT: Duration = Duration::from_secs(1);
