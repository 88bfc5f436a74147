use std::time::{Duration, UNIX_EPOCH};

use authkit_emulator::{Emulator, seal};
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    digest::{SHA256, digest},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::support::{ACME, GLOBEX, Stage, claims};

const PASSWORD: &str = "a-cookie-password-of-32-characters";

/// Opens `0x01 | iv (12) | tag (16) | ciphertext`.
fn open(cookie: &str, password: &str) -> Option<Value> {
    let bytes = STANDARD.decode(cookie).ok()?;
    let (version, rest) = bytes.split_first()?;
    assert_eq!(*version, 1);
    let (iv, rest) = rest.split_at(12);
    let (tag, ciphertext) = rest.split_at(16);
    let key = LessSafeKey::new(
        UnboundKey::new(&AES_256_GCM, digest(&SHA256, password.as_bytes()).as_ref()).ok()?,
    );
    let mut sealed = [ciphertext, tag].concat();
    let plaintext = key
        .open_in_place(Nonce::try_assume_unique_for_key(iv).ok()?, Aad::empty(), &mut sealed)
        .ok()?;
    serde_json::from_slice(plaintext).ok()
}

#[tokio::test]
async fn its_cookie_holds_a_real_session() {
    let stage = Stage::new().await;
    let session = stage.emulator.session("alice@acme.test");
    let payload = open(&session.cookie(PASSWORD), PASSWORD).unwrap();

    assert_eq!(payload, session.payload());
    assert_eq!(payload["user"]["email"], "alice@acme.test");
    assert_eq!(payload.as_object().unwrap().len(), 3, "no impersonator");
    stage.verify(payload["access_token"].as_str().unwrap()).await.unwrap();
    stage.refresh(payload["refresh_token"].as_str().unwrap()).await.ok();
    assert_eq!(open(&session.cookie(PASSWORD), "another-password-of-32-characters"), None);
}

#[tokio::test]
async fn any_payload_can_be_sealed() {
    let payload = json!({ "access_token": "x", "unknown": [1, 2, 3] });
    assert_eq!(open(&seal(&payload, PASSWORD), PASSWORD), Some(payload));
}

#[tokio::test]
async fn its_organization_is_the_one_of_the_sign_in() {
    let stage = Stage::new().await;
    let session = stage.emulator.session("alice@acme.test").organization("Globex");
    assert_eq!(
        (&session.claims()["org_id"], &session.claims()["role"]),
        (&json!(GLOBEX), &json!("member"))
    );
    let refreshed = stage.refresh(session.refresh_token()).await.ok();
    assert_eq!(claims(&refreshed)["org_id"], GLOBEX);

    let session = stage.emulator.session("alice@acme.test").organization(GLOBEX).organization(ACME);
    assert_eq!(session.claims()["role"], "admin");
    let session = stage.emulator.session("alice@acme.test").without_organization();
    assert!(session.claims().get("org_id").is_none());
    assert!(claims(&stage.refresh(session.refresh_token()).await.ok()).get("org_id").is_none());
}

#[tokio::test]
async fn it_can_be_impersonated() {
    let stage = Stage::new().await;
    let session =
        stage.emulator.session("bob@acme.test").impersonated_by("admin@acme.test", Some("ticket"));
    assert_eq!(session.claims()["act"], json!({ "sub": "admin@acme.test" }));
    let impersonator = json!({ "email": "admin@acme.test", "reason": "ticket" });
    assert_eq!(session.payload()["impersonator"], impersonator);
    let refreshed = stage.refresh(session.refresh_token()).await.ok();
    assert_eq!(refreshed["impersonator"], impersonator);
    assert_eq!(claims(&refreshed)["act"], json!({ "sub": "admin@acme.test" }));

    let without_reason =
        stage.emulator.session("bob@acme.test").impersonated_by("admin@acme.test", None);
    assert_eq!(
        without_reason.payload()["impersonator"],
        json!({ "email": "admin@acme.test", "reason": null })
    );
}

#[tokio::test]
async fn its_token_is_as_old_as_one_likes() {
    const NOW: u64 = 1_800_000_000;

    let now = UNIX_EPOCH + Duration::from_secs(NOW);
    let stage = Stage::with(Emulator::builder().frozen_at(now)).await;
    let bob = || stage.emulator.session("bob@acme.test");
    for (name, session, issued, expires) in [
        ("fresh", bob(), NOW, NOW + 300),
        ("expired", bob().expired(), NOW - 360, NOW - 60),
        ("short", bob().lifetime(Duration::from_secs(5)), NOW, NOW + 5),
        ("old", bob().issued_ago(Duration::from_secs(100)), NOW - 100, NOW + 200),
        ("short and expired", bob().lifetime(Duration::from_secs(5)).expired(), NOW - 65, NOW - 60),
        ("expired and short", bob().expired().lifetime(Duration::from_secs(5)), NOW - 65, NOW - 60),
    ] {
        let claims = session.claims();
        assert_eq!((&claims["iat"], &claims["exp"]), (&json!(issued), &json!(expires)), "{name}");
        stage.refresh(session.refresh_token()).await.ok();
    }
}

#[tokio::test]
async fn its_claims_can_be_anything() {
    let stage = Stage::new().await;
    let session = stage
        .emulator
        .session("bob@acme.test")
        .claim("org_id", Value::Null)
        .claim("sub", "user_other")
        .claim("aud", "x");
    let verified = stage.verify(session.access_token()).await;
    // The other implementation insists on the audience once there is one.
    assert!(verified.is_err());
    let session = stage
        .emulator
        .session("bob@acme.test")
        .claim("org_id", Value::Null)
        .claim("sub", "user_other");
    let claims = stage.verify(session.access_token()).await.unwrap();
    assert_eq!(claims, session.claims());
    assert_eq!((&claims["org_id"], &claims["sub"]), (&Value::Null, &json!("user_other")));
}

#[tokio::test]
async fn building_it_keeps_its_identity() {
    let stage = Stage::new().await;
    let session = stage.emulator.session("alice@acme.test");
    let (id, token) = (session.session_id().to_owned(), session.refresh_token().to_owned());
    let session = session.organization("Globex").expired().claim("x", 1);
    assert_eq!((session.session_id(), session.refresh_token()), (id.as_str(), token.as_str()));
    assert_eq!(session.claims()["sid"], id);
}

#[tokio::test]
#[should_panic(expected = "knows no user nobody@acme.test")]
async fn a_typing_error_stops_the_test() {
    let emulator = Emulator::start().await;
    drop(emulator.session("nobody@acme.test"));
}

#[tokio::test]
#[should_panic(expected = "not a member of Globex")]
async fn a_foreign_organization_stops_the_test() {
    let emulator = Emulator::start().await;
    drop(emulator.session("bob@acme.test").organization("Globex"));
}
