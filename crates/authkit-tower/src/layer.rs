use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::Response;
use tower_layer::Layer;

use crate::{
    ConfigError,
    authkit::AuthKit,
    denial::Denial,
    gate::{DenialEditor, Gate, Preflight, Presence, SharedCaching},
    service::AuthKitService,
};

/// Layer that protects a service with AuthKit sessions.
///
/// A request reaches the service with a [`Session`](crate::Session) in its extensions, or is answered before it gets
/// there. See the [crate docs](crate) for an example.
///
/// Inside another layer of the same [`AuthKit`], it uses the session that was found there, adds its own requirement,
/// answers in its own way, and leaves to the other the cookies and which sites' requests to take.
#[derive(Clone, Debug)]
#[must_use]
pub struct AuthKitLayer {
    gate: Arc<Gate>,
}

impl AuthKitLayer {
    /// Lets only signed-in users through to the service; everybody else is answered in the protocol they speak.
    pub fn new(authkit: &AuthKit) -> Self {
        Self { gate: Arc::new(Gate::new(authkit.clone(), Presence::Required)) }
    }

    /// Lets everybody through: with a session where there is one, without where nobody is signed in.
    ///
    /// Where it cannot be told now whether somebody is signed in, the service runs without a session too, but asking
    /// for one, even as `Option<Session>`, is answered with 503: an outage never looks like a signed-out user.
    pub fn optional(authkit: &AuthKit) -> Self {
        Self { gate: Arc::new(Gate::new(authkit.clone(), Presence::Optional)) }
    }

    /// Edits the answers to requests that do not reach the service (default: as the table in the
    /// [crate docs](crate#who-gets-which-answer) has them).
    ///
    /// The answer comes complete, with its status: there is nothing that could be forgotten. A body in another format
    /// wants its own `Content-Type`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use authkit_tower::{AuthKit, AuthKitLayer, DenialKind};
    /// # fn layer(authkit: &AuthKit) -> AuthKitLayer {
    /// AuthKitLayer::new(authkit).with_denial(|denial, response| {
    ///     if denial.kind() == DenialKind::Unavailable {
    ///         response.headers_mut().insert("x-status-page", "https://status.example.com".parse().unwrap());
    ///     }
    /// })
    /// # }
    /// ```
    pub fn with_denial(
        self,
        edit: impl Fn(&Denial, &mut Response<Bytes>) + Send + Sync + 'static,
    ) -> Self {
        self.with(|gate| gate.edit = Some(DenialEditor(Arc::new(edit))))
    }

    /// Refreshes sessions whose token is older than this (default: as long as a token lasts, usually 5 minutes).
    ///
    /// A role or a membership that was taken away stops counting after this time. Each refresh is a call to WorkOS,
    /// and without its answer nobody gets in: for few, sensitive routes.
    pub fn with_max_token_age(self, age: Duration) -> Self {
        self.with(|gate| gate.max_token_age = Some(age))
    }

    /// Takes access tokens sent as `Authorization: Bearer` too, for programs (default: only the session's cookie
    /// counts).
    ///
    /// A request with such a token is judged by it alone: its cookies are not read, no origin is checked, nothing is
    /// refreshed or set. It reaches the service with a [`Bearer`](crate::Bearer) in its extensions in place of a
    /// [`Session`](crate::Session), since a token names its user by id only: handlers that serve both take a
    /// [`Principal`](crate::Principal), and one that takes a `Session` answers 403. A token that is not good, or not good
    /// enough for a guard, is answered as RFC 6750 has it.
    ///
    /// # Errors
    ///
    /// Where the configuration names no [issuer](crate::Config::with_issuers): tokens that others made for other
    /// services would count.
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
    ///     .route("/api/whoami", get(async |principal: Principal| principal.user_id().to_owned()))
    ///     .route_layer(AuthKitLayer::new(&authkit).with_bearer()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_bearer(self) -> Result<Self, ConfigError> {
        let bearer = self.gate.authkit().authenticator().bearer_tokens()?;
        Ok(self.with(|gate| gate.bearer = Some(bearer)))
    }

    /// Lets pages of these origins send requests that change something (default: only those of our own origin).
    ///
    /// Compared byte for byte with the `Origin` header, such as `https://admin.example.com`, without a slash at the
    /// end; `null` never matches. Whoever controls a trusted origin can act in the name of every user who visits it.
    pub fn with_trusted_origins(
        self,
        origins: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        self.with(|gate| gate.trusted_origins = origins.into_iter().map(Into::into).collect())
    }

    /// Passes CORS preflights on to the service, without a session (default: refused like any request).
    ///
    /// Needed only where a CORS layer cannot go outside this one. The service then answers `OPTIONS` requests of
    /// anybody; what it does for them has to be harmless.
    pub fn with_preflight_to_inner(self) -> Self {
        self.with(|gate| gate.preflight = Preflight::Inside)
    }

    /// Adds no cache headers to responses that have none (default: `Cache-Control: private, no-store`, `Vary: Cookie`).
    ///
    /// For services whose responses are the same for every user. A shared cache may then give one user's response to
    /// another. Responses that set a session cookie stay private.
    pub fn with_shared_caching(self) -> Self {
        self.with(|gate| gate.shared_caching = SharedCaching::LeftToTheService)
    }

    fn with(mut self, set: impl FnOnce(&mut Gate)) -> Self {
        set(Arc::make_mut(&mut self.gate));
        self
    }
}

impl<S> Layer<S> for AuthKitLayer {
    type Service = AuthKitService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AuthKitService::new(inner, Arc::clone(&self.gate))
    }
}
