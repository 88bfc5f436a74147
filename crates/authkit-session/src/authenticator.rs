use std::{fmt, sync::Arc, time::Duration};

use http::{HeaderMap, header};
use tokio::time;

use crate::{
    admission::{Admission, Refusal},
    client::Client,
    config::{
        Config,
        settings::{self, Settings},
        warning::ConfigWarning,
    },
    config_error::ConfigError,
    cookie_password::CookiePassword,
    core::Core,
    decide::Action,
    policy::Policy,
    seal::{Purpose, SealError},
    secret::Secret,
    waiting::{Waiting, wait},
};

/// Opens, verifies and refreshes the sessions of a service. Clones share everything.
///
/// Making one neither spawns a task nor needs a runtime; waiting for a [`Decision::Wait`] needs tokio's.
///
/// # Examples
///
/// ```
/// use authkit_session::{Authenticator, Config, CookiePassword, Decision, Policy, Reason};
/// use http::HeaderMap;
///
/// let password = CookiePassword::new("0123456789abcdef0123456789abcdef")?;
/// let config = Config::new("client_123", "sk_test_123", "https://app.example.com/callback", password);
/// let authenticator = Authenticator::new(config)?;
///
/// let Decision::Refuse(refusal) = authenticator.authenticate(&HeaderMap::new(), &Policy::default()) else {
///     panic!("nobody signed in");
/// };
/// assert_eq!(refusal.reason(), Reason::NoCookie);
/// # Ok::<(), authkit_session::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Authenticator {
    pub(crate) core: Arc<Core>,
}

/// What a request gets: `A` is an [`Admission`], or what a bearer token is worth.
#[derive(Debug)]
#[allow(clippy::exhaustive_enums, reason = "a new decision has to break every match on it")]
pub enum Decision<A = Admission> {
    /// It goes on.
    Admit(A),
    /// It depends on WorkOS: on signing keys, or on a refresh.
    Wait(Waiting<A>),
    /// It is answered without the inner service.
    Refuse(Refusal),
}

impl<A> Decision<A> {
    /// What needs no waiting.
    pub(crate) fn settled(outcome: Result<A, Refusal>) -> Self {
        outcome.map_or_else(Self::Refuse, Self::Admit)
    }
}

impl Authenticator {
    /// Checks `config` and prepares its keys.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with every problem of the configuration.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        let core = Arc::new(Core::new(settings::check(config)?));
        if let Some(revocations) = &core.revocations {
            revocations.subscribe(core.inbox());
        }
        core.settings.announce();
        Ok(Self { core })
    }

    /// The checked configuration.
    pub fn settings(&self) -> &Settings {
        &self.core.settings
    }

    /// The calls to WorkOS.
    pub fn client(&self) -> &Client {
        &self.core.client
    }

    /// Decides about a request by its `Cookie` fields. Synchronous: it reads what is cached and waits for
    /// nobody; keys that are 5 minutes old are fetched anew by a task of their own.
    pub fn authenticate(&self, headers: &HeaderMap, policy: &Policy) -> Decision {
        let presented = self.core.present(headers);
        match self.core.act(&presented, *policy) {
            Action::Admit => Decision::settled(self.core.admit(presented)),
            Action::Refuse(reason) => Decision::Refuse(self.core.refuse(reason, &presented)),
            Action::Refresh { .. } | Action::FetchKeys => {
                let mut cookies = HeaderMap::new();
                for field in headers.get_all(header::COOKIE) {
                    cookies.append(header::COOKIE, field.clone());
                }
                Decision::Wait(Waiting::new(wait(Arc::clone(&self.core), cookies, *policy)))
            }
        }
    }

    /// Replaces the passwords without a restart: `current` seals, `others` open as well.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] where `current` cannot seal the configured format; the passwords in use stay.
    pub fn reload_keys(
        &self,
        current: &CookiePassword,
        others: &[CookiePassword],
    ) -> Result<(), ConfigError> {
        let ring = self.core.ring.load().reloaded(current, others)?;
        self.core.replace_ring(ring);
        Ok(())
    }

    /// Replaces the API key without a restart; calls that are under way go on with the one that they began with.
    ///
    /// To change a key, make another one in the WorkOS dashboard, give it to every replica, and revoke the first.
    /// Sessions keep their ids in logs.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] where `api_key` would be refused at the start, or names another environment than the first (test
    /// or live); the key in use stays.
    pub fn reload_api_key(&self, api_key: impl Into<Secret>) -> Result<(), ConfigError> {
        let api_key = api_key.into();
        self.core.settings.check_api_key(&api_key)?;
        if let Some(warning) = ConfigWarning::of_api_key(&api_key) {
            tracing::warn!("{warning}");
        }
        self.core.client.replace_api_key(api_key);
        tracing::info!("the API key was replaced");
        Ok(())
    }

    /// Seals a value that is no session, for `purpose` and `context`, into characters that URLs and cookies take.
    ///
    /// # Errors
    ///
    /// [`SealError::NoRandomness`].
    pub fn seal_for(
        &self,
        purpose: Purpose,
        context: &[u8],
        plaintext: &[u8],
    ) -> Result<String, SealError> {
        self.core.ring.load().seal_for(purpose, &self.core.context(context), plaintext)
    }

    /// Opens what [`seal_for`](Self::seal_for) sealed for the same purpose and context. `None` for anything else.
    pub fn open_for(&self, purpose: Purpose, context: &[u8], sealed: &str) -> Option<Vec<u8>> {
        let opened =
            self.core.ring.load().open_for(purpose, &self.core.context(context), sealed)?;
        Some(opened.to_vec())
    }

    /// Waits until the refreshes and revocations that are under way are over, `timeout` at most: for a shutdown.
    ///
    /// Says whether they are.
    pub async fn drain(&self, timeout: Duration) -> bool {
        let mut tasks = self.core.tasks.subscribe();
        time::timeout(timeout, tasks.wait_for(|tasks| *tasks == 0)).await.is_ok()
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Authenticator").field(&self.core).finish()
    }
}
