//! A new cookie password signs nobody out: in two deploys, without a restart, or beside a service that knows one password.

use std::time::Duration;

use authkit_tower::{
    AuthKit, AuthKitLayer, Config, CookiePassword, Endpoints, SealFormat, Session,
};
use axum::{Router, routing::get};
use http::StatusCode;
use support::{Answer, Browser, Harness};

const APP: &str = "https://app.example.com";
const OLD: &str = "oatw2JzfvpD4OOBNGLE5n9dUStWXcGGQP81AnPADP6w=";
const NEW: &str = "ddW7ld9IZBd1DoR+/EWsU+394lgsZAbNdCiupTTK7Dc=";
/// The formats that a password of 44 characters can seal.
const FORMATS: [SealFormat; 4] =
    [SealFormat::Ruby, SealFormat::Go, SealFormat::Python, SealFormat::Node];

fn password(password: &str) -> CookiePassword {
    CookiePassword::new(password).unwrap()
}

fn app(authkit: &AuthKit) -> Router {
    Router::new()
        .route("/dashboard", get(async |session: Session| session.user().email.clone().unwrap()))
        .route_layer(AuthKitLayer::new(authkit))
        .merge(Endpoints::new(authkit))
}

/// A replica, which shares its origin and WorkOS with the others and nothing else.
fn replica(
    harness: &Harness,
    format: SealFormat,
    current: &str,
    others: &[&str],
    config: impl FnOnce(Config) -> Config,
) -> AuthKit {
    let (id, key) = (harness.emulator.client_id(), harness.emulator.api_key());
    let defaults = Config::new(id, key, format!("{APP}/callback"), password(current))
        .with_other_passwords(others.iter().map(|other| password(other)))
        .with_base_url(harness.emulator.url())
        .with_clock(harness.clock.clone())
        .with_seal_format(format);
    AuthKit::new(config(defaults)).unwrap()
}

/// Opens the page after the token has expired, so that the session is sealed again.
async fn refreshed(harness: &Harness, browser: &Browser, app: &Router) -> Answer {
    harness.advance(Duration::from_secs(600));
    let page = browser.visit(app, &format!("{APP}/dashboard")).await;
    assert!(page.status != StatusCode::OK || page.text() == "alice@acme.test", "{}", page.text());
    page
}

#[tokio::test]
async fn se_05_two_deploys_sign_nobody_out() {
    for format in FORMATS {
        let harness = Harness::start().await;
        let deploys: [(&str, &[&str]); 4] = [(OLD, &[]), (OLD, &[NEW]), (NEW, &[OLD]), (NEW, &[])];
        let deploys = deploys.map(|(current, others)| {
            app(&replica(&harness, format, current, others, |config| config))
        });
        let browser = Browser::new();
        browser.sign_in(&deploys[0], &deploys[0], APP).await;

        for (step, pair) in deploys.windows(2).enumerate() {
            // While a deploy rolls, replicas of both sides answer in turn.
            for turn in 0..6 {
                let page = refreshed(&harness, &browser, &pair[turn % 2]).await;
                assert_eq!(page.status, StatusCode::OK, "{format}: step {step}, turn {turn}");
                assert_eq!(page.set_cookies("wos_session").len(), 1, "{format}: step {step}");
            }
            for (begun, ended) in [(0, 1), (1, 0)] {
                let other = Browser::new();
                let callback = other.sign_in(&pair[begun], &pair[ended], APP).await;
                assert_eq!(callback.set_cookies("wos_session").len(), 1, "{format}: step {step}");
            }
        }
        assert_eq!(harness.emulator.exchanges(), 18, "{format}: each turn refreshed the session");
    }
}

/// Shows why it takes two deploys: with one, a replica gets cookies that were sealed with a password it does not know.
#[tokio::test]
async fn se_05_one_deploy_would_challenge_but_delete_nothing() {
    let harness = Harness::start().await;
    let old = app(&replica(&harness, SealFormat::Ruby, OLD, &[], |config| config));
    let new = app(&replica(&harness, SealFormat::Ruby, NEW, &[OLD], |config| config));
    let browser = Browser::new();
    browser.sign_in(&old, &old, APP).await;

    assert_eq!(refreshed(&harness, &browser, &new).await.status, StatusCode::OK);
    let page = browser.visit(&old, &format!("{APP}/dashboard")).await;
    assert_eq!(page.status, StatusCode::FOUND);
    assert!(
        page.set_cookies("wos_session").is_empty(),
        "the cookie stays for the other deployment"
    );
    let page = browser.visit(&new, &format!("{APP}/dashboard")).await;
    assert_eq!(page.status, StatusCode::OK, "the new deployment still opens it");
}

#[tokio::test]
async fn keys_are_replaced_without_a_restart() {
    let harness = Harness::start().await;
    let authkit = replica(&harness, SealFormat::Python, OLD, &[], |config| config);
    let app_here = app(&authkit);
    let [active, idle] = [Browser::new(), Browser::new()];
    active.sign_in(&app_here, &app_here, APP).await;
    idle.sign_in(&app_here, &app_here, APP).await;

    let unsuitable = password("a password of forty characters, no more.");
    let error = authkit.reload_keys(&unsuitable, &[password(OLD)]).unwrap_err();
    assert!(error.to_string().contains("python"), "{error}");
    let page = refreshed(&harness, &active, &app_here).await;
    assert_eq!(page.status, StatusCode::OK, "a refused reload leaves the passwords as they were");

    let replica_of_old = app(&replica(&harness, SealFormat::Python, OLD, &[], |config| config));
    let under_way = Browser::new();
    let login = under_way.visit(&app_here, &format!("{APP}/login")).await;
    let there = under_way.navigate(under_way.target(&login).as_str()).await;
    authkit.reload_keys(&password(NEW), &[password(OLD)]).unwrap();
    let page = active.visit(&app_here, &format!("{APP}/dashboard")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.set_cookies("wos_session").is_empty(), "a reload alone seals nothing again");
    let callback = under_way.visit(&app_here, under_way.target(&there).as_str()).await;
    assert_eq!(
        callback.set_cookies("wos_session").len(),
        1,
        "a sign-in that began before the reload succeeds"
    );
    let page = refreshed(&harness, &active, &app_here).await;
    assert_eq!(page.set_cookies("wos_session").len(), 1, "sealed with the new password");

    let dashboard = format!("{APP}/dashboard");
    refreshed(&harness, &idle, &replica_of_old).await;
    assert_eq!(idle.visit(&app_here, &dashboard).await.status, StatusCode::OK);
    authkit.reload_keys(&password(NEW), &[]).unwrap();
    let page = idle.visit(&app_here, &dashboard).await;
    assert_eq!(page.status, StatusCode::FOUND, "no cached session outlives its password");
    for (name, browser, expected) in [
        ("sealed again", &active, StatusCode::OK),
        ("sealed by a sign-in after the reload", &under_way, StatusCode::OK),
        ("not sealed again", &idle, StatusCode::FOUND),
    ] {
        let page = refreshed(&harness, browser, &app_here).await;
        assert_eq!(page.status, expected, "{name}");
    }
    assert!(
        idle.cookie("wos_session").is_some(),
        "the cookie stays, since the password may come back"
    );
    authkit.reload_keys(&password(NEW), &[password(OLD)]).unwrap();
    let page = refreshed(&harness, &idle, &app_here).await;
    assert_eq!(page.status, StatusCode::OK, "the old password is back");
}

#[tokio::test]
async fn a_pinned_neighbour_goes_on_reading_what_it_sealed() {
    for format in FORMATS {
        let harness = Harness::start().await;
        // This service stands for an SDK, which knows one password.
        let neighbour = app(&replica(&harness, format, OLD, &[], |config| config));
        let pinned =
            app(&replica(&harness, SealFormat::Ruby, NEW, &[OLD], Config::with_pinned_neighbours));
        let unpinned = app(&replica(&harness, SealFormat::Ruby, NEW, &[OLD], |config| config));
        let browser = Browser::new();
        browser.sign_in(&neighbour, &neighbour, APP).await;

        for turn in 0..4 {
            let service = [&pinned, &neighbour][turn % 2];
            let page = refreshed(&harness, &browser, service).await;
            assert_eq!(page.status, StatusCode::OK, "{format}: turn {turn}");
            assert_eq!(page.set_cookies("wos_session").len(), 1, "{format}: turn {turn}");
        }
        assert_eq!(refreshed(&harness, &browser, &unpinned).await.status, StatusCode::OK);
        let page = browser.visit(&neighbour, &format!("{APP}/dashboard")).await;
        assert_eq!(
            page.status,
            StatusCode::FOUND,
            "{format}: the unpinned service sealed with the new password"
        );
    }
}
