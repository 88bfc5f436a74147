//! The state of the emulator's AuthKit domain: applications, their codes and tokens, and the API keys of customers.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, SystemTime},
};

use serde_json::{Map, Value, json};

use crate::{
    clock::{timestamp, unix_seconds},
    ids,
};

// No `Debug`: secrets are values and keys of its maps.
#[derive(Default)]
pub(crate) struct Connect {
    applications: HashMap<String, Application>,
    codes: HashMap<String, ConnectCode>,
    refresh_tokens: HashMap<String, Grant>,
    /// The ids (`jti`) of access tokens that were revoked.
    revoked: HashSet<String>,
    /// The resource indicators; while there are none, `resource` is ignored.
    resources: Vec<String>,
    client_documents: ClientDocuments,
    api_keys: Vec<ApiKey>,
}

/// Whether a client's id may be the address of its metadata document. WorkOS allows it only if the dashboard does.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum ClientDocuments {
    #[default]
    Unsupported,
    Supported,
}

/// A client of the authorization server.
#[derive(Clone)]
pub(crate) struct Application {
    pub(crate) client_id: String,
    pub(crate) kind: ApplicationKind,
}

#[derive(Clone)]
pub(crate) enum ApplicationKind {
    /// Acts for itself, in one organization.
    Machine { secret: String, organization_id: String, scopes: Vec<String> },
    /// Registered itself (RFC 7591), or is known by its metadata document; has no secret.
    Public { redirect_uris: Vec<String> },
}

/// What a user has allowed an application.
#[derive(Clone)]
pub(crate) struct Grant {
    pub(crate) client_id: String,
    pub(crate) user_id: String,
    pub(crate) organization_id: Option<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) resource: Option<String>,
    /// `app_consent_…`.
    pub(crate) consent: String,
}

#[derive(Clone)]
pub(crate) struct ConnectCode {
    pub(crate) grant: Grant,
    pub(crate) redirect_uri: String,
    pub(crate) challenge: String,
    expires_at: SystemTime,
}

/// A customer's API key.
#[derive(Clone)]
pub(crate) struct ApiKey {
    pub(crate) id: String,
    pub(crate) value: String,
    pub(crate) name: String,
    pub(crate) owner: Value,
    pub(crate) permissions: Vec<String>,
    pub(crate) expires_at: Option<SystemTime>,
    pub(crate) last_used_at: Option<SystemTime>,
    pub(crate) created_at: SystemTime,
    pub(crate) updated_at: SystemTime,
}

impl Connect {
    pub(crate) fn application(&self, client_id: &str) -> Option<&Application> {
        self.applications.get(client_id)
    }

    pub(crate) fn add_application(&mut self, kind: ApplicationKind, now: SystemTime) -> String {
        let client_id = ids::object_id("client", now);
        let application = Application { client_id: client_id.clone(), kind };
        self.applications.insert(client_id.clone(), application);
        client_id
    }

    /// Adds a client whose id is the address of its metadata document, or replaces it.
    pub(crate) fn add_client_document(&mut self, client_id: &str, redirect_uris: Vec<String>) {
        self.client_documents = ClientDocuments::Supported;
        let kind = ApplicationKind::Public { redirect_uris };
        let application = Application { client_id: client_id.to_owned(), kind };
        self.applications.insert(client_id.to_owned(), application);
    }

    pub(crate) fn client_documents(&self) -> ClientDocuments {
        self.client_documents
    }

    pub(crate) fn add_resource(&mut self, uri: &str) {
        self.resources.push(uri.to_owned());
    }

    /// The audience of a token for `resource`; `None` for a resource that is not configured.
    pub(crate) fn audience<'a>(
        &'a self,
        resource: Option<&str>,
        client_id: &'a str,
    ) -> Option<&'a str> {
        let same =
            |one: &str, other: &str| one.trim_end_matches('/') == other.trim_end_matches('/');
        match (resource, self.resources.as_slice()) {
            (None, _) | (Some(_), []) => Some(client_id),
            (Some(wanted), known) => known.iter().find(|uri| same(uri, wanted)).map(String::as_str),
        }
    }

    pub(crate) fn issue_code(
        &mut self,
        grant: Grant,
        redirect_uri: &str,
        challenge: &str,
        now: SystemTime,
    ) -> String {
        self.codes.retain(|_, code| code.expires_at > now);
        let id = ids::secret_token();
        let code = ConnectCode {
            grant,
            redirect_uri: redirect_uri.to_owned(),
            challenge: challenge.to_owned(),
            expires_at: now + CODE_LIFETIME,
        };
        self.codes.insert(id.clone(), code);
        id
    }

    /// Removes and returns a code: it can be used in one attempt, even if the attempt fails.
    pub(crate) fn spend_code(&mut self, id: &str, now: SystemTime) -> Option<ConnectCode> {
        self.codes.remove(id).filter(|code| code.expires_at > now)
    }

    pub(crate) fn issue_refresh_token(&mut self, grant: Grant) -> String {
        let token = ids::secret_token();
        self.refresh_tokens.insert(token.clone(), grant);
        token
    }

    pub(crate) fn spend_refresh_token(&mut self, token: &str) -> Option<Grant> {
        self.refresh_tokens.remove(token)
    }

    pub(crate) fn revoke(&mut self, jti: &str) {
        self.revoked.insert(jti.to_owned());
    }

    pub(crate) fn is_revoked(&self, jti: &str) -> bool {
        self.revoked.contains(jti)
    }

    pub(crate) fn add_api_key(&mut self, key: ApiKey) {
        self.api_keys.push(key);
    }

    pub(crate) fn api_key_mut(&mut self, id: &str) -> Option<&mut ApiKey> {
        self.api_keys.iter_mut().find(|key| key.id == id)
    }

    pub(crate) fn remove_api_key(&mut self, id: &str) -> Option<ApiKey> {
        let place = self.api_keys.iter().position(|key| key.id == id)?;
        Some(self.api_keys.remove(place))
    }

    /// The key with this value, unless it has expired. Records the time of use.
    pub(crate) fn use_api_key(&mut self, value: &str, now: SystemTime) -> Option<&ApiKey> {
        let key = self.api_keys.iter_mut().find(|key| key.value == value)?;
        if key.expires_at.is_some_and(|at| at <= now) {
            return None;
        }
        key.last_used_at = Some(now);
        Some(key)
    }
}

impl ApiKey {
    pub(crate) fn to_json(&self) -> Value {
        let end = self.value.len().saturating_sub(4);
        json!({
            "object": "api_key",
            "id": self.id,
            "owner": self.owner,
            "name": self.name,
            "obfuscated_value": format!("sk_...{}", self.value.get(end..).unwrap_or_default()),
            "last_used_at": self.last_used_at.map(timestamp),
            "expires_at": self.expires_at.map(timestamp),
            "permissions": self.permissions,
            "created_at": timestamp(self.created_at),
            "updated_at": timestamp(self.updated_at),
        })
    }
}

/// The claims of a machine's token.
pub(crate) fn machine_claims(
    issuer: &str,
    audience: &str,
    client_id: &str,
    organization_id: &str,
    scopes: &[String],
) -> Map<String, Value> {
    Map::from_iter([
        ("iss".to_owned(), json!(issuer)),
        ("aud".to_owned(), json!(audience)),
        ("sub".to_owned(), json!(client_id)),
        ("client_id".to_owned(), json!(client_id)),
        ("org_id".to_owned(), json!(organization_id)),
        ("scope".to_owned(), json!(scopes.join(" "))),
    ])
}

/// The claims of a token that acts for a user.
pub(crate) fn user_claims(issuer: &str, audience: &str, grant: &Grant) -> Map<String, Value> {
    let mut claims = Map::from_iter([
        ("iss".to_owned(), json!(issuer)),
        ("aud".to_owned(), json!(audience)),
        ("sub".to_owned(), json!(grant.user_id)),
        ("sid".to_owned(), json!(grant.consent)),
        ("client_id".to_owned(), json!(grant.client_id)),
        ("scope".to_owned(), json!(grant.scopes.join(" "))),
    ]);
    if let Some(organization_id) = &grant.organization_id {
        claims.insert("org_id".to_owned(), json!(organization_id));
    }
    claims
}

/// Adds `iat`, `exp` and `jti`.
pub(crate) fn timed(
    mut claims: Map<String, Value>,
    now: SystemTime,
    lifetime: Duration,
) -> Map<String, Value> {
    let issued = unix_seconds(now);
    claims.insert("jti".to_owned(), json!(ids::ulid(now)));
    claims.insert("iat".to_owned(), json!(issued));
    claims.insert("exp".to_owned(), json!(issued.saturating_add(lifetime.as_secs())));
    claims
}

const CODE_LIFETIME: Duration = Duration::from_secs(10 * 60);
