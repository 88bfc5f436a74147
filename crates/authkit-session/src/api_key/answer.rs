//! Reads the answer of `POST /api_keys/validations`.
//!
//! Strict where it decides: an expiry or an owner that cannot be read refuses, since nobody can say what the key allows.
//! Permissions of another type are held by nobody.

use std::time::SystemTime;

use serde::Deserialize;
use serde_json::Value;

use crate::{
    api_key::verified::{ApiKeyOwner, VerifiedApiKey},
    timestamp::parse_timestamp,
};

/// What WorkOS said of a key.
#[derive(Debug)]
pub(crate) enum ValidationAnswer {
    Accepted(Box<VerifiedApiKey>),
    /// There is no such key, or not any more.
    Refused,
    /// A field that decides cannot be read.
    Unreadable(&'static str),
}

#[derive(Deserialize)]
struct ValidationEnvelope {
    /// Has to be there, and may be `null`.
    #[serde(deserialize_with = "Option::deserialize")]
    api_key: Option<KeyObject>,
}

#[derive(Deserialize)]
struct KeyObject {
    id: Box<str>,
    owner: Value,
    #[serde(default)]
    name: Value,
    #[serde(default)]
    permissions: Value,
    #[serde(default)]
    expires_at: Value,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum OwnerObject {
    Organization { id: Box<str> },
    User { id: Box<str>, organization_id: Box<str> },
}

impl ValidationAnswer {
    /// Reads the answer to a question that was asked at `asked_at`.
    pub(crate) fn read(body: &[u8], asked_at: SystemTime) -> Self {
        let Ok(ValidationEnvelope { api_key }) = serde_json::from_slice(body) else {
            return Self::Unreadable("api_key");
        };
        let Some(key) = api_key else { return Self::Refused };
        let owner = match serde_json::from_value(key.owner) {
            Ok(OwnerObject::Organization { id }) if !id.is_empty() => {
                ApiKeyOwner::Organization { id }
            }
            Ok(OwnerObject::User { id, organization_id })
                if !id.is_empty() && !organization_id.is_empty() =>
            {
                ApiKeyOwner::User { id, organization_id }
            }
            Ok(OwnerObject::Organization { .. } | OwnerObject::User { .. }) | Err(_) => {
                return Self::Unreadable("owner");
            }
        };
        let expires_at = match key.expires_at {
            Value::Null => None,
            Value::String(time) => match parse_timestamp(&time) {
                Some(time) => Some(time),
                None => return Self::Unreadable("expires_at"),
            },
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                return Self::Unreadable("expires_at");
            }
        };
        if key.id.is_empty() {
            return Self::Unreadable("id");
        }
        if expires_at.is_some_and(|at| at <= asked_at) {
            return Self::Refused;
        }
        Self::Accepted(Box::new(VerifiedApiKey {
            id: key.id,
            name: key.name.as_str().map(Into::into),
            owner,
            permissions: serde_json::from_value(key.permissions).unwrap_or_default(),
            expires_at,
            validated_at: asked_at,
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::json;

    use super::*;

    fn read(answer: &Value) -> String {
        let asked_at = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        match ValidationAnswer::read(answer.to_string().as_bytes(), asked_at) {
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
        ];
        for (answer, expected) in cases {
            assert_eq!(read(&answer), expected, "{answer}");
        }
    }
}
