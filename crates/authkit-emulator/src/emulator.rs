use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde_json::Value;

use crate::{
    builder::EmulatorBuilder,
    clock::EmulatorClock,
    config::Rotation,
    connect::Connect,
    connections::Connections,
    fault::Fault,
    people::{People, UserInfo},
    rate_limit::RateLimit,
    server::Server,
    signing_keys::Keys,
    state::{Shared, events, grants},
    target::Target,
    test_session::{Choice, TestSession},
    webhooks::Webhooks,
};

/// A running emulator. Dropping it closes its port and every connection.
///
/// It serves on a thread of its own, so it answers while the caller's runtime is busy: a test on a single-threaded
/// runtime may block, and pausing tokio's clock does not affect it.
///
/// # Examples
///
/// ```
/// use authkit_emulator::Emulator;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let emulator = Emulator::start().await;
/// let session = emulator.session("alice@acme.test");
///
/// let claims = session.claims();
/// assert_eq!(claims["role"], "admin");
/// assert_eq!(claims["iss"], format!("{}/user_management/client_emulator", emulator.url()));
/// # }
/// ```
pub struct Emulator {
    pub(crate) url: String,
    pub(crate) client_id: String,
    pub(crate) api_key: String,
    pub(crate) issuer: String,
    pub(crate) shared: Arc<Shared>,
    pub(crate) _server: Server,
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Emulator {
    /// Settings to start an emulator with.
    pub fn builder() -> EmulatorBuilder {
        EmulatorBuilder::new()
    }

    /// Starts an emulator on a free port of `127.0.0.1`, with the defaults of [`Emulator::builder`].
    ///
    /// # Panics
    ///
    /// If it cannot be started (no free port, no more threads); [`EmulatorBuilder::start`](crate::EmulatorBuilder::start)
    /// returns the error instead.
    pub async fn start() -> Self {
        Self::builder().start().await.expect("a free port on the loopback interface, and a thread")
    }

    /// The base URL for clients, such as `http://127.0.0.1:40123`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The client id that it accepts.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The API key that it accepts, also as the client secret.
    pub fn api_key(&self) -> &str {
        &self.api_key
    }

    /// The `iss` of its tokens.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// `WORKOS_API_KEY`, `WORKOS_CLIENT_ID`, `WORKOS_BASE_URL` and `WORKOS_ISSUER` for a service under test.
    pub fn env(&self) -> Vec<(&'static str, String)> {
        vec![
            ("WORKOS_API_KEY", self.api_key.clone()),
            ("WORKOS_CLIENT_ID", self.client_id.clone()),
            ("WORKOS_BASE_URL", self.url.clone()),
            ("WORKOS_ISSUER", self.issuer.clone()),
        ]
    }

    /// The emulator's time.
    pub fn now(&self) -> SystemTime {
        self.shared.lock().now()
    }

    /// The emulator's clock, for services that must read the same time.
    pub fn clock(&self) -> EmulatorClock {
        self.shared.lock().clock.clone()
    }

    /// Moves the emulator's clock forward: tokens, codes, sessions and the replay grace expire accordingly. A service
    /// that reads the same [`clock`](Self::clock) moves with it.
    pub fn advance(&self, by: Duration) {
        self.shared.lock().clock.advance(by);
    }

    /// Sets the lifetime of the access tokens issued from now on.
    pub fn set_token_ttl(&self, ttl: Duration) {
        self.shared.lock().token_ttl = ttl;
    }

    /// Sets how exchanged refresh tokens are answered, including those that were exchanged earlier.
    pub fn set_rotation(&self, rotation: Rotation) {
        self.shared.lock().rotation = rotation;
    }

    /// Limits how many calls the emulator accepts in a window of time, from now on; `None` removes the limit.
    pub fn set_rate_limit(&self, limit: Option<RateLimit>) {
        self.shared.lock().limiter.set(limit);
    }

    /// How many requests came to an [`Endpoint`](crate::Endpoint), with a [`Grant`](crate::Grant), or for a [`Target`],
    /// with or without success.
    ///
    /// # Panics
    ///
    /// If the target names a user, a session or an organization that does not exist.
    pub fn calls(&self, of: impl Into<Target>) -> u64 {
        let (state, target) = (self.shared.lock(), of.into());
        target.expect_known(&state);
        state.counts.of(&target, &state.directory)
    }

    /// How many refresh exchanges issued a new pair of tokens; a replay within the grace issues none.
    pub fn exchanges(&self) -> u64 {
        self.shared.lock().counts.exchanges
    }

    /// How many calls the [`RateLimit`] refused.
    pub fn rate_limited(&self) -> u64 {
        self.shared.lock().counts.limited
    }

    /// Sets every count of [`calls`](Self::calls), [`exchanges`](Self::exchanges) and
    /// [`rate_limited`](Self::rate_limited) to 0.
    pub fn reset_calls(&self) {
        self.shared.lock().counts.reset();
    }

    /// The connections, to count, freeze or swallow them.
    pub fn connections(&self) -> Connections<'_> {
        Connections::new(&self.shared)
    }

    /// Makes requests fail; see [`Fault`].
    ///
    /// # Panics
    ///
    /// If the fault's target names a user, a session or an organization that does not exist.
    pub fn fault(&self, fault: Fault) {
        let mut state = self.shared.lock();
        fault.target.expect_known(&state);
        state.faults.add(fault);
    }

    /// How many faults are still to happen, including those that go on [until cleared](Fault::until_cleared).
    pub fn pending_faults(&self) -> usize {
        self.shared.lock().faults.pending().count()
    }

    /// Removes the faults that are still to happen.
    pub fn clear_faults(&self) {
        self.shared.lock().faults.clear();
    }

    /// Ends a session as an administrator does: the emulator refuses its refresh tokens, and its access tokens stay valid
    /// until they expire. Returns whether a session has that id.
    pub fn revoke(&self, session_id: &str) -> bool {
        events::end_session(&mut self.shared.lock(), session_id)
    }

    /// The webhook endpoints, and how many events were delivered to them.
    pub fn webhooks(&self) -> Webhooks<'_> {
        Webhooks::new(&self.shared)
    }

    /// Also sends all further events to this webhook endpoint; short for [`Webhooks::add`].
    pub fn add_webhook(&self, url: &str, secret: &str) {
        self.webhooks().add(url, secret);
    }

    /// The AuthKit domain: machines, OAuth applications such as MCP clients, and API keys of customers.
    pub fn connect(&self) -> Connect<'_> {
        Connect::new(&self.shared)
    }

    /// Whether a session can still be refreshed: it has not ended by sign-out or revocation, and has not expired.
    pub fn is_active(&self, session_id: &str) -> bool {
        let state = self.shared.lock();
        state.sessions.get(session_id).is_some_and(|session| !session.is_over(state.now()))
    }

    /// Issues an authorization code without a sign-in request of the application, and so without PKCE. A callback gets
    /// such a code, with no `state`, when somebody impersonates a user from the dashboard or follows an invitation.
    ///
    /// # Panics
    ///
    /// If no user has that address.
    pub fn authorization_code(&self, email: &str) -> String {
        let mut state = self.shared.lock();
        let user_id = state.directory.expect_user(email).id.clone();
        grants::code_for(&mut state, user_id)
    }

    /// Signs a user in without HTTP. Every endpoint accepts the session's tokens.
    ///
    /// The session is in the user's first organization, if there is one; [`TestSession::organization`] sets another.
    ///
    /// # Panics
    ///
    /// If no user has that address.
    pub fn session(&self, email: &str) -> TestSession {
        let session = TestSession::begin(Arc::clone(&self.shared), email, Choice::First);
        session.unwrap_or_else(|problem| panic!("{problem}"))
    }

    /// Signs any claims with the current key: a token with a valid signature, whatever it claims.
    pub fn mint(&self, claims: &Value) -> String {
        let key = Arc::clone(self.shared.lock().keys.signing());
        key.sign(&key.header(), claims)
    }

    /// Signs any claims under any header with the current key, always by RS256, whatever `alg` the header names.
    pub fn mint_with(&self, header: &Value, claims: &Value) -> String {
        let key = Arc::clone(self.shared.lock().keys.signing());
        key.sign(header, claims)
    }

    /// The published key set, as the JWKS endpoint answers it; short for [`Keys::jwks`].
    pub fn jwks(&self) -> Value {
        self.keys().jwks()
    }

    /// Signs with a new key from now on; short for [`Keys::rotate`].
    pub fn rotate_keys(&self) -> String {
        self.keys().rotate()
    }

    /// The keys, to publish, sign with and retire them.
    pub fn keys(&self) -> Keys<'_> {
        Keys::new(&self.shared)
    }

    /// Users and organizations, to add and change them.
    pub fn people(&self) -> People<'_> {
        People::new(&self.shared)
    }

    /// All users; short for [`People::users`].
    pub fn users(&self) -> Vec<UserInfo> {
        self.people().users()
    }

    /// Gives a user another role in an organization; short for [`People::set_role`].
    pub fn set_role(&self, email: &str, organization: &str, role: &str) {
        self.people().set_role(email, organization, role);
    }

    /// Takes a user out of an organization; short for [`People::remove_membership`].
    pub fn remove_membership(&self, email: &str, organization: &str) {
        self.people().remove_membership(email, organization);
    }

    /// Removes a user; short for [`People::remove_user`].
    pub fn remove_user(&self, email: &str) {
        self.people().remove_user(email);
    }

    /// Sets a custom claim of a user; short for [`People::set_claim`].
    pub fn set_claim(&self, email: &str, name: &str, value: Value) {
        self.people().set_claim(email, name, value);
    }
}
