//! nginx passes on an answer that the service gives before it has read the request's body, rather than answer 502.

use authkit_tower::{AuthKitLayer, Endpoints, Require};
use axum::{Router, extract::DefaultBodyLimit, routing::post};
use bytes::Bytes;
use http::Method;
use support::{Browser, Harness, Nginx, PASSWORD, Port};

#[tokio::test]
async fn e6_nginx_passes_on_what_is_answered_before_the_body_was_read() {
    let harness = Harness::start().await;
    let issuer = harness.emulator.issuer().to_owned();
    let nginx = Nginx::sharing_a_cache(async |origin| {
        let authkit = harness.authkit_at(origin, |config| config.with_issuers([issuer.as_str()]));
        let take = async |body: Bytes| body.len().to_string();
        let app = Router::new()
            .route("/upload", post(take))
            .route("/guarded", post(take).route_layer(Require::role("nobody-has-it")))
            .route_layer(AuthKitLayer::new(&authkit))
            .layer(DefaultBodyLimit::disable())
            .merge(Endpoints::new(&authkit));
        Port::bind().await.serve_axum(app)
    })
    .await;

    let (anonymous, signed_in) = (Browser::new(), Browser::new());
    let cookie = harness.emulator.session("alice@acme.test").cookie(PASSWORD);
    signed_in.keep(&nginx.url("/"), "wos_session", &cookie);
    // A name, the browser, the method, the path, and the status.
    let cases = [
        ("anonymous", &anonymous, Method::POST, "/upload", 401),
        ("signed in", &signed_in, Method::POST, "/upload", 200),
        ("a guard", &signed_in, Method::POST, "/guarded", 403),
        ("an endpoint", &anonymous, Method::PUT, "/login", 405),
    ];
    for (name, browser, method, path, status) in cases {
        for kilobytes in [1, 100, 1_000] {
            let body = Bytes::from(vec![b'a'; kilobytes * 1_000]);
            let mut statuses = Vec::new();
            for _ in 0..20 {
                let url = nginx.url(path);
                let answer = browser.fetch(method.clone(), &url, body.clone()).await;
                statuses.push(answer.status.as_u16());
                if status == 200 {
                    assert_eq!(answer.text(), body.len().to_string(), "the body was read whole");
                }
            }
            assert_eq!(statuses, [status; 20], "{name}, {kilobytes} kB");
        }
    }
}
