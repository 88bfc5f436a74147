//! A key set: a token is admitted only if its key is in the set.

use std::collections::HashMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderValue, Request, header};
use serde_json::{Value, value::RawValue};

use crate::{
    input::Input,
    json::{Members, quoted, readable_members, value},
    service::{Kind, NOW, World, run as block_on},
    token,
    workos::SigningKey,
};

pub(super) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let world = World::new();
    let jwks = jwks(&mut input);
    world.workos.publish(jwks.clone());
    let bearer = HeaderValue::from_str(&format!("Bearer {}", token::good(NOW)));
    let mut request = Request::new(Bytes::new());
    request.headers_mut().insert(header::AUTHORIZATION, bearer.expect("a token is ASCII"));
    let answer = block_on(world.send(Kind::Bearer, request));
    if answer.admitted.is_some() {
        assert!(is_in(&jwks), "{}", String::from_utf8_lossy(&jwks));
    }
}

fn jwks(input: &mut Input<'_>) -> Vec<u8> {
    let mut keys = Vec::new();
    for _ in 0..=input.below(3) {
        let (n, e) = input.one_of(&[SigningKey::ours(), SigningKey::strangers()]).components();
        let mut key = Members::new([
            ("kty", quoted("RSA")),
            ("alg", quoted("RS256")),
            ("use", quoted("sig")),
            ("kid", quoted("key_1")),
            ("n", quoted(&n)),
            ("e", quoted(&e)),
        ]);
        if input.flag() {
            key.edit(input, &["kty", "alg", "use", "kid", "n", "e", "key_ops", "x5c", "d"]);
        }
        keys.push(if input.below(8) == 7 { value(input, 2) } else { key.text() });
    }
    let mut set = format!("{{\"keys\":[{}]}}", keys.join(",")).into_bytes();
    if input.below(4) == 3 {
        input.mutate(&mut set);
    }
    set
}

/// Whether a JSON library finds the key among the keys.
fn is_in(jwks: &[u8]) -> bool {
    let (n, _) = SigningKey::ours().components();
    // A byte that is not UTF-8 spoils the key that it is in, and no other one.
    let jwks = String::from_utf8_lossy(jwks);
    let set: HashMap<String, &RawValue> = serde_json::from_str(&jwks).unwrap_or_default();
    let keys = set.get("keys").and_then(|keys| serde_json::from_str(keys.get()).ok());
    let keys: Vec<&RawValue> = keys.unwrap_or_default();
    let keys = keys.iter().filter_map(|key| readable_members(key.get().as_bytes()));
    let is_or_is_absent = |value: &Value, expected: &str| value.is_null() || *value == expected;
    keys.filter(|key| key["kty"] == "RSA" && is_or_is_absent(&key["use"], "sig"))
        .filter(|key| is_or_is_absent(&key["alg"], "RS256") && key["kid"] == "key_1")
        .any(|key| key["n"].as_str().and_then(modulus) == modulus(&n))
}

/// The bytes of a modulus. Some issuers write a zero byte before it, which our parser ignores.
fn modulus(n: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(n).ok()?;
    Some(bytes.into_iter().skip_while(|byte| *byte == 0).collect())
}
