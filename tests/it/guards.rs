//! A guard applies to the route that runs, reads the signed token, and denies every request that it cannot decide about.

use std::time::Duration;

use authkit_emulator::{Endpoint, Fault, TestSession};
use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, Require, Session};
use axum::{
    Router,
    routing::{any, get},
};
use bytes::Bytes;
use http::{Method, StatusCode};
use support::{Answer, Browser, Harness, Running};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use url::Url;

const BOB: &str = "bob@acme.test";
const ALICE: &str = "alice@acme.test";

fn app(authkit: &AuthKit) -> Router {
    let whose = async |session: Session| session.user_id().to_owned();
    let maybe = async |session: Option<Session>| {
        session.map_or("nobody".to_owned(), |session| session.user_id().to_owned())
    };
    let admins = Require::role("admin");
    let recently = Require::recent_sign_in(Duration::from_secs(300));
    let acme = Require::organization("org_01ACME0000000000000000000");
    let at_once = AuthKitLayer::new(authkit).with_max_token_age(Duration::from_secs(30));
    let protected = Router::new()
        .route("/admin", get(whose).route_layer(admins.clone()))
        .route("/admin/{*rest}", any(whose).layer(admins.clone()))
        .route("/all", get(whose).route_layer(admins.clone().and(acme).and(recently.clone())))
        .route("/recent", any(whose).layer(recently))
        .route("/member", get(whose))
        .route_layer(AuthKitLayer::new(authkit));
    Router::new()
        .route("/at-once", get(whose).route_layer(admins.clone()))
        .route_layer(at_once.clone())
        .merge(
            Router::new()
                .route("/nested", get(whose).route_layer(at_once))
                .route_layer(AuthKitLayer::new(authkit)),
        )
        .route("/public/{*rest}", any(async || "public"))
        .route("/guard-alone", get(async || "unguarded").route_layer(admins.clone()))
        .route(
            "/wrong-way-round",
            get(whose).route_layer(AuthKitLayer::new(authkit)).route_layer(admins),
        )
        .route("/no-layer", get(whose))
        .route("/no-layer-maybe", get(maybe))
        .merge(
            Router::new().route("/maybe", get(maybe)).route_layer(AuthKitLayer::optional(authkit)),
        )
        .merge(protected)
        .merge(Endpoints::new(authkit))
}

async fn running() -> Running {
    let harness = Harness::start().await;
    let app = app(&harness.authkit);
    harness.serve(app)
}

async fn get_with(browser: &Browser, url: &str, headers: &[(&str, &str)]) -> Answer {
    browser.send(Method::GET, url, headers.iter().copied(), Bytes::new()).await
}

/// The response to exactly this request target, which a URL parser might normalize.
async fn raw(running: &Running, target: &str, cookie: &str) -> String {
    let mut stream = TcpStream::connect(running.served().address()).await.unwrap();
    let request = format!(
        "GET {target} HTTP/1.1\r\nhost: localhost\r\ncookie: wos_session={cookie}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn rg_01_no_spelling_of_a_path_gets_round_its_guard() {
    let running = running().await;
    let bob = running.signed_in(BOB).cookie("wos_session").unwrap();
    let alice = running.signed_in(ALICE).cookie("wos_session").unwrap();
    let spellings = [
        "/admin",
        "/admin/",
        "/admin/x",
        "//admin",
        "/admin//x",
        "/./admin",
        "/public/../admin",
        "/public/%2e%2e/admin",
        "/public/..%2fadmin",
        "/public/..;/admin",
        "/public/%252e%252e/admin",
        "/%61dmin",
        "/%41dmin",
        "/ADMIN",
        "/admin%2f",
        "/admin%2Fx",
        "/admin;x",
        "/admin;x=/public/",
        "/admin%23",
        "/admin%3f",
        "/admin%00",
        "/admin%20",
        "/admin.",
        "/admin.css",
        "/admin?x=/public/y",
        "/admin#/public/",
        "/admin/..",
        "/admin/../admin",
        "/admin\\x",
        "/admin/%2e",
        "/\\admin",
        "/admin/public/x",
        "http://localhost/admin",
        "http://evil.example/admin",
        "http://localhost//admin",
        "/member/../admin",
    ];
    let mut admitted = 0;
    for target in spellings {
        let [bobs, alices] = [&bob, &alice].map(|cookie| raw(&running, target, cookie));
        let (bobs, alices) = (bobs.await, alices.await);
        assert!(!bobs.contains("user_01"), "{target}: {bobs}");
        assert!(!bobs.contains("HTTP/1.1 200 ") || bobs.ends_with("public"), "{target}: {bobs}");
        // Where Alice is admitted as an administrator, the guard denies Bob.
        if alices.contains("user_01ALICE") {
            admitted += 1;
            assert!(bobs.starts_with("HTTP/1.1 403 "), "{target}: {bobs}");
        }
    }
    assert!(admitted >= 5, "only {admitted} paths lead to a guarded handler");
}

#[tokio::test]
async fn rg_02_no_header_says_who_somebody_is() {
    let running = running().await;
    let claims = [
        ("x-forwarded-user", "alice@acme.test"),
        ("x_forwarded_user", "alice@acme.test"),
        ("x-forwarded-email", "alice@acme.test"),
        ("x-forwarded-groups", "admin"),
        ("x-forwarded-uri", "/public/x"),
        ("x-original-uri", "/public/x"),
        ("x-original-method", "OPTIONS"),
        ("x-http-method-override", "OPTIONS"),
        ("x-workos-session", "eyJhbGciOiJub25lIn0."),
        ("x-workos-middleware", "true"),
        ("x-middleware-subrequest", "middleware:middleware:middleware"),
        ("x-url", "/public/x"),
        ("remote-user", "alice"),
        ("user-agent", "kube-probe/1.30 GoogleHC/1.0"),
        ("authorization", "Basic YWxpY2U6YWxpY2U="),
    ];
    let bob = running.signed_in(BOB);
    for claim in claims {
        for (browser, status) in [(&Browser::new(), 401), (&bob, 403)] {
            let answer = get_with(browser, &running.url("/admin"), &[claim]).await;
            assert_eq!(answer.status, status, "{claim:?}");
        }
    }
    let all = get_with(&bob, &running.url("/member"), &claims).await;
    assert_eq!(
        all.text(),
        "user_01BOB00000000000000000000",
        "the headers do not change who Bob is"
    );
    assert!(all.headers.keys().all(|name| !name.as_str().contains("user")), "{:?}", all.headers);
}

#[tokio::test]
async fn rg_03_a_mistake_or_a_fault_lets_nobody_in() {
    let running = running().await;
    let alice = running.signed_in(ALICE);
    for path in ["/guard-alone", "/wrong-way-round", "/no-layer", "/no-layer-maybe"] {
        for browser in [&Browser::new(), &alice] {
            let answer = get_with(browser, &running.url(path), &[]).await;
            assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
            assert!(answer.text().contains("AuthKitLayer"), "{path}: {}", answer.text());
            assert!(!answer.text().contains("unguarded"), "{path}");
        }
    }
    assert_eq!(get_with(&Browser::new(), &running.url("/maybe"), &[]).await.text(), "nobody");

    // A fault during a refresh must not count as "no session".
    let faults = [
        Fault::status(401),
        Fault::status(404),
        Fault::status(422),
        Fault::clock_behind(Duration::from_secs(3600)),
    ];
    for fault in faults {
        let name = format!("{fault:?}");
        running.advance(Duration::from_secs(5));
        running.emulator.fault(fault.until_cleared());
        let expired = running.emulator.session(ALICE).expired();
        let answer = get_with(&running.holding(&expired), &running.url("/maybe"), &[]).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{name}: {}", answer.text());
        running.emulator.clear_faults();
    }
    let dark = self::running().await;
    dark.emulator.fault(Fault::status(503).on(Endpoint::Jwks).until_cleared());
    let answer = get_with(&dark.signed_in(ALICE), &dark.url("/maybe"), &[]).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "no keys");

    // A panic of the application's refresh hook must not count as "no session" either.
    let harness = Harness::with(
        |emulator| emulator,
        |config| config.with_refresh_hook(async |_| panic!("a mistake of the application's")),
    )
    .await;
    let panicking = app(&harness.authkit);
    let panicking = harness.serve(panicking);
    let expired = panicking.holding(&panicking.emulator.session(ALICE).expired());
    let answer = get_with(&expired, &panicking.url("/maybe"), &[]).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.text());
    assert!(expired.cookie("wos_session").is_some(), "the cookie is kept");
}

#[tokio::test]
async fn rg_04_all_that_is_joined_must_hold() {
    let running = running().await;
    let emulator = &running.emulator;
    let ask =
        async |session: TestSession| running.holding(&session).navigate(&running.url("/all")).await;
    let long_ago = emulator.session(ALICE).claims()["iat"].as_u64().unwrap() - 600;

    assert_eq!(ask(emulator.session(ALICE)).await.status, 200);
    assert_eq!(ask(emulator.session(BOB)).await.status, 403, "another role");
    let globex = emulator.session(ALICE).organization("Globex").claim("role", "admin");
    assert_eq!(ask(globex).await.status, 403, "another organization");
    let stale = ask(emulator.session(ALICE).claim("auth_time", long_ago)).await;
    assert_eq!(
        stale.header("location"),
        "/login?return_to=%2Fall&max_age=300",
        "signed in too long ago"
    );
    let neither = emulator.session(BOB).claim("auth_time", long_ago);
    assert_eq!(ask(neither).await.status, 403, "signing in again would change nothing");
}

#[tokio::test]
async fn rg_04_a_role_that_was_taken_away_stops_at_the_next_request() {
    let running = running().await;
    let alice = running.signed_in(ALICE);
    assert_eq!(alice.navigate(&running.url("/at-once")).await.status, 200);
    running.emulator.set_role(ALICE, "Acme Corp", "member");
    running.advance(Duration::from_secs(30));

    let page = alice.navigate(&running.url("/admin")).await;
    assert_eq!(page.status, 200, "another route accepts the token as long as it lasts");
    let page = alice.navigate(&running.url("/at-once")).await;
    assert_eq!((page.status, page.set_cookies("wos_session").len()), (StatusCode::FORBIDDEN, 1));
    assert_eq!(
        alice.navigate(&running.url("/admin")).await.status,
        403,
        "every route sees the new token"
    );
    assert_eq!(running.emulator.exchanges(), 1);
}

#[tokio::test]
async fn rg_04_a_layer_inside_asks_for_a_younger_token_and_the_one_outside_sets_it() {
    let running = running().await;
    let alice = running.signed_in(ALICE);
    assert_eq!(alice.navigate(&running.url("/nested")).await.status, 200);
    assert_eq!(running.emulator.exchanges(), 0);
    running.advance(Duration::from_secs(30));

    let page = alice.navigate(&running.url("/nested")).await;
    assert_eq!((page.status, page.set_cookies("wos_session").len()), (StatusCode::OK, 1));
    assert_eq!(running.emulator.exchanges(), 1);

    // WorkOS refuses the refresh that the inner layer needs: the old token is not enough for it, and the cookie is kept.
    running.advance(Duration::from_secs(30));
    running.emulator.fault(Fault::status(401).until_cleared());
    let page = alice.navigate(&running.url("/nested")).await;
    assert_eq!(
        (page.status, page.set_cookies("wos_session").len()),
        (StatusCode::SERVICE_UNAVAILABLE, 0)
    );
    assert_eq!(alice.navigate(&running.url("/member")).await.status, 200);
}

#[tokio::test]
async fn rg_04_signing_in_again_satisfies_who_asked_for_it() {
    let running = running().await;
    let long_ago = running.emulator.session(ALICE).claims()["iat"].as_u64().unwrap() - 600;
    let alice = running.holding(&running.emulator.session(ALICE).claim("auth_time", long_ago));

    let page = alice.navigate(&running.url("/recent?x=1")).await;
    assert_eq!(page.header("location"), "/login?return_to=%2Frecent%3Fx%3D1&max_age=300");
    let login = alice.navigate(alice.target(&page).as_str()).await;
    let authorize = Url::parse(login.header("location")).unwrap();
    assert!(
        authorize.as_str().starts_with(running.emulator.url()),
        "the user has to sign in although there is a session: {authorize}"
    );
    assert!(
        authorize.query_pairs().any(|(name, value)| name == "max_age" && value == "300"),
        "{authorize}"
    );
    let page = alice.open(&running.url("/recent?x=1")).await;
    assert_eq!(
        (page.status, page.url.as_str()),
        (StatusCode::OK, running.url("/recent?x=1").as_str())
    );

    let stale = running.holding(&running.emulator.session(ALICE).claim("auth_time", long_ago));
    let fetched = stale.fetch(Method::POST, &running.url("/recent"), "").await;
    assert_eq!(
        (fetched.status, fetched.json()["login_url"].as_str()),
        (StatusCode::UNAUTHORIZED, Some("/login?max_age=300"))
    );
    assert_eq!(
        fetched.header("www-authenticate"),
        r#"Cookie cookie-name="wos_session", error="insufficient_user_authentication", max_age="300""#
    );
}
