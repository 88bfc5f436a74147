pub(crate) mod env;
pub(crate) mod finding;
mod mistakes;
pub(crate) mod origin_mistakes;
pub(crate) mod origins;
pub(crate) mod quoter;
mod secret_file;
pub(crate) mod setting;
pub(crate) mod settings;
pub(crate) mod urls;
pub(crate) mod warning;

use std::{borrow::Cow, env::VarError, num::NonZeroUsize, sync::Arc, time::Duration};

use crate::{
    clock::Clock,
    config_error::ConfigError,
    cookie::set_cookie::{CookieLifetime, CookiePrefix, MAX_COOKIE_AGE, SameSite},
    cookie_password::{CookiePassword, Neighbours},
    end::revocation::Revocations,
    refresh::{
        coordinator::{InProcess, RefreshCoordinator},
        hook::{HookDecision, RefreshHook, RefreshedSession},
    },
    seal::SealFormat,
    secret::Secret,
    upstream::{budget::RefreshLimits, transport::Transport},
};

/// How a service talks to WorkOS and keeps its sessions.
///
/// What has no default is an argument of [`new`](Self::new); what has one is a `with_` method that states it.
/// Nothing is checked here: making an [`Authenticator`](crate::Authenticator) from it reports every problem at once.
///
/// # Examples
///
/// ```
/// use authkit_session::{Authenticator, Config, CookiePassword};
///
/// let password = CookiePassword::new("0123456789abcdef0123456789abcdef")?;
/// let config = Config::new("client_123", "sk_test_123", "https://app.example.com/callback", password)
///     .with_cookie_domain("example.com");
/// assert!(Authenticator::new(config).is_ok());
/// # Ok::<(), authkit_session::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Config {
    pub(crate) client_id: String,
    pub(crate) api_key: Secret,
    pub(crate) redirect_uri: String,
    pub(crate) password: CookiePassword,
    pub(crate) other_passwords: Vec<CookiePassword>,
    pub(crate) neighbours: Neighbours,
    pub(crate) seal_format: SealFormat,
    pub(crate) cookie_name: String,
    pub(crate) cookie_domain: Option<String>,
    pub(crate) cookie_lifetime: CookieLifetime,
    pub(crate) same_site: SameSite,
    pub(crate) cookie_prefix: CookiePrefix,
    pub(crate) base_url: String,
    pub(crate) authorize_base_url: Option<String>,
    pub(crate) issuers: Option<Vec<String>>,
    pub(crate) audiences: Option<Vec<String>>,
    pub(crate) leeway: Duration,
    pub(crate) origins: Vec<String>,
    pub(crate) return_origins: Vec<String>,
    pub(crate) base_path: String,
    pub(crate) login_path: Option<String>,
    pub(crate) logout_path: Option<String>,
    pub(crate) after_logout: Option<String>,
    pub(crate) clock: Clock,
    pub(crate) session_cache: usize,
    pub(crate) transport: Option<Arc<dyn Transport>>,
    pub(crate) refresh_coordinator: Arc<dyn RefreshCoordinator>,
    pub(crate) refresh_limits: RefreshLimits,
    pub(crate) stale_keys: Duration,
    pub(crate) revocations: Option<Arc<dyn Revocations>>,
    pub(crate) refresh_hook: Option<RefreshHook>,
    pub(crate) credential_memory: Duration,
}

impl Config {
    /// Describes the service that WorkOS knows as `client_id`, whose callback is at `redirect_uri`.
    ///
    /// The origin of `redirect_uri` is taken as the public origin of the service, whatever `Host` or forwarded
    /// headers say, and its path as the path of the callback endpoint. [`with_origins`](Self::with_origins) adds others.
    pub fn new(
        client_id: impl Into<String>,
        api_key: impl Into<Secret>,
        redirect_uri: impl Into<String>,
        password: CookiePassword,
    ) -> Self {
        Self {
            client_id: client_id.into(),
            api_key: api_key.into(),
            redirect_uri: redirect_uri.into(),
            password,
            other_passwords: Vec::new(),
            neighbours: Neighbours::Unpinned,
            seal_format: SealFormat::Ruby,
            cookie_name: "wos_session".to_owned(),
            cookie_domain: None,
            cookie_lifetime: CookieLifetime::MaxAge(MAX_COOKIE_AGE),
            same_site: SameSite::Lax,
            cookie_prefix: CookiePrefix::Plain,
            base_url: "https://api.workos.com".to_owned(),
            authorize_base_url: None,
            issuers: None,
            audiences: None,
            leeway: Duration::from_secs(5),
            origins: Vec::new(),
            return_origins: Vec::new(),
            base_path: String::new(),
            login_path: None,
            logout_path: None,
            after_logout: None,
            clock: Clock::system(),
            session_cache: 32 << 20,
            transport: None,
            refresh_coordinator: Arc::new(InProcess),
            refresh_limits: RefreshLimits::default(),
            stale_keys: Duration::from_secs(24 * 60 * 60),
            revocations: None,
            refresh_hook: None,
            credential_memory: Duration::from_secs(60),
        }
    }

    /// Reads the configuration from environment variables.
    ///
    /// | variable | meaning | default |
    /// |---|---|---|
    /// | `WORKOS_CLIENT_ID`, `WORKOS_API_KEY` | from the WorkOS dashboard | required |
    /// | `WORKOS_REDIRECT_URI` | where WorkOS sends browsers back to | required |
    /// | `WORKOS_ORIGINS` | further origins of this service, separated by commas | none |
    /// | `WORKOS_RETURN_ORIGINS` | other origins that sign-ins may end at, separated by commas | none |
    /// | `WORKOS_BASE_PATH` | the path that a proxy in front strips | none |
    /// | `WORKOS_COOKIE_PASSWORD` | at least 32 bytes, `openssl rand -base64 32` | required |
    /// | `WORKOS_COOKIE_PASSWORD_OTHERS` | passwords that open too, separated by commas | none |
    /// | `WORKOS_API_KEY_FILE`, `WORKOS_COOKIE_PASSWORD_FILE`, `WORKOS_COOKIE_PASSWORD_OTHERS_FILE` | in place of the variable without `_FILE`: the path of a file that holds its value; line breaks at its end do not count | |
    /// | `WORKOS_COOKIE_PASSWORD_PIN_NEIGHBOURS` | `true`: re-seal with the password that opened | `false` |
    /// | `WORKOS_SEAL_FORMAT` | `ruby`, `ruby6`, `go`, `rust`, `python`, `node` | `ruby` |
    /// | `WORKOS_COOKIE_NAME` | | `wos_session` |
    /// | `WORKOS_COOKIE_DOMAIN` | | this host only |
    /// | `WORKOS_COOKIE_MAX_AGE` | seconds | 34560000 |
    /// | `WORKOS_COOKIE_SAMESITE` | `lax`, `none`, or `partitioned` (none, and kept apart for each site that embeds the service) | `lax` |
    /// | `WORKOS_ISSUER` | accepted issuers, separated by commas | any |
    /// | `WORKOS_BASE_URL` | where calls go | `https://api.workos.com` |
    /// | `WORKOS_API_HOSTNAME`, `WORKOS_API_HTTPS`, `WORKOS_API_PORT` | the same in parts, as the JavaScript libraries have it | |
    /// | `WORKOS_AUTHORIZE_BASE_URL` | where browsers go | as calls |
    ///
    /// Calls to WorkOS go through the proxy that `https_proxy` names, except for those to a loopback address. The
    /// certificates that they are checked with are the system's, or those of the file that `SSL_CERT_FILE` names.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with everything that is missing or wrong.
    pub fn from_env() -> Result<Self, ConfigError> {
        env::read(|name| std::env::var(name))
    }

    /// Reads the configuration from the variables of [`from_env`](Self::from_env), wherever `lookup` finds them.
    ///
    /// An empty variable counts as one that is not set.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with everything that is missing or wrong.
    ///
    /// # Examples
    ///
    /// ```
    /// use authkit_session::{Config, Setting};
    ///
    /// let error = Config::from_vars(|name| match name {
    ///     "WORKOS_CLIENT_ID" => Some("client_123".to_owned()),
    ///     "WORKOS_COOKIE_PASSWORD" => Some("short".to_owned()),
    ///     _ => None,
    /// })
    /// .unwrap_err();
    /// let settings: Vec<_> =
    ///     error.problems().iter().map(|problem| problem.finding().setting()).collect();
    /// assert_eq!(settings, [Setting::ApiKey, Setting::RedirectUri, Setting::CookiePassword]);
    /// ```
    pub fn from_vars(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        env::read(|name| lookup(name).ok_or(VarError::NotPresent))
    }

    /// Adds passwords that open cookies but never seal one (default: none), such as the previous or the next one.
    ///
    /// A new password is rolled out in two deploys: first here, on every replica, then as the one given to
    /// [`new`](Self::new), with the old one here.
    pub fn with_other_passwords(
        mut self,
        passwords: impl IntoIterator<Item = CookiePassword>,
    ) -> Self {
        self.other_passwords = passwords.into_iter().collect();
        self
    }

    /// Re-seals a cookie with the password that opened it (default: with the current one).
    ///
    /// For a service beside SDKs that know one password, which may not be our current one.
    pub fn with_pinned_neighbours(mut self) -> Self {
        self.neighbours = Neighbours::Pinned;
        self
    }

    /// Chooses the format of new cookies (default [`SealFormat::Ruby`]); a refresh keeps the format it found.
    pub fn with_seal_format(mut self, format: SealFormat) -> Self {
        self.seal_format = format;
        self
    }

    /// Renames the session cookie (default `wos_session`; the JavaScript libraries use `wos-session`).
    pub fn with_cookie_name(mut self, name: impl Into<String>) -> Self {
        self.cookie_name = name.into();
        self
    }

    /// Shares the cookie with every host under `domain` (default: this host only).
    ///
    /// Any of those hosts can then read and overwrite the session.
    pub fn with_cookie_domain(mut self, domain: impl Into<String>) -> Self {
        self.cookie_domain = Some(domain.into());
        self
    }

    /// Lets the browser keep the cookie for `age` (default and maximum: 400 days, as RFC 6265bis section 5.5 has it).
    pub fn with_cookie_max_age(mut self, age: Duration) -> Self {
        self.cookie_lifetime = CookieLifetime::MaxAge(age);
        self
    }

    /// Forgets the session when the browser closes, as the quick start guides do (default: kept for 400 days).
    pub fn with_browser_session(mut self) -> Self {
        self.cookie_lifetime = CookieLifetime::Browser;
        self
    }

    /// Sets the cookie's `SameSite` attribute (default [`SameSite::Lax`]).
    ///
    /// **Warning:** with [`SameSite::None`] and [`SameSite::Partitioned`], browsers send the session with requests that other
    /// sites make. Only the check of a request's origin then stops their forms, so list no trusted origin that is not yours.
    ///
    /// # Examples
    ///
    /// An application that other sites embed in a frame:
    ///
    /// ```
    /// use authkit_session::SameSite;
    ///
    /// # use authkit_session::{Authenticator, Config, CookiePassword};
    /// # let password = CookiePassword::new("0123456789abcdef0123456789abcdef")?;
    /// # let config = Config::new("client_123", "sk_test_123", "https://app.example.com/callback", password);
    /// let config = config.with_same_site(SameSite::Partitioned);
    /// # assert!(Authenticator::new(config).is_ok());
    /// # Ok::<(), authkit_session::ConfigError>(())
    /// ```
    pub fn with_same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    /// Gives the session cookie the `__Host-` prefix, so that no sibling host can set it (default: no prefix).
    ///
    /// Needs https and excludes [`with_cookie_domain`](Self::with_cookie_domain). The SDKs do not look for that name.
    pub fn with_host_prefix(mut self) -> Self {
        self.cookie_prefix = CookiePrefix::Host;
        self
    }

    /// Sends calls to another base (default `https://api.workos.com`). It has to be https, unless it is loopback.
    pub fn with_base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = url.into();
        self
    }

    /// Sends browsers to another base than the calls (default: the same), as when an emulator runs in a container.
    pub fn with_authorize_base_url(mut self, url: impl Into<String>) -> Self {
        self.authorize_base_url = Some(url.into());
        self
    }

    /// Accepts access tokens of these issuers only (default: of any issuer).
    ///
    /// Issuers are compared exactly; with an empty list no token is accepted.
    pub fn with_issuers(mut self, issuers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.issuers = Some(issuers.into_iter().map(Into::into).collect());
        self
    }

    /// Accepts access tokens for one of these audiences only (default: the `aud` claim is not read).
    pub fn with_audiences(
        mut self,
        audiences: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        self.audiences = Some(audiences.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the greatest difference between our clock and WorkOS's (default 5 seconds, at most 60), applied to `exp`
    /// and `nbf`.
    pub fn with_leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Lists further origins under which browsers reach this service (default: that of the redirect URI alone).
    ///
    /// The host that a request itself names (`Host`, or `:authority` in HTTP/2 and HTTP/3) chooses among them: users
    /// sign in, come back, stay and sign out there. A host that is not listed gets the redirect URI's origin, and
    /// forwarded headers are not read, so a proxy in front has to pass the browser's `Host` on. Each origin's callback,
    /// the path of the redirect URI, has to be registered at WorkOS; cookies are each host's own unless
    /// [`with_cookie_domain`](Self::with_cookie_domain) shares them. All origins have the scheme of the redirect URI.
    ///
    /// A wildcard stands for one label: `https://*.preview.example.com`.
    ///
    /// **Warning:** whoever controls a page on a host that a wildcard covers can sign in as a user who follows a link
    /// of theirs. List only hosts of your own.
    ///
    /// # Examples
    ///
    /// ```
    /// # use authkit_session::{Authenticator, Config, CookiePassword};
    /// # let password = CookiePassword::new("0123456789abcdef0123456789abcdef")?;
    /// let config = Config::new("client_123", "sk_test_123", "https://app.example.com/callback", password)
    ///     .with_origins(["https://app.example.org", "https://*.preview.example.com"]);
    /// let authenticator = Authenticator::new(config)?;
    ///
    /// let origins = authenticator.settings().origins();
    /// assert_eq!(origins.choose("pr-7.preview.example.com").as_str(), "https://pr-7.preview.example.com");
    /// assert_eq!(origins.choose("evil.example").as_str(), "https://app.example.com");
    /// # Ok::<(), authkit_session::ConfigError>(())
    /// ```
    pub fn with_origins(mut self, origins: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.origins = origins.into_iter().map(Into::into).collect();
        self
    }

    /// Lists other origins that `return_to` may name by an absolute URL (default: none), such as that of a single-page
    /// application: sign-ins and sign-outs that begin there end there.
    ///
    /// **Warning:** this only decides where browsers are sent. `AuthKitLayer::with_trusted_origins` and a CORS layer
    /// decide what scripts of those origins may send here.
    ///
    /// # Examples
    ///
    /// ```
    /// # use authkit_session::{Authenticator, Config, CookiePassword};
    /// # let password = CookiePassword::new("0123456789abcdef0123456789abcdef")?;
    /// let config = Config::new("client_123", "sk_test_123", "https://api.example.com/callback", password)
    ///     .with_return_origins(["https://app.example.com"]);
    /// # assert!(Authenticator::new(config).is_ok());
    /// # Ok::<(), authkit_session::ConfigError>(())
    /// ```
    pub fn with_return_origins(
        mut self,
        origins: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        self.return_origins = origins.into_iter().map(Into::into).collect();
        self
    }

    /// Names the path that a proxy in front of this service strips from every request (default: none).
    ///
    /// Requests arrive without the prefix; everything that goes to a browser has it: redirects, `login_url`, links, and
    /// the `Path` of the cookies, so that services under several paths of one host have sessions of their own. Every
    /// path of this configuration and every `return_to` is as the browser sees it, with the prefix. Routes and
    /// `AuthKitLayer::except` see the path that the proxy passes on.
    ///
    /// **Warning:** the service cannot see what the proxy strips. With a prefix that it does not strip, or another one,
    /// browsers are sent to paths where this service is not.
    ///
    /// # Examples
    ///
    /// ```
    /// # use authkit_session::{Authenticator, Config, CookiePassword};
    /// # let password = CookiePassword::new("0123456789abcdef0123456789abcdef")?;
    /// let config = Config::new("client_123", "sk_test_123", "https://example.com/app/callback", password)
    ///     .with_base_path("/app");
    /// assert_eq!(Authenticator::new(config)?.settings().login_path(), "/app/login");
    /// # Ok::<(), authkit_session::ConfigError>(())
    /// ```
    pub fn with_base_path(mut self, path: impl Into<String>) -> Self {
        self.base_path = path.into();
        self
    }

    /// Names the sign-in endpoint as the browser sees it (default `/login`, under the base path if there is one). It
    /// cannot be `/`, the path where sign-ins end.
    pub fn with_login_path(mut self, path: impl Into<String>) -> Self {
        self.login_path = Some(path.into());
        self
    }

    /// Names the sign-out endpoint as the browser sees it (default `/logout`, under the base path if there is one); it
    /// cannot be `/`.
    pub fn with_logout_path(mut self, path: impl Into<String>) -> Self {
        self.logout_path = Some(path.into());
        self
    }

    /// Sets where a browser is sent after signing out (default `/`, under the base path if there is one): a path of the
    /// origin that the browser is at, or an absolute URL.
    ///
    /// The target must be registered as a sign-out redirect in the WorkOS dashboard.
    pub fn with_after_logout(mut self, target: impl Into<String>) -> Self {
        self.after_logout = Some(target.into());
        self
    }

    /// Takes the time from `clock` (default [`Clock::system`]).
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Remembers verified sessions in so many bytes (default 32 MiB, some 10,000 sessions; 0: in none).
    ///
    /// A request whose cookie value was verified before is admitted without cryptography, as long as its token is
    /// valid, its signing key is published, its password is configured and the session has not ended. Sessions that do
    /// not fit are verified on each request.
    pub fn with_session_cache(mut self, bytes: usize) -> Self {
        self.session_cache = bytes;
        self
    }

    /// Sends calls through `transport`, for certificates of your own or for tests.
    ///
    /// Default: HTTP/1.1 by reqwest, without redirects, checked with the system's certificates, through the proxy that
    /// the environment variable `https_proxy` names. Calls to a loopback address go through no proxy.
    pub fn with_transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Uses fetched signing keys for up to `age` while WorkOS cannot be reached (default 24 hours).
    ///
    /// Tokens are then verified with a key that WorkOS may have withdrawn. While WorkOS can be reached, no key is used
    /// for longer than 10 minutes.
    pub fn with_stale_keys(mut self, age: Duration) -> Self {
        self.stale_keys = age;
        self
    }

    /// Remembers WorkOS's answer about a customer's API key, or about an introspected token, for `time` (default 60
    /// seconds, at most an hour).
    ///
    /// **Warning:** a deleted key stays valid for at most that long; with webhooks it ends at once. Each process asks about
    /// each key that is in use once in this time.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # use authkit_session::{Authenticator, Config, CookiePassword};
    /// # let password = CookiePassword::new("0123456789abcdef0123456789abcdef")?;
    /// # let config = Config::new("client_123", "sk_test_123", "https://app.example.com/callback", password);
    /// let config = config.with_credential_memory(Duration::from_secs(10));
    /// # assert!(Authenticator::new(config).is_ok());
    /// # Ok::<(), authkit_session::ConfigError>(())
    /// ```
    pub fn with_credential_memory(mut self, time: Duration) -> Self {
        self.credential_memory = time.min(Duration::from_secs(60 * 60));
        self
    }

    /// Refreshes together with other replicas through `coordinator` (default [`InProcess`]: each process alone).
    pub fn with_refresh_coordinator(mut self, coordinator: Arc<dyn RefreshCoordinator>) -> Self {
        self.refresh_coordinator = coordinator;
        self
    }

    /// Limits the refreshes of this process: how many run at once, and how many start in a second (default 32 and 40).
    ///
    /// A request beyond the limits continues with the session that it has, or is told to come back in a second. WorkOS
    /// allows 500 writes in 10 seconds, from all replicas together.
    pub fn with_refresh_limits(mut self, at_once: NonZeroUsize, per_second: NonZeroUsize) -> Self {
        self.refresh_limits =
            RefreshLimits { at_once: at_once.get(), per_second: per_second.get() };
        self
    }

    /// Sends revocations to other replicas, and receives theirs, through `revocations` (default: each process knows
    /// only the revocations that it was told of itself).
    pub fn with_revocations(mut self, revocations: Arc<dyn Revocations>) -> Self {
        self.revocations = Some(revocations);
        self
    }

    /// Asks the application about every session that was refreshed or switched to another organization, before the
    /// request continues with it (default: the request always continues).
    ///
    /// [`HookDecision::Refuse`] ends the session: the client is told to sign in, the session's cookie is refused here,
    /// and WorkOS revokes the session. With [`HookDecision::Undecided`], a panic, or no answer within 3 seconds, a
    /// request whose old token has expired gets 503. The new cookie is set all the same, since the old refresh token is
    /// used up, and the hook is asked again when the new cookie comes back. Only the process that asked the hook does
    /// so: another replica, or this one after a restart, admits the new token until it expires. For new sign-ins, see
    /// the sign-in hook.
    ///
    /// The hook may be asked more than once about one session: by each replica, and again after a failure.
    ///
    /// # Examples
    ///
    /// ```
    /// use authkit_session::{Config, CookiePassword, RefreshedSession, HookDecision};
    ///
    /// # async fn is_suspended(_: &str) -> Result<bool, ()> { Ok(false) }
    /// # let password = CookiePassword::new("0123456789abcdef0123456789abcdef")?;
    /// # let config = Config::new("client_123", "sk_test_123", "https://app.example.com/callback", password);
    /// let config = config.with_refresh_hook(async |refreshed: RefreshedSession| {
    ///     match is_suspended(refreshed.session.user_id()).await {
    ///         Ok(false) => HookDecision::Keep,
    ///         Ok(true) => HookDecision::Refuse,
    ///         Err(_) => HookDecision::Undecided,
    ///     }
    /// });
    /// # Ok::<(), authkit_session::ConfigError>(())
    /// ```
    pub fn with_refresh_hook<F, A>(mut self, hook: F) -> Self
    where
        F: Fn(RefreshedSession) -> A + Send + Sync + 'static,
        A: Future<Output = HookDecision> + Send + 'static,
    {
        self.refresh_hook = Some(RefreshHook::new(hook));
        self
    }

    /// The sign-in endpoint's path, or its default.
    pub(crate) fn login_path(&self) -> Cow<'_, str> {
        self.path(self.login_path.as_deref(), "/login")
    }

    /// The sign-out endpoint's path, or its default.
    pub(crate) fn logout_path(&self) -> Cow<'_, str> {
        self.path(self.logout_path.as_deref(), "/logout")
    }

    /// The target after signing out, or its default.
    pub(crate) fn after_logout(&self) -> Cow<'_, str> {
        self.path(self.after_logout.as_deref(), "/")
    }

    /// A path as the browser sees it; a default path is below the base path.
    fn path<'p>(&self, set: Option<&'p str>, default: &str) -> Cow<'p, str> {
        set.map_or_else(|| format!("{}{default}", self.base_path).into(), Cow::Borrowed)
    }
}
