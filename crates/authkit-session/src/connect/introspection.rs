//! Asks the AuthKit domain whether a token is still active (RFC 7662).

use std::{sync::Arc, time::SystemTime};

use serde::Deserialize;

use crate::{
    config::settings::Settings,
    connect::{domain::ConnectDomain, token::ConnectToken},
    decide::reason::Reason,
    request::{
        admission::Refusal,
        credential_log::CredentialLog,
        waiting::{Decision, Waiting},
    },
    secret::Secret,
    token::verified::at,
    upstream::credential_checks::{ClientCredentials, CredentialChecks},
    validation::{CredentialHash, RememberedCredential, Validations, answer::CredentialAnswer},
};

/// The credentials of an application of the AuthKit domain, with which this service introspects tokens.
///
/// The endpoint takes the id and a secret of a Connect application, not the service's WorkOS API key.
///
/// # Examples
///
/// ```
/// use authkit_session::{Introspection, Machines};
///
/// let machines = Machines::new("https://example.authkit.app")
///     .with_introspection(Introspection::new("client_01", "a client secret"));
/// assert!(!format!("{machines:?}").contains("secret\""));
/// ```
#[derive(Clone, Debug)]
pub struct Introspection(pub(crate) ClientCredentials);

impl Introspection {
    /// The client id and a client secret of the application.
    pub fn new(client_id: impl Into<Box<str>>, client_secret: impl Into<Secret>) -> Self {
        Self(ClientCredentials { client_id: client_id.into(), client_secret: client_secret.into() })
    }
}

/// Introspects the tokens of one domain, and remembers the answers.
#[derive(Debug)]
pub(crate) struct Introspector {
    url: String,
    issuer: Box<str>,
    credentials: ClientCredentials,
    checks: CredentialChecks,
    validations: Arc<Validations<()>>,
    log: CredentialLog,
}

#[derive(Deserialize)]
struct IntrospectionAnswer {
    active: bool,
    #[serde(default)]
    iss: Option<String>,
    #[serde(default)]
    sub: Option<String>,
}

impl Introspector {
    pub(crate) fn new(
        settings: Arc<Settings>,
        domain: &ConnectDomain,
        Introspection(credentials): Introspection,
        checks: CredentialChecks,
        validations: Arc<Validations<()>>,
    ) -> Self {
        Self {
            log: CredentialLog::new(settings),
            url: domain.introspection_url(),
            issuer: domain.issuer().into(),
            credentials,
            checks,
            validations,
        }
    }

    /// Decides about a token that was verified offline.
    pub(crate) fn decide(
        self: &Arc<Self>,
        token: Arc<ConnectToken>,
    ) -> Decision<Arc<ConnectToken>> {
        let hash = CredentialHash::of(token.access_token.expose());
        match self.validations.remembered(hash) {
            RememberedCredential::Accepted(()) => Decision::Admit(token),
            RememberedCredential::Refused => Decision::Refuse(self.refuse(Reason::Revoked)),
            RememberedCredential::Nothing => {
                let introspector = Arc::clone(self);
                Decision::Wait(Waiting::new(async move { introspector.ask(hash, token).await }))
            }
        }
    }

    pub(crate) async fn ask(
        self: Arc<Self>,
        hash: CredentialHash,
        token: Arc<ConnectToken>,
    ) -> Result<Arc<ConnectToken>, Refusal> {
        let question = || Arc::clone(&self).question(Arc::clone(&token));
        match self.validations.ask(hash, question).await {
            Ok(Some(())) => Ok(token),
            Ok(None) => Err(self.refuse(Reason::Revoked)),
            Err(reason) => Err(self.refuse(reason)),
        }
    }

    async fn question(self: Arc<Self>, token: Arc<ConnectToken>) -> CredentialAnswer<()> {
        let text = token.access_token.expose();
        let answer = match self.checks.introspect(&self.url, &self.credentials, text).await {
            Ok(answer) => answer,
            Err(error) => {
                let answer = CredentialAnswer::from(&error);
                if answer.is_misconfigured()
                    && let Some(left_out) = self.log.due("credentials")
                {
                    tracing::error!(
                        %error,
                        left_out,
                        url = self.url,
                        "the introspection endpoint refuses our client id or secret"
                    );
                }
                return answer;
            }
        };
        self.read(&answer, &token, at(token.claims.exp))
    }

    fn read(
        &self,
        answer: &[u8],
        token: &ConnectToken,
        expires_at: SystemTime,
    ) -> CredentialAnswer<()> {
        match serde_json::from_slice(answer) {
            Ok(IntrospectionAnswer { active: true, iss, sub })
                if iss.as_deref().is_none_or(|iss| iss.trim_end_matches('/') == &*self.issuer)
                    && sub.as_deref().is_none_or(|sub| sub == token.claims.sub) =>
            {
                CredentialAnswer::Accepted { value: (), expires_at: Some(expires_at) }
            }
            Ok(IntrospectionAnswer { .. }) => CredentialAnswer::Refused,
            Err(_) => CredentialAnswer::Unanswered(Reason::Upstream),
        }
    }

    fn refuse(&self, reason: Reason) -> Refusal {
        self.log.refuse("introspected token", reason)
    }
}
