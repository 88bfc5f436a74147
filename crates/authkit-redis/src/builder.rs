//! The settings of [`RedisReplicas`].

use std::{fmt, sync::Arc, time::Duration};

use redis::{Client, IntoConnectionInfo, ProtocolVersion};
use tokio::runtime::Handle;

use crate::{
    connection::RedisConnection, error::ConnectError, exchanges::ExchangeStore, keeper::Keeper,
    keys::KeyNames, replicas::RedisReplicas, revocations::RevocationStore,
};

/// Settings of [`RedisReplicas`], all optional.
#[derive(Clone)]
#[must_use = "nothing happens before `connect`"]
pub struct RedisReplicasBuilder {
    url: Box<str>,
    prefix: Box<str>,
    response_timeout: Duration,
}

impl RedisReplicasBuilder {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.into(),
            prefix: "authkit".into(),
            response_timeout: Duration::from_millis(500),
        }
    }

    /// Sets what keys and channels begin with (default `authkit`).
    ///
    /// Services that share a Redis but no cookie password need prefixes of their own. In braces (`{authkit}`), it keeps
    /// all keys in one slot of a cluster.
    pub fn with_key_prefix(mut self, prefix: impl Into<Box<str>>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets how long Redis may take to answer a command before it counts as gone (default 500 ms).
    pub fn with_response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = timeout;
        self
    }

    /// Begins to connect, and goes on in the background for as long as a handle is there.
    ///
    /// # Errors
    ///
    /// Where a setting cannot be used, or outside of a tokio runtime.
    pub fn connect(self) -> Result<RedisReplicas, ConnectError> {
        let runtime = Handle::try_current().map_err(|_| ConnectError::NoRuntime)?;
        let is_prefix = (1..=64).contains(&self.prefix.len())
            && self.prefix.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_prefix {
            return Err(ConnectError::KeyPrefix);
        }
        #[cfg(feature = "tls")]
        choose_tls_provider();
        let info = self.url.into_connection_info().map_err(|_| ConnectError::Url)?;
        // Messages arrive on the connection that commands use.
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let client =
            Client::open(info.set_redis_settings(settings)).map_err(|_| ConnectError::Url)?;
        let connection = Arc::new(RedisConnection::new(client, self.response_timeout));
        let keys = KeyNames::new(self.prefix);
        let exchanges =
            Arc::new(ExchangeStore::new(Arc::clone(&connection), keys.clone(), process()?));
        let revocations = Arc::new(RevocationStore::new(Arc::clone(&connection), keys.clone()));
        let keeper = Keeper::start(
            &runtime,
            Arc::clone(&connection),
            Arc::clone(&exchanges),
            Arc::clone(&revocations),
        );
        Ok(RedisReplicas::new(keys, connection, exchanges, revocations, keeper))
    }
}

/// The URL may hold a password.
impl fmt::Debug for RedisReplicasBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisReplicasBuilder")
            .field("prefix", &self.prefix)
            .field("response_timeout", &self.response_timeout)
            .finish_non_exhaustive()
    }
}

/// `redis` takes the process's provider and panics where two are compiled in and none is chosen. One chosen before stays.
#[cfg(feature = "tls")]
fn choose_tls_provider() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// A name that no other process has.
fn process() -> Result<Box<str>, ConnectError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| ConnectError::NoRandomness)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_url_or_prefix_that_cannot_be_used_is_an_error() {
        let cases = [
            ("redis://127.0.0.1:1", "authkit", None),
            ("redis://user:secret@redis.internal:6379/3", "{shop}", None),
            ("valkey://127.0.0.1:1", "authkit", None),
            ("redis+unix:///run/redis.sock", "authkit", None),
            (
                "rediss://127.0.0.1:1",
                "authkit",
                (!cfg!(feature = "tls")).then_some(ConnectError::Url),
            ),
            ("http://127.0.0.1:1", "authkit", Some(ConnectError::Url)),
            ("127.0.0.1", "authkit", Some(ConnectError::Url)),
            ("", "authkit", Some(ConnectError::Url)),
            ("redis://127.0.0.1:1", "", Some(ConnectError::KeyPrefix)),
            ("redis://127.0.0.1:1", "two words", Some(ConnectError::KeyPrefix)),
            ("redis://127.0.0.1:1", &"p".repeat(65), Some(ConnectError::KeyPrefix)),
        ];
        for (url, prefix, expected) in cases {
            let result = RedisReplicas::builder(url).with_key_prefix(prefix).connect();
            assert_eq!(result.err(), expected, "{url} {prefix}");
        }
    }

    #[test]
    fn a_runtime_is_needed_and_a_password_is_not_shown() {
        let builder = RedisReplicas::builder("redis://user:hunter2@127.0.0.1:1");
        assert!(!format!("{builder:?}").contains("hunter2"));
        assert_eq!(builder.clone().connect().err(), Some(ConnectError::NoRuntime));

        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let replicas = runtime.block_on(async { builder.connect() }).unwrap();
        let shown = format!("{replicas:?}");
        assert!(shown.contains("authkit") && !shown.contains("hunter2"), "{shown}");
    }
}
