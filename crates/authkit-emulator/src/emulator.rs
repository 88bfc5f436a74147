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
    connections::Lines,
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
/// It serves on a thread of its own, so it answers whatever the caller's runtime does: a test on a
/// single-threaded runtime may block, and pausing tokio's clock does not concern it.
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

    /// Where it listens, such as `http://127.0.0.1:40123`: the base URL for clients.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The client id that it answers to.
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

    /// `WORKOS_API_KEY`, `WORKOS_CLIENT_ID`, `WORKOS_BASE_URL` and `WORKOS_ISSUER` for a service that is to use it.
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

    /// The emulator's clock, for a service that has to follow it.
    pub fn clock(&self) -> EmulatorClock {
        self.shared.lock().clock.clone()
    }

    /// Moves the emulator's clock forward: tokens, codes, sessions and the replay grace expire accordingly,
    /// and so does whatever reads the same [`clock`](Self::clock).
    pub fn advance(&self, by: Duration) {
        self.shared.lock().clock.advance(by);
    }

    /// Sets the lifetime of the access tokens issued from now on.
    pub fn set_token_ttl(&self, ttl: Duration) {
        self.shared.lock().token_ttl = ttl;
    }

    /// Sets what becomes of exchanged refresh tokens, those exchanged already included.
    pub fn set_rotation(&self, rotation: Rotation) {
        self.shared.lock().rotation = rotation;
    }

    /// Limits how many calls are taken in a stretch of time, from now on; `None` takes any number.
    pub fn set_rate_limit(&self, limit: Option<RateLimit>) {
        self.shared.lock().limiter.set(limit);
    }

    /// How often an [`Endpoint`](crate::Endpoint) was called, a [`Grant`](crate::Grant) asked for, or what a
    /// [`Target`] says, with or without success.
    ///
    /// # Panics
    ///
    /// If a user, a session or an organization is named that does not exist.
    pub fn calls(&self, of: impl Into<Target>) -> u64 {
        let (state, target) = (self.shared.lock(), of.into());
        target.expect_known(&state);
        state.counts.of(&target, &state.directory)
    }

    /// How many refresh exchanges issued a new pair; a replay inside the grace issues none.
    pub fn exchanges(&self) -> u64 {
        self.shared.lock().counts.exchanges
    }

    /// How many calls were too many for the [`RateLimit`].
    pub fn rate_limited(&self) -> u64 {
        self.shared.lock().counts.limited
    }

    /// Sets every count of [`calls`](Self::calls), [`exchanges`](Self::exchanges) and
    /// [`rate_limited`](Self::rate_limited) to 0.
    pub fn reset_calls(&self) {
        self.shared.lock().counts.reset();
    }

    /// The connections: counted, frozen, swallowed.
    pub fn connections(&self) -> Lines<'_> {
        Lines::new(&self.shared)
    }

    /// Makes something go wrong; see [`Fault`].
    ///
    /// # Panics
    ///
    /// If the fault is for a user, a session or an organization that does not exist: it would never happen.
    pub fn fault(&self, fault: Fault) {
        let mut state = self.shared.lock();
        fault.target.expect_known(&state);
        state.faults.add(fault);
    }

    /// How many faults have not happened yet; one that goes on [until cleared](Fault::until_cleared) counts.
    pub fn pending_faults(&self) -> usize {
        self.shared.lock().faults.pending().count()
    }

    /// Forgets the faults that have not happened yet.
    pub fn clear_faults(&self) {
        self.shared.lock().faults.clear();
    }

    /// Ends a session as an administrator would: its refresh tokens are refused, its access tokens stay good.
    /// Returns whether there is a session of that id.
    pub fn revoke(&self, session_id: &str) -> bool {
        events::end_session(&mut self.shared.lock(), session_id)
    }

    /// Webhooks: where they go, and what became of them.
    pub fn webhooks(&self) -> Webhooks<'_> {
        Webhooks::new(&self.shared)
    }

    /// Sends what happens from now on to a webhook endpoint too; short for [`Webhooks::add`].
    pub fn add_webhook(&self, url: &str, secret: &str) {
        self.webhooks().add(url, secret);
    }

    /// The AuthKit domain: machines, OAuth applications such as MCP clients, and API keys of customers.
    pub fn connect(&self) -> Connect<'_> {
        Connect::new(&self.shared)
    }

    /// Whether a session can still be refreshed: not ended by sign-out or revocation, and not too old.
    pub fn is_active(&self, session_id: &str) -> bool {
        let state = self.shared.lock();
        state.sessions.get(session_id).is_some_and(|session| !session.is_over(state.now()))
    }

    /// Issues an authorization code that no application asked for, without PKCE: what arrives at a callback,
    /// with no `state`, when somebody impersonates a user from the dashboard or follows an invitation.
    ///
    /// # Panics
    ///
    /// If nobody has that address.
    pub fn authorization_code(&self, email: &str) -> String {
        let mut state = self.shared.lock();
        let user_id = state.directory.expect_user(email).id.clone();
        grants::code_for(&mut state, user_id)
    }

    /// Signs a user in without HTTP: a real session whose tokens every endpoint knows.
    ///
    /// In the user's first organization, if there is one; [`TestSession::organization`] takes another.
    ///
    /// # Panics
    ///
    /// If nobody has that address.
    pub fn session(&self, email: &str) -> TestSession {
        let session = TestSession::begin(Arc::clone(&self.shared), email, Choice::First);
        session.unwrap_or_else(|problem| panic!("{problem}"))
    }

    /// Signs any claims with the current key: a token that is genuine whatever it says.
    pub fn mint(&self, claims: &Value) -> String {
        let key = Arc::clone(self.shared.lock().keys.signing());
        key.sign(&key.header(), claims)
    }

    /// Signs any claims under any header, always by RS256 with the current key.
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

    /// The keys: published, signing, retired.
    pub fn keys(&self) -> Keys<'_> {
        Keys::new(&self.shared)
    }

    /// Users and organizations, and what is said of them.
    pub fn people(&self) -> People<'_> {
        People::new(&self.shared)
    }

    /// Everyone who can sign in; short for [`People::users`].
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
