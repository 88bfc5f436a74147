//! The connection: there or not there, and never waited for by two requests in turn.

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

/// The connection to Redis, for commands and messages alike.
pub(crate) struct Link {
    client: Client,
    response_timeout: Duration,
    state: watch::Sender<State>,
    attempts: AtomicU64,
}

#[derive(Clone)]
enum State {
    /// The first attempt is not over.
    Connecting,
    Up(Connected),
    Down,
}

/// A connection, numbered so that its failure is not taken for that of the next one.
#[derive(Clone)]
struct Connected {
    number: u64,
    connection: MultiplexedConnection,
}

/// What arrives of its own accord on a connection.
pub(crate) type Pushes = mpsc::UnboundedReceiver<PushInfo>;

/// Why Redis cannot be used.
#[derive(Debug)]
pub(crate) enum Trouble {
    Redis(RedisError),
    Silent,
    Closed,
}

impl Link {
    pub(crate) fn new(client: Client, response_timeout: Duration) -> Self {
        Self {
            client,
            response_timeout,
            state: watch::Sender::new(State::Connecting),
            attempts: AtomicU64::new(0),
        }
    }

    /// Runs commands. `None`: Redis is not there, or did not answer in time, or not with a `T`.
    ///
    /// Whoever finds out ends the connection, so that until it is back nobody else waits for it.
    pub(crate) async fn run<T: FromRedisValue>(&self, commands: &Pipeline) -> Option<T> {
        let Connected { number, mut connection } = self.connected().await?;
        match self.in_time(commands.query_async(&mut connection)).await {
            Ok(answer) => Some(answer),
            Err(trouble) => {
                self.down(Some(number), &trouble);
                None
            }
        }
    }

    async fn connected(&self) -> Option<Connected> {
        let mut state = self.state.subscribe();
        let decided = state.wait_for(|state| !matches!(state, State::Connecting));
        match &*time::timeout(self.response_timeout, decided).await.ok()?.ok()? {
            State::Up(connected) => Some(connected.clone()),
            State::Connecting | State::Down => None,
        }
    }

    /// Connects; `probe` shows that Redis takes commands, and `channels` are listened to.
    pub(crate) async fn connect(
        &self,
        probe: &Pipeline,
        channels: &[String],
    ) -> Result<Pushes, Trouble> {
        let (sender, pushes) = mpsc::unbounded_channel();
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECTING))
            .set_response_timeout(Some(self.response_timeout))
            .set_push_sender(sender);
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let mut connection = connecting.await.map_err(Trouble::Redis)?;
        self.in_time(probe.query_async::<()>(&mut connection)).await?;
        self.listen_on(&mut connection, channels).await?;
        let number = self.attempts.fetch_add(1, Ordering::Relaxed);
        match self.state.send_replace(State::Up(Connected { number, connection })) {
            State::Connecting => tracing::debug!("connected to Redis"),
            State::Up(_) | State::Down => tracing::info!("Redis is back"),
        }
        Ok(pushes)
    }

    /// Listens to `channels` too, or to those among them that are new.
    pub(crate) async fn listen(&self, channels: &[String]) {
        let Some(Connected { number, mut connection }) = self.connected().await else { return };
        if let Err(trouble) = self.listen_on(&mut connection, channels).await {
            self.down(Some(number), &trouble);
        }
    }

    async fn listen_on(
        &self,
        connection: &mut MultiplexedConnection,
        channels: &[String],
    ) -> Result<(), Trouble> {
        if channels.is_empty() {
            return Ok(());
        }
        self.in_time(connection.subscribe(channels)).await
    }

    async fn in_time<T>(&self, answer: impl Future<Output = RedisResult<T>>) -> Result<T, Trouble> {
        match time::timeout(self.response_timeout, answer).await {
            Ok(answer) => answer.map_err(Trouble::Redis),
            Err(_) => Err(Trouble::Silent),
        }
    }

    /// Redis cannot be used from now on; said once. With a `number`, only where that connection is still the one.
    pub(crate) fn down(&self, number: Option<u64>, trouble: &Trouble) {
        self.state.send_if_modified(|state| {
            let is_news = match state {
                State::Connecting => true,
                State::Up(connected) => number.is_none_or(|number| number == connected.number),
                State::Down => false,
            };
            if is_news {
                *state = State::Down;
                tracing::warn!(%trouble, "Redis cannot be used: refreshing goes on in each process alone");
            }
            is_news
        });
    }

    /// Returns when the connection is lost, or was.
    pub(crate) async fn lost(&self) {
        let mut state = self.state.subscribe();
        // Fails only if the sender is gone, and that is us.
        let _ = state.wait_for(|state| matches!(state, State::Down)).await;
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Redis(error) => error.fmt(f),
            Self::Silent => f.write_str("no answer in time"),
            Self::Closed => f.write_str("the connection was closed"),
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self.state.borrow() {
            State::Connecting => "Connecting",
            State::Up(_) => "Up",
            State::Down => "Down",
        })
    }
}

/// How long an attempt to connect may take.
const CONNECTING: Duration = Duration::from_secs(1);
