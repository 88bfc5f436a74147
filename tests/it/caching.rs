//! No shared cache stores a response for one user, unless the service's own headers allow it.

use std::time::Duration;

use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, Session};
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{AppendHeaders, Response},
    routing::{any, get},
};
use bytes::Bytes;
use futures_util::stream;
use http::{Method, StatusCode};
use support::{Answer, Browser, DOCUMENT, Harness, Running};
use tower_http::compression::CompressionLayer;

/// The headers of a page that asks all caches to store it for a year.
const EAGER: [(&str, &str); 6] = [
    ("cache-control", "public, s-maxage=31536000"),
    ("expires", "Thu, 31 Dec 2099 23:59:59 GMT"),
    ("cdn-cache-control", "max-age=31536000"),
    ("vercel-cdn-cache-control", "max-age=31536000"),
    ("surrogate-control", "max-age=31536000"),
    ("x-accel-expires", "31536000"),
];

fn app(authkit: &AuthKit) -> Router {
    let eager = async |session: Session| {
        let headers: HeaderMap = EAGER
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .into_iter()
            .collect();
        (headers, session.user_id().to_owned())
    };
    let silent = async |session: Session| session.user_id().repeat(100);
    let partial =
        async || (StatusCode::PARTIAL_CONTENT, [(header::CONTENT_RANGE, "bytes 0-1/9")], "ab");
    let unmodified = async || (StatusCode::NOT_MODIFIED, [(header::ETAG, "\"1\"")]);
    let streamed = async || {
        let pieces = ["a", "b"].map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece)));
        Response::new(Body::from_stream(stream::iter(pieces)))
    };
    let varying = async || {
        let fields = [(header::VARY, "Origin"), (header::VARY, "accept-encoding, COOKIE")];
        (AppendHeaders(fields), "varying")
    };
    let routes = || {
        Router::new()
            .route("/eager", any(eager))
            .route("/silent", get(silent))
            .route("/partial", get(partial))
            .route("/unmodified", get(unmodified))
            .route("/streamed", get(streamed))
            .route("/varying", get(varying))
    };
    Router::new()
        .nest("/files", routes().route_layer(AuthKitLayer::new(authkit).with_revalidation()))
        .nest(
            "/shared",
            routes().route_layer(AuthKitLayer::new(authkit).with_insecure_shared_caching()),
        )
        .nest(
            "/compressed",
            routes().route_layer(AuthKitLayer::new(authkit)).layer(CompressionLayer::new()),
        )
        .merge(routes().route_layer(AuthKitLayer::new(authkit)))
        .merge(Endpoints::new(authkit))
}

async fn running() -> Running {
    let harness = Harness::start().await;
    let app = app(&harness.authkit);
    harness.serve(app)
}

fn check_uncacheable(name: &str, answer: &Answer) {
    assert_eq!(answer.header("cache-control"), "private, no-store", "{name}");
    for (override_name, _) in &EAGER[1..] {
        assert_eq!(answer.header(override_name), "", "{name}: {override_name} would override it");
    }
    assert_eq!(vary(answer).iter().filter(|name| *name == "cookie").count(), 1, "{name}");
}

/// The members of all `Vary` fields, in lower case.
fn vary(answer: &Answer) -> Vec<String> {
    let fields = answer.headers.get_all("vary").iter().map(|field| field.to_str().unwrap());
    fields.flat_map(|field| field.split(',')).map(|name| name.trim().to_ascii_lowercase()).collect()
}

#[tokio::test]
async fn ch_01_a_response_that_sets_or_deletes_the_session_is_nobody_elses() {
    let running = running().await;
    let alice = || running.emulator.session("alice@acme.test");

    let good = running.holding(&alice()).navigate(&running.url("/eager")).await;
    assert_eq!(
        good.header("cache-control"),
        EAGER[0].1,
        "a response that sets no cookie keeps the header of the service"
    );
    for path in ["/eager", "/shared/eager"] {
        let refreshed = running.holding(&alice().expired()).navigate(&running.url(path)).await;
        assert_eq!(refreshed.set_cookies("wos_session").len(), 1, "{path}");
        check_uncacheable(path, &refreshed);
    }

    let dead = alice().expired();
    running.emulator.revoke(dead.session_id());
    let browser = running.holding(&dead);
    browser.navigate(&running.url("/eager")).await;
    running.advance(Duration::from_secs(61));
    let deleted = browser.navigate(&running.url("/eager")).await;
    assert_eq!((deleted.status, deleted.set_cookies("wos_session").len()), (StatusCode::FOUND, 1));
    check_uncacheable("deleted", &deleted);

    let browser = Browser::new();
    let login = browser.navigate(&running.url("/login")).await;
    check_uncacheable("a sign-in begun", &login);
    let there = browser.navigate(browser.target(&login).as_str()).await;
    let callback = browser.navigate(browser.target(&there).as_str()).await;
    assert_eq!(callback.set_cookies("wos_session").len(), 1);
    check_uncacheable("signed in", &callback);
    let asked = browser.navigate(&running.url("/logout")).await;
    check_uncacheable("asked whether to sign out", &asked);
    let signed_out = browser.submit(&running.url("/logout"), &[]).await;
    assert_eq!(signed_out.set_cookies("wos_session").len(), 1);
    check_uncacheable("signed out", &signed_out);
}

#[tokio::test]
async fn ch_02_a_response_to_somebody_is_private_unless_it_says_otherwise() {
    let running = running().await;
    let alice = running.signed_in("alice@acme.test");
    for (path, status) in [
        ("/silent", 200),
        ("/partial", 206),
        ("/unmodified", 304),
        ("/streamed", 200),
        ("/varying", 200),
    ] {
        let answer = alice.send(Method::GET, &running.url(path), DOCUMENT, Bytes::new()).await;
        assert_eq!(answer.status, status, "{path}");
        check_uncacheable(path, &answer);
    }
    let varying = alice.navigate(&running.url("/varying")).await;
    assert_eq!(vary(&varying), ["origin", "accept-encoding", "cookie"], "each name once");

    let packed = [("accept-encoding", "gzip")];
    let compressed =
        alice.send(Method::GET, &running.url("/compressed/silent"), packed, Bytes::new()).await;
    assert_eq!(compressed.header("content-encoding"), "gzip");
    check_uncacheable("compressed", &compressed);
    assert!(vary(&compressed).contains(&"accept-encoding".to_owned()));

    let shared = alice.navigate(&running.url("/shared/silent")).await;
    assert_eq!(
        (shared.header("cache-control"), shared.header("vary")),
        ("", ""),
        "this layer leaves the headers alone"
    );
}

#[tokio::test]
async fn ch_02_an_answer_of_ours_is_kept_by_nobody() {
    let running = running().await;
    for (headers, status) in [
        (&DOCUMENT[..], StatusCode::SEE_OTHER),
        (&[("hx-request", "true")], StatusCode::UNAUTHORIZED),
        (&[("accept", "application/json")], StatusCode::UNAUTHORIZED),
        (&[("content-type", "application/grpc")], StatusCode::OK),
    ] {
        let answer = Browser::new()
            .send(Method::POST, &running.url("/eager"), headers.iter().copied(), Bytes::new())
            .await;
        assert_eq!(answer.status, status, "{headers:?}");
        check_uncacheable(&format!("{headers:?}"), &answer);
    }
}

/// The browser alone stores a response that has a validator, and revalidates it.
#[tokio::test]
async fn e15_what_can_be_revalidated_is_kept_by_the_browser_where_the_layer_is_told_so() {
    let running = running().await;
    let browser = running.signed_in("alice@acme.test");
    for (path, expected) in [
        ("/files/unmodified", "private, no-cache"),
        ("/files/silent", "private, no-store"),
        ("/files/streamed", "private, no-store"),
        ("/files/eager", EAGER[0].1),
        ("/unmodified", "private, no-store"),
    ] {
        let answer = browser.navigate(&running.url(path)).await;
        assert_eq!(answer.header("cache-control"), expected, "{path}");
        assert!(vary(&answer).iter().any(|name| name == "cookie"), "{path}");
    }
    let expired = running.emulator.session("alice@acme.test").expired();
    let refreshed = running.holding(&expired).navigate(&running.url("/files/unmodified")).await;
    assert_eq!(refreshed.set_cookies("wos_session").len(), 1);
    check_uncacheable("refreshed", &refreshed);
}
