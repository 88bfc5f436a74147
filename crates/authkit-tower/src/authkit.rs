use std::{fmt, sync::Arc, time::Duration};

use authkit_session::{
    Authenticator, Client, Clock, Config, ConfigError, CookiePassword, Error, NotPublished,
    Revocation, Secret, Settings, SignedIn,
};
use http::HeaderMap;

use crate::uri::Site;

/// The handle that layers and endpoints are made from. Cloning it is cheap.
///
/// Making one sends nothing and needs no runtime. A process usually has one; what it learns (keys, refreshed
/// sessions) is shared by everything made from it.
///
/// # Examples
///
/// ```
/// use authkit_tower::{AuthKit, AuthKitLayer, Config, CookiePassword};
///
/// let password = CookiePassword::new("0123456789abcdef0123456789abcdef")?;
/// let config = Config::new("client_123", "sk_test_123", "https://app.example.com/callback", password);
/// let authkit = AuthKit::new(config)?;
/// let layer = AuthKitLayer::new(&authkit);
/// # Ok::<(), authkit_tower::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct AuthKit {
    shared: Arc<Shared>,
}

struct Shared {
    authenticator: Authenticator,
    site: Site,
}

impl AuthKit {
    /// Checks `config` and makes a handle from it.
    ///
    /// # Errors
    ///
    /// Every problem of the configuration at once.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        let authenticator = Authenticator::new(config)?;
        let site = Site::of(authenticator.settings());
        Ok(Self { shared: Arc::new(Shared { authenticator, site }) })
    }

    /// Makes a handle from the `WORKOS_*` environment variables; [`Config::from_env`] lists them.
    ///
    /// # Errors
    ///
    /// Every problem of the variables at once.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::new(Config::from_env()?)
    }

    /// The calls to WorkOS, to build authorization or sign-out URLs of your own, or to revoke a session.
    pub fn client(&self) -> &Client {
        self.shared.authenticator.client()
    }

    /// The checked configuration.
    pub fn settings(&self) -> &Settings {
        self.shared.authenticator.settings()
    }

    /// Begins the session of an answer of WorkOS, for users who sign in by another way than [`Endpoints`]: a password
    /// form or a one-time code, sent on by the `workos` crate or by hand.
    ///
    /// `answer` is the JSON body of a successful `POST /user_management/authenticate`. Its token is verified, and the
    /// session sealed in the configured format. `headers` are those of the request: the session that they bring, if
    /// any, ends here, and its cookies are deleted. The response has to carry [`SignedIn::set_cookies`]; a layer around
    /// the handler leaves them as they are.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Transient`] where `answer` is not such a body, [`ErrorKind::Unverified`] where its token cannot be
    /// verified, [`ErrorKind::Clock`] where it is not of this time, and [`ErrorKind::TooLarge`] where no browser would
    /// keep the session. The session in `headers` goes on then.
    ///
    /// # Examples
    ///
    /// ```
    /// # use authkit_tower::{AuthKit, Config, CookiePassword};
    /// use authkit_tower::{Error, ErrorKind};
    /// use axum::response::{IntoResponse, Redirect, Response};
    /// use http::{HeaderMap, header::SET_COOKIE};
    ///
    /// async fn sign_in(authkit: &AuthKit, headers: &HeaderMap, answer: &[u8]) -> Result<Response, Error> {
    ///     let signed_in = authkit.start_session(answer, headers).await?;
    ///     println!("{} signed in", signed_in.session.user_id());
    ///     let mut response = Redirect::to("/dashboard").into_response();
    ///     for cookie in signed_in.set_cookies {
    ///         response.headers_mut().append(SET_COOKIE, cookie);
    ///     }
    ///     Ok(response)
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), authkit_tower::ConfigError> {
    /// # let password = CookiePassword::new("0123456789abcdef0123456789abcdef")?;
    /// # let authkit = AuthKit::new(Config::new("client_123", "sk_test_123", "https://app.example.com/callback", password))?;
    /// let no_answer = sign_in(&authkit, &HeaderMap::new(), b"<html>").await;
    /// assert_eq!(no_answer.unwrap_err().kind(), ErrorKind::Transient);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// [`Endpoints`]: crate::Endpoints
    /// [`ErrorKind::Transient`]: crate::ErrorKind::Transient
    /// [`ErrorKind::Unverified`]: crate::ErrorKind::Unverified
    /// [`ErrorKind::Clock`]: crate::ErrorKind::Clock
    /// [`ErrorKind::TooLarge`]: crate::ErrorKind::TooLarge
    pub async fn start_session(
        &self,
        answer: &[u8],
        headers: &HeaderMap,
    ) -> Result<SignedIn, Error> {
        self.shared.authenticator.start_session(answer, headers).await
    }

    /// Waits until the refreshes and revocations under way are over, `timeout` at most: before a shutdown, so that no
    /// rotated session is lost. Says whether they are.
    pub async fn drain(&self, timeout: Duration) -> bool {
        self.shared.authenticator.drain(timeout).await
    }

    /// Replaces the cookie passwords without a restart: `current` seals, `others` open as well.
    ///
    /// # Errors
    ///
    /// Where `current` cannot seal the configured format; the passwords in use stay.
    pub fn reload_keys(
        &self,
        current: &CookiePassword,
        others: &[CookiePassword],
    ) -> Result<(), ConfigError> {
        self.shared.authenticator.reload_keys(current, others)
    }

    /// Replaces the API key without a restart; calls that are under way go on with the one that they began with.
    ///
    /// To change a key, make another one in the WorkOS dashboard, give it to every replica, and revoke the first.
    ///
    /// # Errors
    ///
    /// Where `api_key` would be refused at the start, or names another environment than the first (test or live); the
    /// key in use stays.
    pub fn reload_api_key(&self, api_key: impl Into<Secret>) -> Result<(), ConfigError> {
        self.shared.authenticator.reload_api_key(api_key)
    }

    /// Ends or overtakes sessions by a cut-off time, here at once and then on the other replicas: what the webhooks of
    /// WorkOS do, for events that a service learns of in another way.
    ///
    /// # Errors
    ///
    /// Where the other replicas may not have heard of it; trying again does no harm.
    pub async fn revoke(&self, revocation: Revocation) -> Result<(), NotPublished> {
        self.shared.authenticator.revoke(revocation).await
    }

    pub(crate) fn authenticator(&self) -> &Authenticator {
        &self.shared.authenticator
    }

    pub(crate) fn clock(&self) -> &Clock {
        self.settings().clock()
    }

    pub(crate) fn site(&self) -> &Site {
        &self.shared.site
    }

    /// Says whether both are clones of one handle.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl fmt::Debug for AuthKit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthKit").field("origin", &self.shared.site.origin).finish_non_exhaustive()
    }
}
