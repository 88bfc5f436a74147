use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

#[cfg(feature = "dev")]
use authkit_emulator::Emulator;
use authkit_session::{
    Authenticator, Client, Clock, Config, ConfigError, CookiePassword, Error, NotPublished,
    Revocation, Secret, Settings, VerifiedSession,
};
use http::{HeaderMap, HeaderValue, Uri, header::SET_COOKIE};

use crate::{redeemed_states::RedeemedStates, sign_in_url::SignInUrl, site::Site};

/// The handle that layers and endpoints are made from. Cloning it is cheap.
///
/// Making one sends nothing and needs no runtime. A process usually has one. Everything made from it shares its state:
/// signing keys, refreshed sessions.
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
    inner: Arc<AuthKitInner>,
    /// The origin that the handle is used for; the redirect URI's unless a request chose another.
    site: Site,
}

struct AuthKitInner {
    authenticator: Authenticator,
    redeemed_states: RedeemedStates,
    /// The emulator that replaces WorkOS. It runs as long as a handle exists.
    #[cfg(feature = "dev")]
    emulator: Option<Arc<Emulator>>,
}

impl AuthKit {
    /// Checks `config` and makes a handle from it.
    ///
    /// # Errors
    ///
    /// Every problem of the configuration at once.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        Ok(Self::of(AuthKitInner::new(config)?))
    }

    /// Makes a handle from the `WORKOS_*` environment variables; [`Config::from_env`] lists them.
    ///
    /// # Errors
    ///
    /// Every problem of the variables at once.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::new(Config::from_env()?)
    }

    /// Like [`from_env`](Self::from_env) if any `WORKOS_*` variable is set; otherwise users sign in with an emulator of
    /// WorkOS, which needs no account and runs until the last clone of this handle is dropped.
    ///
    /// The emulator listens on loopback only; one line on standard error says where, and who can sign in.
    /// Browsers come back to `http://localhost:3000/callback`, or to the port that the variable `PORT` names;
    /// [`EnvOrEmulator`](crate::dev::EnvOrEmulator) has more settings. No `.env` file is read: call a crate such as
    /// `dotenvy` first.
    ///
    /// An emulator signs anybody in, so a release build (one without `debug_assertions`) starts none, unless
    /// `AUTHKIT_DEV=1` asks for it. `AUTHKIT_DEV=0` forbids it in every build.
    ///
    /// # Errors
    ///
    /// Every problem of the variables at once; where none is set and no emulator may be started, also how to allow one.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, Session};
    /// use axum::{Router, routing::get};
    ///
    /// # async fn example() -> Result<(), authkit_tower::ConfigError> {
    /// let authkit = AuthKit::from_env_or_emulator().await?;
    /// let app: Router = Router::new()
    ///     .route("/dashboard", get(async |session: Session| format!("Hello {}", session.user().display_name())))
    ///     .route_layer(AuthKitLayer::new(&authkit))
    ///     .merge(Endpoints::new(&authkit));
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "dev")]
    pub async fn from_env_or_emulator() -> Result<Self, ConfigError> {
        crate::dev::EnvOrEmulator::new().start().await
    }

    /// The emulator that replaces WorkOS, if one does.
    #[cfg(feature = "dev")]
    pub fn emulator(&self) -> Option<&Emulator> {
        self.inner.emulator.as_deref()
    }

    /// Makes a handle that keeps an emulator running.
    #[cfg(feature = "dev")]
    pub(crate) fn with_emulator(
        config: Config,
        emulator: Arc<Emulator>,
    ) -> Result<Self, ConfigError> {
        Ok(Self::of(AuthKitInner { emulator: Some(emulator), ..AuthKitInner::new(config)? }))
    }

    /// The client for WorkOS, to build authorization or sign-out URLs, or to revoke a session.
    pub fn client(&self) -> &Client {
        self.inner.authenticator.client()
    }

    /// The checked configuration.
    pub fn settings(&self) -> &Settings {
        self.inner.authenticator.settings()
    }

    /// The log id of a session or a user, as log lines and spans show it in `session` and `user`.
    ///
    /// It is a keyed hash of the id, the same on every replica: the log lines of an id can be found, but the id of a
    /// log line cannot. The hash key is the API key that the handle was made with.
    ///
    /// # Examples
    ///
    /// ```
    /// # use authkit_tower::{AuthKit, Config, CookiePassword};
    /// # let password = CookiePassword::new("0123456789abcdef0123456789abcdef")?;
    /// # let authkit = AuthKit::new(Config::new("client_123", "sk_test_123", "https://app.example.com/callback", password))?;
    /// let user = authkit.log_id("user_01HJTGY3F4W8XRN5B0C2D6E7A9");
    /// println!("search the logs for user=\"{user}\"");
    /// # assert_eq!(user.len(), 12);
    /// # Ok::<(), authkit_tower::ConfigError>(())
    /// ```
    pub fn log_id(&self, id: &str) -> String {
        self.settings().log_id(id)
    }

    /// A link to sign in, for a page: the path of the sign-in endpoint, with what the builder adds.
    pub fn sign_in_url(&self) -> SignInUrl {
        SignInUrl::sign_in(&self.site)
    }

    /// A link to sign up: AuthKit shows that page first.
    pub fn sign_up_url(&self) -> SignInUrl {
        SignInUrl::sign_up(&self.site)
    }

    /// Starts a session from an answer of WorkOS, for users who sign in by other means than [`Endpoints`]: a password
    /// form or a one-time code, sent to WorkOS by the `workos` crate or by hand.
    ///
    /// `answer` is the JSON body of a successful `POST /user_management/authenticate`. Its token is verified, and the
    /// session is sealed in the configured format. `headers` are those of the request: if they bring a session, it ends,
    /// and its cookies are deleted. The response has to carry the cookies of the [`StartedSession`]; a layer around the
    /// handler does not change them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Transient`] if `answer` is not such a body, [`ErrorKind::Unverified`] if its token does not verify,
    /// [`ErrorKind::Clock`] if the token is expired or not yet valid, and [`ErrorKind::TooLarge`] if the session does not
    /// fit into cookies. The session in `headers` stays as it was.
    ///
    /// # Examples
    ///
    /// ```
    /// # use authkit_tower::{AuthKit, Config, CookiePassword};
    /// use authkit_tower::{Error, ErrorKind};
    /// use axum::response::{IntoResponse, Redirect};
    /// use http::HeaderMap;
    ///
    /// async fn sign_in(
    ///     authkit: &AuthKit,
    ///     headers: &HeaderMap,
    ///     answer: &[u8],
    /// ) -> Result<impl IntoResponse + use<>, Error> {
    ///     let started = authkit.start_session(answer, headers).await?;
    ///     println!("{} signed in", started.session.user_id());
    ///     Ok((started, Redirect::to("/dashboard"))) // sets the cookies
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), authkit_tower::ConfigError> {
    /// # let password = CookiePassword::new("0123456789abcdef0123456789abcdef")?;
    /// # let authkit = AuthKit::new(Config::new("client_123", "sk_test_123", "https://app.example.com/callback", password))?;
    /// let no_answer = sign_in(&authkit, &HeaderMap::new(), b"<html>").await;
    /// assert_eq!(no_answer.err().map(|error| error.kind()), Some(ErrorKind::Transient));
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
    ) -> Result<StartedSession, Error> {
        let signed_in = self.inner.authenticator.start_session(answer, headers).await?;
        Ok(StartedSession { session: signed_in.session, set_cookies: signed_in.set_cookies })
    }

    /// Waits until the refreshes and revocations that are under way have ended, `timeout` at most. Returns whether they
    /// have. Call it before a shutdown, so that no refreshed session is lost.
    pub async fn drain(&self, timeout: Duration) -> bool {
        self.inner.authenticator.drain(timeout).await
    }

    /// Replaces the cookie passwords without a restart: `current` seals, `others` open as well.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if `current` cannot seal the configured format. The passwords in use stay.
    pub fn reload_keys(
        &self,
        current: &CookiePassword,
        others: &[CookiePassword],
    ) -> Result<(), ConfigError> {
        self.inner.authenticator.reload_keys(current, others)
    }

    /// Replaces the API key without a restart; calls that are under way finish with the key that they started with.
    ///
    /// To change a key, make another one in the WorkOS dashboard, give it to every replica, and revoke the first.
    ///
    /// # Errors
    ///
    /// If `api_key` would be refused at the start, or is of another environment (test or live) than the first key; then
    /// the key in use stays.
    pub fn reload_api_key(&self, api_key: impl Into<Secret>) -> Result<(), ConfigError> {
        self.inner.authenticator.reload_api_key(api_key)
    }

    /// Ends sessions, or has them refreshed, by a cut-off time: in this process at once, then on the other replicas.
    /// WorkOS's webhooks do the same; this is for events that a service learns of by other means.
    ///
    /// # Errors
    ///
    /// [`NotPublished`] if the other replicas may not have been told. Trying again does no harm.
    pub async fn revoke(&self, revocation: Revocation) -> Result<(), NotPublished> {
        self.inner.authenticator.revoke(revocation).await
    }

    pub(crate) fn authenticator(&self) -> &Authenticator {
        &self.inner.authenticator
    }

    pub(crate) fn clock(&self) -> &Clock {
        self.settings().clock()
    }

    /// The service as browsers see it.
    pub(crate) fn site(&self) -> &Site {
        &self.site
    }

    /// The handle for the origin that a request names, if that origin is listed; otherwise this handle.
    pub(crate) fn at(&self, uri: &Uri, headers: &HeaderMap) -> Cow<'_, Self> {
        match self.site.chosen(self.settings().origins(), uri, headers) {
            None => Cow::Borrowed(self),
            Some(site) => Cow::Owned(Self { inner: Arc::clone(&self.inner), site }),
        }
    }

    pub(crate) fn redeemed_states(&self) -> &RedeemedStates {
        &self.inner.redeemed_states
    }

    /// Whether both are clones of one handle.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    fn of(inner: AuthKitInner) -> Self {
        Self { site: Site::of(inner.authenticator.settings()), inner: Arc::new(inner) }
    }
}

impl AuthKitInner {
    fn new(config: Config) -> Result<Self, ConfigError> {
        Ok(Self {
            authenticator: Authenticator::new(config)?,
            redeemed_states: RedeemedStates::new(),
            #[cfg(feature = "dev")]
            emulator: None,
        })
    }
}

impl fmt::Debug for AuthKit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthKit").field("origin", &self.site.origin()).finish_non_exhaustive()
    }
}

/// A session that [`AuthKit::start_session`] has started, and its cookies.
///
/// With axum (feature `axum`) it is a part of a response, which sets the cookies: return it before the response's other
/// parts. Elsewhere, [`write_cookies`](Self::write_cookies) sets them.
#[derive(Clone, Debug)]
#[must_use = "the response has to set the session's cookies"]
#[non_exhaustive]
pub struct StartedSession {
    /// The session.
    pub session: Arc<VerifiedSession>,
    /// The `Set-Cookie` values of the response. They also delete the cookies of the previous session, if there was one.
    pub set_cookies: Vec<HeaderValue>,
}

impl StartedSession {
    /// Adds the cookies to the head of the response.
    pub fn write_cookies(&self, headers: &mut HeaderMap) {
        for cookie in &self.set_cookies {
            headers.append(SET_COOKIE, cookie.clone());
        }
    }
}
