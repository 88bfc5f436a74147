//! The AuthKit domain of the emulator: an authorization server for machines, for OAuth applications that act for users,
//! such as MCP clients, and the API keys of customers.

use std::time::Duration;

use serde_json::{Value, json};
use url::Url;

use crate::{
    ids, redirects,
    state::{
        Shared, State,
        connect::{ApiKey, ApplicationKind, Grant, machine_claims, timed, user_claims},
    },
};

/// The AuthKit domain of a running emulator; see [`Emulator::connect`](crate::Emulator::connect).
///
/// Over HTTP it plays the authorization server: metadata at `/.well-known/oauth-authorization-server`, dynamic
/// registration, clients known by their metadata documents, sign-in with PKCE and `resource`, tokens, their refresh,
/// client credentials, introspection and `/oauth2/jwks`; and it answers `POST /api_keys/validations`. The methods here
/// do what an operator does in WorkOS's dashboard, and issue tokens without HTTP.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let emulator = authkit_emulator::Emulator::start().await;
/// let importer = emulator.connect().add_machine("Acme Corp", ["reports:write"]);
/// let token = emulator.connect().machine_token(&importer.client_id);
///
/// let key = emulator.connect().add_api_key("Acme Corp", ["posts:read"]);
/// assert!(key.value.starts_with("sk_"));
/// emulator.connect().revoke_api_key(&key.id); // sends `api_key.revoked` to the webhooks
/// # let _ = token;
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Connect<'a> {
    shared: &'a Shared,
}

/// The client id and secret of an application that acts for itself.
#[derive(Clone)]
#[non_exhaustive]
pub struct MachineCredentials {
    /// The client id (`client_…`).
    pub client_id: String,
    /// The secret.
    pub client_secret: String,
}

/// A customer's API key.
#[derive(Clone)]
#[non_exhaustive]
pub struct CustomerApiKey {
    /// The id (`api_key_…`).
    pub id: String,
    /// The key itself (`sk_…`).
    pub value: String,
}

impl<'a> Connect<'a> {
    pub(crate) fn new(shared: &'a Shared) -> Self {
        Self { shared }
    }

    /// The domain, which is also the issuer of its tokens.
    pub fn domain(&self) -> String {
        self.shared.lock().config.url.clone()
    }

    /// Adds a resource indicator (RFC 8707). While there is none, the emulator ignores `resource`, and the audience of
    /// tokens is the client id of the environment.
    pub fn add_resource(&self, uri: &str) {
        self.shared.lock().connect.add_resource(uri);
    }

    /// Publishes a client's metadata document, whose address is the client's id (Client ID Metadata Documents). From then
    /// on the server's metadata says that such clients are supported, as WorkOS's does if the dashboard allows them.
    ///
    /// The emulator fetches no documents: a client whose document was not added here is unknown.
    ///
    /// # Panics
    ///
    /// If WorkOS could not use the document: its `client_id` is not an `https://` URL with a path, or it has no
    /// `redirect_uris`, or one of them is not an absolute http(s) URL.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let emulator = authkit_emulator::Emulator::start().await;
    /// emulator.connect().add_client_document(&serde_json::json!({
    ///     "client_id": "https://client.example.com/oauth.json",
    ///     "client_name": "An MCP client",
    ///     "redirect_uris": ["http://localhost:4000/callback"],
    /// }));
    /// # }
    /// ```
    pub fn add_client_document(&self, document: &Value) {
        let client_id = document["client_id"].as_str().unwrap_or_default();
        assert!(
            is_document_address(client_id),
            "`client_id` is the document's own https URL, with a path: {document}"
        );
        let redirect_uris: Option<Vec<String>> = document["redirect_uris"]
            .as_array()
            .and_then(|uris| uris.iter().map(|uri| uri.as_str().map(str::to_owned)).collect());
        let redirect_uris = redirect_uris.unwrap_or_default();
        let mut state = self.shared.lock();
        let is_usable = !redirect_uris.is_empty()
            && redirect_uris.iter().all(|uri| redirects::may_redirect_to(uri, &state.config));
        assert!(is_usable, "`redirect_uris` are absolute http(s) addresses: {document}");
        state.connect.add_client_document(client_id, redirect_uris);
    }

    /// Adds an application that acts for itself in an organization, which is given by id or by name.
    ///
    /// # Panics
    ///
    /// If there is no such organization.
    pub fn add_machine(
        &self,
        organization: &str,
        scopes: impl IntoIterator<Item = impl Into<String>>,
    ) -> MachineCredentials {
        let mut state = self.shared.lock();
        let organization_id = state.directory.expect_organization(organization);
        let secret = ids::secret_token();
        let scopes = scopes.into_iter().map(Into::into).collect();
        let kind = ApplicationKind::Machine { secret: secret.clone(), organization_id, scopes };
        let now = state.now();
        let client_id = state.connect.add_application(kind, now);
        MachineCredentials { client_id, client_secret: secret }
    }

    /// Issues an access token of a machine, with all its scopes.
    ///
    /// # Panics
    ///
    /// If there is no such machine.
    pub fn machine_token(&self, client_id: &str) -> String {
        let state = self.shared.lock();
        let application = state.connect.application(client_id).expect("a machine of this id");
        let ApplicationKind::Machine { organization_id, scopes, .. } = &application.kind else {
            panic!("{client_id} is no machine");
        };
        let config = &state.config;
        let claims =
            machine_claims(&config.url, &config.client_id, client_id, organization_id, scopes);
        sign(&state, &Value::Object(timed(claims, state.now(), state.token_ttl)))
    }

    /// Issues an access token with which an application acts for a user at a resource, in the user's first organization.
    ///
    /// # Panics
    ///
    /// If there is no such user, or the resource is not listed.
    pub fn client_token(
        &self,
        email: &str,
        resource: &str,
        scopes: impl IntoIterator<Item = impl Into<String>>,
    ) -> String {
        let state = self.shared.lock();
        let now = state.now();
        let user_id = state.directory.expect_user(email).id.clone();
        let organization =
            state.directory.organizations_of(&user_id).first().map(|it| it.id.clone());
        let grant = Grant {
            client_id: ids::object_id("client", now),
            user_id,
            organization_id: organization,
            scopes: scopes.into_iter().map(Into::into).collect(),
            resource: Some(resource.to_owned()),
            consent: ids::object_id("app_consent", now),
        };
        let config = &state.config;
        let audience = state.connect.audience(Some(resource), &config.client_id);
        let audience = audience.expect("a resource that was added");
        let claims = user_claims(&config.url, audience, &grant);
        sign(&state, &Value::Object(timed(claims, now, state.token_ttl)))
    }

    /// Revokes an access token: from now on, introspection answers that it is not active.
    ///
    /// # Panics
    ///
    /// If this emulator did not issue the token.
    pub fn revoke_token(&self, token: &str) {
        let mut state = self.shared.lock();
        let claims = state.keys.signing().open(token).expect("a token of this emulator");
        state.connect.revoke(claims["jti"].as_str().expect("tokens have an id"));
    }

    /// Adds an API key of an organization, which is given by id or by name.
    ///
    /// # Panics
    ///
    /// If there is no such organization.
    pub fn add_api_key(
        &self,
        organization: &str,
        permissions: impl IntoIterator<Item = impl Into<String>>,
    ) -> CustomerApiKey {
        let id = self.shared.lock().directory.expect_organization(organization);
        self.add_key(json!({ "type": "organization", "id": id }), permissions)
    }

    /// Adds an API key of a user in one of the user's organizations.
    ///
    /// # Panics
    ///
    /// If there is no such user or organization.
    pub fn add_user_api_key(
        &self,
        email: &str,
        organization: &str,
        permissions: impl IntoIterator<Item = impl Into<String>>,
    ) -> CustomerApiKey {
        let state = self.shared.lock();
        let user = state.directory.expect_user(email).id.clone();
        let organization = state.directory.expect_organization(organization);
        drop(state);
        let owner = json!({ "type": "user", "id": user, "organization_id": organization });
        self.add_key(owner, permissions)
    }

    /// Lets an API key expire after this long.
    pub fn expire_api_key(&self, id: &str, after: Duration) {
        let at = self.shared.lock().now() + after;
        self.change_key(id, |key| key.expires_at = Some(at));
    }

    /// Replaces the permissions of an API key.
    pub fn set_api_key_permissions(
        &self,
        id: &str,
        permissions: impl IntoIterator<Item = impl Into<String>>,
    ) {
        let permissions = permissions.into_iter().map(Into::into).collect();
        self.change_key(id, |key| key.permissions = permissions);
    }

    /// Deletes an API key.
    pub fn revoke_api_key(&self, id: &str) {
        let mut state = self.shared.lock();
        let now = state.now();
        if let Some(key) = state.connect.remove_api_key(id) {
            state.webhooks.emit("api_key.revoked", &key.to_json(), now);
        }
    }

    fn change_key(&self, id: &str, change: impl FnOnce(&mut ApiKey)) {
        let mut state = self.shared.lock();
        let now = state.now();
        let Some(key) = state.connect.api_key_mut(id) else { return };
        change(key);
        key.updated_at = now;
        let data = key.to_json();
        state.webhooks.emit("api_key.updated", &data, now);
    }

    fn add_key(
        &self,
        owner: Value,
        permissions: impl IntoIterator<Item = impl Into<String>>,
    ) -> CustomerApiKey {
        let mut state = self.shared.lock();
        let now = state.now();
        let key = ApiKey {
            id: ids::object_id("api_key", now),
            value: format!("sk_test_{}", ids::secret_token()),
            name: "A key".to_owned(),
            owner,
            permissions: permissions.into_iter().map(Into::into).collect(),
            expires_at: None,
            last_used_at: None,
            created_at: now,
            updated_at: now,
        };
        let made = CustomerApiKey { id: key.id.clone(), value: key.value.clone() };
        state.webhooks.emit("api_key.created", &key.to_json(), now);
        state.connect.add_api_key(key);
        made
    }
}

/// Whether a URL can be the address of a client's metadata document.
fn is_document_address(address: &str) -> bool {
    let is_plain = address.bytes().all(|byte| byte.is_ascii_graphic());
    is_plain
        && Url::parse(address).is_ok_and(|url| {
            let is_anonymous = url.username().is_empty() && url.password().is_none();
            url.scheme() == "https" && url.path() != "/" && url.fragment().is_none() && is_anonymous
        })
}

fn sign(state: &State, claims: &Value) -> String {
    let key = state.keys.signing();
    key.sign(&key.header(), claims)
}

impl std::fmt::Debug for MachineCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MachineCredentials")
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for CustomerApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CustomerApiKey").field("id", &self.id).finish_non_exhaustive()
    }
}
