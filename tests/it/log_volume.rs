//! Clients cannot control how much is logged, and log lines name the fix.

use std::{future, sync::Arc, time::Duration};

use authkit_tower::{
    AuthKit, AuthKitLayer, Claim, Config, Coordinating, Endpoints, RefreshCoordinator, Require,
    Session,
};
use axum::{
    Router,
    routing::{any, get},
};
use bytes::Bytes;
use http::Method;
use support::{Browser, Events, Harness, Running};

const BOB: &str = "bob@acme.test";
const ISSUER: &str = "https://issuer.of.this.test";

fn app(authkit: &AuthKit) -> Router {
    let whose = async |session: Session| session.user_id().to_owned();
    let guard = Require::role("auditor").or(Require::permission("audit:none"));
    let api = AuthKitLayer::new(authkit).with_bearer().unwrap();
    let api = Router::new().route("/api", get(async || "")).route_layer(api);
    Router::new()
        .route("/guarded", get(whose).route_layer(guard))
        .route("/page", any(whose))
        .route_layer(AuthKitLayer::new(authkit))
        .merge(api)
}

async fn harness() -> Harness {
    Harness::with(|emulator| emulator.issuer(ISSUER), |config| config.with_issuers([ISSUER])).await
}

async fn running() -> Running {
    let harness = harness().await;
    let app = app(&harness.authkit).merge(Endpoints::new(&harness.authkit));
    harness.serve(app)
}

async fn send(browser: &Browser, method: Method, url: &str, headers: &[(&str, &str)]) {
    browser.send(method, url, headers.iter().copied(), Bytes::new()).await;
}

const ELSEWHERE: Fields = &[("origin", "https://evil.example/x"), ("sec-fetch-site", "cross-site")];
const UNNAMED: Fields = &[("origin", "null"), ("sec-fetch-site", "cross-site")];

/// A name, the method, path and headers of the request, and the parts of the one line that it causes.
type Case = (&'static str, Method, &'static str, Fields, &'static [&'static str]);
type Fields = &'static [(&'static str, &'static str)];

#[tokio::test]
async fn c6_a_line_comes_once_in_a_while_for_each_reason_with_a_count() {
    let cases: [Case; 9] = [
        ("two users' cookies", Method::GET, "/page", &[], &["ERROR ", "reason=ambiguous"]),
        ("garbage", Method::GET, "/page", &[], &["INFO ", "reason=unreadable_cookie"]),
        (
            "a made-up token",
            Method::GET,
            "/api",
            &[("authorization", "Bearer x.y.z")],
            &["INFO ", "bearer token refused"],
        ),
        (
            "a session that was signed out",
            Method::GET,
            "/page",
            &[],
            &["INFO ", "session refused", "reason=signed_out", "session=", "user="],
        ),
        (
            "an expired token of a program",
            Method::GET,
            "/api",
            &[],
            &["INFO ", "bearer token refused", "reason=expired", "session="],
        ),
        (
            "callbacks of no sign-in",
            Method::GET,
            "/callback?code=x&state=forged",
            &[],
            &["INFO ", "a sign-in failed", "ForeignState"],
        ),
        (
            "another site",
            Method::POST,
            "/page",
            ELSEWHERE,
            &[
                "WARN ",
                "origin=https://evil.example ",
                "AuthKitLayer::with_trusted_origins([\"https://evil.example\"])",
                "WORKOS_REDIRECT_URI",
            ],
        ),
        (
            "a site that is not named",
            Method::POST,
            "/page",
            UNNAMED,
            &["WARN ", "origin=not named ", "no setting allows"],
        ),
        (
            "a guard",
            Method::GET,
            "/guarded",
            &[],
            &[
                "INFO ",
                "asked=(role `auditor` or permission `audit:none`)",
                "role=\"member\"",
                "organization=\"org_",
            ],
        ),
    ];
    for (name, method, path, headers, expected) in cases {
        let running = running().await;
        let url = running.url(path);
        let browser = running.signed_in(BOB);
        let cookie = |email: &str| {
            let browser = running.signed_in(email);
            format!("wos_session={}", browser.cookie("wos_session").unwrap())
        };
        let cookies = match name {
            "two users' cookies" => format!("{}; {}", cookie(BOB), cookie("alice@acme.test")),
            "garbage" => "wos_session=garbage".to_owned(),
            "a session that was signed out" => {
                let (cookie, browser) = (cookie(BOB), running.signed_in(BOB));
                browser.keep(&url, "wos_session", cookie.strip_prefix("wos_session=").unwrap());
                browser.submit(&running.url("/logout"), &[]).await;
                cookie
            }
            _ => cookie(BOB),
        };
        let expired = running.emulator.session(BOB).expired();
        let bearer = format!("Bearer {}", expired.access_token());
        let headers = headers.iter().copied().chain([("cookie", &*cookies)]);
        let program = [("authorization", bearer.as_str())].into_iter();
        let program = program.take(usize::from(name == "an expired token of a program"));
        let headers: Vec<_> = headers.chain(program).collect();
        let browser = if name == "a guard" { browser } else { Browser::new() };
        let headers = if name == "a guard" { &headers[..0] } else { &headers[..] };

        let events = Events::listen();
        for _ in 0..200 {
            send(&browser, method.clone(), &url, headers).await;
        }
        let told = events.take();
        let [line] = &told[..] else { panic!("{name}: not one line: {told:#?}") };
        for part in expected {
            assert!(line.contains(part), "{name}: no {part} in {line}");
        }
        assert!(!line.contains('@') && !line.contains("eyJ"), "{name}: {line}");

        running.advance(Duration::from_secs(10));
        send(&browser, method.clone(), &url, headers).await;
        let told = events.take();
        assert!(told.len() == 1 && told[0].contains("left_out=199"), "{name}: {told:#?}");
    }
}

/// A store to which another application writes.
#[derive(Debug)]
struct Garbage;

impl RefreshCoordinator for Garbage {
    fn claim<'a>(&'a self, _: &'a str) -> Coordinating<'a, Claim> {
        Box::pin(future::ready(Claim::Published(Bytes::from("garbage"))))
    }

    fn look<'a>(&'a self, exchange: &'a str) -> Coordinating<'a, Claim> {
        self.claim(exchange)
    }

    fn publish<'a>(&'a self, _: &'a str, _: Bytes) -> Coordinating<'a, ()> {
        Box::pin(future::ready(()))
    }
}

/// Users control how many exchanges there are.
#[tokio::test]
async fn c6_what_every_refresh_may_cause_is_told_once_in_a_while() {
    type Case = (&'static str, fn(Config) -> Config, &'static str);
    let cases: [Case; 2] = [
        (
            "outcomes that nobody can open",
            |config| config.with_refresh_coordinator(Arc::new(Garbage)),
            "WARN message=another process published a refresh that cannot be opened here left_out={}",
        ),
        (
            "a hook that panics",
            |config| config.with_refresh_hook(async |_| panic!("a mistake of the application's")),
            "ERROR message=a session hook panicked left_out={}",
        ),
    ];
    for (name, set, line) in cases {
        let harness = Harness::with(
            |emulator| emulator.issuer(ISSUER),
            |config| set(config.with_issuers([ISSUER])),
        )
        .await;
        let app = app(&harness.authkit);
        let running = harness.serve(app);
        let events = Events::listen();
        for left_out in [0, 7] {
            for n in 0..8 {
                let email = ["alice@acme.test", BOB][n % 2];
                let expired = running.emulator.session(email).expired();
                send(&running.holding(&expired), Method::GET, &running.url("/page"), &[]).await;
            }
            let told = told_like(&events, line);
            assert_eq!(told, [line.replace("{}", &left_out.to_string())], "{name}");
            running.advance(Duration::from_secs(10));
        }
    }
}

/// Whoever requests `/login` controls what the application puts into the state.
#[tokio::test]
async fn c6_a_value_that_is_too_long_for_a_sign_in_is_told_of_once_in_a_while() {
    let harness = harness().await;
    let endpoints = Endpoints::new(&harness.authkit).with_state(|request| request.query("plan"));
    let running = harness.serve(Router::new().merge(endpoints));
    let url = running.url(&format!("/login?plan={}", "x".repeat(2_000)));
    let line = "ERROR message=the state of a sign-in was left out: it has more than 1024 bytes bytes=2002 left_out={}";
    let events = Events::listen();
    for left_out in [0, 49] {
        for _ in 0..50 {
            send(&Browser::new(), Method::GET, &url, &[("sec-fetch-mode", "navigate")]).await;
        }
        assert_eq!(told_like(&events, line), [line.replace("{}", &left_out.to_string())]);
        running.advance(Duration::from_secs(10));
    }
}

/// The lines so far that begin as `line` does before its `{}`.
fn told_like(events: &Events, line: &str) -> Vec<String> {
    let (start, _) = line.split_once("{}").unwrap();
    events.take().into_iter().filter(|told| told.starts_with(start)).collect()
}

/// Without the endpoints, browsers are redirected to a sign-in address that nothing serves.
#[tokio::test]
async fn forgotten_endpoints_are_warned_of_once_in_a_while() {
    for forgotten in [true, false] {
        let harness = harness().await;
        let app = app(&harness.authkit);
        let app = if forgotten { app } else { app.merge(Endpoints::new(&harness.authkit)) };
        let running = harness.serve(app);
        // If the program has the endpoints, a request reaches them; otherwise the library would warn that none does.
        running.browser().navigate(&running.url("/login")).await;
        let events = Events::listen();
        for _ in 0..20 {
            running.browser().navigate(&running.url("/page")).await;
            running.browser().fetch(Method::GET, &running.url("/page"), "").await;
        }
        let told = events.take();
        assert_eq!(told.len(), usize::from(forgotten), "{told:#?}");
        assert!(
            told.iter().all(|line| line.starts_with("WARN ")
                && line.contains(".merge(Endpoints::new(&authkit))")),
            "{told:#?}"
        );
    }
}

/// The endpoints exist, but browsers get a 404 at the sign-in address.
#[tokio::test]
async fn endpoints_that_no_request_reaches_are_warned_of_once_in_a_while() {
    type Case = (&'static str, fn(&AuthKit) -> Router, bool);
    let apps: [Case; 3] = [
        ("merged", |authkit| app(authkit).merge(Endpoints::new(authkit)), false),
        (
            "nested",
            |authkit| app(authkit).nest("/auth", Router::from(Endpoints::new(authkit))),
            true,
        ),
        (
            "made, and left out",
            |authkit| {
                let _ = Endpoints::new(authkit);
                app(authkit)
            },
            true,
        ),
    ];
    for (name, app, is_out_of_reach) in apps {
        let harness = harness().await;
        let app = app(&harness.authkit);
        let running = harness.serve(app);
        let browser = running.browser();
        let events = Events::listen();
        for _ in 0..20 {
            let answer = browser.navigate(&running.url("/page")).await;
            browser.navigate(browser.target(&answer).as_str()).await;
            running.advance(Duration::from_secs(1));
        }
        let told = events.take();
        assert_eq!(told.len(), usize::from(is_out_of_reach), "{name}: {told:#?}");
        for line in told {
            let parts =
                ["WARN ", ".merge(Endpoints::new(&authkit))", "outermost", "login_path=\"/login\""];
            assert!(parts.iter().all(|part| line.contains(part)), "{name}: {line}");
        }
    }
}
