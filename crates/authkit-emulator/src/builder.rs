use std::{
    io,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    thread,
    time::{Duration, SystemTime},
};

use tokio::sync::oneshot;

use crate::{
    clock::EmulatorClock,
    config::{Config, Rotation, SignIn},
    connections::ConnectionTable,
    counts::Counts,
    emulator::Emulator,
    fault::Faults,
    keys::{self, KeyRing, SigningKey},
    outbox,
    rate_limit::{Limiter, RateLimit},
    routes,
    seed::{FileWebhook, Seed},
    server::{self, Server},
    state::{Codes, Sessions, Shared, State, connect::Connect},
    webhooks::{WebhookEndpoint, WebhookEndpoints},
};

/// Settings of an [`Emulator`], all optional.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use authkit_emulator::{Emulator, Rotation, SignIn};
///
/// # async fn example() -> std::io::Result<()> {
/// let emulator = Emulator::builder()
///     .sign_in(SignIn::Automatic)
///     .token_ttl(Duration::from_secs(5))
///     .rotation(Rotation::Strict)
///     .start()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing happens before `start`"]
pub struct EmulatorBuilder {
    seed: Option<Seed>,
    host: IpAddr,
    port: u16,
    token_ttl: Duration,
    client_id: String,
    api_key: Secret,
    sign_in: SignIn,
    rotation: Rotation,
    rate_limit: Option<RateLimit>,
    issuer: Option<String>,
    first_key: FirstKey,
    webhooks: Vec<(String, Secret)>,
    webhook_pauses: Vec<Duration>,
    clock: EmulatorClock,
}

#[derive(Debug)]
enum FirstKey {
    OfProcess,
    Fresh,
    Given(SigningKey),
}

/// Keeps the API key out of the builder's `Debug`.
struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<redacted>")
    }
}

impl EmulatorBuilder {
    pub(crate) fn new() -> Self {
        Self {
            seed: None,
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            token_ttl: Duration::from_secs(300),
            client_id: "client_emulator".to_owned(),
            api_key: Secret("sk_test_emulator".to_owned()),
            sign_in: SignIn::default(),
            rotation: Rotation::default(),
            rate_limit: None,
            issuer: None,
            first_key: FirstKey::OfProcess,
            webhooks: Vec::new(),
            webhook_pauses: outbox::PAUSES.to_vec(),
            clock: EmulatorClock::system(),
        }
    }

    /// Sets the users and organizations that exist at the start (default: the four users of [`Seed::default`]).
    pub fn seed(mut self, seed: Seed) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Listens on the interface with this address. Only the program offers this, for containers; the library listens on
    /// loopback.
    pub(crate) fn insecure_host(mut self, host: IpAddr) -> Self {
        self.host = host;
        self
    }

    /// Sets the port on `127.0.0.1` (default 0: a free port).
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Sets the lifetime of access tokens, in whole seconds (default 300, as in production).
    pub fn token_ttl(mut self, ttl: Duration) -> Self {
        self.token_ttl = ttl;
        self
    }

    /// Sets the client id (default `client_emulator`). The emulator refuses any other.
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.client_id = client_id.into();
        self
    }

    /// Sets the API key (default `sk_test_emulator`). The emulator refuses any other, except the seed's `apiKeys`.
    pub fn api_key(mut self, api_key: impl Into<String>) -> Self {
        self.api_key = Secret(api_key.into());
        self
    }

    /// Sets how a browser signs in (default [`SignIn::Interactive`]).
    pub fn sign_in(mut self, mode: SignIn) -> Self {
        self.sign_in = mode;
        self
    }

    /// Sets whether a refresh token can be exchanged again (default: for 30 s, with the same answer).
    pub fn rotation(mut self, rotation: Rotation) -> Self {
        self.rotation = rotation;
        self
    }

    /// Limits how many calls the emulator accepts in a window of time (default: any number).
    pub fn rate_limit(mut self, limit: RateLimit) -> Self {
        self.rate_limit = Some(limit);
        self
    }

    /// Sets the `iss` of tokens (default `<url>/user_management/<client id>`, production's form).
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Sets the first signing key.
    ///
    /// By default all emulators of a process start with the same RSA key of 2048 bits, which the process generates once,
    /// each under a key id of its own. A verifier that selects keys by id, as it should, refuses the tokens of another
    /// emulator. A test of a verifier that ignores the id needs [`fresh_signing_key`](Self::fresh_signing_key). Keys that
    /// are published later are always new.
    pub fn signing_key(mut self, key: SigningKey) -> Self {
        self.first_key = FirstKey::Given(key);
        self
    }

    /// Generates a first signing key for this emulator alone, which takes some hundred milliseconds (default: the key
    /// that all emulators of the process share).
    pub fn fresh_signing_key(mut self) -> Self {
        self.first_key = FirstKey::Fresh;
        self
    }

    /// Sends events to `url` too, signed with `secret` as WorkOS signs them (default: to the seed's
    /// `webhookEndpoints`). Calls add up; [`Webhooks`](crate::Webhooks) lists the events.
    pub fn webhook(mut self, url: impl Into<String>, secret: impl Into<String>) -> Self {
        self.webhooks.push((url.into(), Secret(secret.into())));
        self
    }

    /// Sets the pause before each further attempt to deliver a webhook (default: 5 pauses, 7.75 seconds in all).
    pub fn webhook_pauses(mut self, pauses: impl Into<Vec<Duration>>) -> Self {
        self.webhook_pauses = pauses.into();
        self
    }

    /// Stops the emulator's clock at `time`; only [`Emulator::advance`] moves it from there
    /// (default: it runs with the machine's).
    pub fn frozen_at(mut self, time: SystemTime) -> Self {
        self.clock = EmulatorClock::frozen(time);
        self
    }

    /// Starts the emulator on a thread of its own. Its warnings go to the caller's `tracing` subscriber.
    ///
    /// # Errors
    ///
    /// If the port is taken, the thread cannot be started, or a webhook's URL is not an http URL.
    pub async fn start(self) -> io::Result<Emulator> {
        let (sender, started) = oneshot::channel();
        let dispatch = tracing::dispatcher::get_default(Clone::clone);
        // Making an RSA key takes a while, too long for the caller's runtime.
        thread::Builder::new().name("authkit-emulator-start".to_owned()).spawn(move || {
            // Fails only if the caller has stopped waiting.
            let _ = sender.send(tracing::dispatcher::with_default(&dispatch, || self.start_here()));
        })?;
        started.await.map_err(io::Error::other)?
    }

    fn start_here(self) -> io::Result<Emulator> {
        let Seed { directory, api_keys, redirect_uris, logout_uris, webhooks: seeded } =
            self.seed.unwrap_or_default();
        let seeded = seeded.iter().map(FileWebhook::endpoint).filter_map(Result::transpose);
        let added =
            self.webhooks.iter().map(|(url, secret)| WebhookEndpoint::reachable(url, &secret.0));
        let endpoints: Vec<_> = seeded.chain(added).collect::<Result<_, _>>().map_err(invalid)?;
        for endpoint in endpoints.iter().filter(|endpoint| !endpoint.is_reachable()) {
            let url = endpoint.place();
            tracing::warn!(url, "no webhook can be sent there: it is not an http URL");
        }
        let (webhooks, deliveries) = WebhookEndpoints::new(endpoints);
        let (listener, address) = server::bind(self.host, self.port)?;
        let url = if address.ip().is_unspecified() {
            // Browsers and services run on this machine, where the container publishes the port.
            format!("http://localhost:{}", address.port())
        } else {
            format!("http://{address}")
        };
        let key_id = keys::new_key_id(self.clock.now());
        let key = match self.first_key {
            FirstKey::OfProcess => SigningKey::of_process(key_id),
            FirstKey::Fresh => SigningKey::generate(key_id),
            FirstKey::Given(key) => key,
        };
        let issuer =
            self.issuer.unwrap_or_else(|| format!("{url}/user_management/{}", self.client_id));
        let state = State {
            config: Config {
                url: url.clone(),
                client_id: self.client_id.clone(),
                api_key: self.api_key.0.clone(),
                more_api_keys: api_keys,
                issuer: issuer.clone(),
                sign_in: self.sign_in,
                redirect_uris,
                logout_uris,
                webhook_pauses: self.webhook_pauses,
            },
            clock: self.clock,
            token_ttl: self.token_ttl,
            rotation: self.rotation,
            directory,
            sessions: Sessions::default(),
            codes: Codes::default(),
            connect: Connect::default(),
            keys: KeyRing::new(key),
            faults: Faults::default(),
            limiter: Limiter::new(self.rate_limit),
            connections: ConnectionTable::default(),
            counts: Counts::default(),
            webhooks,
        };
        let shared = Arc::new(Shared::new(state));
        let router = routes::router(Arc::clone(&shared));
        let server = Server::spawn(listener, Arc::clone(&shared), router, deliveries)?;
        let (client_id, api_key) = (self.client_id, self.api_key.0);
        Ok(Emulator { url, client_id, api_key, issuer, shared, _server: server })
    }
}

fn invalid(problem: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, problem)
}
