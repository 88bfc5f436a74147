//! The connection to Redis.
//!
//! 1. There is one connection, for commands and messages alike, or none.
//! 2. Nobody waits for a connection that is known to be gone: a command then fails at once.
//! 3. A request waits for the first connection attempt, and for each answer, as long as the response timeout.
//! 4. Whoever finds out that Redis is gone ends the connection for all.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, FromRedisValue, Pipeline, PushInfo, RedisError, RedisResult,
    aio::MultiplexedConnection,
};
use tokio::{
    sync::{mpsc, watch},
    time,
};

/// The connection that a process shares refreshes and revocations on.
pub(crate) struct RedisConnection {
    client: Client,
    response_timeout: Duration,
    state: watch::Sender<ConnectionState>,
    attempts: AtomicU64,
}

#[derive(Clone)]
enum ConnectionState {
    /// The first attempt is not over.
    Connecting,
    Up(Established),
    Down,
}

/// A connection, numbered so that its failure is not taken for that of the next one.
#[derive(Clone)]
struct Established {
    number: u64,
    connection: MultiplexedConnection,
}

/// What arrives of its own accord on a connection.
pub(crate) type Pushes = mpsc::UnboundedReceiver<PushInfo>;

/// Why Redis cannot be used.
#[derive(Debug)]
pub(crate) enum ConnectionFault {
    Redis(RedisError),
    Silent,
    Closed,
}

impl RedisConnection {
    pub(crate) fn new(client: Client, response_timeout: Duration) -> Self {
        Self {
            client,
            response_timeout,
            state: watch::Sender::new(ConnectionState::Connecting),
            attempts: AtomicU64::new(0),
        }
    }

    /// Runs commands. `None`: Redis is gone, or did not answer in time, or not with a `T`.
    pub(crate) async fn run<T: FromRedisValue>(&self, commands: &Pipeline) -> Option<T> {
        let Established { number, mut connection } = self.established().await?;
        match self.in_time(commands.query_async(&mut connection)).await {
            Ok(answer) => Some(answer),
            Err(fault) => {
                self.down(Some(number), &fault);
                None
            }
        }
    }

    async fn established(&self) -> Option<Established> {
        let mut state = self.state.subscribe();
        let decided = state.wait_for(|state| !matches!(state, ConnectionState::Connecting));
        match &*time::timeout(self.response_timeout, decided).await.ok()?.ok()? {
            ConnectionState::Up(established) => Some(established.clone()),
            ConnectionState::Connecting | ConnectionState::Down => None,
        }
    }

    /// Connects; `probe` shows that Redis takes commands, and `channels` are subscribed to.
    pub(crate) async fn connect(
        &self,
        probe: &Pipeline,
        channels: &[String],
    ) -> Result<Pushes, ConnectionFault> {
        let (sender, pushes) = mpsc::unbounded_channel();
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECTING))
            .set_response_timeout(Some(self.response_timeout))
            .set_push_sender(sender);
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let mut connection = connecting.await.map_err(ConnectionFault::Redis)?;
        self.in_time(probe.query_async::<()>(&mut connection)).await?;
        self.subscribe_on(&mut connection, channels).await?;
        let number = self.attempts.fetch_add(1, Ordering::Relaxed);
        match self.state.send_replace(ConnectionState::Up(Established { number, connection })) {
            ConnectionState::Connecting => tracing::debug!("connected to Redis"),
            ConnectionState::Up(_) | ConnectionState::Down => tracing::info!("Redis is back"),
        }
        Ok(pushes)
    }

    /// Subscribes to those among `channels` that are new.
    pub(crate) async fn subscribe(&self, channels: &[String]) {
        let Some(Established { number, mut connection }) = self.established().await else { return };
        if let Err(fault) = self.subscribe_on(&mut connection, channels).await {
            self.down(Some(number), &fault);
        }
    }

    async fn subscribe_on(
        &self,
        connection: &mut MultiplexedConnection,
        channels: &[String],
    ) -> Result<(), ConnectionFault> {
        if channels.is_empty() {
            return Ok(());
        }
        self.in_time(connection.subscribe(channels)).await
    }

    async fn in_time<T>(
        &self,
        answer: impl Future<Output = RedisResult<T>>,
    ) -> Result<T, ConnectionFault> {
        match time::timeout(self.response_timeout, answer).await {
            Ok(answer) => answer.map_err(ConnectionFault::Redis),
            Err(_) => Err(ConnectionFault::Silent),
        }
    }

    /// Redis cannot be used from now on; said once. With a `number`, only where that connection is still the one.
    pub(crate) fn down(&self, number: Option<u64>, fault: &ConnectionFault) {
        self.state.send_if_modified(|state| {
            let is_news = match state {
                ConnectionState::Connecting => true,
                ConnectionState::Up(established) => {
                    number.is_none_or(|number| number == established.number)
                }
                ConnectionState::Down => false,
            };
            if is_news {
                *state = ConnectionState::Down;
                tracing::warn!(%fault, "Redis cannot be used: refreshing goes on in each process alone");
            }
            is_news
        });
    }

    /// Returns when the connection is lost, or was.
    pub(crate) async fn lost(&self) {
        let mut state = self.state.subscribe();
        // Fails only if the sender is gone, and that is us.
        let _ = state.wait_for(|state| matches!(state, ConnectionState::Down)).await;
    }
}

impl fmt::Display for ConnectionFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Redis(error) => error.fmt(f),
            Self::Silent => f.write_str("no answer in time"),
            Self::Closed => f.write_str("the connection was closed"),
        }
    }
}

impl fmt::Debug for RedisConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self.state.borrow() {
            ConnectionState::Connecting => "Connecting",
            ConnectionState::Up(_) => "Up",
            ConnectionState::Down => "Down",
        })
    }
}

/// How long an attempt to connect may take.
const CONNECTING: Duration = Duration::from_secs(1);
