use serde_json::{Value, json};

use super::*;
use crate::testing::key;

fn with(field: &str, value: impl Into<Value>) -> Value {
    let mut jwk = key(0).jwk();
    jwk[field] = value.into();
    jwk
}

fn without(field: &str) -> Value {
    let mut jwk = key(0).jwk();
    jwk.as_object_mut().unwrap().remove(field);
    jwk
}

fn verdict(keys: &[Value]) -> Option<Signature> {
    let set = json!({ "keys": keys }).to_string();
    let token = key(0).token(&json!({}));
    Some(KeySet::parse(set.as_bytes(), 0, Duration::ZERO)?.verify(&Jwt::parse(&token).unwrap()))
}

#[test]
fn jk_07_only_keys_for_our_purpose_are_used() {
    let other = key(1).jwk();
    let (n, e) = (key(0).n(), key(0).e());
    let short = URL_SAFE_NO_PAD.encode([0xc5; 128]);
    let padded = URL_SAFE_NO_PAD.encode([&[0; 8][..], &[0xc5; 252]].concat());
    let n_bytes = URL_SAFE_NO_PAD.decode(&n).unwrap();
    let zeroed = URL_SAFE_NO_PAD.encode([&[0][..], &n_bytes].concat());
    let huge = URL_SAFE_NO_PAD.encode([0xc5; 2_048]);
    let cases = [
        ("as WorkOS has it", vec![key(0).jwk()], Some(Signature::Good)),
        ("without use", vec![without("use")], Some(Signature::Good)),
        ("without alg", vec![without("alg")], Some(Signature::Good)),
        ("to verify", vec![with("key_ops", json!(["verify"]))], Some(Signature::Good)),
        ("unknown fields", vec![with("x5c", json!(["aaaa"]))], Some(Signature::Good)),
        ("a zero before n", vec![with("n", zeroed)], Some(Signature::Good)),
        ("among others", vec![other.clone(), key(0).jwk()], Some(Signature::Good)),
        ("after one that is none", vec![json!({ "kty": 1 }), key(0).jwk()], Some(Signature::Good)),
        ("of another kid", vec![other.clone()], Some(Signature::UnknownKey)),
        ("another key of its kid", vec![with("n", key(1).n())], Some(Signature::Bad)),
        ("to encrypt", vec![with("use", "enc")], None),
        ("to sign", vec![with("key_ops", json!(["sign", "encrypt"]))], None),
        ("for RS384", vec![with("alg", "RS384")], None),
        ("for PS256", vec![with("alg", "PS256")], None),
        ("for HS256", vec![with("alg", "HS256")], None),
        ("kty oct", vec![json!({ "kty": "oct", "kid": key(0).kid, "k": n })], None),
        (
            "kty EC",
            vec![json!({ "kty": "EC", "kid": key(0).kid, "crv": "P-256", "x": n, "y": e })],
            None,
        ),
        ("kty in lower case", vec![with("kty", "rsa")], None),
        ("twice", vec![key(0).jwk(), key(0).jwk()], None),
        ("twice, once useless", vec![key(0).jwk(), with("use", "enc")], None),
        (
            "twice, among others",
            vec![key(0).jwk(), other, key(0).jwk()],
            Some(Signature::UnknownKey),
        ),
        ("without kid", vec![without("kid")], None),
        ("without n", vec![without("n")], None),
        ("without e", vec![without("e")], None),
        ("e of no bytes", vec![with("e", "")], None),
        ("e = 1", vec![with("e", "AQ")], None),
        ("e = 1, a zero before it", vec![with("e", "AAE")], None),
        ("e = 1, padded", vec![with("e", "AAAB")], None),
        ("e = 257", vec![with("e", "AQE")], Some(Signature::Bad)),
        ("e = 0", vec![with("e", "AA")], None),
        ("e = 2", vec![with("e", "Ag")], None),
        ("1024 bits", vec![with("n", short)], None),
        ("2016 bits, padded", vec![with("n", padded)], None),
        ("16384 bits", vec![with("n", huge)], None),
        ("made by a chip that is known for it", vec![with("n", ROCA)], None),
        ("n in standard base64", vec![with("n", "+/+/")], None),
        ("n empty", vec![with("n", "")], None),
        ("kid null", vec![with("kid", Value::Null)], None),
        ("none", vec![], None),
    ];
    for (name, keys, expected) in cases {
        assert_eq!(verdict(&keys), expected, "{name}");
    }
}

#[test]
fn jk_06_what_is_no_key_set_is_none() {
    for body in ["", "null", "[]", "{}", "<html>", r#"{"keys":null}"#, r#"{"keys":"x"}"#, "\u{0}"] {
        assert!(KeySet::parse(body.as_bytes(), 0, Duration::ZERO).is_none(), "{body}");
    }
    // What is derived for an object would take a list of its members' values too.
    let key = with("kid", "key_1");
    let listed = json!([key["kty"], key["kid"], null, null, null, key["n"], key["e"]]);
    for (set, is_one) in [
        (json!({ "keys": [key] }), true),
        (json!([[key]]), false),
        (json!({ "keys": [listed] }), false),
    ] {
        let parsed = KeySet::parse(set.to_string().as_bytes(), 0, Duration::ZERO);
        assert_eq!(parsed.is_some(), is_one, "{set}");
    }
    let deep = format!(r#"{{"keys":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert!(KeySet::parse(deep.as_bytes(), 0, Duration::ZERO).is_none());
}

/// 2048 bits whose primes are a multiple of a primorial more than a power of 65537.
const ROCA: &str = concat!(
    "zbAFoZO5vf4oCulvnVyCMJYQybHY8DHi-O8y3_HWMTMogjQtuHyH_lFtVacld8pmpXr0rc5XNPX9ZVd-KQdZHhAoz-qdxEv-UXp1",
    "lRlLlZ36V5uYUwrBqYWUTPBE27mcsROW9OFsCBAwbGi6Nw7U32M3BDhYNCsQk_ZNQ8crrRi9xebT6-SXCZLLnJ9vOX2J8JLQQUtE",
    "OxPqmHi4HhVQbWlCTivoS-OPhfjerBLNGFAXd3ns0sc2alL1AVyeJUdkTYGvJ3X3ooujqq5pz9UIkDcW3fcFlyvrqtDLcW0123eQ",
    "-P5QH2XIcXnS7DO0RbJH4kHqX5SNKPZzy9YZzJkH_Q",
);
