//! The connection that commands go over.
//!
//! 1. A command does not wait for a connection that is known to be lost: it fails at once.
//! 2. A request waits for the first attempt to connect, and for each answer, as long as the response timeout.
//! 3. Whoever notices that Redis is unavailable ends the connection for all.
//! 4. A command that Redis refuses says nothing about the connection.
//! 5. Each new kind of trouble is logged once, and a reminder now and then.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use redis::{
    FromRedisValue, Pipeline, PushInfo, RedisError, RedisResult, aio::MultiplexedConnection,
};
use tokio::{
    sync::watch,
    time::{self, Instant},
};

use crate::{
    address::RedisAddress,
    bounded::ReplyBound,
    dialer::{Dialed, Dialer, Driver},
    fault::{About, CommandFailure, ConnectionFault},
    locator::Locator,
    reminders::Reminders,
};

/// The connection that a process's commands go over.
pub(crate) struct CommandConnection {
    dialer: Arc<Dialer>,
    locator: Locator,
    response_timeout: Duration,
    state: watch::Sender<ConnectionState>,
    numbers: AtomicU64,
    outage: Mutex<Outage>,
}

#[derive(Clone)]
enum ConnectionState {
    /// The first attempt is not over.
    Connecting,
    Up(Established),
    Down,
}

/// A connection, numbered so that a failure of an old one is not attributed to the next.
#[derive(Clone)]
struct Established {
    number: u64,
    address: RedisAddress,
    connection: MultiplexedConnection,
    bound: ReplyBound,
}

/// What was logged about an outage.
struct Outage {
    reminders: Reminders,
    is_logged: bool,
}

impl CommandConnection {
    pub(crate) fn new(dialer: Arc<Dialer>, locator: Locator, response_timeout: Duration) -> Self {
        Self {
            dialer,
            locator,
            response_timeout,
            state: watch::Sender::new(ConnectionState::Connecting),
            numbers: AtomicU64::new(0),
            outage: Mutex::new(Outage { reminders: Reminders::growing(), is_logged: false }),
        }
    }

    /// Runs commands.
    pub(crate) async fn run<T: FromRedisValue>(
        &self,
        commands: &Pipeline,
    ) -> Result<T, CommandFailure> {
        let Some(established) = self.established().await else {
            return Err(CommandFailure::Gone);
        };
        let Established { number, address, mut connection, bound } = established;
        let fault = match self.in_time(commands.query_async(&mut connection)).await {
            Some(Ok(answer)) => return Ok(answer),
            Some(Err(error)) => match self.classify(error, commands) {
                About::Command(reply) => return Err(CommandFailure::Refused(reply)),
                About::Connection(fault) => bound.explain(fault),
            },
            None => ConnectionFault::Silent,
        };
        // The server that it names instead is tried first at the next attempt.
        let _ = self.locator.failed(&address, &fault);
        Err(self.record_loss(Some(number), &fault))
    }

    /// Connects to the primary; `probe` checks that it accepts writes. A refused probe says nothing about the
    /// connection.
    pub(crate) async fn connect(
        &self,
        probe: &Pipeline,
    ) -> Result<(Driver, Result<(), CommandFailure>), ConnectionFault> {
        let mut candidates = VecDeque::from(self.locator.candidates().await?);
        let mut tried = Vec::new();
        let mut last = ConnectionFault::NoServer;
        while let Some(address) = candidates.pop_front() {
            if tried.contains(&address) || tried.len() == MOST_TRIED {
                continue;
            }
            match self.dial_and_probe(&address, probe).await {
                Ok((dialed, probed)) => {
                    self.locator.found(&address);
                    return Ok((self.establish(address, dialed), probed));
                }
                Err(fault) => match self.locator.failed(&address, &fault) {
                    Some(named) => candidates.push_front(named),
                    None => last = fault,
                },
            }
            tried.push(address);
        }
        Err(last)
    }

    async fn dial_and_probe(
        &self,
        address: &RedisAddress,
        probe: &Pipeline,
    ) -> Result<(Dialed, Result<(), CommandFailure>), ConnectionFault> {
        // This connection subscribes to nothing.
        let mut dialed = self.dialer.dial(address, |_| {}).await?;
        let probed = self.in_time(probe.query_async::<()>(&mut dialed.connection)).await;
        match probed.ok_or(ConnectionFault::Silent)? {
            Ok(()) => Ok((dialed, Ok(()))),
            Err(error) => match self.classify(error, probe) {
                About::Command(reply) => Ok((dialed, Err(CommandFailure::Refused(reply)))),
                About::Connection(fault) => Err(fault),
            },
        }
    }

    fn establish(&self, address: RedisAddress, dialed: Dialed) -> Driver {
        let Dialed { connection, driver, bound } = dialed;
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let established = Established { number, address, connection, bound };
        self.state.send_replace(ConnectionState::Up(established));
        let mut outage = self.outage();
        if std::mem::take(&mut outage.is_logged) {
            tracing::info!("Redis is back");
        } else {
            tracing::debug!("connected to Redis");
        }
        driver
    }

    /// Classifies an error. In a cluster, an error about a moved slot concerns the connection.
    fn classify(&self, error: RedisError, commands: &Pipeline) -> About {
        match About::error(error, commands) {
            About::Command(reply) if self.locator.is_elsewhere(&reply) => {
                About::Connection(ConnectionFault::Refused(reply))
            }
            about => about,
        }
    }

    /// Records that the connection cannot be made.
    pub(crate) fn failed(&self, fault: &ConnectionFault) {
        self.state.send_replace(ConnectionState::Down);
        self.log(fault);
    }

    /// Records that the connection has ended.
    pub(crate) fn closed(&self) {
        let bound = match &*self.state.borrow() {
            ConnectionState::Up(established) => Some(established.bound.clone()),
            ConnectionState::Connecting | ConnectionState::Down => None,
        };
        self.record_loss(None, &bound.unwrap_or_default().explain(ConnectionFault::Closed));
    }

    /// Records that the connection has been healthy for some time, so that the next fault is logged at once.
    pub(crate) fn forget_outages(&self) {
        self.outage().reminders.forget();
    }

    pub(crate) fn is_up(&self) -> bool {
        matches!(*self.state.borrow(), ConnectionState::Up(_))
    }

    /// Returns when there is a connection.
    pub(crate) async fn up(&self) {
        let mut state = self.state.subscribe();
        // Fails only if the sender is gone, and `self` owns the sender.
        let _ = state.wait_for(|state| matches!(state, ConnectionState::Up(_))).await;
    }

    /// Returns when the connection is lost, or was.
    pub(crate) async fn lost(&self) {
        let mut state = self.state.subscribe();
        // Fails only if the sender is gone, and `self` owns the sender.
        let _ = state.wait_for(|state| matches!(state, ConnectionState::Down)).await;
    }

    /// The address of the connected server.
    pub(crate) fn address(&self) -> Option<RedisAddress> {
        match &*self.state.borrow() {
            ConnectionState::Up(established) => Some(established.address.clone()),
            ConnectionState::Connecting | ConnectionState::Down => None,
        }
    }

    /// Makes a second connection to that server. Its push messages go to `push`.
    pub(crate) async fn dial_second(
        &self,
        address: &RedisAddress,
        push: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> Result<Dialed, ConnectionFault> {
        self.dialer.dial(address, push).await
    }

    /// Waits for an answer, at most as long as the response timeout.
    pub(crate) async fn in_time<T>(
        &self,
        answer: impl Future<Output = RedisResult<T>>,
    ) -> Option<RedisResult<T>> {
        time::timeout(self.response_timeout, answer).await.ok()
    }

    async fn established(&self) -> Option<Established> {
        let mut state = self.state.subscribe();
        let decided = state.wait_for(|state| !matches!(state, ConnectionState::Connecting));
        match &*time::timeout(self.response_timeout, decided).await.ok()?.ok()? {
            ConnectionState::Up(established) => Some(established.clone()),
            ConnectionState::Connecting | ConnectionState::Down => None,
        }
    }

    /// Records that the connection of this number, or any connection, has ended.
    fn record_loss(&self, number: Option<u64>, fault: &ConnectionFault) -> CommandFailure {
        let is_news = self.state.send_if_modified(|state| match state {
            ConnectionState::Up(established)
                if number.is_none_or(|number| number == established.number) =>
            {
                *state = ConnectionState::Down;
                true
            }
            ConnectionState::Up(_) | ConnectionState::Connecting | ConnectionState::Down => false,
        });
        if is_news {
            self.log(fault);
        }
        CommandFailure::Gone
    }

    fn log(&self, fault: &ConnectionFault) {
        let mut outage = self.outage();
        if let Some(times) = outage.reminders.due(&fault.kind(), Instant::now()) {
            outage.is_logged = true;
            tracing::warn!(
                %fault,
                times,
                "Redis cannot be used: refreshing goes on in each process alone"
            );
        }
    }

    fn outage(&self) -> MutexGuard<'_, Outage> {
        // Each change leaves the state consistent, so a panic elsewhere does no harm.
        self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for CommandConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self.state.borrow() {
            ConnectionState::Connecting => "Connecting",
            ConnectionState::Up(_) => "Up",
            ConnectionState::Down => "Down",
        })
    }
}

/// How many servers one attempt tries: a malicious server could name ever more.
const MOST_TRIED: usize = 32;
