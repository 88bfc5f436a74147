use std::{
    collections::{BTreeMap, HashSet},
    time::SystemTime,
};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    error::SeedError,
    ids,
    seed::Seed,
    state::{Directory, Impersonator, Membership, Organization, User},
};

pub(super) fn parse(text: &str) -> Result<Seed, SeedError> {
    let file: File = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| SeedError::new(error.to_string()))?
    } else if text.trim().is_empty() {
        File::default()
    } else {
        serde_norway::from_str(text).map_err(|error| SeedError::new(error.to_string()))?
    };
    file.into_seed()
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    users: Vec<FileUser>,
    organizations: Vec<FileOrganization>,
    roles: Vec<FileRole>,
    #[serde(rename = "apiKeys", alias = "api_keys")]
    api_keys: FileApiKeys,
    redirect_uris: Vec<String>,
    logout_uris: Vec<String>,

    #[serde(rename = "permissions")]
    _permissions: Value,
    #[serde(rename = "connections")]
    _connections: Value,
    #[serde(rename = "pipeConnections")]
    _pipe_connections: Value,
    #[serde(rename = "connectedAccounts")]
    _connected_accounts: Value,
    #[serde(rename = "invitations")]
    _invitations: Value,
    #[serde(rename = "webhookEndpoints")]
    _webhook_endpoints: Value,
    #[serde(rename = "connectApplications")]
    _connect_applications: Value,
    #[serde(rename = "jwtTemplate")]
    _jwt_template: Value,
    #[serde(rename = "errorHooks")]
    _error_hooks: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileUser {
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
    profile_picture_url: Option<String>,
    locale: Option<String>,
    #[serde(default)]
    feature_flags: Vec<String>,
    #[serde(default)]
    claims: Map<String, Value>,

    #[serde(default, rename = "oauth_idp_id")]
    _oauth_idp_id: Value,
    #[serde(default, rename = "totp")]
    _totp: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileOrganization {
    name: String,
    id: Option<String>,
    #[serde(default)]
    entitlements: Vec<String>,
    #[serde(default)]
    feature_flags: Vec<String>,
    #[serde(default)]
    memberships: Vec<FileMembership>,

    #[serde(default, rename = "external_id")]
    _external_id: Value,
    #[serde(default, rename = "metadata")]
    _metadata: Value,
    #[serde(default, rename = "domains")]
    _domains: Value,
    #[serde(default, rename = "allow_profiles_outside_organization")]
    _allow_profiles_outside_organization: Value,
    #[serde(default, rename = "groups")]
    _groups: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileMembership {
    email: Option<String>,
    user_id: Option<String>,
    role: Option<String>,
    #[serde(default)]
    status: FileStatus,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FileStatus {
    #[default]
    Active,
    Inactive,
    Pending,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRole {
    slug: String,
    #[serde(default)]
    permissions: Vec<String>,

    #[serde(default, rename = "name")]
    _name: Value,
    #[serde(default, rename = "description")]
    _description: Value,
    #[serde(default, rename = "type")]
    _type: Value,
    #[serde(default, rename = "organization_id")]
    _organization_id: Value,
    #[serde(default, rename = "is_default_role")]
    _is_default_role: Value,
    #[serde(default, rename = "priority")]
    _priority: Value,
}

/// Both official spellings: a map from key to environment, and a list of key resources.
#[derive(Deserialize)]
#[serde(untagged)]
enum FileApiKeys {
    Environments(BTreeMap<String, Value>),
    Resources(Vec<FileApiKey>),
}

#[derive(Deserialize)]
struct FileApiKey {
    value: Option<String>,
}

impl Default for FileApiKeys {
    fn default() -> Self {
        Self::Resources(Vec::new())
    }
}

impl File {
    fn into_seed(self) -> Result<Seed, SeedError> {
        let now = SystemTime::now();
        let mut directory = Directory::default();
        let mut emails = HashSet::new();
        for (index, user) in self.users.into_iter().enumerate() {
            let user = user
                .into_user(now)
                .map_err(|problem| SeedError::new(format!("users[{index}]: {problem}")))?;
            if !emails.insert(user.email.to_lowercase()) {
                return Err(SeedError::new(format!(
                    "users[{index}]: {} is there twice",
                    user.email
                )));
            }
            if directory.user(&user.id).is_some() {
                return Err(SeedError::new(format!(
                    "users[{index}]: the id {} is there twice",
                    user.id
                )));
            }
            directory.add_user(user);
        }
        for role in self.roles {
            directory.add_role(role.slug, role.permissions);
        }
        for (index, organization) in self.organizations.into_iter().enumerate() {
            organization
                .add_to(&mut directory, now)
                .map_err(|problem| SeedError::new(format!("organizations[{index}]: {problem}")))?;
        }
        let api_keys = match self.api_keys {
            FileApiKeys::Environments(keys) => keys.into_keys().collect(),
            FileApiKeys::Resources(keys) => keys.into_iter().filter_map(|key| key.value).collect(),
        };
        Ok(Seed {
            directory,
            api_keys,
            redirect_uris: self.redirect_uris,
            logout_uris: self.logout_uris,
        })
    }
}

impl FileUser {
    fn into_user(self, now: SystemTime) -> Result<User, String> {
        let email = self.email.trim().to_owned();
        if !is_address(&email) {
            return Err(format!("`{email}` is not an e-mail address"));
        }
        let id = self.id.unwrap_or_else(|| ids::object_id("user", now));
        check_id(&id)?;
        Ok(User {
            id,
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
            profile_picture_url: self.profile_picture_url,
            locale: self.locale,
            feature_flags: self.feature_flags,
            claims: self.claims,
            last_sign_in_at: None,
            created_at: now,
            updated_at: now,
        })
    }
}

impl FileOrganization {
    fn add_to(self, directory: &mut Directory, now: SystemTime) -> Result<(), String> {
        let id = self.id.unwrap_or_else(|| ids::object_id("org", now));
        check_id(&id)?;
        if directory.organization(&id).is_some() {
            return Err(format!("the id {id} is there twice"));
        }
        for (index, membership) in self.memberships.into_iter().enumerate() {
            let user = match (&membership.email, &membership.user_id) {
                (Some(email), None) => directory.user_by_email(email),
                (None, Some(user_id)) => directory.user(user_id),
                (None, None) | (Some(_), Some(_)) => {
                    return Err(format!(
                        "memberships[{index}]: name the user by `email` or by `user_id`"
                    ));
                }
            };
            let user_id = user
                .ok_or_else(|| format!("memberships[{index}]: no such user in `users`"))?
                .id
                .clone();
            if matches!(membership.status, FileStatus::Active) {
                let role = membership.role.unwrap_or_else(|| "member".to_owned());
                directory.add_membership(Membership { user_id, organization_id: id.clone(), role });
            }
        }
        directory.add_organization(Organization {
            id,
            name: self.name,
            entitlements: self.entitlements,
            feature_flags: self.feature_flags,
        });
        Ok(())
    }
}

/// Only what could never be one is refused: this is a development tool, not a mail server.
pub(crate) fn is_address(text: &str) -> bool {
    let parts = text.split_once('@');
    let plain = text.chars().all(|character| !character.is_whitespace() && !character.is_control());
    plain
        && parts.is_some_and(|(local, domain)| {
            !local.is_empty() && !domain.is_empty() && !domain.contains('@')
        })
}

/// Ids are path segments of the API, so they must need no encoding.
fn check_id(id: &str) -> Result<(), String> {
    let plain =
        |character: char| character.is_ascii_alphanumeric() || character == '_' || character == '-';
    if !id.is_empty() && id.chars().all(plain) {
        Ok(())
    } else {
        Err(format!("the id `{id}` has characters other than letters, digits, `_` and `-`"))
    }
}
