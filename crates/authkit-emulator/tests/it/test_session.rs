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

#[tokio::test]
async fn a_session_can_be_had_over_http() {
    let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let stage = Stage::with(Emulator::builder().frozen_at(now)).await;
    let add = |body: Value| {
        let stage = &stage;
        async move { stage.post("/_emulator/sessions", &body).await }
    };
    let answer = add(json!({ "user": "alice@acme.test", "password": PASSWORD })).await;
    assert_eq!(answer.status, 201);
    let body = answer.body;
    assert_eq!(body["payload"], open(body["cookie"]["value"].as_str().unwrap(), PASSWORD).unwrap());
    assert_eq!(body["payload"]["access_token"], body["access_token"]);
    assert_eq!(body["answer"]["organization_id"], ACME);
    assert_eq!(
        (&body["organization_id"], &body["user_id"]),
        (&json!(ACME), &body["answer"]["user"]["id"])
    );
    assert!(stage.emulator.is_active(body["session_id"].as_str().unwrap()));
    let token = body["access_token"].as_str().unwrap();
    assert_eq!(stage.verify(token).await.unwrap()["sid"], body["session_id"]);
    let refreshed = stage.refresh(body["refresh_token"].as_str().unwrap()).await.ok();
    let members = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(members(&refreshed), members(&body["answer"]), "as the endpoint answers");

    let bob = add(json!({
        "user": "user_01BOB00000000000000000000", "organization": null, "expired": true, "lifetime": 5,
        "claims": { "role": {}, "sid": 5 }, "fields": { "impersonator": [] },
    }))
    .await;
    assert_eq!(bob.status, 201, "{}", bob.body);
    let claims = claims(&bob.body);
    assert_eq!((&claims["exp"], &claims["iat"]), (&json!(1_799_999_940), &json!(1_799_999_935)));
    assert_eq!((&claims["role"], &claims["sid"]), (&json!({}), &json!(5)));
    assert_eq!(
        (&bob.body["organization_id"], &bob.body["payload"]["impersonator"]),
        (&Value::Null, &json!([]))
    );
    assert!(bob.body.get("cookie").is_none() && bob.body.get("storage_state").is_none());

    let impersonated = json!({
        "user": "alice@acme.test", "organization": "Globex", "issued_ago": 100,
        "impersonator": { "email": "support@acme.test", "reason": "ticket" },
    });
    let answer = add(impersonated).await.body;
    assert_eq!(answer["answer"]["impersonator"]["reason"], "ticket");
    assert_eq!(answer["organization_id"], GLOBEX);

    for (body, problem) in [
        (json!({ "user": "nobody@acme.test" }), "nobody@acme.test"),
        (json!({ "user": "bob@acme.test", "organization": "Globex" }), "Globex"),
        (json!({ "user": "bob@acme.test", "password": "short" }), "32 bytes"),
        (
            json!({ "user": "bob@acme.test", "password": PASSWORD, "app_url": "localhost" }),
            "localhost",
        ),
        (json!({ "user": "bob@acme.test", "lifetime": -1 }), "negative"),
        (
            json!({ "user": "bob@acme.test", "password": PASSWORD, "claims": { "x": "x".repeat(4_000) } }),
            "browsers",
        ),
    ] {
        let refused = add(body).await;
        assert_eq!(refused.status, 422, "{problem}");
        assert!(refused.body["message"].as_str().unwrap().contains(problem), "{}", refused.body);
    }
    assert_eq!(add(json!({ "email": "bob@acme.test" })).await.status, 422);
}

#[tokio::test]
async fn its_storage_state_is_a_browsers_that_has_signed_in() {
    let stage = Stage::new().await;
    let request = json!({
        "user": "bob@acme.test", "password": PASSWORD, "cookie_name": "app_session", "app_url": "https://app.acme.test:8443/x",
    });
    let body = stage.post("/_emulator/sessions", &request).await.body;
    let expected = json!({
        "cookies": [{
            "name": "app_session", "value": body["cookie"]["value"], "domain": "app.acme.test", "path": "/",
            "expires": -1, "httpOnly": true, "secure": true, "sameSite": "Lax",
        }],
        "origins": [],
    });
    assert_eq!(body["storage_state"], expected);

    let state =
        stage.emulator.session("bob@acme.test").storage_state(PASSWORD, "http://127.0.0.1:3000");
    let cookie = &state["cookies"][0];
    assert_eq!((&cookie["name"], &cookie["domain"]), (&json!("wos_session"), &json!("127.0.0.1")));
    assert_eq!(cookie["secure"], false);
    assert!(open(cookie["value"].as_str().unwrap(), PASSWORD).is_some());
}
