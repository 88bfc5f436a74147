//! The settings of [`RedisReplicas`].

use std::{error, fmt, sync::Arc, time::Duration};

#[cfg(feature = "tls")]
use authkit_session::Secret;

#[cfg(feature = "tls")]
use crate::address::RedisTransport;
#[cfg(feature = "tls")]
use crate::tls::{TlsSettings, TlsWrapper};
use crate::{
    command_group::CommandGroup,
    connection::CommandConnection,
    credentials::{CredentialsSource, RedisCredentials},
    dialer::Dialer,
    error::ConnectError,
    exchanges::ExchangeStore,
    keeper::{Keeper, Upkeep},
    keys::KeyNames,
    list::RevocationList,
    listener::{Listener, WITHOUT_CHANNEL},
    locator::Locator,
    replicas::RedisReplicas,
    revocations::RevocationStore,
    url::{RedisDeployment, RedisUrl},
};

/// Settings of [`RedisReplicas`], all optional.
#[derive(Clone)]
#[must_use = "nothing happens before `connect`"]
pub struct RedisReplicasBuilder {
    url: Box<str>,
    prefix: Box<str>,
    response_timeout: Duration,
    credentials: Option<CredentialsSource>,
    #[cfg(feature = "tls")]
    tls: TlsSettings,
}

impl RedisReplicasBuilder {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.into(),
            prefix: "authkit".into(),
            response_timeout: Duration::from_millis(500),
            credentials: None,
            #[cfg(feature = "tls")]
            tls: TlsSettings::default(),
        }
    }

    /// Sets the prefix of keys and channels (default `authkit`).
    ///
    /// Services that share a Redis but not the cookie password need different prefixes. In a cluster the prefix is put
    /// in braces (`{authkit}:...`), unless it already has braces with text in them: that keeps all keys in one slot, on
    /// one node. The prefix determines the node, so services with different prefixes use several nodes.
    pub fn with_key_prefix(mut self, prefix: impl Into<Box<str>>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets how long Redis may take to answer a command before it counts as unavailable (default 500 ms).
    pub fn with_response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = timeout;
        self
    }

    /// Asks `provider` for a user and password at each connection (default: the credentials of the URL).
    ///
    /// For passwords that are rotated and tokens that expire: after Redis ends a connection, the next one uses new
    /// credentials. A provider may take 5 seconds. It runs on the runtime of the thread that keeps the connections. If
    /// it fails, Redis counts as unavailable; the error's text is logged, so it must not contain the password.
    ///
    /// # Examples
    ///
    /// ```
    /// use authkit_redis::{RedisCredentials, RedisReplicas};
    ///
    /// # fn main() -> Result<(), authkit_redis::ConnectError> {
    /// let replicas = RedisReplicas::builder("redis://127.0.0.1:1")
    ///     .with_credentials_provider(|| async {
    ///         let password = std::fs::read_to_string("/run/secrets/redis")?;
    ///         Ok(RedisCredentials::new("authkit", password.trim()))
    ///     })
    ///     .connect()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_credentials_provider<P, F>(mut self, provider: P) -> Self
    where
        P: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<RedisCredentials, Box<dyn error::Error + Send + Sync>>>
            + Send
            + 'static,
    {
        self.credentials = Some(CredentialsSource::new(provider));
        self
    }

    /// Trusts these root certificates (PEM) for this connection only (default: the system's).
    ///
    /// For a Redis whose certificate a private authority has signed. Needs a `rediss://` URL. Feature `tls`.
    #[cfg(feature = "tls")]
    pub fn with_root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.tls.roots = Some(pem.into().into());
        self
    }

    /// Shows Redis this client certificate, with its chain, and uses its key, both in PEM (default: none). Feature `tls`.
    #[cfg(feature = "tls")]
    pub fn with_client_certificate(
        mut self,
        chain_pem: impl Into<Vec<u8>>,
        key_pem: impl Into<Secret>,
    ) -> Self {
        self.tls.client = Some((chain_pem.into().into(), key_pem.into()));
        self
    }

    /// Starts to connect, and continues in the background as long as a handle exists, in a thread of its own, which
    /// needs no runtime of the application.
    ///
    /// # Errors
    ///
    /// If a setting cannot be used, or the operating system gives no thread.
    pub fn connect(self) -> Result<RedisReplicas, ConnectError> {
        let is_prefix = (1..=64).contains(&self.prefix.len())
            && self.prefix.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_prefix {
            return Err(ConnectError::KeyPrefix);
        }
        let url = RedisUrl::parse(&self.url).map_err(ConnectError::Url)?;
        if url.credentials.is_some() && self.credentials.is_some() {
            return Err(ConnectError::TwoCredentials);
        }
        #[cfg(feature = "tls")]
        let tls = match url.transport {
            RedisTransport::Tls => Some(TlsWrapper::new(&self.tls)?),
            RedisTransport::Plain if self.tls.is_default() => None,
            RedisTransport::Plain => return Err(ConnectError::CertificatesWithoutTls),
        };
        let keys = match url.deployment {
            RedisDeployment::Cluster(_) => KeyNames::tagged(self.prefix),
            RedisDeployment::Server(_) | RedisDeployment::Sentinel(_) => {
                Some(KeyNames::new(self.prefix))
            }
        };
        let keys = keys.ok_or(ConnectError::KeyPrefix)?;
        let dialer = Arc::new(Dialer {
            database: url.database,
            credentials: url.credentials,
            provider: self.credentials,
            #[cfg(feature = "tls")]
            tls,
        });
        let locator = Locator::new(Arc::clone(&dialer), url.deployment);
        let connection = CommandConnection::new(dialer, locator, self.response_timeout);
        let connection = Arc::new(connection);
        let commands = |without| CommandGroup::new(Arc::clone(&connection), without);
        let channel = Arc::new(commands(WITHOUT_CHANNEL));
        let exchanges = Arc::new(ExchangeStore::new(
            commands("each process refreshes for itself"),
            keys.clone(),
            process()?,
        ));
        let list = RevocationList::new(
            commands("processes do not hear of each other's revocations"),
            keys.clone(),
        );
        let revocations = Arc::new(RevocationStore::new(list, Arc::clone(&channel), keys.clone()));
        let upkeep = Upkeep {
            connection: Arc::clone(&connection),
            exchanges: Arc::clone(&exchanges),
            revocations: Arc::clone(&revocations),
            listener: Listener::new(Arc::clone(&connection), channel, Arc::clone(&revocations)),
        };
        let keeper = Keeper::start(upkeep).map_err(|_| ConnectError::NoThread)?;
        Ok(RedisReplicas::new(keys, connection, exchanges, revocations, keeper))
    }
}

/// The URL is left out: it may contain a password.
impl fmt::Debug for RedisReplicasBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisReplicasBuilder")
            .field("prefix", &self.prefix)
            .field("response_timeout", &self.response_timeout)
            .finish_non_exhaustive()
    }
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
    use crate::url_problem::RedisUrlProblem;

    #[test]
    fn only_a_setting_that_cannot_be_used_is_an_error() {
        let scheme = ConnectError::Url(RedisUrlProblem::Scheme);
        let cases = [
            ("redis://127.0.0.1:1", "authkit", None),
            ("redis://user:secret@redis.internal:6379/3", "{shop}", None),
            ("valkey://127.0.0.1:1", "authkit", None),
            ("redis+unix:///run/redis.sock", "authkit", None),
            ("http://127.0.0.1:1", "authkit", Some(scheme)),
            ("redis://127.0.0.1:1", "", Some(ConnectError::KeyPrefix)),
            ("redis://127.0.0.1:1", "two words", Some(ConnectError::KeyPrefix)),
            ("redis://127.0.0.1:1", &"p".repeat(65), Some(ConnectError::KeyPrefix)),
        ];
        for (url, prefix, expected) in cases {
            let result = RedisReplicas::builder(url).with_key_prefix(prefix).connect();
            assert_eq!(result.err(), expected, "{url} {prefix}");
        }
        let provider = || async { Ok(RedisCredentials::password("secret")) };
        for (url, expected) in [
            ("redis://127.0.0.1:1", None),
            ("redis://:secret@127.0.0.1:1", Some(ConnectError::TwoCredentials)),
        ] {
            let builder = RedisReplicas::builder(url).with_credentials_provider(provider);
            assert_eq!(builder.connect().err(), expected, "{url}");
        }
    }

    #[test]
    fn f8_no_runtime_is_needed_and_a_password_is_not_shown() {
        let builder = RedisReplicas::builder("redis://user:hunter2@127.0.0.1:1");
        assert!(!format!("{builder:?}").contains("hunter2"));
        let replicas = builder.connect().unwrap();
        let shown = format!("{replicas:?}");
        assert!(shown.contains("authkit") && !shown.contains("hunter2"), "{shown}");
        let credentials = RedisCredentials::new("app", "hunter2");
        assert!(!format!("{credentials:?}").contains("hunter2"));
    }

    #[cfg(feature = "tls")]
    #[test]
    fn f6_certificates_that_cannot_be_used_are_refused_at_the_start() {
        let builder = || RedisReplicas::builder("rediss://127.0.0.1:1");
        let garbled = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for pem in ["", "no certificate", garbled] {
            let result = builder().with_root_certificates(pem).connect();
            assert_eq!(result.err(), Some(ConnectError::RootCertificates), "{pem}");
            let result = builder().with_client_certificate(pem, "no key").connect();
            assert_eq!(result.err(), Some(ConnectError::ClientCertificate), "{pem}");
        }
        let plain = RedisReplicas::builder("redis://127.0.0.1:1").with_root_certificates(garbled);
        assert_eq!(plain.connect().err(), Some(ConnectError::CertificatesWithoutTls));
    }
}
