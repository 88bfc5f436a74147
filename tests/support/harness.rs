//! An emulator, a handle that knows it, and a port for the service under test.

use std::time::{Duration, SystemTime};

use authkit_emulator::{Emulator, EmulatorBuilder, SignIn, TestSession};
use authkit_tower::{AuthKit, Clock, Config, CookiePassword};

use crate::{
    browser::Browser,
    served::{Port, Served},
    watch,
};

/// The cookie password of the tests: 44 characters of base64, which suit every format except two.
pub const PASSWORD: &str = "oatw2JzfvpD4OOBNGLE5n9dUStWXcGGQP81AnPADP6w=";

/// An emulator and a handle whose clocks move together.
#[derive(Debug)]
pub struct Harness {
    /// The counterparty.
    pub emulator: Emulator,
    /// The handle under test.
    pub authkit: AuthKit,
    /// The handle's clock; move it with [`Harness::advance`].
    pub clock: Clock,
    port: Port,
}

/// A service beside the one under test.
#[derive(Debug)]
pub struct Neighbour {
    /// Its handle.
    pub authkit: AuthKit,
    served: Served,
}

impl Neighbour {
    /// The URL of a path of it.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.served.url())
    }
}

/// A harness whose service runs.
#[derive(Debug)]
pub struct Running {
    /// The counterparty.
    pub emulator: Emulator,
    /// The handle under test.
    pub authkit: AuthKit,
    clock: Clock,
    served: Served,
}

impl Harness {
    /// Starts an emulator with its defaults and automatic sign-in, and makes a handle with the default configuration.
    pub async fn start() -> Self {
        Self::with(|emulator| emulator, |config| config).await
    }

    /// With settings of its own.
    ///
    /// # Panics
    ///
    /// If the settings do not work.
    pub async fn with(
        emulator: impl FnOnce(EmulatorBuilder) -> EmulatorBuilder,
        config: impl FnOnce(Config) -> Config,
    ) -> Self {
        Self::at(Port::bind().await, emulator, config).await
    }

    /// The same on a port of another kind.
    ///
    /// # Panics
    ///
    /// If the settings do not work.
    pub async fn at(
        port: Port,
        emulator: impl FnOnce(EmulatorBuilder) -> EmulatorBuilder,
        config: impl FnOnce(Config) -> Config,
    ) -> Self {
        watch::begin();
        let now = SystemTime::now();
        let builder = Emulator::builder().frozen_at(now).sign_in(SignIn::Automatic);
        let emulator = emulator(builder).start().await.expect("loopback has a free port");
        let clock = Clock::simulated(now);
        let defaults =
            Self::config(&emulator, &format!("{}/callback", port.url())).with_clock(clock.clone());
        let authkit = AuthKit::new(config(defaults)).expect("the settings of a test work");
        Self { emulator, authkit, clock, port }
    }

    /// The configuration of a service that this emulator knows.
    ///
    /// # Panics
    ///
    /// Never: the password is long enough.
    pub fn config(emulator: &Emulator, redirect_uri: &str) -> Config {
        let password = CookiePassword::new(PASSWORD).expect("44 bytes");
        Config::new(emulator.client_id(), emulator.api_key(), redirect_uri, password)
            .with_base_url(emulator.url())
    }

    /// A handle of another service at any `origin`; [`Browser::visit`] calls the service in memory.
    ///
    /// # Panics
    ///
    /// If the settings do not work.
    pub fn authkit_at(&self, origin: &str, config: impl FnOnce(Config) -> Config) -> AuthKit {
        let defaults = Self::config(&self.emulator, &format!("{origin}/callback"));
        let authkit = AuthKit::new(config(defaults.with_clock(self.clock.clone())));
        authkit.expect("the settings of a test work")
    }

    /// Moves the emulator's clock and the handle's.
    pub fn advance(&self, by: Duration) {
        self.emulator.advance(by);
        self.clock.advance(by);
    }

    /// Serves an axum router on the port of the redirect URI.
    pub fn serve(self, router: axum::Router) -> Running {
        let Self { emulator, authkit, clock, port } = self;
        Running { emulator, authkit, clock, served: port.serve_axum(router) }
    }

    /// Serves the service that `make` builds, on the port of the redirect URI.
    pub fn serve_with(self, make: impl FnOnce(Port) -> Served) -> Running {
        let Self { emulator, authkit, clock, port } = self;
        Running { emulator, authkit, clock, served: make(port) }
    }
}

impl Running {
    /// The URL of a path of the service.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.served.url())
    }

    /// The service.
    pub fn served(&self) -> &Served {
        &self.served
    }

    /// Moves the emulator's clock and the handle's.
    pub fn advance(&self, by: Duration) {
        self.emulator.advance(by);
        self.clock.advance(by);
    }

    /// Starts another service, such as a replica: it shares WorkOS, the clock and the host's cookies with this one,
    /// and nothing else.
    ///
    /// # Panics
    ///
    /// If the settings do not work.
    pub async fn beside(
        &self,
        config: impl FnOnce(Config) -> Config,
        app: impl FnOnce(&AuthKit) -> axum::Router,
    ) -> Neighbour {
        let port = Port::bind().await;
        let defaults = Harness::config(&self.emulator, &format!("{}/callback", port.url()));
        let authkit = AuthKit::new(config(defaults.with_clock(self.clock.clone())));
        let authkit = authkit.expect("the settings of a test work");
        let app = app(&authkit);
        Neighbour { authkit, served: port.serve_axum(app) }
    }

    /// A browser that nobody has signed in with.
    pub fn browser(&self) -> Browser {
        Browser::new()
    }

    /// A browser in which this seeded user is signed in.
    pub fn signed_in(&self, email: &str) -> Browser {
        self.holding(&self.emulator.session(email))
    }

    /// A browser that holds this session.
    pub fn holding(&self, session: &TestSession) -> Browser {
        let browser = Browser::new();
        browser.keep(&self.url("/"), "wos_session", &session.cookie(PASSWORD));
        browser
    }
}
