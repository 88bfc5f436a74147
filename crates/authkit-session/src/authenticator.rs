use std::{fmt, future::Future, sync::Arc, time::Duration};

use http::HeaderMap;

use crate::{
    candidate::{jwks::Jwks, reader::SessionReader},
    config::{
        Config,
        settings::{self, Checked, Settings},
        warning::ConfigWarning,
    },
    config_error::ConfigError,
    cookie_password::CookiePassword,
    end::{
        SessionEnder,
        cut_offs::CutOffs,
        notice::RevocationPublisher,
        revocation::{NotPublished, Revocation},
        sign_out::{SignOut, SignedOut},
        watch::PrincipalWatch,
    },
    error::Error,
    instances::{InstanceRegistration, OtherInstances},
    oauth_tokens::OauthTokens,
    refresh::{Refresher, RefresherParts, hook::HookDecision, on_demand::OnDemand},
    refresh_state::RefreshState,
    request::{
        admission::Admission,
        authenticate::RequestAuthenticator,
        bearer::BearerTokens,
        credential_kinds::{CredentialKinds, CredentialKindsParts},
        header::HeaderPrincipal,
        policy::Policy,
        sign_in::{Replacing, SignIn, SignedIn},
        waiting::Decision,
    },
    seal::{Purpose, SealError, Sealer},
    secret::Secret,
    session::VerifiedSession,
    tasks::Tasks,
    token::verified::VerifiedToken,
    upstream::{client::Client, pkce::PkceVerifier},
};

/// Opens, verifies and refreshes the sessions of a service. Clones share everything.
///
/// Making one neither spawns a task nor needs a runtime; waiting for a [`Decision::Wait`] needs tokio's. Make one for
/// each WorkOS environment of a process: two for one environment do not share sign-outs, and the second logs a warning.
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
    owners: Arc<Owners>,
}

/// The owners that the facade calls.
struct Owners {
    settings: Arc<Settings>,
    client: Client,
    sealer: Arc<Sealer>,
    reader: Arc<SessionReader>,
    ender: Arc<SessionEnder>,
    requests: Arc<RequestAuthenticator>,
    sign_in: SignIn,
    sign_out: SignOut,
    publisher: Arc<RevocationPublisher>,
    kinds: CredentialKinds,
    tasks: Tasks,
    _registration: InstanceRegistration,
    #[cfg(test)]
    state: Arc<RefreshState>,
}

impl Authenticator {
    /// Checks `config` and prepares its keys.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with every problem of the configuration.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        let owners = Owners::new(settings::check(config)?);
        owners.settings.announce();
        Ok(Self { owners: Arc::new(owners) })
    }

    /// The checked configuration.
    pub fn settings(&self) -> &Settings {
        &self.owners.settings
    }

    /// The calls to WorkOS.
    pub fn client(&self) -> &Client {
        &self.owners.client
    }

    /// Decides about a request by its `Cookie` fields. Synchronous: it reads caches and waits for nothing; a background
    /// task fetches signing keys that are older than 5 minutes.
    pub fn authenticate(&self, headers: &HeaderMap, policy: &Policy) -> Decision {
        self.owners.requests.authenticate(headers, policy)
    }

    /// Decides about requests by their bearer tokens.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] where [`Config::with_issuers`] names no issuer.
    pub fn bearer_tokens(&self) -> Result<BearerTokens, ConfigError> {
        self.owners.kinds.bearer_tokens()
    }

    /// The credential kinds other than session cookies and bearer tokens, from which a layer makes those that it
    /// accepts.
    pub fn credential_kinds(&self) -> &CredentialKinds {
        &self.owners.kinds
    }

    /// Exchanges the code of the callback and starts its session, which replaces the session in `headers`, if there is
    /// one. If `decide` refuses the new session, it is revoked at WorkOS, and the session in `headers` continues.
    ///
    /// The code is sent once: after a lost answer nobody can know whether WorkOS used it. `decide` has 3 seconds. It
    /// gets the provider's tokens, if WorkOS sent any; they are stored nowhere. `replacing` says which user's session
    /// in `headers` the new one may replace.
    ///
    /// # Errors
    ///
    /// Those of a call to WorkOS and of [`start_session`](Self::start_session),
    /// [`ErrorKind::HookRefused`](crate::ErrorKind::HookRefused) and
    /// [`ErrorKind::HookUndecided`](crate::ErrorKind::HookUndecided), and
    /// [`ErrorKind::AnotherUser`](crate::ErrorKind::AnotherUser): then the session in `headers` continues, and the new
    /// session stays open at WorkOS, although no browser has it.
    pub async fn exchange_code<R>(
        &self,
        code: &str,
        verifier: &PkceVerifier,
        headers: &HeaderMap,
        replacing: Replacing,
        decide: impl FnOnce(Arc<VerifiedSession>, Option<OauthTokens>) -> R,
    ) -> Result<SignedIn, Error>
    where
        R: Future<Output = HookDecision> + Send + 'static,
    {
        self.owners.sign_in.exchange_code(code, verifier, headers, replacing, decide).await
    }

    /// Starts the session of an answer of WorkOS, which replaces the session in `headers`, if there is one.
    ///
    /// `answer` is the JSON body of a successful `POST /user_management/authenticate`: for applications that sign
    /// users in by other calls, such as the `workos` crate's password or magic-code ones. Its token is verified.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Transient`] if `answer` is not such a body, [`ErrorKind::Unverified`] if its token cannot be
    /// verified, [`ErrorKind::Clock`] if its token is expired or not yet valid, and [`ErrorKind::TooLarge`] if the
    /// session is too large for cookies. Then the session in `headers` continues.
    ///
    /// [`ErrorKind::Transient`]: crate::ErrorKind::Transient
    /// [`ErrorKind::Unverified`]: crate::ErrorKind::Unverified
    /// [`ErrorKind::Clock`]: crate::ErrorKind::Clock
    /// [`ErrorKind::TooLarge`]: crate::ErrorKind::TooLarge
    pub async fn start_session(
        &self,
        answer: &[u8],
        headers: &HeaderMap,
    ) -> Result<SignedIn, Error> {
        self.owners.sign_in.start_session(answer, headers).await
    }

    /// Ends the session of a request here and, in the background, at WorkOS. Works with expired sessions too.
    ///
    /// From now on no response sets the session's cookie again, and this process refuses its cookie.
    ///
    /// The returned value has the fields that delete the session's cookies: each part, for this host and for a
    /// configured `Domain`, and a session of ours under `wos-session`, the name that WorkOS's JavaScript SDKs use.
    pub fn sign_out(&self, headers: &HeaderMap) -> SignedOut {
        self.owners.sign_out.sign_out(headers)
    }

    /// Exchanges the newest token of the session in `headers` now, even if it is valid for long: for a service that has
    /// changed what the token says, such as a role.
    ///
    /// `session` is the one that was admitted with these `headers`. A session is refreshed at most once in 2 seconds.
    /// The call waits at most 5 seconds; the exchange continues after that.
    ///
    /// # Errors
    ///
    /// Those of a call to WorkOS, and [`NoSession`], [`SignedOut`], [`TooSoon`], [`Unverified`]. The session continues
    /// unchanged, unless WorkOS refused it.
    ///
    /// [`NoSession`]: crate::ErrorKind::NoSession
    /// [`SignedOut`]: crate::ErrorKind::SignedOut
    /// [`TooSoon`]: crate::ErrorKind::TooSoon
    /// [`Unverified`]: crate::ErrorKind::Unverified
    pub async fn refresh(
        &self,
        headers: &HeaderMap,
        session: &VerifiedSession,
    ) -> Result<Admission, Error> {
        self.owners.requests.refresh_on_demand(headers, session, OnDemand::NewToken).await
    }

    /// Exchanges the newest token of the session in `headers` for one in this organization.
    ///
    /// If an exchange is under way, the call waits for it first; a session that is in the organization by then is
    /// returned as it is. The limits of [`refresh`](Self::refresh) apply here too.
    ///
    /// # Errors
    ///
    /// As [`refresh`](Self::refresh), and [`ErrorKind::InteractionNeeded`](crate::ErrorKind::InteractionNeeded) where
    /// the user has to sign in at the organization, at [`Error::authkit_redirect_url`] if WorkOS names one.
    pub async fn switch_organization(
        &self,
        headers: &HeaderMap,
        session: &VerifiedSession,
        organization_id: &str,
    ) -> Result<Admission, Error> {
        let demand = OnDemand::organization(organization_id)?;
        self.owners.requests.refresh_on_demand(headers, session, demand).await
    }

    /// Applies a revocation in this process at once, and sends it to the other replicas if [`Config::with_revocations`]
    /// connects them.
    ///
    /// # Errors
    ///
    /// [`NotPublished`] if the other replicas may not have received it; calling again does no harm.
    pub async fn revoke(&self, revocation: Revocation) -> Result<(), NotPublished> {
        self.owners.publisher.revoke(&revocation).await
    }

    /// Watches the session of an admitted token, for a connection that outlives the request.
    pub fn watch(&self, token: &VerifiedToken) -> PrincipalWatch {
        PrincipalWatch::of_token(Arc::clone(&self.owners.ender), token.identity())
    }

    /// Watches a principal that was admitted by a credential of its own, for a connection that outlives the request.
    pub fn watch_header(&self, principal: &HeaderPrincipal) -> PrincipalWatch {
        principal.watch(Arc::clone(&self.owners.ender))
    }

    /// Replaces the passwords without a restart: `current` seals and opens, `others` only open.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if `current` cannot seal the configured format; then the passwords in use stay.
    pub fn reload_keys(
        &self,
        current: &CookiePassword,
        others: &[CookiePassword],
    ) -> Result<(), ConfigError> {
        self.owners.sealer.reload(current, others)
    }

    /// Replaces the API key without a restart; calls that are under way finish with the key that they started with.
    ///
    /// To change a key, make another one in the WorkOS dashboard, give it to every replica, and revoke the first.
    /// The log ids of sessions stay the same.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if `api_key` would be refused at the start, or is of another environment (test or live) than the
    /// first key; then the key in use stays.
    pub fn reload_api_key(&self, api_key: impl Into<Secret>) -> Result<(), ConfigError> {
        let api_key = api_key.into();
        self.owners.settings.check_api_key(&api_key)?;
        if let Some(warning) = ConfigWarning::of_api_key(&api_key) {
            tracing::warn!("{warning}");
        }
        self.owners.client.replace_api_key(api_key);
        tracing::info!("the API key was replaced");
        Ok(())
    }

    /// Seals a value that is not a session, for `purpose` and `context`, into characters that are safe in URLs and
    /// cookies.
    ///
    /// # Errors
    ///
    /// [`SealError::NoRandomness`] if the system has no randomness.
    pub fn seal_for(
        &self,
        purpose: Purpose,
        context: &[u8],
        plaintext: &[u8],
    ) -> Result<String, SealError> {
        self.owners.sealer.seal_for(purpose, context, plaintext)
    }

    /// Opens what [`seal_for`](Self::seal_for) sealed for the same purpose and context. `None` for anything else.
    pub fn open_for(&self, purpose: Purpose, context: &[u8], sealed: &str) -> Option<Vec<u8>> {
        self.owners.sealer.open_for(purpose, context, sealed).map(|opened| opened.to_vec())
    }

    /// Waits until the refreshes and revocations that are under way have finished, `timeout` at most: for a shutdown.
    ///
    /// Returns whether they have.
    pub async fn drain(&self, timeout: Duration) -> bool {
        self.owners.tasks.drain(timeout).await
    }

    #[cfg(test)]
    pub(crate) fn reader(&self) -> &SessionReader {
        &self.owners.reader
    }

    #[cfg(test)]
    pub(crate) fn sealer(&self) -> &Sealer {
        &self.owners.sealer
    }

    #[cfg(test)]
    pub(crate) fn refresh_state(&self) -> &RefreshState {
        &self.owners.state
    }
}

impl Owners {
    fn new(checked: Checked) -> Self {
        let Checked {
            settings,
            client,
            ring,
            cache,
            revocations,
            hooks,
            coordinator,
            stale_keys,
            credential_memory,
        } = checked;
        let (registration, others) = InstanceRegistration::register(&settings, client.base_url());
        if others == OtherInstances::Alive && revocations.is_none() {
            tracing::warn!(
                "another Authenticator (AuthKit) of this environment is alive in this process: neither knows of the \
                 other's sign-outs; clone one of them instead"
            );
        }
        let settings = Arc::new(settings);
        let tasks = Tasks::new();
        let state = Arc::new(RefreshState::new());
        let sealer = Arc::new(Sealer::new(Arc::clone(&settings), ring));
        let keys = Jwks::new(client.clone(), settings.clock().clone(), stale_keys);
        let reader =
            Arc::new(SessionReader::new(Arc::clone(&settings), Arc::clone(&sealer), keys, cache));
        let publisher = RevocationPublisher::subscribed(
            Arc::clone(&settings),
            Arc::clone(&sealer),
            Arc::new(CutOffs::new()),
            revocations,
        );
        let ender = Arc::new(SessionEnder::new(
            Arc::clone(&settings),
            Arc::clone(&state),
            Arc::clone(&publisher),
            client.clone(),
            tasks.clone(),
        ));
        let refresher = Arc::new(Refresher::new(RefresherParts {
            settings: Arc::clone(&settings),
            state: Arc::clone(&state),
            client: client.clone(),
            coordinator,
            hooks,
            sealer: Arc::clone(&sealer),
            reader: Arc::clone(&reader),
            ender: Arc::clone(&ender),
            tasks: tasks.clone(),
        }));
        let kinds = CredentialKinds::new(CredentialKindsParts {
            settings: Arc::clone(&settings),
            client: client.clone(),
            reader: Arc::clone(&reader),
            ender: Arc::clone(&ender),
            stale_keys,
            memory: credential_memory,
        });
        Self {
            kinds,
            requests: Arc::new(RequestAuthenticator::new(
                Arc::clone(&settings),
                Arc::clone(&reader),
                refresher,
                Arc::clone(&ender),
            )),
            sign_in: SignIn::new(
                Arc::clone(&settings),
                client.clone(),
                Arc::clone(&sealer),
                Arc::clone(&reader),
                Arc::clone(&ender),
            ),
            sign_out: SignOut::new(Arc::clone(&settings), Arc::clone(&reader), Arc::clone(&ender)),
            settings,
            client,
            sealer,
            reader,
            ender,
            publisher,
            tasks,
            _registration: registration,
            #[cfg(test)]
            state,
        }
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator")
            .field("settings", &self.owners.settings)
            .field("keys", self.owners.reader.keys())
            .finish_non_exhaustive()
    }
}
