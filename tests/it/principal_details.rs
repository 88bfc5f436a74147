//! What a handler, and an access log outside of the layer, learn about the principal of each kind of credential.

use std::time::{Duration, Instant, SystemTime};

use authkit_tower::{Admitted, AuthKitLayer, Principal};
use axum::{
    Json, middleware::map_response, response::Response, routing::MethodRouter, routing::get,
};
use serde_json::{Value, json};
use support::Harness;

use crate::principals::{ACME, ALICE_ID, KINDS, Kind, World};

/// A route that says what its handler learns.
pub(crate) fn route() -> MethodRouter {
    get(async |principal: Principal| Json(details(&principal)))
}

/// A route that says in `x-admitted` whom its layers have admitted.
pub(crate) fn logged(inner: MethodRouter) -> MethodRouter {
    inner.layer(map_response(log))
}

async fn log(mut response: Response) -> Response {
    if let Some(admitted) = response.extensions().get::<Admitted>() {
        let line = json!([
            admitted.subject(),
            admitted.user_id(),
            admitted.session_id(),
            admitted.api_key_id(),
            admitted.organization_id(),
        ]);
        response.headers_mut().insert("x-admitted", line.to_string().parse().unwrap());
    }
    response
}

fn details(principal: &Principal) -> Value {
    // Rounded up to tens of seconds: some have passed since the credential was made.
    let left = |deadline: Option<Instant>| {
        let left = deadline?.saturating_duration_since(Instant::now());
        Some((left.as_secs_f64() / 10.0).ceil() * 10.0)
    };
    let unix = |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let own = match principal {
        Principal::Session(_) => Value::Null,
        Principal::Bearer(it) => json!({ "left": left(Some(it.deadline())) }),
        Principal::ApiKey(it) => json!({
            "left": left(it.deadline()),
            "name": it.name(),
            "owner": format!("{:?}", it.owner()),
        }),
        Principal::Machine(it) => json!({
            "left": left(Some(it.deadline())),
            "issued": unix(it.issued_at()),
            "claims": it.claims::<Value>().unwrap(),
            "wrong claims": it.claims::<u8>().is_err(),
        }),
        Principal::Client(it) => json!({
            "left": left(Some(it.deadline())),
            "issued": unix(it.issued_at()),
            "claims": it.claims::<Value>().unwrap(),
            "wrong claims": it.claims::<u8>().is_err(),
        }),
    };
    json!({
        "subject": principal.subject(),
        "user": principal.user_id(),
        "organization": principal.organization_id(),
        "role": principal.role(),
        "roles": principal.roles(),
        "permissions": principal.permissions(),
        "scopes": principal.scopes(),
        "left": left(principal.deadline()),
        "own": own,
    })
}

#[tokio::test]
async fn a_handler_learns_who_each_kind_is_what_it_may_do_and_for_how_long() {
    let world = World::start().await;
    let now = world.running.emulator.now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let machine = world.machine.client_id.as_str();
    let admin = json!(["posts:read", "posts:write", "audit:read", "members:manage"]);
    // Subject, user, organization, role, roles, permissions, scopes, and the seconds that are left.
    let cases = [
        (Kind::Bearer, json!([ALICE_ID, ALICE_ID, ACME, "admin", ["admin"], admin, [], 300.0])),
        (Kind::ApiKey, json!([ACME, null, ACME, null, [], ["posts:read"], [], null])),
        (Kind::Machine, json!([machine, null, ACME, null, [], [], ["reports:write"], 300.0])),
        (
            Kind::Client,
            json!([ALICE_ID, ALICE_ID, ACME, null, [], [], ["openid", "posts:read"], 300.0]),
        ),
    ];
    for (kind, expected) in cases {
        let reply = world.ask("/details", world.credential(kind)).await;
        let details: Value = serde_json::from_str(&reply.text).unwrap();
        let names =
            ["subject", "user", "organization", "role", "roles", "permissions", "scopes", "left"];
        let found = names.map(|name| details[name].clone());
        assert_eq!(json!(found), expected, "{kind:?}");

        let own = &details["own"];
        assert_eq!(own["left"], details["left"], "{kind:?}");
        match kind {
            Kind::Bearer => {}
            Kind::ApiKey => {
                assert_eq!(own["name"], "A key");
                assert_eq!(own["owner"], format!("Organization {{ id: {ACME:?} }}"));
            }
            Kind::Machine | Kind::Client => {
                assert_eq!(own["issued"], now.as_secs(), "{kind:?}");
                assert_eq!(own["claims"]["sub"], details["subject"], "{kind:?}");
                assert_eq!(own["wrong claims"], true, "{kind:?}");
            }
        }
    }

    let connect = world.running.emulator.connect();
    let of_user = connect.add_user_api_key("alice@acme.test", "Acme Corp", ["posts:read"]);
    connect.expire_api_key(&of_user.id, Duration::from_secs(40));
    let reply = world.ask("/details", &of_user.value).await;
    let details: Value = serde_json::from_str(&reply.text).unwrap();
    assert_eq!((&details["user"], &details["organization"]), (&json!(ALICE_ID), &json!(ACME)));
    assert_eq!(details["left"], 40.0, "the seconds until the key expires");
}

#[tokio::test]
async fn an_access_log_learns_who_was_admitted_by_which_credential() {
    let world = World::start().await;
    let machine = world.machine.client_id.as_str();
    let (session, key) = (world.session_id.as_str(), world.api_key.id.as_str());
    // Subject, user, session, API key, organization.
    for kind in KINDS {
        let expected = match kind {
            Kind::Bearer => json!([ALICE_ID, ALICE_ID, session, null, ACME]),
            Kind::ApiKey => json!([ACME, null, null, key, ACME]),
            Kind::Machine => json!([machine, null, null, null, ACME]),
            Kind::Client => json!([ALICE_ID, ALICE_ID, null, null, ACME]),
        };
        let reply = world.ask("/logged", world.credential(kind)).await;
        let line: Value = serde_json::from_slice(reply.headers["x-admitted"].as_bytes()).unwrap();
        assert_eq!(line, expected, "{kind:?}");
    }
    let refused = world.ask("/logged", "garbage").await;
    assert!(!refused.headers.contains_key("x-admitted"));
}

#[tokio::test]
async fn an_issuer_of_both_kinds_of_tokens_is_refused_when_the_layer_is_made() {
    let domain = "https://auth.example.com";
    let harness = Harness::with(|emulator| emulator, |config| config.with_issuers([domain])).await;
    let layer = || AuthKitLayer::new(&harness.authkit);
    for layer in [
        layer().with_machines(domain),
        layer().with_bearer().unwrap().with_machines(domain.to_owned()),
    ] {
        let error = layer.unwrap_err().to_string();
        assert!(error.contains("with_machines") && error.contains("also listed"), "{error}");
    }
    assert!(layer().with_machines("https://other.example.com").is_ok());
}
