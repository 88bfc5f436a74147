//! A protected resource tells its clients where its tokens come from: by its metadata (RFC 9728) and by its challenges.

use authkit_tower::{AuthKitLayer, OAuthClient};
use axum::{Router, routing::get};
use http::{Method, header};
use serde_json::{Value, json};

use crate::principals::{Kind, World, resource};

#[tokio::test]
async fn a_protected_resource_says_where_its_tokens_come_from() {
    let (world, client) = (World::start().await, reqwest::Client::new());
    let origin = world.running.authkit.settings().public_origin().to_owned();
    let own = format!("{origin}/.well-known/oauth-protected-resource/mcp");
    let domain = world.running.emulator.connect().domain();
    let resource = resource(&world.running.authkit, &world.running.emulator);
    // A layer around the whole router answers the paths of the metadata itself; in the first service, routes do.
    let around = world.running.beside(
        |config| config,
        |authkit| {
            let layer = AuthKitLayer::new(authkit).without_sessions();
            Router::new()
                .route("/mcp", get(async |_: OAuthClient| "in"))
                .layer(layer.with_protected_resource(&resource).unwrap())
        },
    );
    let around = around.await;
    let places: [&dyn Fn(&str) -> String; 2] =
        [&|path| world.running.url(path), &|path| around.url(path)];
    for place in places {
        for path in
            ["/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"]
        {
            let url = place(path);
            let send = |method| client.request(method, &url);
            let get = send(Method::GET).header("origin", "https://elsewhere.test");
            let reply = get.send().await.unwrap();
            assert_eq!(reply.status(), 200, "{url}");
            assert_eq!(reply.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
            let document: Value = serde_json::from_str(&reply.text().await.unwrap()).unwrap();
            assert_eq!(document["resource"], format!("{origin}/mcp"));
            assert_eq!(document["authorization_servers"], json!([domain]));
            let preflight = send(Method::OPTIONS)
                .header("origin", "https://elsewhere.test")
                .header("access-control-request-method", "GET")
                .header("access-control-request-headers", "mcp-protocol-version");
            assert_eq!(preflight.send().await.unwrap().status(), 204, "{url}");
        }
    }
    let nothing = world.get("/scoped", &[]).await;
    assert_eq!(nothing.status, 401);
    let challenge = nothing.challenge();
    assert!(challenge.starts_with("Bearer "), "{challenge}");
    assert!(challenge.contains(&format!("resource_metadata=\"{own}\"")), "{challenge}");
    assert!(challenge.contains("scope=\"openid reports:write\""), "{challenge}");
    assert!(!challenge.contains("error="), "the request had no credential: {challenge}");
    let garbage = world.ask("/scoped", "garbage").await;
    assert!(garbage.challenge().contains("error=\"invalid_token\""), "{}", garbage.challenge());
    let lacking = world.ask("/scoped", world.credential(Kind::Client)).await;
    assert_eq!(lacking.status, 403);
    let challenge = lacking.challenge();
    assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
    assert!(challenge.contains("scope=\"openid reports:write\""), "{challenge}");
    assert!(challenge.contains(&own), "{challenge}");
}
