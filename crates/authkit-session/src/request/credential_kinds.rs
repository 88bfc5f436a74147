//! Makes the judges of the credentials that layers accept, which share one memory and one set of keys.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    api_key::ApiKeys,
    candidate::reader::SessionReader,
    config::settings::Settings,
    config_error::ConfigError,
    connect::{
        domain::{ConnectDomains, issuer_of},
        introspection::{Introspection, Introspector},
        reader::ConnectReader,
        resource::{Machines, ProtectedResource, ResourceAudiences},
        tokens::ConnectTokens,
    },
    end::SessionEnder,
    request::{
        bearer::BearerTokens, credential_kind::CredentialKind, header::HeaderCredentials,
        jwt_authenticator::JwtAuthenticator,
    },
    upstream::{client::Client, credential_checks::CredentialChecks},
    validation::Validations,
};

/// Makes the judges of the credentials that a layer accepts, each kind switched on by itself.
pub struct CredentialKinds {
    settings: Arc<Settings>,
    reader: Arc<SessionReader>,
    ender: Arc<SessionEnder>,
    api_keys: ApiKeys,
    checks: CredentialChecks,
    domains: ConnectDomains,
    introspected: Arc<Validations<()>>,
}

/// The parts of [`CredentialKinds`].
pub(crate) struct CredentialKindsParts {
    pub(crate) settings: Arc<Settings>,
    pub(crate) client: Client,
    pub(crate) reader: Arc<SessionReader>,
    pub(crate) ender: Arc<SessionEnder>,
    pub(crate) stale_keys: Duration,
    /// How long WorkOS's answer about a credential is remembered.
    pub(crate) memory: Duration,
}

impl CredentialKinds {
    pub(crate) fn new(parts: CredentialKindsParts) -> Self {
        let CredentialKindsParts { settings, client, reader, ender, stale_keys, memory } = parts;
        let checks = CredentialChecks::new(client.clone());
        let (keys_settings, keys_ender) = (Arc::clone(&settings), Arc::clone(&ender));
        Self {
            api_keys: ApiKeys::new(keys_settings, checks.clone(), keys_ender, memory),
            introspected: Arc::new(Validations::new(settings.clock().clone(), memory)),
            domains: ConnectDomains::new(client, settings.clock().clone(), stale_keys),
            checks,
            settings,
            reader,
            ender,
        }
    }

    /// A judge of bearer credentials that accepts no kind yet.
    pub fn none(&self) -> HeaderCredentials {
        HeaderCredentials::none(Arc::clone(&self.settings))
    }

    /// Decides about requests by the API keys of customers.
    pub fn api_keys(&self) -> ApiKeys {
        self.api_keys.clone()
    }

    pub(crate) fn bearer_tokens(&self) -> Result<BearerTokens, ConfigError> {
        let Self { settings, reader, ender, .. } = self;
        BearerTokens::new(Arc::clone(settings), Arc::clone(reader), Arc::clone(ender))
    }

    /// Also accepts session tokens.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if [`Config::with_issuers`](crate::Config::with_issuers) names no issuer, or one that is also an
    /// AuthKit domain.
    pub fn accept_bearer(
        &self,
        credentials: HeaderCredentials,
    ) -> Result<HeaderCredentials, ConfigError> {
        credentials.with_bearer(self.bearer_tokens()?)
    }

    /// Also accepts customers' API keys.
    pub fn accept_api_keys(&self, credentials: HeaderCredentials) -> HeaderCredentials {
        credentials.with_api_keys(self.api_keys())
    }

    /// Also accepts tokens of machines, issued for the client id of this environment.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the domain is not valid, or is also listed as an issuer of session tokens.
    pub fn accept_machines(
        &self,
        credentials: HeaderCredentials,
        machines: Machines,
    ) -> Result<HeaderCredentials, ConfigError> {
        let Machines { domain, introspection } = machines;
        let audiences = ResourceAudiences::only(self.settings.client_id());
        let kind = CredentialKind::Machine;
        credentials.with_machines(self.connect(&domain, kind, audiences, introspection)?)
    }

    /// Also accepts tokens of OAuth applications for a protected resource.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the resource is not valid, or its domain is also listed as an issuer of session tokens.
    pub fn accept_clients(
        &self,
        credentials: HeaderCredentials,
        resource: &ProtectedResource,
    ) -> Result<HeaderCredentials, ConfigError> {
        let audiences = resource.audiences(self.settings.client_id())?;
        let introspection = resource.introspection.clone();
        let kind = CredentialKind::Client;
        let tokens = self.connect(resource.domain(), kind, audiences, introspection)?;
        credentials.with_clients(tokens)
    }

    /// Judges the tokens of one kind that an AuthKit domain issues.
    fn connect(
        &self,
        domain: &str,
        kind: CredentialKind,
        audiences: ResourceAudiences,
        introspection: Option<Introspection>,
    ) -> Result<ConnectTokens, ConfigError> {
        let domain = self.domains.of_issuer(&issuer_of(domain)?);
        let introspector = introspection.map(|introspection| {
            Introspector::new(
                Arc::clone(&self.settings),
                &domain,
                introspection,
                self.checks.clone(),
                Arc::clone(&self.introspected),
            )
        });
        let reader = ConnectReader {
            settings: Arc::clone(&self.settings),
            ender: Arc::clone(&self.ender),
            domain,
            kind,
            audiences,
        };
        let offline = JwtAuthenticator::new(Arc::clone(&self.settings), reader);
        Ok(ConnectTokens::new(offline, introspector))
    }
}

impl fmt::Debug for CredentialKinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialKinds").field("api_keys", &self.api_keys).finish_non_exhaustive()
    }
}
