use std::{borrow::Borrow, sync::Arc, time::Duration};

use authkit_session::{Machines, ProtectedResource};
use bytes::Bytes;
use http::Response;
use tower_layer::Layer;

use crate::{
    ConfigError,
    authkit::AuthKit,
    denial::Denial,
    exceptions::Exceptions,
    origin::TrustedOrigins,
    resource::ResourceSettings,
    service::AuthKitService,
    settings::{DefaultCaching, DenialEditor, LayerSettings, Preflight, Presence, Sessions},
};

/// Layer that protects a service with AuthKit sessions.
///
/// A request reaches the service with a [`Session`](crate::Session) in its extensions, or the layer answers it with a
/// [`Denial`]. See the [crate docs](crate) for an example.
///
/// Inside another layer of the same [`AuthKit`], a layer uses the session that the outer one has attached. It adds its own
/// requirement and sends its own denials; the outer layer sets the cookies and checks the origin.
#[derive(Clone, Debug)]
#[must_use]
pub struct AuthKitLayer {
    settings: Arc<LayerSettings>,
}

impl AuthKitLayer {
    /// Requires a session: only signed-in users reach the service, except at paths that [`except`](Self::except) names.
    /// Other requests get a denial in the protocol of their client.
    pub fn new(authkit: &AuthKit) -> Self {
        Self::with_presence(authkit, Presence::Required)
    }

    /// Lets every request through, with a session if its user is signed in.
    ///
    /// If the session cannot be checked right now, as during an outage of WorkOS, the service runs without one, and
    /// extracting `Session` or `Option<Session>` is answered with 503: an outage never looks like a signed-out user.
    pub fn optional(authkit: &AuthKit) -> Self {
        Self::with_presence(authkit, Presence::Optional)
    }

    /// Lets requests for these paths through without a session (default: none), as an
    /// [optional layer](Self::optional) does: with one, if their user is signed in.
    ///
    /// With it a layer can wrap the whole application, so that a forgotten route is protected and not public. The
    /// [`Endpoints`](crate::Endpoints) of the same [`AuthKit`] need not be named.
    ///
    /// A path is exact, such as `/about`, or ends with `/*` and stands for everything below, such as `/assets/*`. It is
    /// compared byte by byte with the path that the client sent, also where axum's `nest` has shortened it. A path that
    /// programs may read in different ways matches no exception: one with `%`, `//`, `;`, `\`, or a segment `.` or `..`.
    /// So a disagreement about spelling protects. A file whose name has to be encoded, as one with a space, is protected
    /// too.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] that names every path which nothing or everything matches.
    ///
    /// # Examples
    ///
    /// ```
    /// use authkit_tower::{AuthKit, AuthKitLayer, ConfigError, Endpoints, Session};
    /// use axum::{Router, routing::get};
    ///
    /// fn app(authkit: &AuthKit, assets: Router) -> Result<Router, ConfigError> {
    ///     Ok(Router::new()
    ///         .route("/", get("Welcome"))
    ///         .route("/dashboard", get(async |session: Session| session.user_id().to_owned()))
    ///         .nest("/assets", assets)
    ///         .layer(AuthKitLayer::new(authkit).except(["/", "/assets/*"])?)
    ///         .merge(Endpoints::new(authkit)))
    /// }
    /// # use authkit_tower::{Config, CookiePassword};
    /// # let password = CookiePassword::new("0123456789abcdef0123456789abcdef")?;
    /// # let authkit = AuthKit::new(Config::new("client_123", "sk_test_123", "https://app.example.com/callback", password))?;
    /// # assert!(app(&authkit, Router::new()).is_ok());
    /// let error = AuthKitLayer::new(&authkit).except(["/assets*"]).unwrap_err();
    /// assert!(error.to_string().contains("write one such as `/about` or `/assets/*`"));
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn except(
        self,
        paths: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self, ConfigError> {
        let exceptions = Exceptions::new(paths.into_iter().map(Into::into))?;
        Ok(self.with(|settings| settings.exceptions = Some(exceptions)))
    }

    /// Edits the denials of this layer (default: the table in the [crate docs](crate#who-gets-which-answer)).
    ///
    /// `edit` gets the complete response, including its status. If it writes a body in another format, it must set the
    /// `Content-Type` too.
    ///
    /// # Examples
    ///
    /// ```
    /// # use authkit_tower::{AuthKit, AuthKitLayer, DenialKind};
    /// # fn layer(authkit: &AuthKit) -> AuthKitLayer {
    /// AuthKitLayer::new(authkit).edit_denials(|denial, response| {
    ///     if denial.kind() == DenialKind::Unavailable {
    ///         response.headers_mut().insert("x-status-page", "https://status.example.com".parse().unwrap());
    ///     }
    /// })
    /// # }
    /// ```
    pub fn edit_denials(
        self,
        edit: impl Fn(&Denial, &mut Response<Bytes>) + Send + Sync + 'static,
    ) -> Self {
        self.with(|settings| settings.denial_editor = Some(DenialEditor(Arc::new(edit))))
    }

    /// Refreshes sessions whose access token is older than this (default: the lifetime of a token, usually 5 minutes).
    ///
    /// A role or a membership that was removed stops counting after this time. Each refresh is a call to WorkOS, and
    /// without WorkOS's answer the request is denied: use it for few, sensitive routes.
    ///
    /// # Examples
    ///
    /// ```
    /// # use authkit_tower::{AuthKit, AuthKitLayer, Require};
    /// # use axum::{Router, routing::post};
    /// # use std::time::Duration;
    /// # async fn payout() {}
    /// # fn app(authkit: &AuthKit) -> Router {
    /// Router::new()
    ///     .route("/payout", post(payout).route_layer(Require::role("owner")))
    ///     .route_layer(AuthKitLayer::new(authkit).with_max_token_age(Duration::from_secs(30)))
    /// # }
    /// ```
    pub fn with_max_token_age(self, age: Duration) -> Self {
        self.with(|settings| settings.max_token_age = Some(age))
    }

    /// Accepts access tokens sent as `Authorization: Bearer` too, for programs (default: only the session cookie).
    ///
    /// The `Authorization` field alone decides about a request that has one, whatever its scheme: its cookies are not
    /// read, nothing is refreshed and no cookie is set. Two such fields are 400. No browser adds a bearer token by itself,
    /// so the origin of such a request is not checked. The request reaches the service with a [`Bearer`](crate::Bearer) in
    /// its extensions instead of a [`Session`](crate::Session), because a token names its user by id only. Handlers that
    /// serve browsers and programs take a [`Principal`](crate::Principal); one that takes a `Session` answers 403. A token
    /// that does not verify, or does not meet a guard, is answered according to RFC 6750.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the configuration names no [issuer](crate::Config::with_issuers): without one, tokens that were
    /// issued for other services would be accepted.
    ///
    /// # Examples
    ///
    /// ```
    /// use authkit_tower::{AuthKit, AuthKitLayer, Config, CookiePassword, Principal};
    /// use axum::{Router, routing::get};
    ///
    /// # fn main() -> Result<(), authkit_tower::ConfigError> {
    /// # let password = CookiePassword::new("0123456789abcdef0123456789abcdef")?;
    /// # let config = Config::new("client_123", "sk_test_123", "https://app.example.com/callback", password);
    /// let config = config.with_issuers(["https://api.workos.com/user_management/client_123"]);
    /// let authkit = AuthKit::new(config)?;
    /// let api: Router = Router::new()
    ///     .route("/api/whoami", get(async |principal: Principal| principal.subject().to_owned()))
    ///     .route_layer(AuthKitLayer::new(&authkit).with_bearer()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_bearer(self) -> Result<Self, ConfigError> {
        let credentials = self.settings.credentials();
        let credentials = self.settings.kinds().accept_bearer(credentials)?;
        Ok(self.with(|settings| settings.credentials = Some(credentials)))
    }

    /// Accepts API keys of customers (`sk_…`) sent as `Authorization: Bearer` too (default: only the session cookie).
    ///
    /// WorkOS is asked about a key when it comes first, and the answer is remembered for 60 seconds
    /// ([`Config::with_credential_memory`](crate::Config::with_credential_memory)); the webhook `api_key.revoked` ends a
    /// key at once. While WorkOS cannot be reached, remembered keys count up to their time, and others get 503. What is
    /// not spelt like a key is refused without a call, and made-up keys share an allowance of calls.
    ///
    /// The request reaches the service with an [`ApiKey`](crate::ApiKey) in its extensions.
    ///
    /// # Examples
    ///
    /// ```
    /// # use authkit_tower::{AuthKit, Config, CookiePassword};
    /// use authkit_tower::{ApiKey, AuthKitLayer, Require};
    /// use axum::{Router, routing::get};
    ///
    /// # let password = CookiePassword::new("0123456789abcdef0123456789abcdef")?;
    /// # let authkit = AuthKit::new(Config::new("client_123", "sk_test_123", "https://app.example.com/callback", password))?;
    /// let export = get(async |key: ApiKey| format!("the reports of {}", key.organization_id()));
    /// let api: Router = Router::new()
    ///     .route("/api/reports", export.route_layer(Require::permission("reports:read")))
    ///     .route_layer(AuthKitLayer::new(&authkit).without_sessions().with_api_keys());
    /// # Ok::<(), authkit_tower::ConfigError>(())
    /// ```
    pub fn with_api_keys(self) -> Self {
        let credentials = self.settings.credentials();
        let credentials = self.settings.kinds().accept_api_keys(credentials);
        self.with(|settings| settings.credentials = Some(credentials))
    }

    /// Accepts access tokens of machines (M2M applications of WorkOS Connect) too (default: only the session cookie).
    ///
    /// `machines` is the AuthKit domain, or a [`Machines`] with more to say. Tokens are verified offline, with the domain's
    /// issuer and keys; they have to be for the client id of this environment. The request reaches the service with a
    /// [`Machine`](crate::Machine) in its extensions, and [`Require::scope`](crate::Require::scope) guards by what the
    /// token is for.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the domain is none, or is also listed as an [issuer](crate::Config::with_issuers) of session
    /// tokens.
    ///
    /// # Examples
    ///
    /// ```
    /// # use authkit_tower::{AuthKit, Config, CookiePassword};
    /// use authkit_tower::{AuthKitLayer, Machine, Require};
    /// use axum::{Router, routing::post};
    ///
    /// # let password = CookiePassword::new("0123456789abcdef0123456789abcdef")?;
    /// # let authkit = AuthKit::new(Config::new("client_123", "sk_test_123", "https://app.example.com/callback", password))?;
    /// let import = post(async |machine: Machine| format!("thank you, {}", machine.client_id()));
    /// let api: Router = Router::new()
    ///     .route("/api/import", import.route_layer(Require::scope("reports:write")))
    ///     .route_layer(AuthKitLayer::new(&authkit).without_sessions().with_machines("https://example.authkit.app")?);
    /// # Ok::<(), authkit_tower::ConfigError>(())
    /// ```
    pub fn with_machines(self, machines: impl Into<Machines>) -> Result<Self, ConfigError> {
        let credentials = self.settings.credentials();
        let credentials = self.settings.kinds().accept_machines(credentials, machines.into())?;
        Ok(self.with(|settings| settings.credentials = Some(credentials)))
    }

    /// Makes the service a protected resource (RFC 9728), such as an MCP server: OAuth applications that act for users
    /// call it with access tokens of an AuthKit domain (default: only the session cookie).
    ///
    /// Tokens are verified offline: issuer, audience (RFC 8707) and the scopes that the resource requires. Clients without
    /// one get 401 with a `WWW-Authenticate` that names the metadata of the resource, from which they find where to sign
    /// in. The layer serves that metadata itself, at `/.well-known/oauth-protected-resource` and at the same path with the
    /// resource's appended, wherever it sees these paths; [`ResourceMetadata`](crate::ResourceMetadata) serves it
    /// elsewhere. The request reaches the service with an [`OAuthClient`](crate::OAuthClient) in its extensions.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the resource's URL or domain cannot be used, or if the domain is also listed as an
    /// [issuer](crate::Config::with_issuers) of session tokens.
    ///
    /// # Examples
    ///
    /// ```
    /// # use authkit_tower::{AuthKit, Config, ConfigError, CookiePassword};
    /// use authkit_tower::{AuthKitLayer, OAuthClient, ProtectedResource};
    /// use axum::{Router, routing::post};
    ///
    /// # fn app(authkit: &AuthKit) -> Result<Router, ConfigError> {
    /// let resource = ProtectedResource::new("https://example.authkit.app", "https://mcp.example.com/mcp");
    /// let app = Router::new()
    ///     .route("/mcp", post(async |client: OAuthClient| client.user_id().to_owned()))
    ///     .layer(AuthKitLayer::new(authkit).without_sessions().with_protected_resource(resource)?);
    /// # Ok(app)
    /// # }
    /// # let password = CookiePassword::new("0123456789abcdef0123456789abcdef")?;
    /// # let authkit = AuthKit::new(Config::new("client_123", "sk_test_123", "https://app.example.com/callback", password))?;
    /// # assert!(app(&authkit).is_ok());
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn with_protected_resource(
        self,
        resource: impl Borrow<ProtectedResource>,
    ) -> Result<Self, ConfigError> {
        let resource = resource.borrow();
        let credentials = self.settings.credentials();
        let credentials = self.settings.kinds().accept_clients(credentials, resource)?;
        let resource = Arc::new(ResourceSettings::new(resource)?);
        Ok(self.with(|settings| {
            settings.credentials = Some(credentials);
            settings.resource = Some(resource);
        }))
    }

    /// Reads no session cookie: only the credentials that are switched on are accepted; if none is, nobody is admitted
    /// (default: sessions are accepted).
    ///
    /// For APIs that no browser calls. No client is sent to sign in: a request without a credential gets 401.
    ///
    /// # Examples
    ///
    /// ```
    /// # use authkit_tower::{AuthKit, AuthKitLayer};
    /// # fn layer(authkit: &AuthKit) -> AuthKitLayer {
    /// AuthKitLayer::new(authkit).without_sessions().with_api_keys()
    /// # }
    /// ```
    pub fn without_sessions(self) -> Self {
        let credentials = self.settings.credentials();
        self.with(|settings| {
            settings.credentials = Some(credentials);
            settings.sessions = Sessions::Ignored;
        })
    }

    /// Also accepts requests that change something from pages of these origins (default: only from our own origin).
    ///
    /// An origin is compared byte for byte with the `Origin` header. Whoever controls a trusted origin can act in the name
    /// of every user who visits it.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if no browser sends an origin in that spelling, such as one with a slash at the end. It names every
    /// such origin, and what to write.
    ///
    /// # Examples
    ///
    /// ```
    /// # use authkit_tower::{AuthKit, Config, CookiePassword};
    /// use authkit_tower::AuthKitLayer;
    ///
    /// # let password = CookiePassword::new("0123456789abcdef0123456789abcdef")?;
    /// # let authkit = AuthKit::new(Config::new("client_123", "sk_test_123", "https://app.example.com/callback", password))?;
    /// let layer = AuthKitLayer::new(&authkit).with_trusted_origins(["https://admin.example.com"])?;
    ///
    /// let error = AuthKitLayer::new(&authkit).with_trusted_origins(["https://admin.example.com/"]).unwrap_err();
    /// assert!(error.to_string().contains("has a slash at the end: write `https://admin.example.com`"));
    /// # Ok::<(), authkit_tower::ConfigError>(())
    /// ```
    pub fn with_trusted_origins(
        self,
        origins: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self, ConfigError> {
        let origins = TrustedOrigins::new(origins.into_iter().map(Into::into))?;
        Ok(self.with(|settings| settings.trusted_origins = origins))
    }

    /// Passes CORS preflights on to the service, without a session (default: they are denied like any other request).
    ///
    /// Needed only if the CORS layer cannot be outside this one. Then anybody can send `OPTIONS` requests to the
    /// service, so the service's answers to them must be harmless.
    pub fn with_insecure_preflight_passthrough(self) -> Self {
        self.with(|settings| settings.preflight = Preflight::Inside)
    }

    /// Adds no cache headers to responses that have none (default: `Cache-Control: private, no-store`, `Vary: Cookie`).
    ///
    /// Only for services whose responses are the same for every user: a shared cache may give one user's response to
    /// another. Responses that set a session cookie stay private.
    pub fn with_insecure_shared_caching(self) -> Self {
        self.with(|settings| settings.default_caching = DefaultCaching::LeftToTheService)
    }

    /// Lets the user's browser keep responses that it can revalidate (default: `Cache-Control: private, no-store`).
    ///
    /// A response with an `ETag` or a `Last-Modified`, and a `304`, gets `Cache-Control: private, no-cache` if the service
    /// sets no cache headers, and `Vary: Cookie` as ever: the browser stores it and asks before each use. It is meant for
    /// static files behind the layer. Responses without a validator and responses that set a session cookie keep
    /// `no-store`.
    ///
    /// What a browser stores stays on the user's disk after the sign-out, and the browser may show it again on "back". Do
    /// not use it for routes whose responses are about the user and have an `ETag`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use authkit_tower::{AuthKit, AuthKitLayer};
    /// # use axum::{Router, routing::get};
    /// # async fn report() {}
    /// # fn app(authkit: &AuthKit, files: Router) -> Router {
    /// let protected_files = files.layer(AuthKitLayer::new(authkit).with_revalidation());
    /// Router::new()
    ///     .route("/report", get(report))
    ///     .route_layer(AuthKitLayer::new(authkit))
    ///     .nest("/files", protected_files)
    /// # }
    /// ```
    pub fn with_revalidation(self) -> Self {
        self.with(|settings| settings.default_caching = DefaultCaching::Revalidation)
    }

    /// Asks for a new sign-in this long after the last one (default: sessions last as long as WorkOS refreshes them).
    ///
    /// It applies to sessions, not to credentials in `Authorization`. The age is counted in whole seconds from the
    /// token's `auth_time`, which refreshes do not change. The layer tells WorkOS how
    /// recent the sign-in must be, so that WorkOS does not answer from its own session. The refusal's reason is
    /// [`Reason::SessionTooOld`](crate::Reason::SessionTooOld), and the cookie stays.
    ///
    /// **Warning:** a token without `auth_time` is too old, however often its user signs in.
    ///
    /// # Examples
    ///
    /// ```
    /// # use authkit_tower::{AuthKit, AuthKitLayer};
    /// # use std::time::Duration;
    /// # fn layer(authkit: &AuthKit) -> AuthKitLayer {
    /// AuthKitLayer::new(authkit).with_max_session_age(Duration::from_secs(12 * 3600)) // once a working day
    /// # }
    /// ```
    pub fn with_max_session_age(self, age: Duration) -> Self {
        self.with(|settings| settings.max_session_age = Some(age))
    }

    /// Asks for a new sign-in after this long without a request (default: sessions last unused).
    ///
    /// The age of the access token stands for the time without requests, since the cookie is all that replicas share: a
    /// session in use is refreshed once its token is older than half of `timeout`. So a session that was idle for
    /// `timeout` never gets in, and one that was idle for less than half of it always does; in between it depends on when
    /// its last refresh was. Each refresh is a call to WorkOS: a timeout of twice the tokens' lifetime (10 minutes, where
    /// tokens live 5) or more costs none beyond the usual.
    ///
    /// **Warning:** an outage of WorkOS counts as time without requests, because nothing can be refreshed. The refusal's
    /// reason is [`Reason::SessionIdle`](crate::Reason::SessionIdle), and the cookie stays.
    ///
    /// # Examples
    ///
    /// ```
    /// # use authkit_tower::{AuthKit, AuthKitLayer};
    /// # use std::time::Duration;
    /// # fn layer(authkit: &AuthKit) -> AuthKitLayer {
    /// AuthKitLayer::new(authkit).with_idle_timeout(Duration::from_secs(30 * 60))
    /// # }
    /// ```
    pub fn with_idle_timeout(self, timeout: Duration) -> Self {
        self.with(|settings| settings.idle_timeout = Some(timeout))
    }

    fn with_presence(authkit: &AuthKit, presence: Presence) -> Self {
        Self { settings: Arc::new(LayerSettings::new(authkit.clone(), presence)) }
    }

    fn with(mut self, set: impl FnOnce(&mut LayerSettings)) -> Self {
        set(Arc::make_mut(&mut self.settings));
        self
    }
}

impl<S> Layer<S> for AuthKitLayer {
    type Service = AuthKitService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AuthKitService::new(inner, Arc::clone(&self.settings))
    }
}
