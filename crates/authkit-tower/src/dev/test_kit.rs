use std::{sync::Arc, time::Duration};

use authkit_emulator::{Emulator, EmulatorBuilder, UserInfo};
use authkit_session::{Clock, Config};
use http::{Method, Request, header};
use serde_json::json;

use crate::{
    authkit::AuthKit,
    dev::{
        env_or_emulator::{PASSWORD, config_of},
        kit_session::KitSession,
    },
};

/// Everything that a test of an application's routes needs: an emulator of WorkOS, a handle that is configured for it,
/// and one clock for both.
///
/// The first kit of a process makes an RSA key, which takes some hundred milliseconds; each further one takes a few.
/// Kits share nothing else, so tests run in parallel. A kit has the emulator's four users, of whom `alice@acme.test`
/// is an admin and `bob@acme.test` a member of Acme Corp; [`add_user`](Self::add_user) adds others.
///
/// # Examples
///
/// ```
/// use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, Require, dev::TestKit};
/// use axum::{Router, routing::get};
/// use tower::ServiceExt;
///
/// fn app(authkit: &AuthKit) -> Router {
///     let admin = get("the books").route_layer(Require::role("admin"));
///     Router::new()
///         .route("/admin", admin)
///         .route_layer(AuthKitLayer::new(authkit))
///         .merge(Endpoints::new(authkit))
/// }
///
/// #[tokio::main(flavor = "current_thread")] // or #[tokio::test]
/// async fn main() -> Result<(), std::convert::Infallible> {
///     let kit = TestKit::start().await;
///     let app = app(kit.authkit());
///     let bob = kit.session("bob@acme.test");
///     let forbidden = app.clone().oneshot(bob.browser_request("/admin")).await?;
///     assert_eq!(forbidden.status(), 403);
///
///     let bob = bob.role("admin");
///     let admitted = app.clone().oneshot(bob.browser_request("/admin")).await?;
///     assert_eq!(admitted.status(), 200);
///
///     let nobody = app.oneshot(kit.browser_request("/admin")).await?;
///     assert_eq!(nobody.headers()["location"], "/login?return_to=%2Fadmin");
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct TestKit {
    emulator: Arc<Emulator>,
    authkit: AuthKit,
}

impl TestKit {
    /// Starts an emulator on a free port of loopback, and configures a service at [`ORIGIN`](Self::ORIGIN) for it.
    ///
    /// # Panics
    ///
    /// If the emulator cannot be started (no free port, no more threads).
    pub async fn start() -> Self {
        Self::start_with(|emulator| emulator, |config| config).await
    }

    /// Like [`start`](Self::start), with settings of the emulator and of the service.
    ///
    /// The cookie's password and the clock are the kit's.
    ///
    /// # Panics
    ///
    /// If the emulator cannot be started or the configuration is wrong.
    ///
    /// # Examples
    ///
    /// ```
    /// use authkit_tower::dev::{TestKit, emulator::SignIn};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let kit = TestKit::start_with(
    ///     |emulator| emulator.sign_in(SignIn::Automatic),
    ///     |config| config.with_cookie_name("session"),
    /// )
    /// .await;
    /// assert_eq!(kit.authkit().settings().cookie_name(), "session");
    /// # }
    /// ```
    pub async fn start_with(
        emulator: impl FnOnce(EmulatorBuilder) -> EmulatorBuilder,
        config: impl FnOnce(Config) -> Config,
    ) -> Self {
        let started = emulator(Emulator::builder()).start().await;
        let emulator = Arc::new(started.unwrap_or_else(|error| panic!("no emulator: {error}")));
        let wall = emulator.clock();
        let monotonic = wall.clone();
        let clock = Clock::of(move || wall.now(), move || monotonic.monotonic());
        let authkit = config_of(&emulator, format!("{}/callback", Self::ORIGIN))
            .map(|default| config(default).with_clock(clock))
            .and_then(|config| AuthKit::with_emulator(config, Arc::clone(&emulator)))
            .unwrap_or_else(|error| panic!("{error}"));
        Self { emulator, authkit }
    }

    /// The origin of the service, as its browsers see it. Nothing listens there: requests are passed to the service.
    pub const ORIGIN: &str = "http://localhost:3000";

    /// The handle to make layers and endpoints from.
    pub fn authkit(&self) -> &AuthKit {
        &self.authkit
    }

    /// The emulator: faults, counts of calls, revocations, keys.
    pub fn emulator(&self) -> &Emulator {
        &self.emulator
    }

    /// Moves the time of the service and of the emulator forward, so that what expires for one has expired for the
    /// other. Timeouts of requests to the emulator are tokio's and stay as they are.
    pub fn advance(&self, by: Duration) {
        self.emulator.advance(by);
    }

    /// Adds a user without an organization; [`KitSession::organization`] joins one.
    ///
    /// # Panics
    ///
    /// If there is already a user with that address.
    pub fn add_user(&self, email: &str) -> UserInfo {
        self.emulator.people().add_user(json!({ "email": email }))
    }

    /// Signs a user in, in the first organization that the user is a member of.
    ///
    /// # Panics
    ///
    /// If no user has that address.
    pub fn session(&self, email: &str) -> KitSession {
        let cookie_name = self.authkit.settings().cookie_name();
        KitSession::new(Arc::clone(&self.emulator), email, cookie_name, PASSWORD)
    }

    /// What a browser sends when it opens the page at `path` without a session. The body is empty.
    ///
    /// # Panics
    ///
    /// If `path` is not the path of a URL.
    pub fn browser_request(&self, path: &str) -> Request<String> {
        browser_request(path)
    }
}

/// What a browser sends when a user types the address of a page.
pub(super) fn browser_request(path: &str) -> Request<String> {
    let request = Request::builder()
        .method(Method::GET)
        .uri(path)
        .header(header::HOST, "localhost:3000")
        .header(header::ACCEPT, "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
        .header("sec-fetch-site", "none")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "document")
        .header("sec-fetch-user", "?1");
    request.body(String::new()).unwrap_or_else(|error| panic!("the path `{path}`: {error}"))
}

#[cfg(all(test, feature = "axum"))]
mod tests;
