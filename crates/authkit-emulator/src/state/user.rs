use std::time::SystemTime;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{clock::timestamp, ids, overrides::Overrides};

#[derive(Clone)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) name: Option<String>,
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
    pub(crate) email_verified: bool,
    pub(crate) password: Option<String>,
    pub(crate) external_id: Option<String>,
    pub(crate) metadata: Map<String, Value>,
    pub(crate) impersonator: Option<Impersonator>,
    pub(crate) oauth_provider: Option<String>,
    pub(crate) oauth_idp_id: Value,
    pub(crate) profile_picture_url: Option<String>,
    pub(crate) locale: Option<String>,
    pub(crate) feature_flags: Vec<String>,
    pub(crate) claims: Map<String, Value>,
    /// Changes to the user object, and to the answers to this user's exchanges.
    pub(crate) fields: Overrides,
    pub(crate) answer: Overrides,
    pub(crate) last_sign_in_at: Option<SystemTime>,
    pub(crate) created_at: SystemTime,
    pub(crate) updated_at: SystemTime,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Impersonator {
    pub(crate) email: String,
    pub(crate) reason: Option<String>,
}

impl User {
    pub(crate) fn new(email: &str, now: SystemTime) -> Self {
        Self {
            id: ids::object_id("user", now),
            email: email.to_owned(),
            name: None,
            first_name: None,
            last_name: None,
            email_verified: true,
            password: None,
            external_id: None,
            metadata: Map::new(),
            impersonator: None,
            oauth_provider: None,
            oauth_idp_id: Value::Null,
            profile_picture_url: None,
            locale: None,
            feature_flags: Vec::new(),
            claims: Map::new(),
            fields: Overrides::default(),
            answer: Overrides::default(),
            last_sign_in_at: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// The name that pages show.
    pub(crate) fn display_name(&self) -> String {
        match (&self.name, &self.first_name, &self.last_name) {
            (Some(name), _, _) => name.clone(),
            (None, Some(first), Some(last)) => format!("{first} {last}"),
            (None, Some(name), None) | (None, None, Some(name)) => name.clone(),
            (None, None, None) => self.email.clone(),
        }
    }

    /// The user object, with the changes of `fields`.
    pub(crate) fn to_json(&self) -> Value {
        let mut user = json!({
            "object": "user",
            "id": self.id,
            "email": self.email,
            "email_verified": self.email_verified,
            "name": self.name,
            "first_name": self.first_name,
            "last_name": self.last_name,
            "profile_picture_url": self.profile_picture_url,
            "external_id": self.external_id,
            "metadata": self.metadata,
            "last_sign_in_at": self.last_sign_in_at.map(timestamp),
            "locale": self.locale,
            "created_at": timestamp(self.created_at),
            "updated_at": timestamp(self.updated_at),
        });
        if let Value::Object(members) = &mut user {
            self.fields.apply(members);
        }
        user
    }
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Impersonator {
    pub(crate) fn to_json(&self) -> Value {
        json!({ "email": self.email, "reason": self.reason })
    }
}
