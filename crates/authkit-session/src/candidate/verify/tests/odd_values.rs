//! Odd values: what decides refuses, what customers own is held by nobody, and what is for display is absent.

use std::time::UNIX_EPOCH;

use serde_json::{Value, json};

use super::*;
use crate::Reason;

fn verify_token(
    token: &str,
    keys: Option<&KeySet>,
    rules: &Rules,
) -> (Verdict, Option<VerifiedSession>) {
    let payload = json!({ "access_token": token, "user": { "id": "user_a" } }).to_string();
    verify(&mut Payload::parse(payload.as_bytes()).unwrap(), keys, rules, NOW)
}

fn session_of(payload: &Value) -> Option<VerifiedSession> {
    let payload = payload.to_string();
    let mut payload = Payload::parse(payload.as_bytes()).unwrap();
    verify(&mut payload, Some(&keys()), &rules(), NOW).1
}

fn judge_bearer(token: &str, rules: &Rules) -> (Verdict, Option<VerifiedToken>) {
    verify_bearer(AccessToken::new(token), Some(&keys()), rules, NOW)
}

/// Values of every type that JSON has.
fn values() -> Vec<Value> {
    vec![
        json!(5),
        json!(-1.5),
        json!(true),
        json!(false),
        json!(""),
        json!("a string of another shape"),
        json!([]),
        json!([1]),
        json!(["a", null]),
        json!([["a"]]),
        json!({}),
        json!({ "slug": "admin" }),
        json!({ "sub": ["admin@example.com"] }),
    ]
}

#[test]
fn a3_a_security_claim_of_another_type_refuses_with_its_own_reason() {
    use SecurityClaim::{Act, Aud, ClientId, Exp, Iat, Iss, Nbf, OrgId, Sid, Sub};

    let api = Rules { audiences: Some(vec!["api".to_owned()]), ..rules() };
    let is_string = Value::is_string;
    let is_date = |value: &Value| value.as_u64().is_some();
    let is_audience = |value: &Value| {
        let is_list = |list: &Vec<Value>| list.iter().all(Value::is_string);
        value.is_string() || value.as_array().is_some_and(is_list)
    };
    let is_actor = |value: &Value| value["sub"].as_str().is_some_and(|sub| !sub.is_empty());
    type IsRight<'a> = &'a dyn Fn(&Value) -> bool;
    let claims_of: [(SecurityClaim, IsRight<'_>); 10] = [
        (Exp, &is_date),
        (Nbf, &is_date),
        (Iat, &is_date),
        (Sub, &is_string),
        (Sid, &is_string),
        (Iss, &is_string),
        (ClientId, &is_string),
        (Aud, &is_audience),
        (Act, &is_actor),
        (OrgId, &is_string),
    ];
    for (claim, is_right) in claims_of {
        assert_eq!(Reason::InvalidClaim(claim).to_string(), format!("invalid_{claim}"));
        let mut refused = 0;
        for value in values() {
            let token = key(0).token(&claims_with(claim.as_str(), value.clone()));
            let verdict = judge_under(&token, &api, NOW);
            let is_refused = verdict == Verdict::InvalidClaim(claim);
            assert_eq!(is_refused, !is_right(&value), "{claim}: {value} is {verdict:?}");
            refused += u32::from(is_refused);
        }
        assert!(refused >= 9, "{claim}: {refused} values refuse");

        // `null` says nothing; what has to be there is then missing.
        let mut without = claims_with("aud", "api");
        without.as_object_mut().unwrap().remove(claim.as_str());
        let mut null = claims_with("aud", "api");
        null[claim.as_str()] = Value::Null;
        for claims in [without, null] {
            let expected = match claim {
                Exp => Verdict::InvalidClaim(Exp),
                // A token of nobody's; and no token of a session.
                Sub => Verdict::WrongSubject,
                Sid | Aud => Verdict::NotOurs,
                Nbf | Iat | Iss | ClientId | Act | OrgId => Verdict::Good,
            };
            assert_eq!(judge_under(&key(0).token(&claims), &api, NOW), expected, "no {claim}");
        }
    }
    // Nobody looks at audiences where none are configured.
    for value in values() {
        assert_eq!(judge_claims(&claims_with("aud", value.clone())), Verdict::Good, "aud: {value}");
    }
}

#[test]
fn a3_a_mistyped_act_hides_no_impersonation() {
    let user = json!({ "id": "user_a", "email": "a@example.com" });
    let admin = json!({ "email": "admin@example.com", "reason": null });
    for act in values().into_iter().chain([json!({ "sub": "" }), json!({ "sub": null })]) {
        let token = key(0).token(&claims_with("act", act.clone()));
        for impersonator in [Value::Null, admin.clone(), json!({}), json!(false)] {
            let payload =
                json!({ "access_token": token, "user": user, "impersonator": impersonator });
            let verdict = judge_payload(&payload, &rules(), NOW);
            let expected = Verdict::InvalidClaim(SecurityClaim::Act);
            assert_eq!(verdict, expected, "act: {act}, impersonator: {impersonator}");
            let (verdict, verified) = judge_bearer(&token, &listed(&[ISSUER]));
            assert!(verified.is_none());
            assert_eq!(verdict, expected, "act of a bearer token: {act}");
        }
    }
    let signed = key(0).token(&claims_with("act", json!({ "sub": "admin@example.com", "x": 1 })));
    let payload = json!({ "access_token": signed, "user": user, "impersonator": [] });
    let session = session_of(&payload).unwrap();
    assert_eq!(session.impersonator().unwrap().email, "admin@example.com", "the token says who");
}

/// What of a token's roles and the like somebody holds.
fn held(token: &VerifiedToken) -> Value {
    let auth_time = token.auth_time().map(|at| at.duration_since(UNIX_EPOCH).unwrap().as_secs());
    json!({
        "role": token.role(), "roles": token.roles(), "permissions": token.permissions(),
        "entitlements": token.entitlements(), "feature_flags": token.feature_flags(), "auth_time": auth_time,
    })
}

#[test]
fn a3_an_authorization_claim_of_another_type_is_held_by_nobody() {
    let all = json!({
        "role": "admin", "roles": ["admin"], "permissions": ["a"], "entitlements": ["b"],
        "feature_flags": ["c"], "auth_time": NOW - 60,
    });
    let mut base = claims();
    for (name, value) in all.as_object().unwrap() {
        base[name] = value.clone();
    }
    for (claim, right) in all.as_object().unwrap() {
        let nobody = if right.is_array() { json!([]) } else { Value::Null };
        for value in values().into_iter().chain([Value::Null]) {
            let is_right = match right {
                Value::String(_) => value.is_string(),
                Value::Array(_) => {
                    value.as_array().is_some_and(|list| list.iter().all(Value::is_string))
                }
                _ => value.as_u64().is_some(),
            };
            let mut claims = base.clone();
            claims[claim] = value.clone();
            let token = key(0).token(&claims);
            let mut expected = all.clone();
            expected[claim] = if is_right { value.clone() } else { nobody.clone() };

            let rules = rules();
            let (verdict, session) = verify_token(&token, Some(&keys()), &rules);
            assert_eq!(verdict, Verdict::Good, "{claim}: {value}");
            assert_eq!(held(&session.unwrap()), expected, "{claim}: {value}");
            let is_told = told(&rules).contains(&claim.as_str());
            assert_eq!(is_told, !is_right && !value.is_null(), "{claim}: {value}");

            claims["iss"] = json!(ISSUER);
            let (verdict, verified) = judge_bearer(&key(0).token(&claims), &listed(&[ISSUER]));
            assert_eq!(verdict, Verdict::Good, "{claim}: {value}");
            assert_eq!(held(&verified.unwrap()), expected, "{claim}: {value}");
        }
        let mut twice = base.to_string();
        twice.insert_str(1, &format!(r#""{claim}":{right},"#));
        let header = json!({ "alg": "RS256", "kid": key(0).kid }).to_string();
        let mut expected = all.clone();
        expected[claim] = nobody;
        let (_, session) = verify_token(&key(0).sign(&header, &twice), Some(&keys()), &rules());
        assert_eq!(held(&session.unwrap()), expected, "{claim} is there twice");
    }
}

/// The claims and fields that were told of under these rules.
fn told(rules: &Rules) -> Vec<&'static str> {
    let names = [
        "auth_time",
        "role",
        "roles",
        "permissions",
        "entitlements",
        "feature_flags",
        "refresh_token",
        "authentication_method",
        "impersonator",
        "user.email",
        "user.metadata",
    ];
    let was_told =
        |name: &&'static str| rules.odd_values.admit(name, Duration::from_secs(NOW)).is_none();
    names.into_iter().filter(was_told).collect()
}

#[test]
fn a1_a2_an_odd_field_of_a_cookie_is_absent_and_told() {
    let user = json!({ "id": "user_a", "email": "a@example.com" });
    let odd_user = json!({ "id": "user_a", "email": 5, "metadata": { "seats": 5 } });
    let admin = json!({ "email": "admin@example.com" });
    let cases = [
        ("nothing odd", json!({ "user": user }), &[][..]),
        ("a user", json!({ "user": odd_user }), &["user.email", "user.metadata"]),
        (
            "a method",
            json!({ "user": user, "authentication_method": {} }),
            &["authentication_method"],
        ),
        (
            "camelCase",
            json!({ "user": user, "authenticationMethod": 5 }),
            &["authentication_method"],
        ),
        ("an impersonator", json!({ "user": user, "impersonator": {} }), &["impersonator"]),
        (
            "a list of impersonators",
            json!({ "user": user, "impersonator": [admin] }),
            &["impersonator"],
        ),
        ("no impersonator", json!({ "user": user, "impersonator": false }), &["impersonator"]),
        ("a refresh token", json!({ "user": user, "refresh_token": 5 }), &["refresh_token"]),
    ];
    for (name, mut payload, expected) in cases {
        payload["access_token"] = json!(key(0).token(&claims()));
        let rules = rules();
        assert_eq!(judge_payload(&payload, &rules, NOW), Verdict::Good, "{name}");
        assert_eq!(told(&rules), expected, "{name}");
        let session = session_of(&payload).unwrap();
        assert_eq!(session.authentication_method(), None, "{name}");
        assert!(session.impersonator().is_none(), "{name}");
    }
}

/// What is there and says nothing is not there: an empty id would be compared, and sent back to WorkOS.
#[test]
fn a3_an_empty_organization_is_none() {
    let empty = key(0).token(&claims_with("org_id", ""));
    let (verdict, session) = verify_token(&empty, Some(&keys()), &rules());
    assert_eq!(verdict, Verdict::Good);
    assert_eq!(session.unwrap().organization_id(), None);
    assert_eq!(Unverified::of(&empty).org_id, None);

    let mut claims = claims_with("org_id", "");
    claims["iss"] = json!(ISSUER);
    let (_, verified) = judge_bearer(&key(0).token(&claims), &listed(&[ISSUER]));
    assert_eq!(verified.unwrap().organization_id(), None);
}

#[test]
fn a4_a_token_is_a_sessions_by_its_sid_alone() {
    for (sid, expected) in [
        (json!("session_1"), Verdict::Good),
        (json!("app_consent_1"), Verdict::NotOurs),
        (json!("Session_1"), Verdict::NotOurs),
        (json!(""), Verdict::NotOurs),
        (Value::Null, Verdict::NotOurs),
    ] {
        for scope in [Value::Null, json!("read:reports"), json!("openid profile"), json!({})] {
            let mut claims = claims_with("scope", scope.clone());
            (claims["sid"], claims["iss"]) = (sid.clone(), json!(ISSUER));
            let token = key(0).token(&claims);
            let rules = listed(&[ISSUER]);
            assert_eq!(judge_under(&token, &rules, NOW), expected, "{sid}, scope {scope}");
            assert_eq!(judge_bearer(&token, &rules).0, expected, "bearer: {sid}, scope {scope}");
        }
    }
}

#[test]
fn a5_what_an_unverified_token_says_may_refuse_it_and_admits_nothing() {
    let issued = |iss: Value, client_id: Value| {
        let mut claims = claims_with("iat", NOW);
        (claims["iss"], claims["client_id"]) = (iss, client_id);
        claims
    };
    let (ours, us) = (|| json!(ISSUER), || json!("client_1"));
    let (any, named) = (rules as fn() -> Rules, || listed(&[ISSUER]));
    let cases = [
        ("says nothing", any(), issued(Value::Null, Value::Null), false),
        ("of us", named(), issued(ours(), us()), false),
        ("another client", any(), issued(ours(), json!("client_2")), true),
        ("no client's name", any(), issued(ours(), json!("")), true),
        ("another issuer", named(), issued(json!("https://other.test"), us()), true),
        ("an issuer with a slash", named(), issued(json!(format!("{ISSUER}/")), us()), true),
        ("any issuer, none listed", any(), issued(json!("https://other.test"), us()), false),
        ("a client of another type", any(), issued(ours(), json!(["client_2"])), false),
        ("an issuer of another type", named(), issued(json!(5), us()), false),
    ];
    for (name, rules, claims, is_for_others) in cases {
        let (unknown, forged) = (
            key(1).token(&claims),
            key(1).token_of(&json!({ "alg": "RS256", "kid": key(0).kid }), &claims),
        );
        let old = key(1).token(&{
            let mut old = claims.clone();
            old["iat"] = json!(NOW - 1_000);
            old
        });
        let unsigned = key(1).token_of(&json!({ "alg": "none", "kid": "k" }), &claims);
        let no_keys = None;
        let keys = keys();
        let cases = [
            ("unknown key", &unknown, Some(&keys), Verdict::UnknownKey),
            ("forgotten key", &old, Some(&keys), Verdict::BadSignature),
            ("forged", &forged, Some(&keys), Verdict::BadSignature),
            ("unsigned", &unsigned, Some(&keys), Verdict::BadSignature),
            ("no keys", &unknown, no_keys, Verdict::NoKeys),
        ];
        for (how, token, keys, otherwise) in cases {
            let expected = if is_for_others { Verdict::NotOurs } else { otherwise };
            let (verdict, session) = verify_token(token, keys, &rules);
            assert_eq!((verdict, session.is_some()), (expected, false), "{name}: {how}");
            // Anybody can make up a bearer token: one that is none at all is not looked into.
            let expected = if how == "unsigned" { otherwise } else { expected };
            let (verdict, verified) =
                verify_bearer(AccessToken::new(token.as_str()), keys, &rules, NOW);
            assert_eq!((verdict, verified.is_some()), (expected, false), "bearer, {name}: {how}");
        }
    }
}
