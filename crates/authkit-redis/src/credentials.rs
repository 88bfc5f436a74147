//! The credentials for Redis: those of the URL, or those that the application gives for each connection.

use std::{error, fmt, pin::Pin, sync::Arc};

use authkit_session::Secret;

/// A user of Redis and the password.
#[derive(Clone)]
pub struct RedisCredentials {
    pub(crate) user: Option<Box<str>>,
    pub(crate) password: Secret,
}

impl RedisCredentials {
    /// A user of Redis's access control lists.
    pub fn new(user: impl Into<Box<str>>, password: impl Into<Secret>) -> Self {
        Self { user: Some(user.into()), password: password.into() }
    }

    /// The password of the user `default`.
    pub fn password(password: impl Into<Secret>) -> Self {
        Self { user: None, password: password.into() }
    }
}

/// Shows only the user.
impl fmt::Debug for RedisCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisCredentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Gives the credentials for a connection.
#[derive(Clone)]
pub(crate) struct CredentialsSource(Arc<dyn Fn() -> Providing + Send + Sync>);

type Providing = Pin<Box<dyn Future<Output = Result<RedisCredentials, ProviderError>> + Send>>;

/// Why an application could not give credentials.
pub(crate) type ProviderError = Box<dyn error::Error + Send + Sync>;

impl CredentialsSource {
    pub(crate) fn new<F, P>(provider: P) -> Self
    where
        P: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<RedisCredentials, ProviderError>> + Send + 'static,
    {
        Self(Arc::new(move || Box::pin(provider())))
    }

    pub(crate) async fn credentials(&self) -> Result<RedisCredentials, ProviderError> {
        (self.0)().await
    }
}
