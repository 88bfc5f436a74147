//! Strangers flood the endpoints that call WorkOS, and other users notice nothing. The emulator limits rates as WorkOS does.
//!
//! `AUTHKIT_FLOOD` sets in how many seconds the other users come during a flood (default 3). If it is set, the tests also
//! check how long an honest sign-in takes; `cargo xtask deep` runs them one by one, for 20 seconds each.

use std::{
    convert::Infallible,
    env,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use authkit_emulator::{Emulator, Endpoint, Grant, RateLimit, SignIn};
use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, Session};
use axum::{Router, routing::get};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::json;
use support::{Answer, Browser, Harness, Running, until};
use tokio::{task::JoinSet, time};

const BOB: &str = "bob@acme.test";
/// How many requests a flood sends in a second, at most.
const RATE: u32 = 500;

fn app(authkit: &AuthKit) -> Router {
    Router::new()
        .route("/page", get(async |session: Session| session.user_id().to_owned()))
        .route_layer(AuthKitLayer::new(authkit))
        .route("/", get(async || "home"))
        .merge(Endpoints::new(authkit))
}

async fn running() -> Arc<Running> {
    let limited = |_| Emulator::builder().sign_in(SignIn::Automatic).rate_limit(RateLimit::WORKOS);
    let harness = Harness::with(limited, |config| config).await;
    let app = app(&harness.authkit);
    Arc::new(harness.serve(app))
}

/// How long the other users take to come.
fn lasting() -> Duration {
    Duration::from_secs(seconds_of_deep().unwrap_or(3))
}

fn seconds_of_deep() -> Option<u64> {
    env::var("AUTHKIT_FLOOD").ok()?.parse().ok()
}

/// Floods the service until the others have finished, who begin once fifty requests of the flood have been answered.
async fn during_flood<F, T>(request: impl Fn(u32) -> F, others: impl Future<Output = T>) -> T
where
    F: Future<Output = ()> + Send + 'static,
{
    let answered = AtomicU32::new(0);
    let others = async {
        until("answers to a flood", async || answered.load(Ordering::Relaxed) >= 50).await;
        others.await
    };
    tokio::select! {
        never = flood(&answered, request) => match never {},
        ended = others => ended,
    }
}

/// Sends at most [`RATE`] requests a second for ever, and counts the answers, whatever they are.
async fn flood<F>(answered: &AtomicU32, request: impl Fn(u32) -> F) -> Infallible
where
    F: Future<Output = ()> + Send + 'static,
{
    // More requests at once would measure the test's own sockets, and a machine that runs other tests serves fewer.
    let most_at_once = if seconds_of_deep().is_some() { 400 } else { 50 };
    let mut requests = JoinSet::new();
    let mut tick = time::interval(Duration::from_secs(1) / RATE);
    let mut sent = 0;
    loop {
        tick.tick().await;
        while let Some(ended) = requests.try_join_next() {
            ended.expect("the service answers");
            answered.fetch_add(1, Ordering::Relaxed);
        }
        if requests.len() < most_at_once {
            requests.spawn(request(sent));
            sent += 1;
        }
    }
}

/// A hundred other users open a page with an expired session, evenly over this time. Returns how many of them got the page
/// of their own user.
async fn others_refresh(running: &Arc<Running>, lasts: Duration) -> usize {
    let mut requests = JoinSet::new();
    for n in 0..100 {
        let email = format!("other_{n}@acme.test");
        running.emulator.people().add_user(json!({ "email": email }));
        let session = running.emulator.session(&email).expired();
        let (browser, user) = (running.holding(&session), session.claims()["sub"].clone());
        let url = running.url("/page");
        requests.spawn(async move {
            // A client repeats its request as `Retry-After: 1` says: once, or more often where other tests run at the same
            // time.
            let tries = if seconds_of_deep().is_some() { 1 } else { 5 };
            let mut page = browser.navigate(&url).await;
            for _ in 0..tries {
                if page.status != StatusCode::SERVICE_UNAVAILABLE {
                    break;
                }
                time::sleep(Duration::from_secs(1)).await;
                page = browser.navigate(&url).await;
            }
            page.status == StatusCode::OK && page.text() == user.as_str().unwrap()
        });
        time::sleep(lasts / 100).await;
    }
    requests.join_all().await.into_iter().filter(|is_served| *is_served).count()
}

/// Asserts that an answer of a flood is no error of the service, and signs nobody in.
fn gets_nothing(answer: &Answer) {
    assert_ne!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{}", answer.text());
    for field in answer.set_cookies("wos_session") {
        assert!(field.starts_with("wos_session=;"), "{}: {field}", answer.url);
    }
}

/// Somebody signs in. Returns how long that took.
async fn somebody_signs_in(running: &Running) -> Duration {
    let began = Instant::now();
    let page = running.browser().open(&running.url("/page")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    began.elapsed()
}

/// Floods the service. Asserts that meanwhile the sessions of others are refreshed and somebody signs in.
async fn nobody_notices<F>(running: &Arc<Running>, request: impl Fn(u32) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    somebody_signs_in(running).await;
    let lasts = lasting();
    let honest = async {
        time::sleep(lasts / 2).await;
        somebody_signs_in(running).await
    };
    let others = async { tokio::join!(others_refresh(running, lasts), honest) };
    let (refreshed, signing_in) = during_flood(request, others).await;
    assert_eq!(refreshed, 100, "refreshes of others");
    // A time means something only if no other tests run on the machine.
    if seconds_of_deep().is_some() {
        assert!(signing_in <= Duration::from_secs(2), "an honest sign-in took {signing_in:?}");
    }
}

/// The state of the sign-in, if the answer begins one.
fn state_of(browser: &Browser, login: &Answer) -> Option<String> {
    if !login.status.is_redirection() {
        return None;
    }
    let target = browser.target(login);
    let state = target.query_pairs().find(|(name, _)| name == "state")?;
    Some(state.1.into_owned())
}

/// One anonymous client begins one sign-in, and sends made-up codes with its state.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c1_made_up_codes_at_the_callback_cost_nobody_else() {
    let running = running().await;
    let stranger = Arc::new(Browser::new());
    let login = stranger.navigate(&running.url("/login")).await;
    let state = state_of(&stranger, &login).expect("a sign-in has a state");
    let callback = running.url("/callback");
    let before = running.emulator.calls(Grant::AuthorizationCode);
    nobody_notices(&running, |n| {
        let stranger = Arc::clone(&stranger);
        let url = format!("{callback}?code=junk{n}&state={state}");
        async move { gets_nothing(&stranger.navigate(&url).await) }
    })
    .await;
    // Two honest sign-ins, and the stranger's state, which is redeemed once.
    assert_eq!(running.emulator.calls(Grant::AuthorizationCode) - before, 2 + 1);
}

/// Anonymous clients begin a sign-in for each made-up code.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c1_sign_ins_begun_for_made_up_codes_leave_refreshes_their_share() {
    let running = running().await;
    somebody_signs_in(&running).await;
    let (login, callback) = (running.url("/login"), running.url("/callback"));
    let first = Browser::new();
    let request = |n: u32| {
        let (login, callback, stranger) = (login.clone(), callback.clone(), first.with_new_jar());
        async move {
            let begun = stranger.navigate(&login).await;
            gets_nothing(&begun);
            let Some(state) = state_of(&stranger, &begun) else { return };
            let url = format!("{callback}?code=junk{n}&state={state}");
            gets_nothing(&stranger.navigate(&url).await);
        }
    };
    let refreshed = during_flood(request, others_refresh(&running, lasting())).await;
    assert_eq!(refreshed, 100, "refreshes of others");
}

/// A client signs out again and again with one old cookie.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c2_sign_outs_with_one_old_cookie_cost_nobody_else() {
    let running = running().await;
    let old = running.holding(&running.emulator.session(BOB).expired());
    let cookie = old.cookie("wos_session").expect("it was kept");
    let (logout, origin) = (running.url("/logout"), running.url(""));
    nobody_notices(&running, |_| {
        let (logout, origin, browser) = (logout.clone(), origin.clone(), old.with_new_jar());
        let cookie = cookie.clone();
        async move {
            browser.keep(&logout, "wos_session", &cookie);
            let fields = [("origin", origin.as_str())];
            gets_nothing(&browser.send(Method::POST, &logout, fields, Bytes::new()).await);
        }
    })
    .await;
    assert_eq!(running.emulator.calls(Endpoint::Revoke), 1);
}

/// One user sends spent cookies of many sessions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c3_spent_cookies_of_one_user_cost_nobody_else() {
    let running = running().await;
    let spent: Vec<_> = (0..600)
        .map(|_| {
            let session = running.emulator.session(BOB).expired();
            running.emulator.revoke(session.session_id());
            session.cookie(support::PASSWORD)
        })
        .collect();
    let page = running.url("/page");
    let first = Browser::new();
    nobody_notices(&running, |n| {
        let (page, browser) = (page.clone(), first.with_new_jar());
        let cookie = spent[n as usize % spent.len()].clone();
        async move {
            browser.keep(&page, "wos_session", &cookie);
            gets_nothing(&browser.navigate(&page).await);
        }
    })
    .await;
}
