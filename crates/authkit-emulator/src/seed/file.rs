use std::{collections::BTreeMap, time::SystemTime};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    error::SeedError,
    seed::{FileOrganization, FileUser, FileWebhook, Seed},
    state::Directory,
    template::Template,
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

pub(super) fn from_json(seed: Value) -> Result<Seed, SeedError> {
    let file: File =
        serde_json::from_value(seed).map_err(|error| SeedError::new(error.to_string()))?;
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
    #[serde(rename = "webhookEndpoints")]
    webhook_endpoints: Vec<FileWebhook>,
    #[serde(rename = "jwtTemplate")]
    jwt_template: Option<FileJwtTemplate>,
    redirect_uris: Vec<String>,
    logout_uris: Vec<String>,
    claims: Map<String, Value>,

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
    #[serde(rename = "connectApplications")]
    _connect_applications: Value,
    #[serde(rename = "errorHooks")]
    _error_hooks: Value,
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileJwtTemplate {
    content: String,
}

/// Both official forms: a map from key to environment, and a list of key resources.
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
        directory.set_claims_for_all(self.claims);
        if let Some(FileJwtTemplate { content }) = self.jwt_template {
            let template = Template::parse(&content)
                .map_err(|problem| SeedError::new(format!("jwtTemplate.content: {problem}")))?;
            directory.set_template(template);
        }
        for (index, user) in self.users.into_iter().enumerate() {
            user.add_to(&mut directory, now)
                .map_err(|problem| SeedError::new(format!("users[{index}]: {problem}")))?;
        }
        for role in self.roles {
            directory.add_role(role.slug, role.permissions);
        }
        for (index, organization) in self.organizations.into_iter().enumerate() {
            organization
                .add_to(&mut directory, now)
                .map_err(|problem| SeedError::new(format!("organizations[{index}]: {problem}")))?;
        }
        for (index, webhook) in self.webhook_endpoints.iter().enumerate() {
            webhook.endpoint().map_err(|problem| {
                SeedError::new(format!("webhookEndpoints[{index}]: {problem}"))
            })?;
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
            webhooks: self.webhook_endpoints,
        })
    }
}
