//! What WorkOS says of a customer's API key or of a token: while it changes, when it is old, and when it cannot be read.

use std::time::Duration;

use authkit_emulator::{Endpoint, Fault};
use authkit_tower::Revocation;
use serde_json::json;
use support::until;
use tokio::{join, time::sleep};

use crate::principals::{ALICE, Kind, World, YOUNG};

const HOUR: Duration = Duration::from_secs(3_600);

/// The answer was right when WorkOS gave it. What happens before it arrives counts.
#[tokio::test]
async fn an_answer_about_a_key_is_judged_by_what_happened_while_it_was_on_its_way() {
    type Change = fn(&World) -> Option<Revocation>;
    let revoked: Change =
        |world| Some(Revocation::api_key(world.api_key.id.as_str(), world.running.emulator.now()));
    let expired: Change = |world| {
        world.running.advance(Duration::from_secs(41));
        None
    };
    let changed: Change = |world| {
        let id = world.api_key.id.as_str();
        world.running.emulator.connect().set_api_key_permissions(id, ["posts:write"]);
        Some(Revocation::changed_api_key(id, world.running.emulator.now()))
    };
    let none: Change = |_| None;
    let cases = [
        ("nothing", none, 200, 1),
        ("revoked", revoked, 401, 1),
        ("expired", expired, 401, 1),
        ("another permission", changed, 403, 2),
    ];
    for (name, change, status, calls) in cases {
        let world = World::start().await;
        let emulator = &world.running.emulator;
        emulator.connect().expire_api_key(&world.api_key.id, Duration::from_secs(40));
        let late = Fault::late_reply(Duration::from_millis(500));
        emulator.fault(late.on(Endpoint::ApiKeyValidation).times(1));
        let happens = async {
            until("a call", async || emulator.calls(Endpoint::ApiKeyValidation) > 0).await;
            // WorkOS has its answer by then.
            sleep(Duration::from_millis(100)).await;
            if let Some(revocation) = change(&world) {
                world.running.authkit.revoke(revocation).await.unwrap();
            }
        };
        let (reply, ()) = join!(world.ask("/permission", &world.api_key.value), happens);
        assert_eq!(reply.status.as_u16(), status, "{name}: {}", reply.text);
        assert_eq!(emulator.calls(Endpoint::ApiKeyValidation), calls, "{name}");
        world.keeps_secrets();
    }
}

#[tokio::test]
async fn a_layer_may_want_an_answer_about_a_key_that_is_younger_than_what_is_remembered() {
    let world = World::start().await;
    let calls = || world.running.emulator.calls(Endpoint::ApiKeyValidation);
    let ask = async |path| world.ask(path, &world.api_key.value).await.status.as_u16();
    for (after, path, expected) in
        [(0, "/young", 1), (29, "/young", 1), (1, "/who", 1), (0, "/young", 2), (0, "/who", 2)]
    {
        world.running.advance(Duration::from_secs(after));
        assert_eq!((ask(path).await, calls()), (200, expected), "{path}, {after} s later");
    }
    assert_eq!(YOUNG, Duration::from_secs(30));
}

#[tokio::test]
async fn an_answer_is_remembered_as_long_as_configured_and_never_longer_than_an_hour() {
    for (memory, seconds) in [(10, 10), (3_600, 3_600), (7_200, 3_600)] {
        let memory = Duration::from_secs(memory);
        let world = World::with(|config| config.with_credential_memory(memory)).await;
        let calls = || world.running.emulator.calls(Endpoint::ApiKeyValidation);
        for (after, expected) in [(0, 1), (seconds - 1, 1), (2, 2)] {
            world.running.advance(Duration::from_secs(after));
            assert_eq!(world.ask("/who", &world.api_key.value).await.status, 200, "{memory:?}");
            assert_eq!(calls(), expected, "{memory:?}, {after} s later");
        }
    }
}

/// The keys of the sessions' issuer: fetched when the service starts to be used, and not to be had afterwards.
#[tokio::test]
async fn signing_keys_serve_as_long_as_configured_while_workos_is_away() {
    for (hours, after, status) in [(1, 50, 200), (1, 70, 503), (2, 70, 200), (2, 130, 503)] {
        let world = World::with(|config| config.with_stale_keys(HOUR * hours)).await;
        assert_eq!(world.ask("/who", world.credential(Kind::Bearer)).await.status, 200);
        let away = Fault::status(503).on(Endpoint::Jwks);
        world.running.emulator.fault(away.until_cleared());
        world.running.advance(Duration::from_secs(after * 60));
        let session = world.running.emulator.session(ALICE);
        let reply = world.ask("/who", session.access_token()).await;
        assert_eq!(reply.status, status, "{hours} h, {after} min later");
    }
}

#[tokio::test]
async fn a_key_that_workos_does_not_know_is_asked_about_once_in_ten_seconds() {
    let world = World::start().await;
    let calls = || world.running.emulator.calls(Endpoint::ApiKeyValidation);
    for _ in 0..5 {
        assert_eq!(world.ask("/who", "sk_test_of_nobody").await.status, 401);
    }
    assert_eq!(calls(), 1);
    world.running.advance(Duration::from_secs(11));
    assert_eq!(world.ask("/who", "sk_test_of_nobody").await.status, 401);
    assert_eq!(calls(), 2);
}

#[tokio::test]
async fn an_answer_that_does_not_tell_is_no_refusal() {
    let team =
        json!({ "api_key": { "id": "api_key_1", "owner": { "type": "team", "id": "t_1" } } });
    let (keys, tokens) = (Endpoint::ApiKeyValidation, Endpoint::Introspection);
    let unread = "WorkOS's answer about an API key cannot be read";
    let ours = "the introspection endpoint refuses our client id or secret";
    let cases = [
        ("an owner of another kind", Kind::ApiKey, Fault::json(200, &team).on(keys), Some(unread)),
        ("no JSON", Kind::ApiKey, Fault::html().on(keys), Some(unread)),
        ("a word", Kind::Machine, Fault::json(200, &json!({ "active": "yes" })).on(tokens), None),
        ("nothing", Kind::Client, Fault::json(200, &json!({})).on(tokens), None),
        ("not our secret", Kind::Machine, Fault::status(401).on(tokens), Some(ours)),
    ];
    for (name, kind, fault, words) in cases {
        let world = World::start().await;
        let path = if kind == Kind::ApiKey { "/who" } else { "/introspected" };
        world.running.emulator.fault(fault.times(1));
        let reply = world.ask(path, world.credential(kind)).await;
        assert_eq!(reply.status, 503, "{name}: {}", reply.text);
        let log = world.logs.text();
        let errors: Vec<_> = log.lines().filter(|line| line.contains("ERROR")).collect();
        let is_as_expected = match words {
            Some(words) => errors.len() == 1 && errors[0].contains(words),
            None => errors.is_empty(),
        };
        assert!(is_as_expected, "{name}: what an operator hears: {errors:?}");
        world.running.advance(Duration::from_secs(11));
        assert_eq!(world.ask(path, world.credential(kind)).await.status, 200, "{name}");
        world.keeps_secrets();
    }
}
