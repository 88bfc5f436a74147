use serde_json::{Value as Json, json};

use super::*;

fn answer() -> Json {
    json!({
        "user": {
            "object": "user",
            "id": "user_1",
            "email": "alice@acme.test",
            "email_verified": true,
            "first_name": "Alice",
            "profile_picture_url": null,
            "metadata": {"first_name": "not ours", "lastName": "nor this"},
            "created_at": "2026-01-01T00:00:00.000Z"
        },
        "access_token": "at_2",
        "refresh_token": "rt_2",
        "organization_id": "org_2",
        "authentication_method": "SSO",
        "oauth_tokens": {"provider": "GoogleOAuth", "access_token": "o_2", "expires_at": 1, "scopes": []},
        "authkit_authorization_code": "code_2",
        "sealed_session": "ignored"
    })
}

fn camel_user() -> Json {
    json!({
        "object": "user",
        "id": "user_1",
        "email": "alice@acme.test",
        "emailVerified": true,
        "firstName": "Alice",
        "profilePictureUrl": null,
        "metadata": {"first_name": "not ours", "lastName": "nor this"},
        "createdAt": "2026-01-01T00:00:00.000Z"
    })
}

fn with(mut base: Json, key: &str, value: Json) -> Json {
    base[key] = value;
    base
}

fn refreshed(old: &Json, answer: &Json, style: Option<KeyStyle>) -> Json {
    let answer = answer.to_string();
    let answer = Answer::parse(answer.as_bytes()).unwrap();
    serde_json::from_slice(&Payload::refreshed(old.to_string().as_bytes(), &answer, style).unwrap())
        .unwrap()
}

fn fresh(format: SealFormat, answer: &Json) -> String {
    let answer = answer.to_string();
    let answer = Answer::parse(answer.as_bytes()).unwrap();
    String::from_utf8(Payload::fresh(format, &answer).to_vec()).unwrap()
}

#[test]
fn both_spellings_are_read() {
    let snake = json!({
        "access_token": "at_1",
        "refresh_token": "rt_1",
        "user": {"id": "user_1", "email": "alice@acme.test"},
        "impersonator": {"email": "admin@acme.test", "reason": "support"},
        "authentication_method": "Password",
        "organization_id": "org_1",
        "unknown": [1, {"a": null}]
    });
    let camel = json!({
        "accessToken": "at_1",
        "refreshToken": "rt_1",
        "user": {"id": "user_1", "email": "alice@acme.test"},
        "impersonator": {"email": "admin@acme.test", "reason": "support"},
        "authenticationMethod": "Password",
        "organizationId": "org_1",
        "headers": {}
    });

    for (name, plaintext) in [("snake", snake), ("camel", camel)] {
        let plaintext = plaintext.to_string();
        let payload = Payload::parse(plaintext.as_bytes()).unwrap_or_else(|_| panic!("{name}"));
        assert_eq!(payload.access_token, "at_1", "{name}");
        assert_eq!(payload.refresh_token.unwrap().expose(), "rt_1", "{name}");
        assert_eq!(payload.user.unwrap().id, "user_1", "{name}");
        assert_eq!(payload.impersonator.unwrap().email, "admin@acme.test", "{name}");
        assert_eq!(payload.authentication_method.as_deref(), Some("Password"), "{name}");
    }
}

#[test]
fn null_and_absence_are_alike() {
    let cases = [
        ("absent", r#"{"access_token":"at_1"}"#),
        ("null", r#"{"access_token":"at_1","refresh_token":null,"user":null,"impersonator":null}"#),
        (
            "Ruby 6",
            r#"{"access_token":"at_1","refresh_token":"","impersonator":"null","organization_id":null}"#,
        ),
        ("spaced", " {\n\"access_token\" : \"at_1\" , \"impersonator\" : \"null\" }\n"),
    ];

    for (name, plaintext) in cases {
        let payload = Payload::parse(plaintext.as_bytes()).unwrap_or_else(|_| panic!("{name}"));
        assert!(payload.refresh_token.is_none(), "{name}");
        assert!(payload.user.is_none(), "{name}");
        assert_eq!(payload.odd, OddValues::default(), "{name}: nothing is odd about it");
        assert!(payload.impersonator.is_none(), "{name}");
    }
}

#[test]
fn what_is_no_session_is_refused() {
    let deep = format!("{{\"access_token\":\"at_1\",\"impersonator\":{}", "[".repeat(10_000));
    let cases = [
        ("nothing", ""),
        ("an empty object", "{}"),
        ("a string", r#""compat-check""#),
        ("null", "null"),
        ("an array of the fields", r#"["at_1","rt_1",null,null,null,null]"#),
        ("an empty token", r#"{"access_token":""}"#),
        ("a token that is null", r#"{"access_token":null}"#),
        ("a token that is a number", r#"{"access_token":1}"#),
        ("a refresh token only", r#"{"refresh_token":"rt_1"}"#),
        ("two tokens", r#"{"access_token":"at_1","accessToken":"at_2"}"#),
        ("two spellings of a token", r#"{"access_token":"at_1","\u0061ccess_token":"at_1"}"#),
        ("something after it", r#"{"access_token":"at_1"}{}"#),
        ("cut off", r#"{"access_token":"at_1""#),
        ("too deep", &deep),
    ];

    for (name, plaintext) in cases {
        assert_eq!(Payload::parse(plaintext.as_bytes()).err(), Some(NotASession), "{name}");
    }
    assert_eq!(
        Payload::parse(b"{\"access_token\":\"\xff\"}").err(),
        Some(NotASession),
        "not UTF-8"
    );
}

#[test]
fn a1_a2_an_odd_field_takes_nothing_from_the_session() {
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    let odd = ["5", "1e999", "true", "{}", "[]", r#"["x"]"#, r#"{"a":{}}"#, r#""\ud83d""#, &deep];
    // The field in both spellings, and by which name it is told.
    let fields = [
        ("refresh_token", "refreshToken", Some("refresh_token")),
        ("impersonator", "impersonator", Some("impersonator")),
        ("authentication_method", "authenticationMethod", Some("authentication_method")),
        ("organization_id", "organizationId", None),
        ("oauth_tokens", "oauthTokens", None),
        ("authkit_authorization_code", "authkitAuthorizationCode", None),
        ("sealed_session", "sealedSession", None),
        ("of_a_neighbour", "ofANeighbour", None),
        (r"\ud800", r"\ud800", None),
    ];
    for (snake, camel, told) in fields {
        for (spelling, value) in [snake, camel].into_iter().flat_map(|it| odd.map(|odd| (it, odd)))
        {
            let plaintext = format!(
                r#"{{"access_token":"at_1","{spelling}":{value},"user":{{"id":"user_1","email":"a"}}}}"#
            );
            let payload = Payload::parse(plaintext.as_bytes())
                .unwrap_or_else(|_| panic!("{spelling}: {value:.30}"));
            assert_eq!(payload.access_token, "at_1");
            assert_eq!(payload.user.unwrap().texts.email.as_deref(), Some("a"));
            assert!(payload.refresh_token.is_none(), "{spelling}: {value:.30}");
            assert!(payload.impersonator.is_none(), "{spelling}: {value:.30}");
            assert!(payload.authentication_method.is_none(), "{spelling}: {value:.30}");
            let told: Vec<_> = told.into_iter().collect();
            assert_eq!(payload.odd.names(), told, "{spelling}: {value:.30}");
        }
    }
}

#[test]
fn a1_a2_what_cannot_be_read_is_kept_when_a_session_is_renewed() {
    let silent = json!({"access_token": "at_2", "refresh_token": "rt_2"}).to_string();
    let answer = Answer::parse(silent.as_bytes()).unwrap();
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    let user = r#"{"id":"user_1","email":null,"locale":{},"metadata":{"seats":5,"\ud800":1e999}}"#;
    let odd = [
        r#""impersonator":{}"#,
        r#""impersonator":[]"#,
        r#""impersonator":false"#,
        r#""impersonator":{"email":5}"#,
        r#""authentication_method":{"a":"\ud83d"}"#,
        r#""organization_id":5"#,
        r#""oauth_tokens":"none""#,
        r#""\ud800":1"#,
        r#""\u0074heme":1e999"#,
        &format!(r#""deep":{deep}"#),
    ];
    for member in odd {
        let old =
            format!(r#"{{"access_token":"at_1",{member},"refresh_token":"rt_1","user":{user}}}"#);
        let expected =
            format!(r#"{{"access_token":"at_2",{member},"refresh_token":"rt_2","user":{user}}}"#);
        let new = Payload::refreshed(old.as_bytes(), &answer, None).unwrap();
        assert_eq!(str::from_utf8(&new).unwrap(), expected, "{member:.40}");
    }

    // A user that is none does not replace one; an odd one does, and is kept as it came.
    let odd_user = r#"{"id":"user_1","email":5,"metadata":{"plan":null,"n":1e999}}"#;
    for (answered, written) in
        [("5", user), ("[]", user), (r#""user_1""#, user), (odd_user, odd_user)]
    {
        let old = format!(r#"{{"access_token":"at_1","refresh_token":"rt_1","user":{user}}}"#);
        let body = format!(r#"{{"access_token":"at_2","refresh_token":"rt_2","user":{answered}}}"#);
        let answer = Answer::parse(body.as_bytes()).unwrap();
        let expected =
            format!(r#"{{"access_token":"at_2","refresh_token":"rt_2","user":{written}}}"#);
        let new = Payload::refreshed(old.as_bytes(), &answer, None).unwrap();
        assert_eq!(str::from_utf8(&new).unwrap(), expected, "{answered}");
    }
}

#[test]
fn a_new_session_has_the_fields_of_its_sdk() {
    let answer =
        with(answer(), "impersonator", json!({"email": "admin@acme.test", "reason": null}));
    let user = answer["user"].to_string();
    let camel = camel_user().to_string();
    let impersonator = r#"{"email":"admin@acme.test","reason":null}"#;
    let plain = format!(
        r#"{{"access_token":"at_2","refresh_token":"rt_2","user":{user},"impersonator":{impersonator},"authentication_method":"SSO"}}"#
    );
    let ruby6 = format!(
        r#"{{"access_token":"at_2","refresh_token":"rt_2","user":{user},"impersonator":{impersonator},"organization_id":"org_2","authentication_method":"SSO"}}"#
    );
    let node = format!(
        r#"{{"organizationId":"org_2","user":{camel},"accessToken":"at_2","refreshToken":"rt_2","authenticationMethod":"SSO","impersonator":{impersonator}}}"#
    );

    let cases = [
        (SealFormat::Ruby, &plain),
        (SealFormat::Ruby6, &ruby6),
        (SealFormat::Go, &plain),
        (SealFormat::Rust, &plain),
        (SealFormat::Python, &plain),
        (SealFormat::Node, &node),
    ];
    for (format, expected) in cases {
        let same: Json = serde_json::from_str(expected).unwrap();
        let written: Json = serde_json::from_str(&fresh(format, &answer)).unwrap();
        assert_eq!(written, same, "{format}");
    }
}

#[test]
fn a_new_session_leaves_out_what_the_answer_does_not_say() {
    let answer = json!({
        "access_token": "at_2", "refresh_token": "rt_2", "user": null,
        "impersonator": null, "organization_id": null, "authentication_method": null
    });
    let snake = r#"{"access_token":"at_2","refresh_token":"rt_2"}"#;
    let cases = [
        (SealFormat::Ruby, snake),
        (
            SealFormat::Ruby6,
            r#"{"access_token":"at_2","refresh_token":"rt_2","impersonator":"null","organization_id":null}"#,
        ),
        (SealFormat::Go, snake),
        (SealFormat::Python, snake),
        (SealFormat::Node, r#"{"accessToken":"at_2","refreshToken":"rt_2"}"#),
    ];

    for (format, expected) in cases {
        assert_eq!(fresh(format, &answer), expected, "{format}");
    }
}

#[test]
fn a_renewed_session_keeps_its_shape() {
    let user = answer()["user"].clone();
    let cases = [
        (
            "Ruby: nothing that it did not have",
            json!({"access_token": "at_1", "refresh_token": "rt_1", "user": {"id": "user_1"}}),
            json!({"access_token": "at_2", "refresh_token": "rt_2", "user": user}),
        ),
        (
            "Python 5: the whole answer, nulls too",
            json!({
                "access_token": "at_1", "refresh_token": "rt_1", "user": {"id": "user_1"}, "organization_id": "org_1",
                "authentication_method": "Password", "oauth_tokens": null, "impersonator": null, "extra": {"a": [1]}
            }),
            json!({
                "access_token": "at_2", "refresh_token": "rt_2", "user": user, "organization_id": "org_2",
                "authentication_method": "SSO", "oauth_tokens": answer()["oauth_tokens"], "impersonator": null,
                "extra": {"a": [1]}
            }),
        ),
        (
            "Ruby 6: the word null",
            json!({"access_token": "at_1", "refresh_token": "rt_1", "impersonator": "null", "organization_id": null}),
            json!({
                "access_token": "at_2", "refresh_token": "rt_2", "impersonator": "null", "organization_id": "org_2",
                "user": user
            }),
        ),
        (
            "Node",
            json!({
                "organizationId": "org_1", "user": {"id": "user_1", "emailVerified": false}, "accessToken": "at_1",
                "refreshToken": "rt_1", "oauthTokens": {"accessToken": "o_1"}, "headers": {}, "first_name": "kept"
            }),
            json!({
                "organizationId": "org_2", "user": camel_user(), "accessToken": "at_2", "refreshToken": "rt_2",
                "oauthTokens": {"provider": "GoogleOAuth", "accessToken": "o_2", "expiresAt": 1, "scopes": []},
                "headers": {}, "first_name": "kept"
            }),
        ),
        (
            "Kotlin: camel outside, snake inside",
            json!({"accessToken": "at_1", "refreshToken": "rt_1", "user": {"id": "user_1", "email_verified": false}, "impersonator": null}),
            json!({"accessToken": "at_2", "refreshToken": "rt_2", "user": user, "impersonator": null}),
        ),
        (
            "no user and no refresh token before",
            json!({"accessToken": "at_1"}),
            json!({"accessToken": "at_2", "refreshToken": "rt_2", "user": camel_user()}),
        ),
    ];

    for (name, old, expected) in cases {
        assert_eq!(refreshed(&old, &answer(), None), expected, "{name}");
    }
}

#[test]
fn what_the_answer_is_silent_about_is_kept() {
    let old = json!({
        "access_token": "at_1", "refresh_token": "rt_1", "user": {"id": "user_1"}, "organization_id": "org_1",
        "authentication_method": "Password", "sealed_session": "kept until it is slimmed"
    });
    let silent = json!({"access_token": "at_2", "refresh_token": "rt_2"});
    let kept =
        with(with(old.clone(), "access_token", json!("at_2")), "refresh_token", json!("rt_2"));
    assert_eq!(refreshed(&old, &silent, None), kept);

    let said = with(silent, "organization_id", Json::Null);
    assert_eq!(
        refreshed(&old, &said, None),
        with(kept, "organization_id", Json::Null),
        "null is said"
    );
}

#[test]
fn impersonation_begins_and_ends_with_the_answer() {
    let plain = json!({"access_token": "at_1", "refresh_token": "rt_1", "user": {}});
    let impersonated =
        with(plain.clone(), "impersonator", json!({"email": "old@acme.test", "reason": null}));
    let silent = json!({"access_token": "at_2", "refresh_token": "rt_2"});
    let says =
        with(silent.clone(), "impersonator", json!({"email": "new@acme.test", "reason": "why"}));

    let cases = [
        ("begins", &plain, &says, Some("new@acme.test")),
        ("changes", &impersonated, &says, Some("new@acme.test")),
        ("ends", &impersonated, &silent, None),
        ("never was", &plain, &silent, None),
    ];
    for (name, old, answer, expected) in cases {
        let new = refreshed(old, answer, None);
        assert_eq!(new["impersonator"]["email"].as_str(), expected, "{name}");
    }
}

#[test]
fn another_format_has_its_own_spelling() {
    let snake = json!({
        "access_token": "at_1", "refresh_token": "rt_1", "user": {"id": "user_1", "first_name": "Al"},
        "oauth_tokens": {"access_token": "o_1"}, "custom_field": {"first_name": 1}
    });
    let silent = json!({"access_token": "at_2", "refresh_token": "rt_2"});
    let camel = json!({
        "accessToken": "at_2", "refreshToken": "rt_2", "user": {"id": "user_1", "firstName": "Al"},
        "oauthTokens": {"accessToken": "o_1"}, "custom_field": {"first_name": 1}
    });
    assert_eq!(refreshed(&snake, &silent, Some(KeyStyle::Camel)), camel);

    let back = json!({
        "access_token": "at_2", "refresh_token": "rt_2", "user": {"id": "user_1", "first_name": "Al"},
        "oauth_tokens": {"access_token": "o_1"}, "custom_field": {"first_name": 1}
    });
    assert_eq!(refreshed(&camel, &silent, Some(KeyStyle::Snake)), back);
}

#[test]
fn values_survive_byte_for_byte() {
    let old = r#"{"access_token":"at_1", "n" : 1.0e+400 ,"s":"\u00e4\ud83d\ude00","dup":1,"dup":2,"refresh_token":"rt_1","user":{}}"#;
    let answer = r#"{"access_token":"a\"t\\2","refresh_token":"rt_2","user":{"id":"user_1","metadata":{"\u006b":"\u2028"}}}"#;
    let answer = Answer::parse(answer.as_bytes()).unwrap();
    let new = Payload::refreshed(old.as_bytes(), &answer, None).unwrap();

    assert_eq!(
        String::from_utf8(new.to_vec()).unwrap(),
        r#"{"access_token":"a\"t\\2","n":1.0e+400,"s":"\u00e4\ud83d\ude00","dup":1,"dup":2,"refresh_token":"rt_2","user":{"id":"user_1","metadata":{"\u006b":"\u2028"}}}"#
    );
}

#[test]
fn only_an_object_is_renewed() {
    let body = answer().to_string();
    let answer = Answer::parse(body.as_bytes()).unwrap();
    for old in ["", "null", "[]", r#""text""#, "{", "{}x"] {
        assert_eq!(
            Payload::refreshed(old.as_bytes(), &answer, None).err(),
            Some(NotASession),
            "{old}"
        );
    }
}

#[test]
fn slimming_leaves_out_what_nobody_reads_back() {
    let full = json!({
        "access_token": "at_1", "sealed_session": "x", "oauth_tokens": {}, "authkit_authorization_code": "y", "kept": 1
    });
    let cases = [
        ("snake", full, Some(json!({"access_token": "at_1", "kept": 1}))),
        (
            "camel",
            json!({"accessToken": "at_1", "oauthTokens": null}),
            Some(json!({"accessToken": "at_1"})),
        ),
        ("nothing to leave out", json!({"access_token": "at_1"}), None),
        ("no object", json!("text"), None),
    ];

    for (name, plaintext, expected) in cases {
        let slim = Payload::slimmed(plaintext.to_string().as_bytes());
        assert_eq!(
            slim.map(|json| serde_json::from_slice::<Json>(&json).unwrap()),
            expected,
            "{name}"
        );
    }
}

#[test]
fn an_answer_has_a_pair_of_tokens() {
    let cases = [
        ("both", r#"{"access_token":"at_1","refresh_token":"rt_1","new_field":{}}"#, true),
        ("no refresh token", r#"{"access_token":"at_1"}"#, false),
        ("an empty one", r#"{"access_token":"at_1","refresh_token":""}"#, false),
        ("a null", r#"{"access_token":null,"refresh_token":"rt_1"}"#, false),
        ("an array", r#"["at_1","rt_1",null,null,null,null,null,null]"#, false),
        ("a page", "<html>", false),
    ];

    for (name, body, expected) in cases {
        assert_eq!(Answer::parse(body.as_bytes()).is_ok(), expected, "{name}");
    }
}
