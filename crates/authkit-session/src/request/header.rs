//! Authenticates a request by its `Authorization` field, whatever the kind of its credential.

use std::sync::Arc;

use crate::{
    api_key::{ApiKeys, shape, verified::VerifiedApiKey},
    config::{setting::Setting, settings::Settings},
    config_error::{ConfigError, ConfigProblem},
    connect::{
        token::{VerifiedClient, VerifiedMachine},
        tokens::ConnectTokens,
    },
    decide::reason::Reason,
    end::{SessionEnder, watch::PrincipalWatch},
    meter::Credential,
    request::{
        admission::Refusal,
        bearer::BearerTokens,
        credential_kind::{CredentialKind, IssuerKind, SidKind, SubjectKind},
        credential_log::CredentialLog,
        policy::Policy,
        waiting::{Decision, Waiting, in_span},
    },
    token::{jwt::Unverified, verified::VerifiedToken},
};

/// Decides about requests by their `Authorization` field.
///
/// [`CredentialKinds`](crate::integration::CredentialKinds) turn the kinds of credentials on that a layer accepts; without
/// any kind, every request is refused.
#[derive(Clone, Debug)]
pub struct HeaderCredentials {
    settings: Arc<Settings>,
    bearer: Option<BearerTokens>,
    api_keys: Option<ApiKeys>,
    machines: Option<ConnectTokens>,
    clients: Option<ConnectTokens>,
    log: Arc<CredentialLog>,
}

/// The principal that a verified credential proves.
#[derive(Clone, Debug)]
#[allow(clippy::exhaustive_enums, reason = "a new kind has to break every match on it")]
pub enum HeaderPrincipal {
    /// A program with a user's session token.
    Bearer(Arc<VerifiedToken>),
    /// A program with a customer's API key.
    ApiKey(Arc<VerifiedApiKey>),
    /// An application that acts for itself.
    Machine(VerifiedMachine),
    /// An OAuth application that acts for a user.
    Client(VerifiedClient),
}

impl HeaderPrincipal {
    pub(crate) fn watch(&self, ender: Arc<SessionEnder>) -> PrincipalWatch {
        match self {
            Self::Bearer(token) => PrincipalWatch::of_token(ender, token.identity()),
            Self::ApiKey(key) => PrincipalWatch::of_api_key(ender, key),
            Self::Machine(machine) => PrincipalWatch::of_token(ender, machine.identity()),
            Self::Client(client) => PrincipalWatch::of_token(ender, client.identity()),
        }
    }

    /// The id of the principal: a user's, an API key owner's, or a machine's client id.
    pub fn subject(&self) -> &str {
        match self {
            Self::Bearer(token) => token.user_id(),
            Self::ApiKey(key) => key.owner_id(),
            Self::Machine(machine) => machine.client_id(),
            Self::Client(client) => client.user_id(),
        }
    }

    /// The user's id (`user_…`). A machine, and an organization's API key, have none.
    pub fn user_id(&self) -> Option<&str> {
        match self {
            Self::Bearer(token) => Some(token.user_id()),
            Self::ApiKey(key) => key.user_id(),
            Self::Machine(_) => None,
            Self::Client(client) => Some(client.user_id()),
        }
    }

    /// The organization's id (`org_…`).
    pub fn organization_id(&self) -> Option<&str> {
        match self {
            Self::Bearer(token) => token.organization_id(),
            Self::ApiKey(key) => Some(key.organization_id()),
            Self::Machine(machine) => machine.organization_id(),
            Self::Client(client) => client.organization_id(),
        }
    }
}

impl HeaderCredentials {
    /// Accepts no kind.
    pub(crate) fn none(settings: Arc<Settings>) -> Self {
        Self {
            log: Arc::new(CredentialLog::new(Arc::clone(&settings))),
            settings,
            bearer: None,
            api_keys: None,
            machines: None,
            clients: None,
        }
    }

    pub(crate) fn with_bearer(self, bearer: BearerTokens) -> Result<Self, ConfigError> {
        Self { bearer: Some(bearer), ..self }.check_issuers()
    }

    pub(crate) fn with_api_keys(self, api_keys: ApiKeys) -> Self {
        Self { api_keys: Some(api_keys), ..self }
    }

    pub(crate) fn with_machines(self, machines: ConnectTokens) -> Result<Self, ConfigError> {
        Self { machines: Some(machines), ..self }.check_issuers()
    }

    pub(crate) fn with_clients(self, clients: ConnectTokens) -> Result<Self, ConfigError> {
        Self { clients: Some(clients), ..self }.check_issuers()
    }

    /// Session tokens and those of an AuthKit domain are told apart by their issuers.
    fn check_issuers(self) -> Result<Self, ConfigError> {
        let issuers = self.settings.rules.issuers.iter().flatten();
        let is_both = |issuer: &String| self.domains().any(|domain| domain.issuer() == issuer);
        if issuers.into_iter().any(is_both) {
            return Err(ConfigProblem::invalid(
                Setting::AuthKitDomain,
                "is also listed as an issuer of session tokens, so that nobody could tell the kinds apart",
                "leave it out of the issuers: session tokens have another `iss`",
            )
            .into());
        }
        Ok(self)
    }

    /// Whether it accepts session tokens.
    pub fn accepts_bearer(&self) -> bool {
        self.bearer.is_some()
    }

    /// Whether it accepts API keys of customers.
    pub fn accepts_api_keys(&self) -> bool {
        self.api_keys.is_some()
    }

    /// Decides about a request by its bearer credential alone: does not read cookies, refreshes nothing, and its
    /// refusal sets no cookie. Synchronous, unless it needs signing keys or WorkOS's answer.
    pub fn authenticate(&self, credential: &str, policy: &Policy) -> Decision<HeaderPrincipal> {
        let kind = match self.kind_of(credential) {
            Ok(kind) => kind,
            Err(reason) => return Decision::Refuse(self.refuse(reason)),
        };
        let decision = match kind {
            CredentialKind::Bearer => {
                let Some(tokens) = &self.bearer else { return self.wrong_kind() };
                tokens.authenticate(credential, policy).map(HeaderPrincipal::Bearer)
            }
            CredentialKind::ApiKey => {
                let Some(keys) = &self.api_keys else { return self.wrong_kind() };
                keys.authenticate(credential, policy).map(HeaderPrincipal::ApiKey)
            }
            CredentialKind::Machine => {
                let Some(tokens) = &self.machines else { return self.wrong_kind() };
                let machine = |token| HeaderPrincipal::Machine(VerifiedMachine(token));
                tokens.authenticate(credential, *policy).map(machine)
            }
            CredentialKind::Client => {
                let Some(tokens) = &self.clients else { return self.wrong_kind() };
                let client = |token| HeaderPrincipal::Client(VerifiedClient(token));
                tokens.authenticate(credential, *policy).map(client)
            }
        };
        self.counted(kind, decision)
    }

    /// Refuses a request without a credential, in a layer that accepts no session.
    pub fn refuse_nothing(&self) -> Refusal {
        self.settings.meter.decided(Credential::Unrecognized, Some(Reason::NoCredential));
        Refusal::without_cookies(Reason::NoCredential)
    }

    /// Refuses a request whose `Authorization` field has another scheme than `Bearer`.
    pub fn refuse_other_scheme(&self) -> Refusal {
        self.refuse(Reason::OtherScheme)
    }

    /// Counts a decision about a credential of this kind, when it is made.
    fn counted(
        &self,
        kind: CredentialKind,
        decision: Decision<HeaderPrincipal>,
    ) -> Decision<HeaderPrincipal> {
        let (settings, kind) = (Arc::clone(&self.settings), Credential::Header(kind));
        match decision {
            Decision::Admit(principal) => {
                settings.meter.decided(kind, None);
                Decision::Admit(principal)
            }
            Decision::Refuse(refusal) => {
                settings.meter.decided(kind, Some(refusal.reason()));
                Decision::Refuse(refusal)
            }
            Decision::Wait(waiting) => Decision::Wait(Waiting::new(in_span(async move {
                let decided = waiting.await;
                settings.meter.decided(kind, decided.as_ref().err().map(Refusal::reason));
                decided
            }))),
        }
    }

    /// Chooses the judge of a credential by its unverified content.
    fn kind_of(&self, credential: &str) -> Result<CredentialKind, Reason> {
        if credential.starts_with(shape::PREFIX) {
            return Ok(CredentialKind::ApiKey);
        }
        match (&self.bearer, &self.api_keys, &self.machines, &self.clients) {
            // Who accepts one kind of token judges every token: it checks all that is asked for below.
            (Some(_), _, None, None) => return Ok(CredentialKind::Bearer),
            (None, _, Some(_), None) => return Ok(CredentialKind::Machine),
            (None, _, None, Some(_)) => return Ok(CredentialKind::Client),
            (None, _, None, None)
            | (Some(_), _, Some(_), _)
            | (_, _, Some(_), Some(_))
            | (Some(_), _, _, Some(_)) => {}
        }
        if credential.bytes().filter(|byte| *byte == b'.').count() != 2 {
            return Err(Reason::MalformedCredential);
        }
        let says = Unverified::of(credential);
        let issuer = self.issuer_kind(says.iss.as_deref());
        let sid = SidKind::of(says.sid.as_deref());
        let sub = says.sub.as_deref().unwrap_or_default();
        let subject = SubjectKind::of(sub, says.client_id.as_deref());
        CredentialKind::of_token(issuer, sid, subject).ok_or(match issuer {
            IssuerKind::Stranger => Reason::NotOurs,
            IssuerKind::Sessions | IssuerKind::AuthKitDomain => Reason::WrongKind,
        })
    }

    fn issuer_kind(&self, iss: Option<&str>) -> IssuerKind {
        let Some(iss) = iss else { return IssuerKind::Stranger };
        if self.domains().any(|domain| domain.issuer() == iss) {
            IssuerKind::AuthKitDomain
        } else if self.settings.rules.issuers.iter().flatten().any(|issuer| issuer == iss) {
            IssuerKind::Sessions
        } else {
            IssuerKind::Stranger
        }
    }

    fn domains(&self) -> impl Iterator<Item = &ConnectTokens> {
        [&self.machines, &self.clients].into_iter().flatten()
    }

    fn wrong_kind(&self) -> Decision<HeaderPrincipal> {
        Decision::Refuse(self.refuse(Reason::WrongKind))
    }

    fn refuse(&self, reason: Reason) -> Refusal {
        self.settings.meter.decided(Credential::Unrecognized, Some(reason));
        self.log.refuse("bearer credential", reason)
    }
}

#[cfg(test)]
mod tests;
