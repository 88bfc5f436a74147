//! A layer around a whole application protects every path except the configured ones.

use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, Session};
use axum::{
    Router,
    routing::{any, get},
};
use bytes::Bytes;
use http::{Method, StatusCode};
use support::{Harness, Running};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const BOB: &str = "bob@acme.test";

fn routes() -> Router {
    let who = async |session: Option<Session>| {
        session.map_or("nobody".to_owned(), |session| session.user_id().to_owned())
    };
    let assets = Router::new().route("/{*rest}", any(who));
    Router::new()
        .route("/", any(who))
        .route("/dashboard", get(async |session: Session| session.user_id().to_owned()))
        .route("/forgotten", any(who))
        .nest("/assets", assets)
}

fn layer(authkit: &AuthKit) -> AuthKitLayer {
    AuthKitLayer::new(authkit).except(["/", "/assets/*"]).unwrap()
}

async fn running() -> Running {
    let harness = Harness::start().await;
    let app = routes().layer(layer(&harness.authkit)).merge(Endpoints::new(&harness.authkit));
    harness.serve(app)
}

#[tokio::test]
async fn an_excepted_path_is_treated_as_by_an_optional_layer_and_any_other_is_protected() {
    let running = running().await;
    let nobody = running.browser();
    for (path, status, body) in [
        ("/", 200, "nobody"),
        ("/?x=1", 200, "nobody"),
        ("/assets/app.js", 200, "nobody"),
        ("/dashboard", 401, ""),
        ("/forgotten", 401, ""),
        // axum uses the fallback of the router that was merged last, which is outside the layer.
        ("/no-such-route", 404, ""),
    ] {
        let answer = nobody.fetch(Method::GET, &running.url(path), "").await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
        assert!(body.is_empty() || answer.text() == body, "{path}: {}", answer.text());
    }

    let expired = running.emulator.session(BOB).expired();
    let bob = running.holding(&expired);
    let page = bob.navigate(&running.url("/")).await;
    assert_eq!((page.status, page.set_cookies("wos_session").len()), (StatusCode::OK, 1));
    assert_eq!(page.text(), "user_01BOB00000000000000000000");
    let elsewhere = [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")];
    let answer = bob.send(Method::POST, &running.url("/"), elsewhere, Bytes::new()).await;
    assert_eq!(
        answer.status,
        StatusCode::FORBIDDEN,
        "the layer checks the origin of an excepted path too"
    );

    let page = running.browser().open(&running.url("/dashboard")).await;
    assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/dashboard"));
}

/// The status of a request for exactly this path, which a URL parser might normalize.
async fn status_of(running: &Running, path: &str) -> u16 {
    let mut stream = TcpStream::connect(running.served().address()).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn no_spelling_of_a_protected_path_is_excepted() {
    let harness = Harness::start().await;
    let layer = layer(&harness.authkit);
    let app = routes().merge(Endpoints::new(&harness.authkit)).layer(layer);
    let running = harness.serve(app);
    for (path, expected) in [("/", 200), ("/assets/app.js", 200), ("/assets/a/b", 200)] {
        assert_eq!(status_of(&running, path).await, expected, "{path}");
    }
    for path in [
        "/assets/../forgotten",
        "/assets/..",
        "/assets/./x",
        "/assets/%2e%2e/forgotten",
        "/assets/%2e%2e%2fforgotten",
        "/assets/..%2fforgotten",
        "/assets/%252e%252e/forgotten",
        "/assets//x",
        "/assets//forgotten",
        "/assets/..;/forgotten",
        "/assets/;x",
        "/assets/a%20b",
        "/%61ssets/x",
        "/ASSETS/x",
        "/assets",
        "//",
        "//assets/x",
        "/./",
        "/;",
        "/%2f",
        "/forgotten",
        "/forgotten/",
        "/forgotten?/assets/x",
    ] {
        assert_eq!(status_of(&running, path).await, 401, "{path}");
    }
}

#[tokio::test]
async fn endpoints_inside_such_a_layer_need_no_exception() {
    let harness = Harness::start().await;
    let none: [&str; 0] = [];
    let layer = AuthKitLayer::new(&harness.authkit).except(none).unwrap();
    let app = routes().merge(Endpoints::new(&harness.authkit)).layer(layer);
    let running = harness.serve(app);
    assert_eq!(
        running.browser().fetch(Method::GET, &running.url("/"), "").await.status,
        StatusCode::UNAUTHORIZED
    );
    let browser = running.browser();
    let page = browser.open(&running.url("/dashboard")).await;
    assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/dashboard"));
    let answer = browser.submit(&running.url("/logout"), &[]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
}
