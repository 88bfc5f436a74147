//! Faults of WorkOS, or of the network to it, over real sockets: they sign nobody out.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use authkit_emulator::{Emulator, Endpoint, Fault};
use authkit_tower::{AuthKit, AuthKitLayer, Session};
use axum::{Json, Router, extract::Request, routing::get};
use http::{Method, StatusCode};
use support::{Answer, Browser, Events, Harness, Port, Running, Served};
use tokio::{task::JoinSet, time};

fn app(authkit: &AuthKit) -> Router {
    Router::new()
        .route("/page", get(async |session: Session| session.user().email.clone().unwrap()))
        .route_layer(AuthKitLayer::new(authkit))
}

async fn running() -> Running {
    let harness = Harness::start().await;
    let app = app(&harness.authkit);
    harness.serve(app)
}

/// A browser whose access token has expired.
fn expired(running: &Running) -> Browser {
    running.holding(&running.emulator.session("alice@acme.test").expired())
}

/// Opens the page. Returns the answer, and how long it took.
async fn page(running: &Running, browser: &Browser) -> (Answer, Duration) {
    let asked = Instant::now();
    let answer = browser.navigate(&running.url("/page")).await;
    (answer, asked.elapsed())
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Another server, to which faults redirect calls. It counts the requests that it gets.
struct Elsewhere {
    visits: Arc<AtomicUsize>,
    served: Served,
}

impl Elsewhere {
    /// Answers everything with the signing keys of `emulator`.
    async fn with_keys_of(emulator: &Emulator) -> Self {
        let visits = Arc::<AtomicUsize>::default();
        let (counted, keys) = (Arc::clone(&visits), emulator.jwks());
        let answer = move |_: Request| {
            counted.fetch_add(1, Ordering::Relaxed);
            let keys = keys.clone();
            async move { Json(keys) }
        };
        Self { visits, served: Port::bind().await.serve_axum(Router::new().fallback(answer)) }
    }

    /// A fault that redirects a call to this server.
    fn redirect(&self, status: u16) -> Fault {
        Fault::status(status).header("location", &format!("{}/", self.served.url()))
    }

    fn visits(&self) -> usize {
        self.visits.load(Ordering::Relaxed)
    }
}

/// Faults that leave the call without a usable answer.
fn no_answers() -> [Fault; 7] {
    [
        Fault::reset_before(),
        Fault::reset_after(),
        Fault::truncated(),
        Fault::html(),
        Fault::wrong_json(),
        Fault::no_refresh_token(),
        Fault::huge(5 << 20),
    ]
}

#[tokio::test]
async fn up_02_up_03_what_fails_once_is_not_noticed() {
    let running = running().await;
    let faults = [
        Fault::status(408),
        Fault::status(500),
        Fault::status(502),
        Fault::status(503),
        Fault::status(504),
        Fault::status(429).header("retry-after", "0"),
    ];
    for fault in faults.into_iter().chain(no_answers()) {
        running.emulator.reset_calls();
        let browser = expired(&running);
        running.emulator.fault(fault.clone());
        let (answer, took) = page(&running, &browser).await;
        assert_eq!(answer.status, StatusCode::OK, "{fault:?}");
        assert_eq!(answer.text(), "alice@acme.test", "{fault:?}");
        assert_eq!(answer.set_cookies("wos_session").len(), 1, "{fault:?}");
        assert!(took < secs(9), "{fault:?}: {took:?}");
        assert_eq!(running.emulator.calls(Endpoint::Authenticate), 2, "{fault:?}");
        assert_eq!(running.emulator.exchanges(), 1, "{fault:?}: the second answer is a replay");
    }
}

/// The seconds that `Retry-After` says.
fn retry_after(answer: &Answer) -> u64 {
    answer.header("retry-after").parse().unwrap()
}

/// Opens the page, and asks for it by a script at the same time. Checks that both are told to try again, and that the
/// browser keeps its cookie. Returns how long the page took.
async fn told_to_try_again(running: &Running, browser: &Browser, fault: &Fault) -> Duration {
    let before = browser.cookie("wos_session");
    let url = running.url("/page");
    let script = browser.fetch(Method::GET, &url, "");
    let ((answer, took), script) = tokio::join!(page(running, browser), script);
    for answer in [&answer, &script] {
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{fault:?}");
        assert!((1..=120).contains(&retry_after(answer)), "{fault:?}: {:?}", answer.headers);
        assert_eq!(answer.header("location"), "", "{fault:?}");
        assert!(answer.set_cookies("wos_session").is_empty(), "{fault:?}");
    }
    assert_eq!(script.header("content-type"), "application/problem+json", "{fault:?}");
    assert_eq!(browser.cookie("wos_session"), before, "{fault:?}");
    took
}

/// Checks the answers during the fault, and that requests succeed again after it.
async fn withstand(fault: Fault) {
    let running = running().await;
    running.emulator.fault(fault.clone().until_cleared());
    // The fastest of three counts, since a busy machine may be slow.
    let mut fastest = Duration::MAX;
    let mut browsers = Vec::new();
    while fastest >= secs(8) {
        assert!(browsers.len() < 3, "{fault:?}: {fastest:?}");
        let browser = expired(&running);
        fastest = fastest.min(told_to_try_again(&running, &browser, &fault).await);
        browsers.push(browser);
    }

    running.emulator.clear_faults();
    // The failures may have opened the circuit, which lets one call in two seconds through.
    running.advance(secs(3));
    assert!(running.authkit.drain(secs(25)).await, "{fault:?}: the exchange hangs");
    for browser in &browsers {
        let (answer, _) = page(&running, browser).await;
        assert_eq!((answer.status, answer.text().as_str()), (StatusCode::OK, "alice@acme.test"));
    }
    assert_eq!(running.emulator.exchanges(), browsers.len() as u64, "{fault:?}");
}

#[tokio::test]
async fn up_04_up_05_what_fails_for_long_costs_five_seconds_and_no_session() {
    let forever = secs(600);
    let faults = [
        Fault::latency(forever),
        Fault::late_reply(forever),
        Fault::slow(10, Duration::from_millis(100)),
        Fault::status(408),
        Fault::status(500),
        Fault::status(502),
        Fault::status(503),
        Fault::status(504),
    ];
    let mut tests = JoinSet::new();
    for fault in faults.into_iter().chain(no_answers()) {
        tests.spawn(withstand(fault));
    }
    tests.join_all().await;
}

#[tokio::test]
async fn up_04_an_answer_in_small_pieces_is_put_together() {
    let running = running().await;
    let browser = expired(&running);
    running.emulator.fault(Fault::slow(7, Duration::from_micros(200)));
    let (answer, _) = page(&running, &browser).await;
    assert_eq!((answer.status, answer.text().as_str()), (StatusCode::OK, "alice@acme.test"));
    assert_eq!(running.emulator.calls(Endpoint::Authenticate), 1);
}

#[tokio::test]
async fn no_redirect_gets_the_api_key_or_a_token() {
    let running = running().await;
    let elsewhere = Elsewhere::with_keys_of(&running.emulator).await;
    for status in [301, 302, 303, 307, 308] {
        let browser = expired(&running);
        running.emulator.fault(elsewhere.redirect(status));
        let (answer, _) = page(&running, &browser).await;
        assert_eq!(
            answer.status,
            StatusCode::OK,
            "{status}: the second attempt goes to WorkOS again"
        );
    }
    assert_eq!(elsewhere.visits(), 0);
}

#[tokio::test]
async fn jk_05_jk_06_what_is_no_key_set_admits_nobody_and_costs_no_session() {
    let elsewhere = Elsewhere::with_keys_of(&Emulator::start().await).await;
    let faults = [
        Fault::html(),
        Fault::wrong_json(),
        Fault::truncated(),
        Fault::reset_after(),
        Fault::status(404),
        Fault::status(503),
        // This key set is valid, but larger than the 256 KiB that the client reads.
        Fault::huge(256 << 10),
        Fault::huge(10 << 20),
        elsewhere.redirect(302),
        elsewhere.redirect(307),
    ];
    for fault in faults {
        let running = running().await;
        let browser = running.signed_in("alice@acme.test");
        running.emulator.fault(fault.clone().on(Endpoint::Jwks).until_cleared());
        let took = told_to_try_again(&running, &browser, &fault).await;
        // A request waits five seconds at most, and the machine may be busy.
        assert!(took < secs(10), "{fault:?}: {took:?}");

        running.emulator.clear_faults();
        running.advance(secs(2));
        let (answer, _) = page(&running, &browser).await;
        assert_eq!(answer.status, StatusCode::OK, "{fault:?}");
        assert_eq!(answer.text(), "alice@acme.test", "{fault:?}");
        assert_eq!(running.emulator.calls(Endpoint::Authenticate), 0, "{fault:?}: no refresh");
    }
    assert_eq!(elsewhere.visits(), 0);
}

#[tokio::test]
async fn jk_04_an_outage_of_the_keys_is_told_once_and_so_is_its_end() {
    let running = running().await;
    let session = running.emulator.session("alice@acme.test").lifetime(secs(86_400));
    let browser = running.holding(&session);
    assert_eq!(page(&running, &browser).await.0.status, StatusCode::OK);

    let events = Events::listen();
    let mut told = Vec::new();
    running.emulator.fault(Fault::status(503).on(Endpoint::Jwks).until_cleared());
    let deadline = Instant::now() + secs(30);
    while !told.iter().any(|event: &String| event.contains("again")) {
        assert!(Instant::now() < deadline, "{told:#?}");
        // A background task fetches the keys again, half a minute after a fetch has failed.
        running.advance(secs(31));
        assert_eq!(page(&running, &browser).await.0.status, StatusCode::OK);
        time::sleep(Duration::from_millis(20)).await;
        told.extend(events.take());
        if running.emulator.calls(Endpoint::Jwks) > 5 {
            running.emulator.clear_faults();
        }
    }
    let times = |words: &str| told.iter().filter(|event| event.contains(words)).count();
    assert_eq!(times("signing keys cannot be fetched"), 1, "{told:#?}");
    assert_eq!(times("signing keys can be fetched again"), 1, "{told:#?}");
    assert_eq!(running.emulator.calls(Endpoint::Authenticate), 0, "no refresh");
}

#[tokio::test]
async fn rf_04_a_renewed_session_that_nobody_can_verify_is_set_all_the_same() {
    let running = running().await;
    assert_eq!(page(&running, &running.signed_in("bob@acme.test")).await.0.status, StatusCode::OK);
    // The new token must be younger than the keys that were fetched: the handle's clock runs on, the emulator's stands still.
    running.advance(secs(20));
    let browser = expired(&running);
    let before = browser.cookie("wos_session");
    running.emulator.rotate_keys();
    running.emulator.fault(Fault::status(503).on(Endpoint::Jwks).until_cleared());

    let (answer, _) = page(&running, &browser).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.set_cookies("wos_session").len(), 1, "the old token is spent");
    assert_ne!(browser.cookie("wos_session"), before);

    running.emulator.clear_faults();
    running.advance(secs(31));
    assert_eq!(page(&running, &browser).await.0.status, StatusCode::OK);
    assert_eq!(running.emulator.exchanges(), 1);
}

#[tokio::test]
async fn rf_05_only_a_page_that_is_refused_again_deletes_the_cookie() {
    let running = running().await;
    let session = running.emulator.session("alice@acme.test").expired();
    let browser = running.holding(&session);
    assert!(running.emulator.revoke(session.session_id()));
    let script = async || browser.fetch(Method::GET, &running.url("/page"), "").await;

    let first = page(&running, &browser).await.0;
    assert_eq!(first.status, StatusCode::FOUND);
    let soon = script().await;
    assert_eq!(
        soon.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "the browser may get a newer cookie soon"
    );
    assert_eq!(soon.header("retry-after"), "1");
    running.advance(secs(10));
    assert_eq!(script().await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(running.emulator.calls(Endpoint::Authenticate), 1, "the refusal is remembered");

    running.advance(secs(50));
    assert_eq!(script().await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(running.emulator.calls(Endpoint::Authenticate), 2, "WorkOS is asked once more");
    assert!(browser.cookie("wos_session").is_some(), "no script's answer deletes it");
    let last = page(&running, &browser).await.0;
    assert_eq!(last.status, StatusCode::FOUND);
    assert_eq!(browser.cookie("wos_session"), None);
    assert_eq!(running.emulator.calls(Endpoint::Authenticate), 2);
}

#[tokio::test]
async fn rf_06_the_operator_is_told_of_our_own_mistakes_and_users_keep_their_cookies() {
    let running = running().await;
    for fault in [Fault::status(401), Fault::status(403), Fault::oauth_error("invalid_client")] {
        let browser = expired(&running);
        let before = browser.cookie("wos_session");
        running.emulator.fault(fault.clone());
        let events = Events::listen();
        let (answer, _) = page(&running, &browser).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{fault:?}");
        assert_eq!(browser.cookie("wos_session"), before, "{fault:?}");
        let told = events.take();
        let told_of_it = |event: &String| event.starts_with("ERROR") && event.contains("API key");
        assert!(told.iter().any(told_of_it), "{fault:?}: {told:#?}");

        assert_eq!(page(&running, &browser).await.0.status, StatusCode::OK, "{fault:?}: repaired");
    }
}

/// The names of all functions, tests among them, in the sources below a directory.
fn functions_in(directory: &Path, names: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions_in(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).unwrap();
            let functions = source.split("fn ").skip(1).filter_map(|rest| rest.split_once('('));
            names.extend(functions.map(|(name, _)| name.to_owned()));
        }
    }
}

#[test]
fn every_fault_in_the_docs_names_a_test_that_is_there() {
    let mut names = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for folder in ["crates/authkit-session/src", "tests/it"] {
        functions_in(&root.join(folder), &mut names);
    }
    let rows = include_str!("../../docs/faults.md").lines().filter(|line| line.starts_with("| "));
    let mut faults = 0;
    for row in rows.filter(|row| !row.starts_with("| fault |")) {
        let tests = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        for test in tests.split(", ") {
            let prefix = test.trim_matches('`');
            assert!(names.iter().any(|name| name.starts_with(prefix)), "{test}: {row}");
        }
        faults += 1;
    }
    assert!(faults > 30, "{faults} rows");
}
