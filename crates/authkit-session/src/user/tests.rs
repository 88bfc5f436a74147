use serde_json::{Value, json};

use super::*;
use crate::user::shown::ShownUser;

/// Every field but the id, in both spellings, and its getter.
const FIELDS: [(&str, &str, Get); 12] = [
    ("email", "email", |user| json!(user.email)),
    ("email_verified", "emailVerified", |user| json!(user.email_verified)),
    ("first_name", "firstName", |user| json!(user.first_name)),
    ("last_name", "lastName", |user| json!(user.last_name)),
    ("name", "name", |user| json!(user.name)),
    ("profile_picture_url", "profilePictureUrl", |user| json!(user.profile_picture_url)),
    ("external_id", "externalId", |user| json!(user.external_id)),
    ("metadata", "metadata", |user| json!(user.metadata)),
    ("last_sign_in_at", "lastSignInAt", |user| json!(user.last_sign_in_at)),
    ("locale", "locale", |user| json!(user.locale)),
    ("created_at", "createdAt", |user| json!(user.created_at)),
    ("updated_at", "updatedAt", |user| json!(user.updated_at)),
];

type Get = fn(&User) -> Value;

/// The value of a field that is absent.
fn absent(field: &str) -> Value {
    match field {
        "email_verified" => json!(false),
        "metadata" => json!({}),
        _ => Value::Null,
    }
}

fn right(field: &str) -> Value {
    match field {
        "email_verified" => json!(true),
        "metadata" => json!({ "plan": "pro" }),
        _ => json!("Ünicode \u{1f600} \"quoted\""),
    }
}

fn read(json: &str) -> (Option<User>, OddValues) {
    let mut odd = OddValues::default();
    (User::read(json, &mut odd), odd)
}

#[test]
fn a1_no_field_but_the_id_can_spoil_a_user() {
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    let values = [
        "5",
        "-1.5e999",
        "true",
        r#"{"en":"x"}"#,
        "{}",
        "null",
        "[]",
        r#"["x"]"#,
        r#""a string of another shape""#,
        r#""\ud83d""#,
        &deep,
    ];
    for (snake, camel, get) in FIELDS {
        for value in values {
            for spelling in [snake, camel] {
                let (user, odd) = read(&format!(r#"{{"id":"user_1","{spelling}":{value}}}"#));
                let user = user.unwrap_or_else(|| panic!("{spelling}: {value:.30}"));
                assert_eq!(user.id, "user_1");
                let is_readable = match snake {
                    "email_verified" => value == "true",
                    "metadata" => value == "{}" || value == "[]" || value.starts_with("{\""),
                    _ => value.starts_with("\"a"),
                };
                let shown = get(&user);
                if is_readable {
                    assert_eq!(odd.names(), [""; 0], "{spelling}: {value:.30}");
                    let empty = shown == json!({}) && (value == "[]" || value == "{}");
                    assert!(empty || shown == serde_json::from_str::<Value>(value).unwrap());
                } else {
                    assert_eq!(shown, absent(snake), "{spelling}: {value:.30}");
                    let noted: Vec<_> = odd.names().to_vec();
                    let expected =
                        if value == "null" { vec![] } else { vec![format!("user.{snake}")] };
                    assert_eq!(noted, expected, "{spelling}: {value:.30}");
                }
            }
        }
        let (user, odd) = read(r#"{"id":"user_1"}"#);
        assert_eq!((get(&user.unwrap()), odd), (absent(snake), OddValues::default()), "missing");
    }
}

#[test]
fn a1_values_in_the_metadata_are_kept_and_named_once_if_they_are_no_texts() {
    for (metadata, noted) in [
        (r#"{"more":{"a":[]},"seats":5}"#, &["user.metadata"][..]),
        (r#"{"plan":null}"#, &[]),
        (r#"{"plan":"pro"}"#, &[]),
    ] {
        let (user, odd) = read(&format!(r#"{{"id":"user_1","metadata":{metadata}}}"#));
        assert_eq!(serde_json::to_string(&user.unwrap().metadata).unwrap(), metadata);
        assert_eq!(odd.names(), noted, "{metadata}");
    }
}

#[test]
fn a_session_keeps_every_field_of_its_user() {
    let mut json = json!({ "id": "user_1" });
    let mut users = vec![json.clone()];
    for (snake, ..) in FIELDS {
        users.push(json!({ "id": "user_1", snake: right(snake) }));
        users.push(json!({ "id": "user_1", snake: "", "metadata": { "\u{e4}": null } }));
        json[snake] = right(snake);
        users.push(json.clone());
    }
    for user in users {
        let text = user.to_string();
        let fields = UserFields::read(&text, &mut OddValues::default()).unwrap();
        for method in [None, Some(""), Some("SSO")] {
            let shown = ShownUser::of(&fields, method);
            assert_eq!(Some(shown.user("user_1")), read(&text).0.as_ref(), "{text}");
            assert_eq!(shown.clone().user("user_1").id, "user_1");
            assert_eq!(shown.authentication_method("user_1"), method, "{text}");
        }
    }
}

#[test]
fn every_field_is_read_in_both_spellings_and_written_in_one() {
    for (snake, camel, get) in FIELDS {
        for spelling in [snake, camel] {
            let json = json!({ "id": "user_1", spelling: right(snake) });
            let (user, odd) = read(&json.to_string());
            let user = user.unwrap();
            assert_eq!(get(&user), right(snake), "{spelling}");
            assert_eq!(odd, OddValues::default(), "{spelling}");
            let written = serde_json::to_value(&user).unwrap();
            assert_eq!(written[snake], right(snake), "{spelling}");
            assert_eq!(serde_json::from_value::<User>(written).unwrap(), user, "{spelling}");
        }
        // A cookie that services with different SDKs share can have both spellings.
        let both = json!({ "id": "user_1", camel: right(snake), "zz": 1 }).to_string();
        let both = both.replace("\"zz\":1", &format!("\"{snake}\":5"));
        let (user, odd) = read(&both);
        assert_eq!(get(&user.unwrap()), right(snake), "both spellings, one of them odd");
        assert_eq!(odd, OddValues::default());
    }
}

#[test]
fn a_user_is_an_object_with_one_id() {
    let cases = [
        ("null", "null"),
        ("a number", "5"),
        ("a list", r#"["user_1","a@example.com"]"#),
        ("an id alone", r#""user_1""#),
        ("nothing", "{}"),
        ("no id", r#"{"email":"a@example.com"}"#),
        ("an id that is null", r#"{"id":null}"#),
        ("an id that is a number", r#"{"id":1}"#),
        ("an id that is a list", r#"{"id":["user_1"]}"#),
        ("two ids", r#"{"id":"user_1","id":"user_2"}"#),
        ("two spellings of an id", r#"{"id":"user_1","\u0069d":"user_2"}"#),
    ];
    for (name, json) in cases {
        assert_eq!(read(json).0, None, "{name}");
    }
}

#[test]
fn a2_an_impersonator_is_an_object_with_an_address() {
    let somebody = |reason: Option<&str>| {
        let (email, reason) = ("admin@example.com".to_owned(), reason.map(str::to_owned));
        Some(Impersonator { email, reason })
    };
    let cases = [
        (r#"{"email":"admin@example.com","reason":"why"}"#, somebody(Some("why")), &[][..]),
        (r#"{"email":"admin@example.com","reason":null}"#, somebody(None), &[]),
        (r#"{"email":"admin@example.com"}"#, somebody(None), &[]),
        (
            r#"{"email":"admin@example.com","reason":{"en":"why"}}"#,
            somebody(None),
            &["impersonator.reason"],
        ),
        ("{}", None, &[]),
        ("[]", None, &[]),
        ("false", None, &[]),
        (r#""admin@example.com""#, None, &[]),
        (r#"{"email":null}"#, None, &[]),
        (r#"{"email":5}"#, None, &[]),
        (r#"{"email":"a@example.com","email":"b@example.com"}"#, None, &[]),
        (r#"["admin@example.com","why"]"#, None, &[]),
    ];
    for (json, expected, noted) in cases {
        let mut odd = OddValues::default();
        assert_eq!(Impersonator::read(json, &mut odd), expected, "{json}");
        assert_eq!(odd.names(), noted, "{json}");
    }
}

#[test]
fn a_user_is_called_by_the_first_name_that_is_there() {
    let cases = [
        (json!({ "name": "Ada L.", "first_name": "Ada", "email": "a@example.com" }), "Ada L."),
        (json!({ "name": "", "first_name": "Ada", "email": "a@example.com" }), "Ada"),
        (json!({ "name": {}, "first_name": "Ada", "last_name": "L." }), "Ada L."),
        (json!({ "last_name": "L.", "email": "a@example.com" }), "L."),
        (json!({ "first_name": " ", "email": "a@example.com" }), "a@example.com"),
        (json!({ "email": "" }), "user_1"),
    ];
    for (mut user, expected) in cases {
        user["id"] = json!("user_1");
        assert_eq!(read(&user.to_string()).0.unwrap().display_name(), expected);
    }
}

#[test]
fn a_debugged_user_is_an_id() {
    let user: User =
        serde_json::from_str(r#"{"id":"user_1","email":"alice@example.com"}"#).unwrap();
    assert_eq!(format!("{user:?}"), r#"User { id: "user_1", .. }"#);
}
