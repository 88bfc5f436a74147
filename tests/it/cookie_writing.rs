//! The cookies that the library writes: all attributes, one scope, at most once in a response.

use std::time::Duration;

use authkit_emulator::Emulator;
use authkit_tower::{AuthKit, AuthKitLayer, Config, Endpoints, SameSite, Session};
use axum::{Router, response::AppendHeaders, routing::get};
use http::{Method, StatusCode, header};
use support::{Answer, Browser, Harness, PASSWORD};

const APP: &str = "https://app.example.com";

fn app(authkit: &AuthKit) -> Router {
    Router::new()
        .route("/dashboard", get(async |session: Session| session.session_id().to_owned()))
        .route_layer(AuthKitLayer::new(authkit))
        .merge(Endpoints::new(authkit))
}

async fn sign_out(browser: &Browser, app: &Router, origin: &str) -> Answer {
    let headers =
        [("origin", origin), ("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "navigate")];
    browser.send_to(app, Method::POST, &format!("{origin}/logout"), headers).await
}

/// The attributes of each cookie of this name that an answer sets, sorted.
fn attributes(answer: &Answer, name: &str) -> Vec<Vec<String>> {
    let attributes = |cookie: &&str| {
        let mut attributes: Vec<_> = cookie.split("; ").skip(1).map(str::to_owned).collect();
        attributes.sort_unstable();
        attributes
    };
    answer.set_cookies(name).iter().map(attributes).collect()
}

/// The attributes that delete a cookie with these attributes.
fn deletion(written: &[&str]) -> Vec<String> {
    let stays = |attribute: &&&str| !attribute.starts_with("Max-Age");
    let mut attributes: Vec<_> =
        written.iter().filter(stays).chain([&"Max-Age=0"]).map(|it| (*it).to_owned()).collect();
    attributes.sort_unstable();
    attributes
}

#[tokio::test]
async fn ck_04_sign_in_refresh_and_sign_out_write_the_same_attributes() {
    type Row<'a> = (&'a str, &'a str, fn(Config) -> Config, &'a str, &'a [&'a str]);

    let harness = Harness::start().await;
    let usual = ["HttpOnly", "Max-Age=34560000", "Path=/", "SameSite=Lax", "Secure"];
    let rows: [Row<'_>; 6] = [
        ("https", APP, |config| config, "wos_session", &usual),
        (
            "http",
            "http://localhost:3000",
            |config| config,
            "wos_session",
            &["HttpOnly", "Max-Age=34560000", "Path=/", "SameSite=Lax"],
        ),
        (
            "a domain",
            APP,
            |config| config.with_cookie_domain("example.com"),
            "wos_session",
            &[
                "Domain=example.com",
                "HttpOnly",
                "Max-Age=34560000",
                "Path=/",
                "SameSite=Lax",
                "Secure",
            ],
        ),
        ("a prefix", APP, Config::with_host_prefix, "__Host-wos_session", &usual),
        (
            "until the browser closes",
            APP,
            Config::with_browser_session,
            "wos_session",
            &["HttpOnly", "Path=/", "SameSite=Lax", "Secure"],
        ),
        (
            "other sites, an hour",
            APP,
            |config| {
                let config = config.with_same_site(SameSite::None);
                config.with_cookie_max_age(Duration::from_secs(3600))
            },
            "wos_session",
            &["HttpOnly", "Max-Age=3600", "Path=/", "SameSite=None", "Secure"],
        ),
    ];
    for (name, origin, config, cookie, expected) in rows {
        let app = app(&harness.authkit_at(origin, config));
        let browser = Browser::new();

        let callback = browser.sign_in(&app, &app, origin).await;
        assert_eq!(callback.status, StatusCode::SEE_OTHER, "{name}");
        assert_eq!(attributes(&callback, cookie), [expected], "{name}: sign-in");

        harness.advance(Duration::from_secs(600));
        let page = browser.visit(&app, &format!("{origin}/dashboard")).await;
        assert_eq!(page.status, StatusCode::OK, "{name}");
        assert_eq!(attributes(&page, cookie), [expected], "{name}: refresh");

        let gone = sign_out(&browser, &app, origin).await;
        assert_eq!(gone.status, StatusCode::SEE_OTHER, "{name}");
        let mut deletions = vec![deletion(expected)];
        if expected[0].starts_with("Domain=") {
            // The host may have a cookie of its own, from before the domain was configured.
            deletions.push(deletion(&expected[1..]));
        }
        assert_eq!(attributes(&gone, cookie), deletions, "{name}: sign-out");
        assert_eq!(browser.cookie_names(), [""; 0], "{name}: no cookie is left");
    }
}

#[tokio::test]
async fn ck_04_an_impersonated_session_ends_with_the_browser() {
    let harness = Harness::start().await;
    let app = app(&harness.authkit_at(APP, |config| config));
    let session = harness.emulator.session("alice@acme.test");
    let session = session.impersonated_by("support@acme.test", Some("a ticket")).expired();
    let browser = Browser::new();
    browser.keep(APP, "wos_session", &session.cookie(PASSWORD));

    let page = browser.visit(&app, &format!("{APP}/dashboard")).await;

    assert_eq!(page.status, StatusCode::OK);
    let expected = ["HttpOnly", "Path=/", "SameSite=Lax", "Secure"];
    assert_eq!(attributes(&page, "wos_session"), [expected]);
}

#[tokio::test]
async fn ck_04_what_no_browser_would_keep_is_refused_when_the_handle_is_made() {
    type Row<'a> = (&'a str, &'a str, fn(Config) -> Config, &'a str);

    let emulator = Emulator::start().await;
    let rows: [Row<'_>; 6] = [
        (
            "SameSite=None without Secure",
            "http://localhost:3000",
            |config| config.with_same_site(SameSite::None),
            "WORKOS_COOKIE_SAMESITE",
        ),
        (
            "another site's domain",
            APP,
            |config| config.with_cookie_domain("example.org"),
            "WORKOS_COOKIE_DOMAIN",
        ),
        (
            "a domain below ours",
            APP,
            |config| config.with_cookie_domain("eu.app.example.com"),
            "WORKOS_COOKIE_DOMAIN",
        ),
        (
            "a prefix with a domain",
            APP,
            |config| config.with_host_prefix().with_cookie_domain("example.com"),
            "`__Host-`",
        ),
        ("a prefix without https", "http://localhost:3000", Config::with_host_prefix, "`__Host-`"),
        (
            "401 days",
            APP,
            |config| config.with_cookie_max_age(Duration::from_secs(401 * 86_400)),
            "WORKOS_COOKIE_MAX_AGE",
        ),
    ];
    for (name, origin, config, named) in rows {
        let defaults = Harness::config(&emulator, &format!("{origin}/callback"));
        let error = AuthKit::new(config(defaults)).unwrap_err();
        assert_eq!(error.problems().len(), 1, "{name}: {error}");
        assert!(error.to_string().contains(named), "{name}: {error}");
    }
}

#[tokio::test]
async fn ck_07_what_the_handler_sets_or_clears_wins_over_a_refresh() {
    let harness = Harness::start().await;
    let set = |cookie: &'static str| {
        get(async move |_: Session| AppendHeaders([(header::SET_COOKIE, cookie)]))
    };
    let app = Router::new()
        .route("/sets", set("wos_session=its; Path=/; HttpOnly"))
        .route("/clears", set("wos_session=; Path=/; Max-Age=0"))
        .route("/sets-part", set("wos_session.0=2.its; Path=/; HttpOnly"))
        .route("/other", set("theme=dark; Path=/"))
        .route("/nothing", get(async |_: Session| ()))
        .route_layer(AuthKitLayer::new(&harness.authkit));
    let ours = "wos_session=A";
    let rows: [(&str, &[&str]); 5] = [
        ("/sets", &["wos_session=its"]),
        ("/clears", &["wos_session=;"]),
        ("/sets-part", &["wos_session.0=2.its"]),
        ("/other", &["theme=dark", ours]),
        ("/nothing", &[ours]),
    ];
    for (path, expected) in rows {
        let browser = Browser::new();
        let session = harness.emulator.session("alice@acme.test").expired();
        browser.keep(APP, "wos_session", &session.cookie(PASSWORD));

        let page = browser.visit(&app, &format!("{APP}{path}")).await;

        assert_eq!(page.status, StatusCode::OK, "{path}");
        let set: Vec<_> = page.headers.get_all(header::SET_COOKIE).iter().collect();
        assert_eq!(set.len(), expected.len(), "{path}: {set:?}");
        for (set, expected) in set.iter().zip(expected) {
            assert!(set.to_str().unwrap().starts_with(expected), "{path}: {set:?}");
        }
    }
    assert_eq!(harness.emulator.exchanges(), 5, "one refresh for each path");
}

#[tokio::test]
async fn ck_07_a_second_layer_and_the_endpoints_add_no_second_cookie() {
    let harness = Harness::start().await;
    let authkit = harness.authkit_at(APP, |config| config);
    let inner = AuthKitLayer::new(&authkit).with_max_token_age(Duration::from_secs(30));
    let app = Router::new()
        .route("/twice", get(async |session: Session| session.session_id().to_owned()))
        .route_layer(inner)
        .merge(Endpoints::new(&authkit))
        .layer(AuthKitLayer::optional(&authkit));
    let expired = || {
        let browser = Browser::new();
        let session = harness.emulator.session("alice@acme.test").expired();
        browser.keep(APP, "wos_session", &session.cookie(PASSWORD));
        browser
    };

    let page = expired().visit(&app, &format!("{APP}/twice")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.set_cookies("wos_session").len(), 1, "two layers");

    let browser = expired();
    let login = browser.visit(&app, &format!("{APP}/login?login_hint=bob@acme.test")).await;
    let there = browser.navigate(browser.target(&login).as_str()).await;
    harness.advance(Duration::from_secs(400));
    let callback = browser.visit(&app, browser.target(&there).as_str()).await;
    assert_eq!(callback.set_cookies("wos_session").len(), 1, "callback");
    let page = browser.visit(&app, &format!("{APP}/twice")).await;
    assert_eq!(page.status, StatusCode::OK, "the browser keeps the session that it has just begun");

    let gone = sign_out(&expired(), &app, APP).await;
    let [gone] = gone.set_cookies("wos_session")[..] else { panic!("{:?}", gone.headers) };
    assert!(gone.starts_with("wos_session=;"), "{gone}");
}

/// Otherwise the browser would send the cookies of the host, which are from before, along with those of the domain.
#[tokio::test]
async fn once_a_domain_is_configured_the_cookies_of_the_host_are_deleted() {
    let harness = Harness::start().await;
    let app = app(&harness.authkit_at(APP, |config| config.with_cookie_domain("example.com")));
    let browser = Browser::new();
    browser.keep(APP, "wos_session", "from before");
    browser.keep(APP, "wos_session.0", "2.from before");
    browser.keep(APP, "wos_session.1", "from before");

    let callback = browser.sign_in(&app, &app, APP).await;
    let written: Vec<_> = callback
        .headers
        .get_all(header::SET_COOKIE)
        .iter()
        .map(|field| field.to_str().unwrap())
        .filter(|field| field.starts_with("wos_session"))
        .collect();
    assert_eq!(browser.cookie_names(), ["wos_session"]);
    assert!(browser.cookie("wos_session").unwrap().starts_with('A'), "the new session");
    // A client that takes both for one cookie, as RFC 6265 does where the host is the domain, keeps the last field.
    assert!(written.last().unwrap().contains("Domain=example.com"), "{written:?}");

    browser.keep(APP, "wos_session", "from before");
    sign_out(&browser, &app, APP).await;
    assert_eq!(browser.cookie_names(), [""; 0]);
}
