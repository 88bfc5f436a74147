//! The API key is replaced while the service runs.

use authkit_tower::AuthKitLayer;
use axum::{Router, routing::get};
use http::StatusCode;
use support::{Events, Harness};

#[tokio::test]
async fn a_new_api_key_counts_from_the_next_call_unless_it_is_refused() {
    let harness = Harness::start().await;
    let app = Router::new()
        .route("/", get(async || "in"))
        .route_layer(AuthKitLayer::new(&harness.authkit));
    let running = harness.serve(app);
    let key = running.emulator.api_key().to_owned();
    let events = Events::listen();
    let status = async |email: &str| {
        let browser = running.holding(&running.emulator.session(email).expired());
        browser.navigate(&running.url("/")).await.status
    };
    let revoke = async || {
        let session = running.emulator.session("bob@acme.test");
        running.authkit.client().revoke(session.session_id()).await
    };

    let problem = running.authkit.reload_api_key(format!("'{key}'")).unwrap_err();
    assert!(problem.to_string().contains("WORKOS_API_KEY"), "{problem}");
    revoke().await.expect("the handle keeps its key, since the new one is refused");

    running.authkit.reload_api_key("sk_test_that_was_revoked").unwrap();
    assert_eq!(status("alice@acme.test").await, StatusCode::SERVICE_UNAVAILABLE);
    assert!(revoke().await.is_err());

    events.take();
    running.authkit.reload_api_key("key_of_somebody_else").unwrap();
    let told = events.take();
    let is_warned = told[0].starts_with("WARN ") && told[0].contains("does not start with `sk_`");
    assert!(is_warned && told[1].contains("the API key was replaced"), "{told:?}");
    assert!(!told.concat().contains("somebody_else"), "{told:?}");

    running.authkit.reload_api_key(key.as_str()).unwrap();
    assert_eq!(status("bob@acme.test").await, StatusCode::OK);
    revoke().await.unwrap();
    let told = events.take().concat();
    assert!(!told.contains(&key) && !told.contains("was_revoked"), "{told}");
    assert_eq!(told.matches("the API key was replaced").count(), 1, "{told}");
}
