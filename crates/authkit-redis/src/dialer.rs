//! Makes connections to Redis.
//!
//! 1. All addresses of a host are tried at once; the first that answers is used.
//! 2. The provider is asked for credentials at each connection, so that they may change.
//! 3. Each connection speaks RESP3, and the size of its server's replies is limited.

use std::{io, time::Duration};

use redis::{
    AsyncConnectionConfig, ProtocolVersion, PushInfo, RedisConnectionInfo,
    aio::MultiplexedConnection,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::watch,
    task::{AbortHandle, JoinSet},
    time,
};

#[cfg(feature = "tls")]
use crate::tls::TlsWrapper;
use crate::{
    address::RedisAddress,
    bounded::{BoundedReplies, ReplyBound},
    credentials::{CredentialsSource, RedisCredentials},
    fault::ConnectionFault,
};

/// How to connect to Redis.
pub(crate) struct Dialer {
    pub(crate) database: u32,
    /// The credentials of the URL.
    pub(crate) credentials: Option<RedisCredentials>,
    /// Asked instead of those at each connection.
    pub(crate) provider: Option<CredentialsSource>,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<TlsWrapper>,
}

/// A connection, and the task that reads and writes it.
pub(crate) struct Dialed {
    pub(crate) connection: MultiplexedConnection,
    pub(crate) driver: Driver,
    pub(crate) bound: ReplyBound,
}

/// The task of a connection; dropping it ends the connection.
pub(crate) struct Driver {
    task: AbortHandle,
    /// The task owns the sender.
    alive: watch::Receiver<()>,
}

/// A connection's bytes.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Dialer {
    /// Connects to a Redis server. Its push messages go to `push`.
    pub(crate) async fn dial(
        &self,
        address: &RedisAddress,
        push: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> Result<Dialed, ConnectionFault> {
        let credentials = self.credentials().await?;
        self.dial_as(address, credentials, self.database, push).await
    }

    /// Connects with these credentials.
    pub(crate) async fn dial_as(
        &self,
        address: &RedisAddress,
        credentials: Option<RedisCredentials>,
        database: u32,
        push: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> Result<Dialed, ConnectionFault> {
        let dialing = self.connect(address, credentials, database, push);
        time::timeout(CONNECTING, dialing).await.unwrap_or(Err(ConnectionFault::Silent))
    }

    async fn credentials(&self) -> Result<Option<RedisCredentials>, ConnectionFault> {
        let Some(provider) = &self.provider else { return Ok(self.credentials.clone()) };
        match time::timeout(PROVIDING, provider.credentials()).await {
            Ok(Ok(credentials)) => Ok(Some(credentials)),
            Ok(Err(error)) => Err(ConnectionFault::NoCredentials(error.to_string())),
            Err(_) => Err(ConnectionFault::NoCredentials("the provider took too long".into())),
        }
    }

    async fn connect(
        &self,
        address: &RedisAddress,
        credentials: Option<RedisCredentials>,
        database: u32,
        push: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> Result<Dialed, ConnectionFault> {
        let stream = self.open(address).await.map_err(ConnectionFault::Unreachable)?;
        let stream = BoundedReplies::new(stream);
        let bound = stream.bound();
        // `CLIENT SETINFO`, which tells the library's name, would be one more command that a user must be allowed.
        let mut info = RedisConnectionInfo::default()
            .set_protocol(ProtocolVersion::RESP3)
            .set_db(database.into())
            .set_skip_set_lib_name();
        if let Some(RedisCredentials { user, password }) = credentials {
            info = info.set_password(password.expose());
            if let Some(user) = user {
                info = info.set_username(user);
            }
        }
        // The callers limit how long they wait for an answer.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_push_sender(move |info| {
                push(info);
                Ok::<_, ()>(())
            });
        let entering = MultiplexedConnection::new_with_config(&info, stream, config);
        let entered = entering.await;
        let (connection, driver) =
            entered.map_err(|error| bound.explain(ConnectionFault::of_command(error, "HELLO")))?;
        Ok(Dialed { connection, driver: Driver::spawn(driver), bound })
    }

    async fn open(&self, address: &RedisAddress) -> io::Result<Box<dyn Stream>> {
        match address {
            RedisAddress::Tcp { host, port } => Ok(Box::new(open_tcp(host, *port).await?)),
            #[cfg(feature = "tls")]
            RedisAddress::Tls { host, port } => {
                let tls = self.tls.as_ref().ok_or(io::ErrorKind::Unsupported)?;
                Ok(Box::new(tls.wrap(host, open_tcp(host, *port).await?).await?))
            }
            #[cfg(not(feature = "tls"))]
            RedisAddress::Tls { .. } => Err(io::ErrorKind::Unsupported.into()),
            #[cfg(unix)]
            RedisAddress::Socket(path) => {
                Ok(Box::new(tokio::net::UnixStream::connect(path).await?))
            }
            #[cfg(not(unix))]
            RedisAddress::Socket(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

#[cfg(test)]
impl Dialer {
    /// A stream without TLS.
    pub(crate) fn plain(url: &crate::url::RedisUrl) -> Self {
        Self {
            database: url.database,
            credentials: url.credentials.clone(),
            provider: None,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

impl Driver {
    fn spawn(driver: impl Future<Output = ()> + Send + 'static) -> Self {
        let (sender, alive) = watch::channel(());
        let task = tokio::spawn(async move {
            driver.await;
            drop(sender);
        });
        Self { task: task.abort_handle(), alive }
    }

    /// Returns when the connection has ended.
    pub(crate) async fn ended(&mut self) {
        // Nothing is ever sent: the only result is the error that the sender is gone.
        let _ = self.alive.changed().await;
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn open_tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut attempts = JoinSet::new();
    for address in tokio::net::lookup_host((host, port)).await? {
        attempts.spawn(TcpStream::connect(address));
    }
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    while let Some(attempt) = attempts.join_next().await {
        match attempt.map_err(io::Error::other).and_then(|attempt| attempt) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// How long an attempt to connect may take.
const CONNECTING: Duration = Duration::from_secs(1);
/// How long the application may take to give credentials.
const PROVIDING: Duration = Duration::from_secs(5);
