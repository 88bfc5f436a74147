use authkit_emulator::{Emulator, EmulatorBuilder, Endpoint, SigningKey};
use aws_lc_rs::{
    encoding::AsDer,
    rsa::{KeyPair, KeySize},
    signature::KeyPair as _,
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::json;

use crate::support::{Stage, answer};

#[tokio::test]
async fn the_key_set_is_public_and_one_per_client() {
    let stage = Stage::new().await;
    for path in ["/sso/jwks/", "/user_management/sessions/jwks/"] {
        let found = answer(stage.get(&format!("{path}client_emulator")).await).await.ok();
        assert_eq!(found, stage.emulator.jwks());
        let key = &found["keys"][0];
        for (name, value) in [("alg", "RS256"), ("kty", "RSA"), ("use", "sig"), ("e", "AQAB")] {
            assert_eq!(key[name], value);
        }
        assert_eq!(key["n"].as_str().unwrap().len(), 342, "2048 bits in base64url");
        let missing = answer(stage.get(&format!("{path}client_other")).await).await;
        assert_eq!(missing.status, 404);
        assert!(missing.body["message"].is_string());
    }
    assert_eq!(stage.emulator.calls(Endpoint::Jwks), 4);
}

#[tokio::test]
async fn every_emulator_has_a_key_of_its_own() {
    let (first, second) = (Stage::new().await, Stage::new().await);
    let token = first.emulator.session("bob@acme.test").access_token().to_owned();
    first.verify(&token).await.unwrap();
    second.verify(&token).await.unwrap_err();
}

#[tokio::test]
async fn emulators_of_a_process_share_a_key_and_never_an_id() {
    let start = async |builder: EmulatorBuilder| builder.start().await.unwrap();
    let [first, second] = [start(Emulator::builder()).await, start(Emulator::builder()).await];
    let fresh = start(Emulator::builder().fresh_signing_key()).await;
    let part = |emulator: &Emulator, name: &str| emulator.jwks()["keys"][0][name].clone();

    assert_eq!(part(&first, "n"), part(&second, "n"), "making one takes a while");
    assert_ne!(part(&first, "kid"), part(&second, "kid"));
    assert_ne!(part(&fresh, "n"), part(&first, "n"));
    first.rotate_keys();
    assert_ne!(first.jwks()["keys"][1]["n"], part(&first, "n"), "a rotation makes a new one");
}

#[tokio::test]
async fn keys_rotate() {
    let stage = Stage::new().await;
    let old_key = stage.emulator.keys().signing_id();
    let old = stage.emulator.session("bob@acme.test");

    let new_key = stage.emulator.rotate_keys();
    assert_eq!(stage.emulator.keys().ids(), [old_key.clone(), new_key.clone()]);
    assert_eq!(stage.emulator.keys().signing_id(), new_key);
    let new = stage.emulator.session("bob@acme.test");
    stage.verify(old.access_token()).await.unwrap();
    stage.verify(new.access_token()).await.unwrap();

    stage.emulator.keys().retire(&old_key);
    stage.verify(old.access_token()).await.unwrap_err();
    stage.verify(new.access_token()).await.unwrap();
}

#[tokio::test]
async fn a_key_can_be_published_before_it_signs_and_sign_unpublished() {
    let stage = Stage::new().await;
    let first = stage.emulator.keys().signing_id();
    let next = stage.emulator.keys().publish();
    assert_eq!(stage.emulator.keys().signing_id(), first);
    stage.emulator.keys().sign_with(&next);
    assert_eq!(stage.emulator.keys().signing_id(), next);

    stage.emulator.keys().retire(&next);
    let session = stage.emulator.session("bob@acme.test");
    stage.verify(session.access_token()).await.unwrap_err();
    assert_eq!(stage.emulator.keys().ids(), [first]);
}

#[tokio::test]
async fn a_key_of_ones_own_is_read_in_every_form() {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let modulus =
        URL_SAFE_NO_PAD.encode(pair.public_key().modulus().big_endian_without_leading_zero());
    let pkcs8 = pair.as_der().unwrap().as_ref().to_vec();
    // A 2048-bit key's PKCS#1 form follows 26 bytes of version, algorithm and length.
    let pkcs1 = pkcs8[26..].to_vec();
    let pem = |label: &str, der: &[u8]| {
        let lines = STANDARD
            .encode(der)
            .as_bytes()
            .chunks(64)
            .map(|line| String::from_utf8_lossy(line) + "\n")
            .collect::<String>();
        format!("# my key\n-----BEGIN {label}-----\n{lines}-----END {label}-----\n").into_bytes()
    };
    for (name, key) in [
        ("PKCS#8 PEM", pem("PRIVATE KEY", &pkcs8)),
        ("PKCS#1 PEM", pem("RSA PRIVATE KEY", &pkcs1)),
        ("PKCS#8 DER", pkcs8),
        ("PKCS#1 DER", pkcs1),
    ] {
        let key = SigningKey::from_private_key("my-key", &key).expect(name);
        let stage = Stage::with(Emulator::builder().signing_key(key)).await;
        let session = stage.emulator.session("bob@acme.test");
        stage.verify(session.access_token()).await.expect(name);
        assert_eq!(stage.emulator.jwks()["keys"][0]["n"], modulus, "{name}");
        assert_eq!(stage.emulator.keys().signing_id(), "my-key", "{name}");
    }
    for junk in [
        &b""[..],
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
        b"\x30\x03\x02\x01\x00",
    ] {
        SigningKey::from_private_key("my-key", junk).unwrap_err();
    }
}

#[tokio::test]
async fn anything_can_be_minted() {
    let stage = Stage::new().await;
    let token = stage
        .emulator
        .mint(&json!({ "iss": stage.emulator.issuer(), "scope": "x", "exp": "soon" }));
    assert_eq!(stage.verify(&token).await.unwrap()["scope"], "x");

    let header = json!({ "alg": "RS256", "kid": stage.emulator.keys().signing_id(), "jku": "https://evil.test/" });
    let token = stage.emulator.mint_with(&header, &json!({ "iss": stage.emulator.issuer() }));
    assert_eq!(jsonwebtoken::decode_header(&token).unwrap().jku.unwrap(), "https://evil.test/");
    stage.verify(&token).await.unwrap();
}

#[tokio::test]
async fn the_issuer_is_settable() {
    let stage = Stage::with(Emulator::builder().issuer("https://api.workos.com")).await;
    let session = stage.emulator.session("bob@acme.test");
    assert_eq!(
        stage.verify(session.access_token()).await.unwrap()["iss"],
        "https://api.workos.com"
    );
}
