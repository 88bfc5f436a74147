//! Reads the answer of `POST /api_keys/validations`.
//!
//! Strict where it decides: an expiry or an owner that cannot be read refuses, since nobody can say what the key allows.
//! Permissions of another type are held by nobody. Each is read by itself, so that a name that no parser can read is no
//! more than a key without a name.

use std::time::SystemTime;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    api_key::verified::{ApiKeyOwner, VerifiedApiKey},
    json,
    strictness::{FromJson as _, Strict},
    timestamp::parse_timestamp,
};

/// WorkOS's answer about a key.
#[derive(Debug)]
pub(crate) enum ValidationAnswer {
    Accepted(Box<VerifiedApiKey>),
    /// The key does not exist, or no longer.
    Refused,
    /// The named field, which decides, cannot be read.
    Unreadable(&'static str),
}

#[derive(Deserialize)]
struct ValidationEnvelope<'a> {
    // Has to be there, and may be `null`.
    #[serde(borrow, deserialize_with = "Option::deserialize")]
    api_key: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct KeyObject<'a> {
    id: Box<str>,
    #[serde(borrow)]
    owner: &'a RawValue,
    #[serde(borrow, default)]
    name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    permissions: Option<&'a RawValue>,
    #[serde(borrow, default)]
    expires_at: Option<&'a RawValue>,
}

impl ValidationAnswer {
    /// Reads the answer to a question that was asked at `asked_at`.
    pub(crate) fn read(body: &[u8], asked_at: SystemTime) -> Self {
        let Some(ValidationEnvelope { api_key }) = json::object(body) else {
            return Self::Unreadable("api_key");
        };
        let Some(key) = api_key else { return Self::Refused };
        let Some(key) = json::object::<KeyObject<'_>>(key.get().as_bytes()) else {
            return Self::Unreadable("api_key");
        };
        let Some(owner) = owner(key.owner.get()) else { return Self::Unreadable("owner") };
        let expires_at = match key.expires_at {
            None => None,
            Some(time) => match json::text(time.get()).and_then(|time| parse_timestamp(&time)) {
                Some(time) => Some(time),
                None => return Self::Unreadable("expires_at"),
            },
        };
        if key.id.is_empty() {
            return Self::Unreadable("id");
        }
        if expires_at.is_some_and(|at| at <= asked_at) {
            return Self::Refused;
        }
        Self::Accepted(Box::new(VerifiedApiKey {
            id: key.id,
            name: key.name.and_then(|name| json::text(name.get())).map(Into::into),
            owner,
            permissions: key
                .permissions
                .and_then(|all| Vec::from_json(all.get()))
                .unwrap_or_default(),
            expires_at,
            validated_at: asked_at,
        }))
    }
}

/// `None` for one of another kind, and for one that does not say who it is.
fn owner(json: &str) -> Option<ApiKeyOwner> {
    let (mut kind, mut id) = (Strict::<String>::default(), Strict::<String>::default());
    let mut organization_id = Strict::<String>::default();
    json::members(json, |name, value| match &*name.text() {
        "type" => kind.read(value),
        "id" => id.read(value),
        "organization_id" => organization_id.read(value),
        _ => {}
    })?;
    let said = |member: Strict<String>| -> Option<Box<str>> {
        member.value(()).ok()?.filter(|text| !text.is_empty()).map(Into::into)
    };
    match &*said(kind)? {
        "organization" => Some(ApiKeyOwner::Organization { id: said(id)? }),
        "user" => {
            Some(ApiKeyOwner::User { id: said(id)?, organization_id: said(organization_id)? })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::{Value, json};

    use super::*;

    fn read(answer: &Value) -> String {
        read_text(&answer.to_string())
    }

    fn read_text(answer: &str) -> String {
        let asked_at = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        match ValidationAnswer::read(answer.as_bytes(), asked_at) {
            ValidationAnswer::Accepted(key) => {
                let user = key.user_id().unwrap_or("nobody");
                let expires = key.expires_at.is_some();
                format!("{user} {} {:?} {expires}", key.organization_id(), key.permissions)
            }
            ValidationAnswer::Refused => "refused".to_owned(),
            ValidationAnswer::Unreadable(field) => format!("unreadable {field}"),
        }
    }

    #[test]
    fn every_field_that_decides_is_read_strictly() {
        let of = |field: &str, value: Value| {
            let mut key = json!({
                "object": "api_key",
                "id": "api_key_1",
                "owner": { "type": "organization", "id": "org_1" },
                "name": "CI",
                "obfuscated_value": "sk_...3456",
                "last_used_at": null,
                "expires_at": null,
                "permissions": ["reports:read"],
            });
            key[field] = value;
            json!({ "api_key": key, "agent_registration_id": null })
        };
        let user = json!({ "type": "user", "id": "user_1", "organization_id": "org_1" });
        let cases = [
            (of("x", json!(1)), r#"nobody org_1 ["reports:read"] false"#),
            (of("owner", user), r#"user_1 org_1 ["reports:read"] false"#),
            (
                of("expires_at", json!("2030-01-01T00:00:00.000Z")),
                r#"nobody org_1 ["reports:read"] true"#,
            ),
            (of("expires_at", json!("2020-01-01T00:00:00.000Z")), "refused"),
            (of("expires_at", json!("soon")), "unreadable expires_at"),
            (of("expires_at", json!(1_900_000_000)), "unreadable expires_at"),
            (of("permissions", json!(null)), "nobody org_1 [] false"),
            (of("permissions", json!("reports:read")), "nobody org_1 [] false"),
            (of("permissions", json!(["a", 1])), "nobody org_1 [] false"),
            (of("owner", json!({ "type": "agent", "id": "agent_1" })), "unreadable owner"),
            (of("owner", json!({ "type": "organization" })), "unreadable owner"),
            (of("owner", json!({ "type": "organization", "id": "" })), "unreadable owner"),
            (of("owner", json!({ "type": "user", "id": "user_1" })), "unreadable owner"),
            (of("owner", json!(null)), "unreadable owner"),
            (of("id", json!("")), "unreadable id"),
            (json!({ "api_key": null }), "refused"),
            (json!({ "api_key": {} }), "unreadable api_key"),
            (json!({ "api_key": false }), "unreadable api_key"),
            (json!({}), "unreadable api_key"),
            (json!([]), "unreadable api_key"),
            (json!([of("x", json!(1))["api_key"]]), "unreadable api_key"),
            (
                json!({ "api_key": ["api_key_1", { "type": "organization", "id": "org_1" }] }),
                "unreadable api_key",
            ),
        ];
        for (answer, expected) in cases {
            assert_eq!(read(&answer), expected, "{answer}");
        }
    }

    #[test]
    fn a1_what_no_parser_can_read_spoils_its_own_member_alone() {
        let cases = [
            ("name", "nobody org_1 [\"a\"] false"),
            ("permissions", "nobody org_1 [] false"),
            ("owner_name", "nobody org_1 [\"a\"] false"),
            ("created_at", "nobody org_1 [\"a\"] false"),
            ("expires_at", "unreadable expires_at"),
            ("owner", "unreadable owner"),
            ("id", "unreadable api_key"),
        ];
        // Half an emoji is what JavaScript leaves of a text that it cuts.
        for odd in [r#""CI \ud83d""#, "1e999", r#"{"a":"\udc00"}"#] {
            for (field, expected) in cases {
                let of = |name, value: &'static str| if name == field { odd } else { value };
                let owner = format!(
                    r#"{{"type":"organization","id":"org_1","owner_name":{}}}"#,
                    of("owner_name", "null")
                );
                let owner = if field == "owner" { odd } else { owner.as_str() };
                let answer = format!(
                    r#"{{"api_key":{{"id":{},"owner":{owner},"name":{},"permissions":{},"expires_at":{},"created_at":{}}}}}"#,
                    of("id", r#""api_key_1""#),
                    of("name", r#""CI""#),
                    of("permissions", r#"["a"]"#),
                    of("expires_at", "null"),
                    of("created_at", "0"),
                );
                assert_eq!(read_text(&answer), expected, "{answer}");
            }
        }
    }
}
