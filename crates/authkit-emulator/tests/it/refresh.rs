use std::{collections::HashSet, time::Duration};

use authkit_emulator::{Emulator, Rotation};
use serde_json::json;

use crate::support::{ACME, GLOBEX, Stage, claims, refresh_token};

#[tokio::test]
async fn every_exchange_rotates() {
    let stage = Stage::new().await;
    let session = stage.emulator.session("alice@acme.test");

    let first = stage.refresh(session.refresh_token()).await.ok();
    let second = stage.refresh(refresh_token(&first)).await.ok();

    let tokens =
        HashSet::from([session.refresh_token(), refresh_token(&first), refresh_token(&second)]);
    assert_eq!(tokens.len(), 3, "three exchanges, three tokens");
    assert_eq!(claims(&second)["sid"], session.session_id(), "a refresh keeps the session");
    assert_eq!(
        claims(&second)["auth_time"],
        session.claims()["auth_time"],
        "a refresh is no sign-in"
    );
    assert_ne!(claims(&first)["jti"], claims(&second)["jti"]);
    assert_eq!(stage.emulator.exchanges(), 2);
}

#[tokio::test]
async fn a_retired_token_gets_the_same_pair_while_the_grace_lasts() {
    let stage = Stage::new().await;
    let session = stage.emulator.session("alice@acme.test");
    let first = stage.refresh(session.refresh_token()).await.ok();

    stage.emulator.advance(Duration::from_secs(29));
    assert_eq!(stage.refresh(session.refresh_token()).await.ok(), first);
    assert_eq!(stage.emulator.exchanges(), 1, "a replay issues nothing");

    stage.emulator.advance(Duration::from_secs(1));
    let late = stage.refresh(session.refresh_token()).await;
    assert_eq!(late.error(), (400, "invalid_grant"));
    assert!(late.body["error_description"].is_string());
    stage.refresh(refresh_token(&first)).await.ok();
}

#[tokio::test]
async fn a_replay_is_answered_although_its_successor_is_spent_too() {
    let stage = Stage::new().await;
    let session = stage.emulator.session("bob@acme.test");
    let first = stage.refresh(session.refresh_token()).await.ok();
    let second = stage.refresh(refresh_token(&first)).await.ok();

    assert_eq!(stage.refresh(session.refresh_token()).await.ok(), first);
    assert_eq!(stage.refresh(refresh_token(&first)).await.ok(), second);
}

#[tokio::test]
async fn strict_rotation_knows_no_grace() {
    let stage = Stage::with(Emulator::builder().rotation(Rotation::Strict)).await;
    let session = stage.emulator.session("bob@acme.test");
    let first = stage.refresh(session.refresh_token()).await.ok();

    assert_eq!(stage.refresh(session.refresh_token()).await.error(), (400, "invalid_grant"));
    stage.refresh(refresh_token(&first)).await.ok();
}

#[tokio::test]
async fn rotation_can_change_while_it_runs() {
    let stage = Stage::new().await;
    let session = stage.emulator.session("bob@acme.test");
    let first = stage.refresh(session.refresh_token()).await.ok();

    stage.emulator.set_rotation(Rotation::Strict);
    assert_eq!(stage.refresh(session.refresh_token()).await.error(), (400, "invalid_grant"));
    stage.emulator.set_rotation(Rotation::Grace(Duration::from_secs(3600)));
    stage.emulator.advance(Duration::from_secs(3599));
    assert_eq!(stage.refresh(session.refresh_token()).await.ok(), first);
}

#[tokio::test]
async fn of_many_at_once_one_rotates() {
    for (rotation, successes) in [(Rotation::default(), 20), (Rotation::Strict, 1)] {
        let stage = Stage::with(Emulator::builder().rotation(rotation)).await;
        let session = stage.emulator.session("bob@acme.test");
        let requests = (0..20).map(|_| {
            let body = json!({
                "grant_type": "refresh_token",
                "client_id": stage.emulator.client_id(),
                "client_secret": stage.emulator.api_key(),
                "refresh_token": session.refresh_token(),
            });
            let request = stage.http.post(stage.url("/user_management/authenticate")).json(&body);
            tokio::spawn(async move { request.send().await.unwrap().status().as_u16() })
        });
        let mut statuses = Vec::new();
        for request in requests.collect::<Vec<_>>() {
            statuses.push(request.await.unwrap());
        }
        assert_eq!(
            statuses.iter().filter(|status| **status == 200).count(),
            successes,
            "{rotation:?}"
        );
        assert_eq!(stage.emulator.exchanges(), 1, "{rotation:?}");
    }
}

#[tokio::test]
async fn an_organization_switch_is_not_remembered() {
    let stage = Stage::new().await;
    let session = stage.emulator.session("alice@acme.test");
    assert_eq!(session.claims()["org_id"], ACME);

    let switched = stage.switch(session.refresh_token(), GLOBEX).await.ok();
    assert_eq!(switched["organization_id"], GLOBEX);
    assert_eq!(claims(&switched)["org_id"], GLOBEX);
    assert_eq!(claims(&switched)["role"], "member");
    assert_eq!(claims(&switched)["permissions"], json!(["posts:read"]));

    let back = stage.refresh(refresh_token(&switched)).await.ok();
    assert_eq!(claims(&back)["org_id"], ACME, "without one, the organization chosen at sign-in");
    assert_eq!(claims(&back)["role"], "admin");
}

#[tokio::test]
async fn a_refused_switch_spends_nothing() {
    let stage = Stage::new().await;
    let session = stage.emulator.session("bob@acme.test");

    for (organization_id, error) in [
        (GLOBEX, "organization_membership_not_found"),
        ("org_01NOWHERE", "organization_not_found"),
        ("globex", "invalid_organization_id"),
    ] {
        let refused = stage.switch(session.refresh_token(), organization_id).await;
        assert_eq!(refused.error(), (400, error));
    }
    let refreshed = stage.refresh(session.refresh_token()).await.ok();
    assert_eq!(claims(&refreshed)["org_id"], ACME);
}

#[tokio::test]
async fn a_refresh_sees_what_changed_in_the_directory() {
    let stage = Stage::new().await;
    let session = stage.emulator.session("bob@acme.test");
    stage.emulator.set_role("bob@acme.test", "Acme Corp", "admin");
    stage.emulator.set_claim("bob@acme.test", "plan", json!("gold"));
    stage.emulator.set_claim("bob@acme.test", "sub", json!("somebody else"));

    let refreshed = stage.refresh(session.refresh_token()).await.ok();
    let promoted = claims(&refreshed);
    assert_eq!((&promoted["role"], &promoted["roles"]), (&json!("admin"), &json!(["admin"])));
    assert_eq!(promoted["plan"], "gold");
    assert_eq!(promoted["sub"], session.claims()["sub"], "a reserved claim cannot be set");

    stage.emulator.remove_membership("bob@acme.test", ACME);
    let removed = stage.refresh(refresh_token(&refreshed)).await;
    assert_eq!(removed.error(), (400, "organization_membership_not_found"));

    stage.emulator.remove_user("bob@acme.test");
    assert_eq!(stage.refresh(refresh_token(&refreshed)).await.error(), (400, "invalid_grant"));
}

#[tokio::test]
async fn an_ended_session_is_refused_even_inside_the_grace() {
    let stage = Stage::new().await;
    let session = stage.emulator.session("bob@acme.test");
    let refreshed = stage.refresh(session.refresh_token()).await.ok();

    assert!(stage.emulator.revoke(session.session_id()));
    for token in [session.refresh_token(), refresh_token(&refreshed)] {
        assert_eq!(stage.refresh(token).await.error(), (400, "invalid_grant"));
    }
    assert!(!stage.emulator.is_active(session.session_id()));
}

#[tokio::test]
async fn impersonated_sessions_end_after_an_hour() {
    let stage = Stage::new().await;
    let impersonated = stage.emulator.session("dave@acme.test");
    let ordinary = stage.emulator.session("bob@acme.test");
    let refreshed = stage.refresh(impersonated.refresh_token()).await.ok();
    assert_eq!(
        refreshed["impersonator"],
        json!({ "email": "support@acme.test", "reason": "ticket #4711" })
    );
    assert_eq!(claims(&refreshed)["act"], json!({ "sub": "support@acme.test" }));

    stage.emulator.advance(Duration::from_secs(3600));
    assert_eq!(stage.refresh(refresh_token(&refreshed)).await.error(), (400, "invalid_grant"));
    stage.refresh(ordinary.refresh_token()).await.ok();
}

#[tokio::test]
async fn the_lifetime_of_tokens_can_change_while_it_runs() {
    let stage = Stage::with(Emulator::builder().token_ttl(Duration::from_secs(5))).await;
    let session = stage.emulator.session("bob@acme.test");
    let lifetime = |claims: &serde_json::Value| {
        claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap()
    };
    assert_eq!(lifetime(&session.claims()), 5);

    stage.emulator.set_token_ttl(Duration::from_secs(60));
    assert_eq!(lifetime(&claims(&stage.refresh(session.refresh_token()).await.ok())), 60);
}

#[tokio::test]
async fn unknown_tokens_are_refused() {
    let stage = Stage::new().await;
    assert_eq!(stage.refresh("never-issued").await.error(), (400, "invalid_grant"));
    assert_eq!(stage.refresh("").await.error(), (400, "invalid_request"));
}
