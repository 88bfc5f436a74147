//! The machine's clock jumps back or forward during traffic: nobody is signed out, no ended session is accepted, and
//! everything works again once the clock is right. A clock that is behind has no effect; one that is ahead by more than
//! the lifetime of a token has every session answered with 503.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use authkit_emulator::{Endpoint, Fault, TestSession};
use authkit_tower::{
    AuthKit, AuthKitLayer, Clock, Denial, Endpoints, Principal, Revocation, Session,
};
use axum::{Router, middleware::map_response, response::Response, routing::get};
use bytes::Bytes;
use futures_util::future::join_all;
use http::{Method, StatusCode};
use support::{Answer, Browser, Harness, Running, until};
use tokio::time::sleep;

/// How far the wall clock jumps, in seconds. Two jumps are longer than the 24 hours for which ended sessions are remembered.
const JUMPS: [(&str, i64); 4] = [
    ("an hour back", -3_600),
    ("an hour forward", 3_600),
    ("25 hours back", -90_000),
    ("25 hours forward", 90_000),
];

/// The state of a session when the clock jumps, or the event after the jump.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// The service has just served it.
    Known,
    /// The service has not seen it yet.
    Unseen,
    /// Its access token has expired.
    Expired,
    /// WorkOS is answering its refresh while the clock jumps.
    BeingRefreshed,
    /// The user has signed out before the jump.
    SignedOut,
    /// WorkOS has revoked it before the jump.
    Revoked,
    /// WorkOS has changed its user's roles before the jump.
    Changed,
    /// The user signs out while the clock is wrong.
    SignsOut,
    /// WorkOS revokes it while the clock is wrong.
    IsRevoked,
}

const STATES: [State; 9] = [
    State::Known,
    State::Unseen,
    State::Expired,
    State::BeingRefreshed,
    State::SignedOut,
    State::Revoked,
    State::Changed,
    State::SignsOut,
    State::IsRevoked,
];

impl State {
    fn has_ended(self) -> bool {
        match self {
            Self::SignedOut | Self::Revoked | Self::SignsOut | Self::IsRevoked => true,
            Self::Known | Self::Unseen | Self::Expired | Self::BeingRefreshed | Self::Changed => {
                false
            }
        }
    }
}

#[tokio::test]
async fn a_jump_of_the_clock_signs_nobody_out_and_lets_nobody_in_again() {
    join_all(JUMPS.map(|(name, seconds)| jump(name, seconds))).await;
}

async fn jump(name: &str, seconds: i64) {
    let world = World::start(name).await;
    let sessions = STATES.map(|state| (state, world.session(state)));
    for (state, (session, browser)) in &sessions {
        world.before(*state, session, browser).await;
    }
    assert_eq!(world.call(&world.api_key).await, StatusCode::OK, "{name}: an API key");

    let [wrong, in_outage] = if seconds < 0 {
        [Served::Always; 2]
    } else {
        [Served::Never(&OF_CLOCK), Served::Never(&OF_OUTAGE)]
    };
    for (state, (session, browser)) in &sessions {
        if *state == State::BeingRefreshed {
            world.while_it_is_refreshed(session, browser, seconds).await;
        }
    }
    for (state, (session, browser)) in &sessions {
        world.at_the_jump(*state, session, browser).await;
    }
    // In this time the keys become stale, refusals are forgotten and an open circuit lets calls through again.
    for minutes in [0, 2, 4] {
        world.advance(Duration::from_secs(minutes * 60)).await;
        for (state, (session, browser)) in &sessions {
            world.visits(*state, session, browser, wrong).await;
        }
        let key = world.call(&world.api_key).await;
        assert_eq!(key, StatusCode::OK, "{name}: an API key after {minutes} minutes");
    }
    // WorkOS rotates its keys. Later, its refresh endpoint fails for a while.
    world.running.emulator.rotate_keys();
    let (newcomers, newcomer) = world.session(State::Unseen);
    let newcomer_signs_in = world.running.browser();
    let signed_in = newcomer_signs_in.open(&world.running.url("/page")).await;
    assert_eq!(signed_in.status, wrong.status(), "{name}: a sign-in");
    let fault = Fault::status(503).on(Endpoint::Authenticate).until_cleared();
    world.running.emulator.fault(fault);
    let (session, browser) = world.session(State::Expired);
    world.visits(State::Expired, &session, &browser, in_outage).await;
    world.running.emulator.clear_faults();
    world.visits(State::Unseen, &newcomers, &newcomer, in_outage).await;

    world.machine.jump(0);
    for (state, (session, browser)) in &sessions {
        world.visits(*state, session, browser, Served::Always).await;
    }
    world.advance(Duration::from_secs(61)).await;
    for (state, (session, browser)) in &sessions {
        world.visits(*state, session, browser, Served::Always).await;
        if state.has_ended() {
            let replay = world.running.holding(session);
            let status = world.fetch(&replay).await.status;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{name}, {state:?}: its first cookie");
        }
    }
    world.visits(State::Unseen, &newcomers, &newcomer, Served::Always).await;
    // While the clock was wrong, this sign-in may have ended on the page about a wrong clock. Now it succeeds.
    let signed_in = newcomer_signs_in.open(&world.running.url("/page")).await;
    assert_eq!(signed_in.status, StatusCode::OK, "{name}: a sign-in");
    assert_eq!(world.call(&world.api_key).await, StatusCode::OK, "{name}: an API key");
    let token = world.running.emulator.session(USERS[0]);
    assert_eq!(world.call(token.access_token()).await, StatusCode::OK, "{name}: a program");
}

/// The clocks of one machine: the true time, which the monotonic clock and WorkOS show, and the error of the wall clock.
#[derive(Debug)]
struct Machine {
    start: SystemTime,
    elapsed_ms: AtomicU64,
    wrong_by: AtomicI64,
}

impl Machine {
    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.elapsed_ms.load(Ordering::SeqCst))
    }

    fn wall(&self) -> SystemTime {
        let wrong_by = self.wrong_by.load(Ordering::SeqCst);
        let (now, jump) =
            (self.start + self.monotonic(), Duration::from_secs(wrong_by.unsigned_abs()));
        if wrong_by < 0 { now - jump } else { now + jump }
    }

    fn jump(&self, wrong_by: i64) {
        self.wrong_by.store(wrong_by, Ordering::SeqCst);
    }
}

struct World {
    name: String,
    machine: Arc<Machine>,
    running: Running,
    api_key: String,
}

fn app(authkit: &AuthKit) -> Router {
    let who = async |principal: Principal| principal.subject().to_owned();
    let programs =
        AuthKitLayer::new(authkit).without_sessions().with_bearer().unwrap().with_api_keys();
    Router::new()
        .route("/page", get(async |session: Session| session.user_id().to_owned()))
        .route_layer(AuthKitLayer::new(authkit))
        .merge(Router::new().route("/api", get(who)).layer(programs))
        .merge(Endpoints::new(authkit))
        .layer(map_response(async |mut answer: Response| {
            let reason = answer.extensions().get::<Denial>().and_then(Denial::reason);
            if let Some(reason) = reason.map(|reason| reason.to_string()) {
                answer.headers_mut().insert("reason", reason.parse().unwrap());
            }
            answer
        }))
}

impl World {
    async fn start(name: &str) -> Self {
        let start = SystemTime::now();
        let machine =
            Arc::new(Machine { start, elapsed_ms: AtomicU64::new(0), wrong_by: AtomicI64::new(0) });
        let (wall, monotonic) = (Arc::clone(&machine), Arc::clone(&machine));
        let clock = Clock::of(move || wall.wall(), move || monotonic.monotonic());
        let harness = Harness::with(
            |emulator| emulator.issuer(ISSUER).frozen_at(start),
            |config| config.with_issuers([ISSUER]).with_clock(clock),
        )
        .await;
        let api_key = harness.emulator.connect().add_api_key("Acme Corp", ["posts:read"]).value;
        let app = app(&harness.authkit);
        Self { name: name.to_owned(), machine, running: harness.serve(app), api_key }
    }

    async fn advance(&self, by: Duration) {
        self.machine.elapsed_ms.fetch_add(by.as_millis() as u64, Ordering::SeqCst);
        self.running.emulator.advance(by);
        // Gives background work, such as a fetch of the keys, the time to finish.
        sleep(Duration::from_millis(20)).await;
    }

    /// A session for this state. The one whose roles change belongs to another user than the rest.
    fn session(&self, state: State) -> (TestSession, Browser) {
        let email = if state == State::Changed { USERS[1] } else { USERS[0] };
        let session = self.running.emulator.session(email);
        let session = match state {
            State::Expired | State::BeingRefreshed => session.expired(),
            State::Known
            | State::Unseen
            | State::SignedOut
            | State::Revoked
            | State::Changed
            | State::SignsOut
            | State::IsRevoked => session,
        };
        let browser = self.running.holding(&session);
        (session, browser)
    }

    async fn fetch(&self, browser: &Browser) -> Answer {
        browser.fetch(Method::GET, &self.running.url("/page"), "").await
    }

    async fn call(&self, credential: &str) -> StatusCode {
        let bearer = format!("Bearer {credential}");
        let fields = [("authorization", bearer.as_str())];
        Browser::new()
            .send(Method::GET, &self.running.url("/api"), fields, Bytes::new())
            .await
            .status
    }

    async fn sign_out(&self, browser: &Browser) {
        let answer = browser.submit(&self.running.url("/logout"), &[]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", self.name);
    }

    /// Applies a revocation that carries the time of WorkOS's clock.
    async fn revoke(&self, revocation: impl FnOnce(SystemTime) -> Revocation) {
        let revocation = revocation(self.running.emulator.now());
        self.running.authkit.revoke(revocation).await.unwrap();
    }

    async fn before(&self, state: State, session: &TestSession, browser: &Browser) {
        let id = session.session_id().to_owned();
        match state {
            State::Unseen | State::Expired | State::BeingRefreshed => return,
            State::Known | State::SignsOut | State::IsRevoked => {}
            State::SignedOut => {
                let replay = self.running.holding(session);
                self.sign_out(browser).await;
                assert_eq!(self.fetch(&replay).await.status, StatusCode::UNAUTHORIZED);
                browser.keep(
                    &self.running.url("/"),
                    "wos_session",
                    &replay.cookie("wos_session").unwrap(),
                );
                return;
            }
            State::Revoked => return self.revoke(|at| Revocation::session(id, at)).await,
            State::Changed => {
                let claims = session.claims();
                let organization = claims["org_id"].as_str().unwrap().to_owned();
                let user = claims["sub"].as_str().unwrap().to_owned();
                return self.revoke(|at| Revocation::membership(user, organization, at)).await;
            }
        }
        assert_eq!(self.fetch(browser).await.status, StatusCode::OK, "{}: {state:?}", self.name);
    }

    async fn at_the_jump(&self, state: State, session: &TestSession, browser: &Browser) {
        let id = session.session_id().to_owned();
        match state {
            State::SignsOut => {
                let kept = browser.cookie("wos_session").unwrap();
                self.sign_out(browser).await;
                browser.keep(&self.running.url("/"), "wos_session", &kept);
            }
            State::IsRevoked => self.revoke(|at| Revocation::session(id, at)).await,
            State::Known
            | State::Unseen
            | State::Expired
            | State::BeingRefreshed
            | State::SignedOut
            | State::Revoked
            | State::Changed => {}
        }
    }

    /// Jumps while WorkOS answers the refresh of this session.
    async fn while_it_is_refreshed(&self, session: &TestSession, browser: &Browser, seconds: i64) {
        let late = Fault::late_reply(Duration::from_millis(300)).on(Endpoint::Authenticate);
        self.running.emulator.fault(late);
        let before = self.running.emulator.calls(Endpoint::Authenticate);
        let jump = async {
            let is_called = async || self.running.emulator.calls(Endpoint::Authenticate) > before;
            until("a refresh", is_called).await;
            self.machine.jump(seconds);
        };
        // On a busy machine the answer may come before the jump.
        let served = if seconds < 0 { Served::Always } else { Served::Perhaps };
        tokio::join!(self.visits(State::BeingRefreshed, session, browser, served), jump);
    }

    /// Sends the request of a script and opens a page. A live session is served or told to try again, and the browser keeps
    /// its cookie; a session that has ended is refused, and its cookie comes again.
    async fn visits(&self, state: State, session: &TestSession, browser: &Browser, served: Served) {
        let (name, url) = (&self.name, self.running.url("/page"));
        let kept = browser.cookie("wos_session").expect("it was given one");
        let answers = [(false, self.fetch(browser).await), (true, browser.navigate(&url).await)];
        for (is_page, answer) in answers {
            let (status, text) = (answer.status, answer.text());
            let case = format!("{name}, {state:?}, is a page: {is_page}, {status}: {text}");
            if state.has_ended() {
                let refused = if is_page { StatusCode::FOUND } else { StatusCode::UNAUTHORIZED };
                assert_eq!(status, refused, "{case}");
                continue;
            }
            if served != Served::Perhaps || status != StatusCode::SERVICE_UNAVAILABLE {
                assert_eq!(status, served.status(), "{case}");
            }
            if status == StatusCode::OK {
                assert_eq!(text, session.claims()["sub"].as_str().unwrap(), "{case}");
            }
            if let Served::Never(reasons) = served {
                let reason = answer.header("reason");
                assert!(reasons.contains(&reason), "{reason}, {case}");
            }
        }
        if state.has_ended() {
            browser.keep(&url, "wos_session", &kept);
        }
        assert!(browser.cookie("wos_session").is_some(), "{name}, {state:?}: the cookie is kept");
    }
}

/// Whether a live session is served.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Served {
    /// With a page of its own user.
    Always,
    /// With a page of its own user, or told to try again.
    Perhaps,
    /// It is told to try again, for one of these reasons.
    Never(&'static [&'static str]),
}

impl Served {
    fn status(self) -> StatusCode {
        match self {
            Self::Always | Self::Perhaps => StatusCode::OK,
            Self::Never(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// The request that makes an exchange is told that the new token cannot be verified.
const OF_CLOCK: [&str; 2] = ["clock", "unverified"];
const OF_OUTAGE: [&str; 3] = ["timed_out", "upstream", "circuit_open"];
const USERS: [&str; 2] = ["alice@acme.test", "bob@acme.test"];
const ISSUER: &str = "https://issuer.of.this.test";
