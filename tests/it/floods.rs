//! Strangers flood the endpoints that call WorkOS, whose rate is limited as in production: other users notice nothing.
//!
//! `AUTHKIT_FLOOD` sets how many seconds each flood lasts (default 3), and has the time of an honest sign-in checked too:
//! `cargo xtask deep` runs them one by one, for 20 seconds each.

use std::{
    env,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use authkit_emulator::{Emulator, Endpoint, RateLimit, SignIn};
use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, Session};
use axum::{Router, routing::get};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::json;
use support::{Answer, Browser, Harness, Running};
use tokio::{task::JoinSet, time};

const BOB: &str = "bob@acme.test";
/// How many requests of the flood a second.
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

/// How long a flood lasts.
fn lasting() -> Duration {
    Duration::from_secs(seconds_of_deep().unwrap_or(3))
}

fn seconds_of_deep() -> Option<u64> {
    env::var("AUTHKIT_FLOOD").ok()?.parse().ok()
}

/// Sends [`RATE`] requests a second until the others have finished, and ignores the answers.
async fn flood<F>(lasts: Duration, request: impl Fn(u32) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let began = Instant::now();
    let mut requests = JoinSet::new();
    let mut tick = time::interval(Duration::from_secs(1) / RATE);
    for n in 0.. {
        tick.tick().await;
        while requests.try_join_next().is_some() {}
        if began.elapsed() >= lasts {
            break;
        }
        // More than this at once would measure the test's own sockets.
        if requests.len() < 400 {
            requests.spawn(request(n));
        }
    }
    requests.abort_all();
}

/// Sessions of a hundred other users are refreshed, evenly over this time. Returns how many of them were.
async fn others_refresh(running: &Arc<Running>, lasts: Duration) -> usize {
    let mut requests = JoinSet::new();
    for n in 0..100 {
        let email = format!("other_{n}@acme.test");
        running.emulator.people().add_user(json!({ "email": email }));
        let browser = running.holding(&running.emulator.session(&email).expired());
        let url = running.url("/page");
        requests.spawn(async move {
            // A client does what a 503 with `Retry-After: 1` says: once, or more often where other tests take the time.
            let tries = if seconds_of_deep().is_some() { 1 } else { 5 };
            let mut status = browser.navigate(&url).await.status;
            for _ in 0..tries {
                if status != StatusCode::SERVICE_UNAVAILABLE {
                    break;
                }
                time::sleep(Duration::from_secs(1)).await;
                status = browser.navigate(&url).await.status;
            }
            status
        });
        time::sleep(lasts / 100).await;
    }
    requests.join_all().await.into_iter().filter(|status| *status == StatusCode::OK).count()
}

/// Somebody signs in. Returns how long that took.
async fn somebody_signs_in(running: &Running) -> Duration {
    let began = Instant::now();
    let page = running.browser().open(&running.url("/page")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    began.elapsed()
}

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
    let ((), refreshed, signing_in) =
        tokio::join!(flood(lasts, request), others_refresh(running, lasts.mul_f64(0.9)), honest);
    assert_eq!(refreshed, 100, "refreshes of others");
    // A time means something only if no other tests run on the machine.
    if seconds_of_deep().is_some() {
        assert!(signing_in <= Duration::from_secs(2), "an honest sign-in took {signing_in:?}");
    }
}

/// The state of a sign-in that was begun.
fn state_of(browser: &Browser, login: &Answer) -> Option<String> {
    if !login.status.is_redirection() {
        return None;
    }
    let target = browser.target(login);
    let state = target.query_pairs().find(|(name, _)| name == "state")?;
    Some(state.1.into_owned())
}

/// One anonymous client begins one sign-in, and brings made-up codes with its state.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c1_made_up_codes_at_the_callback_cost_nobody_else() {
    let running = running().await;
    let stranger = Arc::new(Browser::new());
    let login = stranger.navigate(&running.url("/login")).await;
    let state = state_of(&stranger, &login).expect("a sign-in has a state");
    let callback = running.url("/callback");
    let before = running.emulator.calls(Endpoint::Authenticate);
    nobody_notices(&running, |n| {
        let stranger = Arc::clone(&stranger);
        let url = format!("{callback}?code=junk{n}&state={state}");
        async move { drop(stranger.navigate(&url).await) }
    })
    .await;
    // Two honest sign-ins, a hundred refreshes, and the stranger's state, which is redeemed once.
    let calls = running.emulator.calls(Endpoint::Authenticate) - before;
    assert!(calls <= 2 + 100 + 1, "{calls} calls");
}

/// The same, with a sign-in begun for each code.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c1_sign_ins_begun_for_made_up_codes_leave_refreshes_their_share() {
    let running = running().await;
    somebody_signs_in(&running).await;
    let (login, callback) = (running.url("/login"), running.url("/callback"));
    let lasts = lasting();
    let request = |n: u32| {
        let (login, callback) = (login.clone(), callback.clone());
        async move {
            let stranger = Browser::new();
            let begun = stranger.navigate(&login).await;
            let Some(state) = state_of(&stranger, &begun) else { return };
            drop(stranger.navigate(&format!("{callback}?code=junk{n}&state={state}")).await);
        }
    };
    let ((), refreshed) =
        tokio::join!(flood(lasts, request), others_refresh(&running, lasts.mul_f64(0.9)));
    assert_eq!(refreshed, 100, "refreshes of others");
}

/// One old cookie signs out again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c2_sign_outs_with_one_old_cookie_cost_nobody_else() {
    let running = running().await;
    let old = Arc::new(running.holding(&running.emulator.session(BOB).expired()));
    let cookie = old.cookie("wos_session").expect("it was kept");
    let (logout, origin) = (running.url("/logout"), running.url(""));
    nobody_notices(&running, |_| {
        let (logout, origin, cookie) = (logout.clone(), origin.clone(), cookie.clone());
        async move {
            let browser = Browser::new();
            browser.keep(&logout, "wos_session", &cookie);
            drop(
                browser
                    .send(Method::POST, &logout, [("origin", origin.as_str())], Bytes::new())
                    .await,
            );
        }
    })
    .await;
    assert_eq!(running.emulator.calls(Endpoint::Revoke), 1);
}

/// One user brings spent cookies of their own.
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
    nobody_notices(&running, |n| {
        let (page, cookie) = (page.clone(), spent[n as usize % spent.len()].clone());
        async move {
            let browser = Browser::new();
            browser.keep(&page, "wos_session", &cookie);
            drop(browser.navigate(&page).await);
        }
    })
    .await;
}
