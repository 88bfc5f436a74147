//! Asks the AuthKit domain whether a token is still active (RFC 7662).

use std::{borrow::Cow, sync::Arc, time::SystemTime};

use crate::{
    config::settings::Settings,
    connect::{domain::ConnectDomain, token::ConnectToken},
    decide::reason::Reason,
    json,
    request::{
        admission::Refusal,
        credential_log::CredentialLog,
        waiting::{Decision, Waiting},
    },
    secret::Secret,
    strictness::Strict,
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

/// What is read of an answer (RFC 7662 section 2.2).
#[derive(Default)]
struct IntrospectionAnswer<'a> {
    active: Strict<bool>,
    iss: Strict<Cow<'a, str>>,
    sub: Strict<Cow<'a, str>>,
}

impl<'a> IntrospectionAnswer<'a> {
    /// Each member by itself: of a token that is not active, nothing else counts.
    fn read(answer: &'a [u8]) -> Option<Self> {
        let mut read = Self::default();
        json::members(str::from_utf8(answer).ok()?, |name, value| match &*name.text() {
            "active" => read.active.read(value),
            "iss" => read.iss.read(value),
            "sub" => read.sub.read(value),
            _ => {}
        })?;
        Some(read)
    }

    /// What it says of a token of this subject; `None` if that cannot be read.
    fn about(self, issuer: &str, subject: &str) -> Option<TokenActivity> {
        if !self.active.value(()).ok()?? {
            return Some(TokenActivity::Ended);
        }
        let (iss, sub) = (self.iss.value(()).ok()?, self.sub.value(()).ok()?);
        let is_of_issuer = iss.is_none_or(|iss| iss.trim_end_matches('/') == issuer);
        let is_of_subject = sub.is_none_or(|sub| sub == subject);
        Some(if is_of_issuer && is_of_subject {
            TokenActivity::Active
        } else {
            TokenActivity::Ended
        })
    }
}

/// Whether a token still counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum TokenActivity {
    Active,
    /// It does not, or the answer is about another token.
    Ended,
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
                Decision::Wait(Waiting::new(async move {
                    introspector.decide_by_domain(hash, token).await
                }))
            }
        }
    }

    pub(crate) async fn decide_by_domain(
        self: Arc<Self>,
        hash: CredentialHash,
        token: Arc<ConnectToken>,
    ) -> Result<Arc<ConnectToken>, Refusal> {
        let question = || Arc::clone(&self).call_domain(Arc::clone(&token));
        match self.validations.ask(hash, question).await {
            Ok(Some(())) => Ok(token),
            Ok(None) => Err(self.refuse(Reason::Revoked)),
            Err(reason) => Err(self.refuse(reason)),
        }
    }

    async fn call_domain(self: Arc<Self>, token: Arc<ConnectToken>) -> CredentialAnswer<()> {
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
        let answer = IntrospectionAnswer::read(answer);
        match answer.and_then(|answer| answer.about(&self.issuer, &token.claims.sub)) {
            Some(TokenActivity::Active) => {
                CredentialAnswer::Accepted { value: (), expires_at: Some(expires_at) }
            }
            Some(TokenActivity::Ended) => CredentialAnswer::Refused,
            None => CredentialAnswer::Unanswered(Reason::Upstream),
        }
    }

    fn refuse(&self, reason: Reason) -> Refusal {
        self.log.refuse("introspected token", reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_odd_member_of_an_answer_does_not_spoil_the_others() {
        let (active, ended) = (Some(TokenActivity::Active), Some(TokenActivity::Ended));
        let unreadable = None;
        let cases = [
            (r#"{"active":true}"#, active),
            (r#"{"active":true,"iss":"https://auth.test","sub":"client_1","exp":"soon"}"#, active),
            (r#"{"active":true,"iss":"https://auth.test/","scope":["a"],"sub":null}"#, active),
            (r#"{"active":true,"username":"\ud83d","aud":1e999}"#, active),
            (r#"{"active":true,"iss":"https://other.test"}"#, ended),
            (r#"{"active":true,"sub":"client_2"}"#, ended),
            (r#"{"active":false}"#, ended),
            (r#"{"active":false,"iss":5,"sub":{}}"#, ended),
            (r#"{"active":true,"iss":5}"#, unreadable),
            (r#"{"active":true,"sub":["client_1"]}"#, unreadable),
            (r#"{"active":true,"sub":"client_1","sub":"client_1"}"#, unreadable),
            (r#"{"active":true,"active":true}"#, unreadable),
            (r#"{"active":"true"}"#, unreadable),
            (r#"{"active":1}"#, unreadable),
            (r#"{"active":null}"#, unreadable),
            ("{}", unreadable),
            ("[]", unreadable),
            ("<html>", unreadable),
            ("", unreadable),
        ];
        for (answer, expected) in cases {
            let read = IntrospectionAnswer::read(answer.as_bytes());
            let says = read.and_then(|it| it.about("https://auth.test", "client_1"));
            assert_eq!(says, expected, "{answer}");
        }
    }
}
