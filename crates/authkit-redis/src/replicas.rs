//! The handle that an application holds: a facade over the stores of exchanges and revocations.

use std::{fmt, sync::Arc};

use authkit_session::{
    Claim, Config, Coordinating, Inbox, Notice, Publishing, RefreshCoordinator, Revocations,
};
use bytes::Bytes;

use crate::{
    builder::RedisReplicasBuilder, connection::CommandConnection, error::ConnectError,
    exchanges::ExchangeStore, keeper::Keeper, keys::KeyNames, revocations::RevocationStore,
};

/// Shares refreshes and revocations with the other replicas of a service. Clones share its connections.
///
/// It implements [`RefreshCoordinator`] and [`Revocations`]; [`share`](Self::share) puts both into a configuration.
///
/// # Examples
///
/// ```
/// use authkit_redis::RedisReplicas;
///
/// # fn main() -> Result<(), authkit_redis::ConnectError> {
/// // Redis need not be running yet.
/// let replicas = RedisReplicas::builder("redis://127.0.0.1:1").with_key_prefix("shop").connect()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisReplicas {
    keys: KeyNames,
    connection: Arc<CommandConnection>,
    exchanges: Arc<ExchangeStore>,
    revocations: Arc<RevocationStore>,
    _keeper: Arc<Keeper>,
}

impl RedisReplicas {
    /// Connects to the Redis or Valkey at `url`, in the background, with the defaults of [`builder`](Self::builder).
    ///
    /// # Errors
    ///
    /// If `url` cannot be used, or the operating system gives no thread.
    pub fn connect(url: &str) -> Result<Self, ConnectError> {
        Self::builder(url).connect()
    }

    /// Settings to connect with. `url` names one server (`redis://[user:password@]host[:port][/database]`), sentinels and
    /// their service (`redis+sentinel://host,host/service`) or nodes of a cluster (`redis+cluster://host,host`); the
    /// [crate's documentation](crate#one-server-sentinel-or-cluster) has the forms in full. TLS takes the feature `tls`.
    ///
    /// # Examples
    ///
    /// ```
    /// use authkit_redis::RedisReplicas;
    ///
    /// # fn main() -> Result<(), authkit_redis::ConnectError> {
    /// let url = "redis+sentinel://app:secret@10.0.0.1,10.0.0.2,10.0.0.3/main";
    /// let replicas = RedisReplicas::builder(url).connect()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(url: &str) -> RedisReplicasBuilder {
        RedisReplicasBuilder::new(url)
    }

    pub(crate) fn new(
        keys: KeyNames,
        connection: Arc<CommandConnection>,
        exchanges: Arc<ExchangeStore>,
        revocations: Arc<RevocationStore>,
        keeper: Keeper,
    ) -> Self {
        Self { keys, connection, exchanges, revocations, _keeper: Arc::new(keeper) }
    }

    /// Makes `config` share refreshes and revocations through this handle.
    pub fn share(&self, config: Config) -> Config {
        config
            .with_refresh_coordinator(Arc::new(self.clone()))
            .with_revocations(Arc::new(self.clone()))
    }
}

impl RefreshCoordinator for RedisReplicas {
    fn claim<'a>(&'a self, exchange: &'a str) -> Coordinating<'a, Claim> {
        Box::pin(self.exchanges.claim(exchange))
    }

    fn look<'a>(&'a self, exchange: &'a str) -> Coordinating<'a, Claim> {
        Box::pin(self.exchanges.look(exchange))
    }

    fn publish<'a>(&'a self, exchange: &'a str, outcome: Bytes) -> Coordinating<'a, ()> {
        Box::pin(self.exchanges.publish(exchange, outcome))
    }
}

impl Revocations for RedisReplicas {
    fn subscribe(&self, inbox: Inbox) {
        self.revocations.subscribe(inbox);
    }

    fn publish(&self, notice: Notice) -> Publishing<'_> {
        Box::pin(self.revocations.publish(notice))
    }
}

impl fmt::Debug for RedisReplicas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisReplicas")
            .field("prefix", &self.keys.prefix())
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thread_ends_with_the_last_handle() {
        let replicas = RedisReplicas::connect("redis://127.0.0.1:1").unwrap();
        let connection = Arc::downgrade(&replicas.connection);
        let other = replicas.clone();
        drop(replicas);
        assert!(connection.upgrade().is_some());
        drop(other);
        let began = std::time::Instant::now();
        while connection.upgrade().is_some() {
            assert!(began.elapsed() < std::time::Duration::from_secs(5), "the thread goes on");
            std::thread::yield_now();
        }
    }
}
