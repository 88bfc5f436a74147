//! tower-http's `TraceLayer` around the endpoints logs the callback's code and state, unless its span has the path alone.

use authkit_tower::{AuthKit, AuthKitLayer, Endpoints};
use axum::{Router, extract::Request, routing::get};
use http::{Method, StatusCode};
use support::{Harness, Logs};
use tower_http::trace::TraceLayer;

fn routes(authkit: &AuthKit) -> Router {
    Router::new().route("/page", get("a page")).route_layer(AuthKitLayer::new(authkit))
}

/// A name, an application, and whether the log has the code and the state.
type Case = (&'static str, fn(&AuthKit) -> Router, bool);

const CASES: [Case; 3] = [
    (
        "around",
        |authkit| {
            let endpoints = Endpoints::new(authkit);
            routes(authkit).merge(endpoints).layer(TraceLayer::new_for_http())
        },
        true,
    ),
    (
        "within",
        |authkit| {
            let endpoints = Endpoints::new(authkit);
            routes(authkit).layer(TraceLayer::new_for_http()).merge(endpoints)
        },
        false,
    ),
    (
        "around, with a span that says the path alone",
        |authkit| {
            let traced = TraceLayer::new_for_http().make_span_with(|request: &Request| {
                tracing::info_span!("request", method = %request.method(), path = request.uri().path())
            });
            routes(authkit).merge(Endpoints::new(authkit)).layer(traced)
        },
        false,
    ),
];

#[tokio::test]
async fn cb_09_a_span_of_trace_layer_has_the_code_unless_it_says_the_path_alone() {
    for (name, app, is_told) in CASES {
        let harness = Harness::start().await;
        let app = app(&harness.authkit);
        let running = harness.serve(app.clone());
        let browser = running.browser();
        let login = browser.navigate(&running.url("/login")).await;
        let at_workos = browser.navigate(browser.target(&login).as_str()).await;
        let callback = browser.target(&at_workos);
        assert_eq!(callback.path(), "/callback");

        // Without a socket, since an HTTP client would log the address too.
        let logs = Logs::collect();
        let mode = [("sec-fetch-mode", "navigate")];
        let answer = browser.send_to(&app, Method::GET, callback.as_str(), mode).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{name}");
        let text = logs.text();
        assert!(text.contains("a session began"), "{name}: {text}");
        for (parameter, value) in callback.query_pairs() {
            assert_eq!(text.contains(&*value), is_told, "{name}: {parameter}: {text}");
        }
        assert_eq!(text.contains("/callback"), name != "within", "{name}: {text}");
    }
}
