//! Replicas without a store that they share: two refresh one session, and two versions take turns during a deploy.

use std::time::Duration;

use authkit_emulator::{Endpoint, Fault, Rotation};
use authkit_tower::{AuthKit, AuthKitLayer, Config, CookiePassword, Endpoints, Session};
use axum::{Router, routing::get};
use http::{Method, StatusCode};
use support::{Browser, Harness, Neighbour, Running};

fn app(authkit: &AuthKit) -> Router {
    Router::new()
        .route("/dashboard", get(async |session: Session| session.user().email.clone().unwrap()))
        .route_layer(AuthKitLayer::new(authkit))
        .merge(Endpoints::new(authkit))
}

async fn two(rotation: Rotation) -> (Running, Neighbour) {
    let harness = Harness::with(|emulator| emulator.rotation(rotation), |config| config).await;
    let router = app(&harness.authkit);
    let running = harness.serve(router);
    let neighbour = running.beside(|config| config, app).await;
    (running, neighbour)
}

#[tokio::test]
async fn mr_01_who_loses_the_race_keeps_the_cookie_and_asks_again() {
    let (here, there) = two(Rotation::Strict).await;
    let cookie = here.emulator.session("alice@acme.test").expired().cookie(support::PASSWORD);
    let browser = || {
        let browser = Browser::new();
        browser.keep(&here.url("/"), "wos_session", &cookie);
        browser
    };
    let [script, page, winner] = [browser(), browser(), browser()];

    let won = winner.navigate(&here.url("/dashboard")).await;
    assert_eq!((won.status, won.text().as_str()), (StatusCode::OK, "alice@acme.test"));

    let lost = script.fetch(Method::GET, &there.url("/dashboard"), "").await;
    assert_eq!(
        lost.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "WorkOS refused the second exchange; the session goes on"
    );
    assert_eq!(lost.header("retry-after"), "1");
    assert!(lost.set_cookies("wos_session").is_empty(), "the cookie stays");
    let lost = page.navigate(&there.url("/dashboard")).await;
    assert_eq!(
        (lost.status, lost.header("location")),
        (StatusCode::FOUND, "/login?return_to=%2Fdashboard"),
        "a document may sign in, silently where WorkOS allows"
    );
    assert!(lost.set_cookies("wos_session").is_empty());
    assert_eq!(here.emulator.calls(Endpoint::Authenticate), 2, "each replica asked WorkOS once");

    // A user's browser has the winner's cookie by the time it asks again.
    for url in [here.url("/dashboard"), there.url("/dashboard")] {
        assert_eq!(winner.navigate(&url).await.text(), "alice@acme.test");
    }
}

#[tokio::test]
async fn mr_01_with_the_replay_of_production_there_is_no_loser() {
    let (here, there) = two(Rotation::default()).await;
    let cookie = here.emulator.session("alice@acme.test").expired().cookie(support::PASSWORD);
    here.emulator.fault(Fault::latency(Duration::from_millis(100)).times(2));
    let browser = |_| {
        let browser = Browser::new();
        browser.keep(&here.url("/"), "wos_session", &cookie);
        browser
    };
    let [one, other] = [0, 1].map(browser);

    let (url, elsewhere) = (here.url("/dashboard"), there.url("/dashboard"));
    let (first, second) = tokio::join!(one.navigate(&url), other.navigate(&elsewhere));

    for answer in [first, second] {
        assert_eq!((answer.status, answer.text().as_str()), (StatusCode::OK, "alice@acme.test"));
        assert_eq!(answer.set_cookies("wos_session").len(), 1);
    }
    assert_eq!(here.emulator.exchanges(), 1, "WorkOS repeated its answer to the second replica");
    for browser in [&one, &other] {
        for url in [&url, &elsewhere] {
            assert_eq!(browser.navigate(url).await.text(), "alice@acme.test");
        }
    }
}

const APP: &str = "https://app.example.com";
const OLD: &str = "oatw2JzfvpD4OOBNGLE5n9dUStWXcGGQP81AnPADP6w=";
const NEW: &str = "ddW7ld9IZBd1DoR+/EWsU+394lgsZAbNdCiupTTK7Dc=";

/// A version of the service, with its own current password and that of the other version.
fn version(harness: &Harness, current: &str, other: &str) -> Router {
    let [current, other] = [current, other].map(|password| CookiePassword::new(password).unwrap());
    let (id, key) = (harness.emulator.client_id(), harness.emulator.api_key());
    let config = Config::new(id, key, format!("{APP}/callback"), current)
        .with_other_passwords([other])
        .with_base_url(harness.emulator.url())
        .with_clock(harness.clock.clone());
    app(&AuthKit::new(config).unwrap())
}

#[tokio::test]
async fn mr_03_a_rolling_deploy_of_two_passwords_neither_loops_nor_signs_out() {
    let harness = Harness::start().await;
    let versions = [version(&harness, OLD, NEW), version(&harness, NEW, OLD)];
    let dashboard = format!("{APP}/dashboard");

    for (began, ended) in [(0, 1), (1, 0)] {
        // Sign-in begins at one version and ends at the other.
        let browser = Browser::new();
        let challenged = browser.visit(&versions[began], &dashboard).await;
        let login = browser.target(&challenged);
        let login = browser.visit(&versions[ended], login.as_str()).await;
        let back = browser.navigate(browser.target(&login).as_str()).await;
        let signed_in = browser.visit(&versions[began], browser.target(&back).as_str()).await;
        assert_eq!(browser.target(&signed_in).as_str(), dashboard);

        // Then they take turns, each refreshing what the other has sealed.
        for turn in 0..10 {
            if turn % 2 == 0 {
                harness.advance(Duration::from_secs(600));
            }
            let page = browser.visit(&versions[(began + turn) % 2], &dashboard).await;
            assert_eq!(page.text(), "alice@acme.test", "turn {turn}");
            assert_eq!(page.set_cookies("wos_session").len(), usize::from(turn % 2 == 0));
        }
    }
    assert_eq!(harness.emulator.exchanges(), 10, "one for each token that expired");
}
