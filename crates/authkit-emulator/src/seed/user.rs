use std::time::SystemTime;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    ids,
    overrides::Overrides,
    seed::{check_id, is_address},
    state::{Directory, Impersonator, User},
};

/// A user in a seed file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileUser {
    email: String,
    id: Option<String>,
    name: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    password: Option<String>,
    #[serde(default)]
    email_verified: bool,
    external_id: Option<String>,
    #[serde(default)]
    metadata: Map<String, Value>,
    impersonator: Option<Impersonator>,
    oauth_provider: Option<String>,
    #[serde(default)]
    oauth_idp_id: Value,
    profile_picture_url: Option<String>,
    locale: Option<String>,
    #[serde(default)]
    feature_flags: Vec<String>,
    #[serde(default)]
    claims: Map<String, Value>,
    #[serde(default)]
    fields: Map<String, Value>,
    #[serde(default)]
    without_fields: Vec<String>,
    #[serde(default)]
    answer_fields: Map<String, Value>,
    #[serde(default)]
    without_answer_fields: Vec<String>,

    #[serde(default, rename = "totp")]
    _totp: Value,
}

impl FileUser {
    /// Adds the user, and returns the id.
    pub(crate) fn add_to(
        self,
        directory: &mut Directory,
        now: SystemTime,
    ) -> Result<String, String> {
        let email = self.email.trim().to_owned();
        if !is_address(&email) {
            return Err(format!("`{email}` is not an e-mail address"));
        }
        let id = self.id.unwrap_or_else(|| ids::object_id("user", now));
        check_id(&id)?;
        if directory.user_by_email(&email).is_some() {
            return Err(format!("{email} is there twice"));
        }
        if directory.user(&id).is_some() {
            return Err(format!("the id {id} is there twice"));
        }
        directory.add_user(User {
            id: id.clone(),
            email,
            name: self.name,
            first_name: self.first_name,
            last_name: self.last_name,
            email_verified: self.email_verified,
            password: self.password,
            external_id: self.external_id,
            metadata: self.metadata,
            impersonator: self.impersonator,
            oauth_provider: self.oauth_provider,
            oauth_idp_id: self.oauth_idp_id,
            profile_picture_url: self.profile_picture_url,
            locale: self.locale,
            feature_flags: self.feature_flags,
            claims: self.claims,
            fields: Overrides::new(self.fields, self.without_fields),
            answer: Overrides::new(self.answer_fields, self.without_answer_fields),
            last_sign_in_at: None,
            created_at: now,
            updated_at: now,
        });
        Ok(id)
    }
}
