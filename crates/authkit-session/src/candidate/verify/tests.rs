mod odd_values;
mod wycheproof;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::*;
use crate::testing::key;

const NOW: u64 = 1_800_000_000;

fn claims() -> Value {
    json!({ "sub": "user_a", "sid": "session_1", "iat": NOW - 100, "exp": NOW + 200 })
}

fn claims_with(name: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims();
    claims[name] = value.into();
    claims
}

fn claims_without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn rules() -> Rules {
    Rules {
        client_id: "client_1".into(),
        issuers: None,
        audiences: None,
        leeway: 5,
        lists: ClaimLists::new(),
        odd_values: LogLimiter::new(Rules::ODD_VALUES),
    }
}

fn keys() -> KeySet {
    keys_of(&json!({ "keys": [key(0).jwk()] }))
}

fn keys_of(set: &Value) -> KeySet {
    KeySet::parse(set.to_string().as_bytes(), NOW - 50, Duration::ZERO).unwrap()
}

/// What is said of a cookie with this token and the user `user_a`.
fn judge(token: &str) -> Verdict {
    judge_under(token, &rules(), NOW)
}

fn judge_under(token: &str, rules: &Rules, now: u64) -> Verdict {
    let payload =
        json!({ "access_token": token, "user": { "id": "user_a", "email": "a@example.com" } });
    judge_payload(&payload, rules, now)
}

fn judge_payload(payload: &Value, rules: &Rules, now: u64) -> Verdict {
    let payload = payload.to_string();
    let mut payload = Payload::parse(payload.as_bytes()).unwrap();
    let (verdict, session) = verify(&mut payload, Some(&keys()), rules, now);
    let admits = matches!(verdict, Verdict::Good | Verdict::Expiring);
    assert!(!admits || session.is_some(), "{verdict:?} without a session");
    verdict
}

const ISSUER: &str = "https://api.workos.com/user_management/client_1";

fn listed(issuers: &[&str]) -> Rules {
    Rules { issuers: Some(issuers.iter().map(|&it| it.to_owned()).collect()), ..rules() }
}

fn judge_claims(claims: &Value) -> Verdict {
    judge(&key(0).token(claims))
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The example of RFC 7515 appendix A.2, with the key's name that ours have beside it.
#[test]
fn jw_01_the_example_of_the_rfc_verifies() {
    let n = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
    let signed = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let signature = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    let keys = keys_of(&json!({ "keys": [{ "kty": "RSA", "kid": "rfc", "n": n, "e": "AQAB" }] }));
    let mut jwt = Jwt {
        signed: signed.as_bytes(),
        payload: "",
        signature: URL_SAFE_NO_PAD.decode(signature).unwrap(),
        kid: "rfc".to_owned(),
    };
    assert_eq!(keys.verify(&jwt), Signature::Good);
    jwt.signature[100] ^= 1;
    assert_eq!(keys.verify(&jwt), Signature::Bad);
}

#[test]
fn jw_02_only_rs256_is_taken() {
    let key = key(0);
    let header = |alg: Value| json!({ "alg": alg, "typ": "JWT", "kid": key.kid });
    for alg in ["none", "None", "nOnE", "RS384", "RS512", "PS256", "ES256", "HS256", "rs256", ""] {
        let signed = key.token_of(&header(json!(alg)), &claims());
        assert_eq!(judge(&signed), Verdict::BadSignature, "{alg}");
        let (unsigned, _) = signed.rsplit_once('.').unwrap();
        assert_eq!(judge(&format!("{unsigned}.")), Verdict::BadSignature, "{alg}, not signed");
    }
    for header in [
        json!({ "kid": key.kid }),
        header(Value::Null),
        header(json!(["RS256"])),
        header(json!({ "RS256": 1 })),
    ] {
        assert_eq!(judge(&key.token_of(&header, &claims())), Verdict::BadSignature, "{header}");
    }

    // Signed with HMAC under what everybody knows: the public key.
    let n = URL_SAFE_NO_PAD.decode(key.n()).unwrap();
    let der = key.public_key().to_vec();
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        base64::engine::general_purpose::STANDARD.encode(&der)
    );
    for secret in [n, der, pem.into_bytes()] {
        for alg in ["HS256", "RS256"] {
            let signed =
                format!("{}.{}", b64(header(json!(alg)).to_string()), b64(claims().to_string()));
            let hmac = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &secret);
            let tag = aws_lc_rs::hmac::sign(&hmac, signed.as_bytes());
            assert_eq!(judge(&format!("{signed}.{}", b64(tag))), Verdict::BadSignature, "{alg}");
        }
    }
}

#[test]
fn jw_03_the_header_names_no_key_but_ours() {
    let (ours, theirs) = (key(0), key(1));
    let with = |name: &str, value: Value| {
        let mut header = json!({ "alg": "RS256", "typ": "JWT", "kid": ours.kid });
        header[name] = value;
        header
    };
    for (name, value) in [
        ("jku", json!("https://evil.test/jwks")),
        ("x5u", json!("https://evil.test/cert")),
        ("jwk", theirs.jwk()),
        ("x5c", json!([b64(theirs.public_key())])),
        ("b64", json!(false)),
        ("typ", json!("at+jwt")),
    ] {
        let header = with(name, value);
        assert_eq!(judge(&ours.token_of(&header, &claims())), Verdict::Good, "{name} is ignored");
        let forged = theirs.token_of(&header, &claims());
        assert_eq!(judge(&forged), Verdict::BadSignature, "{name} is not believed");
    }
    for crit in [json!(["exp"]), json!(["b64"]), json!([]), json!("exp"), json!({})] {
        let token = ours.token_of(&with("crit", crit.clone()), &claims());
        assert_eq!(judge(&token), Verdict::BadSignature, "crit {crit}");
    }
    for kid in ["../../../../dev/null", "' OR 1=1 --", "", &"k".repeat(10_000), "\u{0}"] {
        let token = ours.token_of(&with("kid", json!(kid)), &claims());
        // Looked up, found missing from keys that are newer than the token.
        assert_eq!(judge(&token), Verdict::BadSignature, "kid {kid:.30}");
    }
    for kid in [Value::Null, json!(1), json!([ours.kid]), json!({})] {
        let token = ours.token_of(&with("kid", kid.clone()), &claims());
        assert_eq!(judge(&token), Verdict::BadSignature, "kid {kid}");
    }
}

#[test]
fn jw_03_a_key_that_is_missing_from_older_keys_is_worth_looking_for() {
    for (made, expected) in [
        (NOW - 51, Verdict::BadSignature),
        (NOW - 50, Verdict::UnknownKey),
        (NOW, Verdict::UnknownKey),
    ] {
        let token = key(1).token(&claims_with("iat", made));
        assert_eq!(judge(&token), expected, "made {} s ago", NOW - made);
    }
    assert_eq!(judge(&key(1).token(&claims_without("iat"))), Verdict::BadSignature);
}

#[test]
fn jw_04_a_token_has_three_parts_and_its_own_signature() {
    let token = key(0).token(&claims());
    let other = key(0).token(&claims_with("sub", "user_b"));
    let parts: Vec<_> = token.split('.').collect();
    let [header, payload, signature] = parts[..] else { panic!() };
    let others: Vec<_> = other.split('.').collect();
    let json = json!({ "protected": header, "payload": payload, "signature": signature });
    let cases = [
        ("nothing", String::from(" ")),
        ("no signature", format!("{header}.{payload}")),
        ("an empty signature", format!("{header}.{payload}.")),
        ("an empty payload", format!("{header}..{signature}")),
        ("an empty header", format!(".{payload}.{signature}")),
        ("dots", "..".to_owned()),
        ("another's signature", format!("{header}.{payload}.{}", others[2])),
        ("another's payload", format!("{header}.{}.{signature}", others[1])),
        ("four parts", format!("{token}.{signature}")),
        ("five parts", format!("{header}.{payload}.{signature}.{signature}.{signature}")),
        ("in JSON", json.to_string()),
        ("padding", format!("{token}==")),
        ("a space before", format!(" {token}")),
        ("a newline after", format!("{token}\n")),
        ("standard base64", token.replace('-', "+").replace('_', "/") + "/"),
        ("half a signature", format!("{header}.{payload}.{}", &signature[..signature.len() / 2])),
        ("twice the signature", format!("{header}.{payload}.{signature}{signature}")),
        ("in upper case", token.to_uppercase()),
    ];
    assert_eq!(judge(&token), Verdict::Good);
    for (name, token) in cases {
        assert_eq!(judge(&token), Verdict::BadSignature, "{name}");
    }
}

#[test]
fn jw_04_no_bit_of_a_token_can_be_changed() {
    let token = key(0).token(&claims());
    let mut tried = 0;
    for at in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        // The least bit of the six that a character stands for, where it stands for any.
        bytes[at] = match bytes[at] {
            b'A' => b'B',
            b'.' => b'-',
            _ => b'A',
        };
        let changed = String::from_utf8(bytes).unwrap();
        assert_eq!(judge(&changed), Verdict::BadSignature, "character {at}");
        tried += 1;
    }
    assert!(tried > 400);
}

#[test]
fn jw_05_a_time_is_a_date_or_refuses() {
    for claim in [SecurityClaim::Exp, SecurityClaim::Nbf, SecurityClaim::Iat] {
        for value in [json!("1800000100"), json!(-1), json!(-0.5), json!(1e300), json!(1e16)] {
            let verdict = judge_claims(&claims_with(claim.as_str(), value.clone()));
            assert_eq!(verdict, Verdict::InvalidClaim(claim), "{value}");
        }
    }
    let no_end = Verdict::InvalidClaim(SecurityClaim::Exp);
    assert_eq!(judge_claims(&claims_without("exp")), no_end);
    assert_eq!(judge_claims(&claims_with("exp", Value::Null)), no_end);

    // RFC 7519 section 2: a NumericDate may have a fraction, which lengthens nothing.
    let half = NOW as f64 + 0.5;
    let cases = [
        ("ends later", claims_with("exp", half + 200.0), Verdict::Good),
        ("ended 4.5 s ago", claims_with("exp", half - 5.0), Verdict::Expired),
        ("made half a second ago", claims_with("iat", half - 1.0), Verdict::Good),
        ("valid in 4.5 s", claims_with("nbf", half + 4.0), Verdict::Good),
        ("valid in 5.5 s", claims_with("nbf", half + 5.0), Verdict::NotYetValid),
    ];
    for (name, claims, expected) in cases {
        assert_eq!(judge_claims(&claims), expected, "{name}");
    }
}

#[test]
fn jw_05_what_is_there_twice_or_bottomless_refuses() {
    use SecurityClaim::{Exp, Nbf, Sid, Sub};

    let header = json!({ "alg": "RS256", "kid": key(0).kid }).to_string();
    let (deep, exp) = ("[".repeat(10_000) + &"]".repeat(10_000), NOW + 200);
    let refused = Verdict::InvalidClaim;
    for (payload, expected) in [
        (format!(r#"{{"sub":"user_a","sid":"session_1","exp":1,"exp":{exp}}}"#), refused(Exp)),
        (format!(r#"{{"sub":"user_a","sid":"session_1","exp":{exp},"\u0065xp":1}}"#), refused(Exp)),
        (format!(r#"{{"sub":"user_a","sid":"session_1","exp":{exp},"exp":null}}"#), refused(Exp)),
        (
            format!(r#"{{"sub":"user_a","sid":"session_1","exp":{exp},"nbf":null,"nbf":1}}"#),
            refused(Nbf),
        ),
        (
            format!(r#"{{"sub":"user_a","sub":"user_b","sid":"session_1","exp":{exp}}}"#),
            refused(Sub),
        ),
        (format!(r#"{{"sub":"user_a","sid":{deep},"exp":{exp}}}"#), refused(Sid)),
        (deep.clone(), Verdict::BadSignature),
        (String::new(), Verdict::BadSignature),
        ("null".to_owned(), Verdict::BadSignature),
        ("\u{feff}{}".to_owned(), Verdict::BadSignature),
        ("{}".to_owned(), refused(Exp)),
    ] {
        assert_eq!(judge(&key(0).sign(&header, &payload)), expected, "{payload:.80}");
    }
    // What nobody looks at is passed over, however deep or large.
    for value in [&*deep, "1e999", r#""\ud800""#] {
        let payload =
            format!(r#"{{"sub":"user_a","sid":"session_1","exp":{exp},"own":{value},"own":1}}"#);
        assert_eq!(judge(&key(0).sign(&header, &payload)), Verdict::Good, "{value:.80}");
    }
    let deep = format!(r#"{{"alg":"RS256","kid":"k","x":{}}}"#, "[".repeat(10_000));
    assert_eq!(judge(&key(0).sign(&deep, &claims().to_string())), Verdict::BadSignature);
}

#[test]
fn jw_06_clocks_may_be_a_little_apart() {
    let cases = [
        ("made 30 s from now", claims_with("iat", NOW + 30), Verdict::Good),
        ("valid 5 s from now", claims_with("nbf", NOW + 5), Verdict::Good),
        ("valid 6 s from now", claims_with("nbf", NOW + 6), Verdict::NotYetValid),
        ("ends now", claims_with("exp", NOW), Verdict::Expiring),
        ("ended 1 s ago", claims_with("exp", NOW - 1), Verdict::Expiring),
        ("ended 4 s ago", claims_with("exp", NOW - 4), Verdict::Expiring),
        ("ended 5 s ago", claims_with("exp", NOW - 5), Verdict::Expired),
        ("ends in 30 s", claims_with("exp", NOW + 30), Verdict::Expiring),
        ("ends in 200 s", claims(), Verdict::Good),
        ("never ends", claims_with("exp", u64::MAX), Verdict::Good),
        ("began with time", claims_with("nbf", 0), Verdict::Good),
        ("ended with time", claims_with("exp", 0), Verdict::Expired),
        ("never begins", claims_with("nbf", u64::MAX), Verdict::NotYetValid),
    ];
    for (name, claims, expected) in cases {
        assert_eq!(judge_claims(&claims), expected, "{name}");
    }
    let token = key(0).token(&claims_with("exp", NOW));
    for (leeway, now, expected) in [
        (0, NOW - 1, Verdict::Expiring),
        (0, NOW, Verdict::Expired),
        (60, NOW + 59, Verdict::Expiring),
        (60, NOW + 60, Verdict::Expired),
        (60, u64::MAX, Verdict::Expired),
    ] {
        let rules = Rules { leeway, ..rules() };
        assert_eq!(judge_under(&token, &rules, now), expected, "leeway {leeway}, {now}");
    }
}

#[test]
fn a_short_token_is_not_refreshed_all_its_life() {
    for (lifetime, window) in
        [(300, 30), (301, 60), (3_600, 60), (60, 20), (30, 10), (3, 1), (0, 0)]
    {
        assert_eq!(refresh_window(lifetime), window, "{lifetime} s");
    }
}

#[test]
fn jw_07_only_our_own_session_tokens_are_taken() {
    let ours = ISSUER;
    let listed = |issuers: &[&str], audiences: Option<&[&str]>| Rules {
        audiences: audiences.map(|it| it.iter().map(|&it| it.to_owned()).collect()),
        ..listed(issuers)
    };
    let issued = |iss: &str| claims_with("iss", iss);
    let for_us = |aud: Value| {
        let mut claims = issued(ours);
        claims["aud"] = aud;
        claims
    };
    let api = ["api"];
    let cases = [
        ("any issuer by default", issued("https://other.test"), rules(), Verdict::Good),
        ("no issuer by default", claims(), rules(), Verdict::Good),
        ("a listed one", issued(ours), listed(&["x", ours], None), Verdict::Good),
        ("a slash more", issued(&format!("{ours}/")), listed(&[ours], None), Verdict::NotOurs),
        ("in upper case", issued(&ours.to_uppercase()), listed(&[ours], None), Verdict::NotOurs),
        ("none", claims(), listed(&[ours], None), Verdict::NotOurs),
        ("an empty list", issued(ours), listed(&[], None), Verdict::NotOurs),
        ("an audience", for_us(json!("api")), listed(&[ours], Some(&api)), Verdict::Good),
        ("of several", for_us(json!(["x", "api"])), listed(&[ours], Some(&api)), Verdict::Good),
        ("another", for_us(json!("x")), listed(&[ours], Some(&api)), Verdict::NotOurs),
        ("no audience", issued(ours), listed(&[ours], Some(&api)), Verdict::NotOurs),
        ("our client", claims_with("client_id", "client_1"), rules(), Verdict::Good),
        ("another client", claims_with("client_id", "client_2"), rules(), Verdict::NotOurs),
        ("no session id", claims_without("sid"), rules(), Verdict::NotOurs),
        ("another kind of id", claims_with("sid", "app_consent_1"), rules(), Verdict::NotOurs),
        ("a scope", claims_with("scope", "openid"), rules(), Verdict::Good),
        ("a scope of any type", claims_with("scope", json!(["a"])), rules(), Verdict::Good),
    ];
    for (name, claims, rules, expected) in cases {
        assert_eq!(judge_under(&key(0).token(&claims), &rules, NOW), expected, "{name}");
    }
}

#[test]
fn jw_07_the_cookies_user_is_the_tokens() {
    let token = |claims: &Value| key(0).token(claims);
    let user = json!({ "id": "user_a", "email": "a@example.com" });
    let acted = claims_with("act", json!({ "sub": "admin@example.com" }));
    let admin = json!({ "email": "admin@example.com", "reason": null });
    let cases = [
        ("the same", json!({ "access_token": token(&claims()), "user": user }), Verdict::Good),
        (
            "another",
            json!({ "access_token": token(&claims_with("sub", "user_b")), "user": user }),
            Verdict::WrongSubject,
        ),
        (
            "another, long ago",
            json!({
                "access_token": token(&json!({ "sub": "user_b", "sid": "session_1", "exp": 1 })),
                "user": user,
            }),
            Verdict::WrongSubject,
        ),
        ("none", json!({ "access_token": token(&claims()) }), Verdict::NoUser),
        ("no user at all", json!({ "access_token": token(&claims()), "user": 1 }), Verdict::NoUser),
        (
            "an impersonator",
            json!({ "access_token": token(&acted), "user": user, "impersonator": admin }),
            Verdict::Good,
        ),
        (
            "an impersonator that only the token names",
            json!({ "access_token": token(&acted), "user": user }),
            Verdict::Good,
        ),
        (
            "an impersonator that only the cookie names",
            json!({ "access_token": token(&claims()), "user": user, "impersonator": admin }),
            Verdict::WrongSubject,
        ),
        (
            "another impersonator",
            json!({
                "access_token": token(&acted),
                "user": user,
                "impersonator": { "email": "x@example.com" },
            }),
            Verdict::WrongSubject,
        ),
    ];
    for (name, payload, expected) in cases {
        assert_eq!(judge_payload(&payload, &rules(), NOW), expected, "{name}");
    }
}

#[test]
fn without_keys_nothing_is_said() {
    let payload = json!({ "access_token": key(0).token(&claims()) });
    let payload = payload.to_string();
    let mut payload = Payload::parse(payload.as_bytes()).unwrap();
    let (verdict, session) = verify(&mut payload, None, &rules(), NOW);
    assert_eq!(verdict, Verdict::NoKeys);
    assert!(session.is_none());
}

/// The same tokens through another implementation, wherever both have a say: nothing that it refuses passes here.
#[test]
fn jsonwebtoken_agrees() {
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};

    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.leeway = 5;
    validation.validate_nbf = true;
    validation.validate_aud = false;
    let decoding = DecodingKey::from_rsa_components(&key(0).n(), &key(0).e()).unwrap();
    let usual = |exp: i64, nbf: Option<i64>| {
        let at = |offset: i64| now.checked_add_signed(offset).unwrap();
        let mut claims = json!({ "sub": "user_a", "sid": "session_1", "iat": now, "exp": at(exp) });
        if let Some(nbf) = nbf {
            claims["nbf"] = json!(at(nbf));
        }
        claims
    };
    let mut tokens = Vec::new();
    for exp in [-1_000, -20, 30, 1_000] {
        for nbf in [None, Some(-1_000), Some(-1), Some(30), Some(1_000)] {
            tokens.push(key(0).token(&usual(exp, nbf)));
            tokens.push(key(1).token(&usual(exp, nbf)));
        }
    }
    for alg in ["none", "HS256", "RS384", "PS256", "ES256", "x"] {
        let header = json!({ "alg": alg, "kid": key(0).kid });
        tokens.push(key(0).token_of(&header, &usual(1_000, None)));
    }
    for (claim, value) in [
        ("exp", json!("1")),
        ("exp", json!(1e300)),
        ("exp", json!(-1)),
        ("exp", Value::Null),
        ("nbf", json!("1")),
        ("nbf", json!(1e300)),
    ] {
        let mut claims = usual(1_000, None);
        claims[claim] = value;
        tokens.push(key(0).token(&claims));
    }
    let good = key(0).token(&usual(1_000, None));
    for at in (0..good.len()).step_by(7) {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'Q' { b'R' } else { b'Q' };
        tokens.push(String::from_utf8(bytes).unwrap());
    }

    let (mut both, mut neither) = (0, 0);
    for token in tokens {
        let theirs = decode::<Value>(&token, &decoding, &validation).is_ok();
        let verdict = judge_under(&token, &rules(), now);
        let ours = matches!(verdict, Verdict::Good | Verdict::Expiring);
        assert_eq!(ours, theirs, "{verdict:?}: {token}");
        if ours { both += 1 } else { neither += 1 }
    }
    assert!(both >= 6 && neither > 80, "{both} pass, {neither} do not");
}
