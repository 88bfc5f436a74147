//! Customers' API keys. They are opaque, so WorkOS validates each of them.
//!
//! 1. A value that is not spelt like a key, and the service's own WorkOS key, are refused without a call.
//! 2. Any other key is looked up by its hash; WorkOS [validates](crate::validation) a key that is not remembered.
//! 3. A revocation refuses a remembered key at once. After a change of the key or of its owner, WorkOS is asked again.

pub(crate) mod answer;
pub(crate) mod shape;
pub(crate) mod verified;

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    api_key::{answer::ValidationAnswer, shape::KeyShape, verified::VerifiedApiKey},
    config::settings::Settings,
    decide::{CutOffEffect, reason::Reason},
    end::SessionEnder,
    request::{
        admission::Refusal,
        credential_log::CredentialLog,
        policy::Policy,
        waiting::{Decision, Waiting},
    },
    secret::Secret,
    upstream::{credential_checks::CredentialChecks, error_answer::UpstreamError},
    validation::{CredentialHash, RememberedCredential, Validations, answer::CredentialAnswer},
};

/// Decides about requests by the API keys of customers.
///
/// Clones share the remembered answers, as do all `ApiKeys` of one [`Authenticator`](crate::Authenticator).
#[derive(Clone)]
pub struct ApiKeys {
    inner: Arc<ApiKeyAuthenticator>,
}

struct ApiKeyAuthenticator {
    settings: Arc<Settings>,
    checks: CredentialChecks,
    ender: Arc<SessionEnder>,
    validations: Arc<Validations<Arc<VerifiedApiKey>>>,
    log: CredentialLog,
}

/// The action for a presented key.
enum KeyAction {
    Admit(Arc<VerifiedApiKey>),
    Validate(CredentialHash),
    Refuse(Reason),
}

impl ApiKeys {
    pub(crate) fn new(
        settings: Arc<Settings>,
        checks: CredentialChecks,
        ender: Arc<SessionEnder>,
        memory: Duration,
    ) -> Self {
        let validations = Arc::new(Validations::new(settings.clock().clone(), memory));
        let log = CredentialLog::new(Arc::clone(&settings));
        Self { inner: Arc::new(ApiKeyAuthenticator { settings, checks, ender, validations, log }) }
    }

    /// Decides about a request by its API key alone. A remembered key is decided at once; any other key waits for
    /// WorkOS.
    ///
    /// # Examples
    ///
    /// ```
    /// # use authkit_session::{Authenticator, Config, CookiePassword};
    /// use authkit_session::{Decision, Policy, Reason};
    ///
    /// # let password = CookiePassword::new("0123456789abcdef0123456789abcdef")?;
    /// # let config = Config::new("client_123", "sk_test_123", "https://app.example.com/callback", password);
    /// let keys = Authenticator::new(config)?.credential_kinds().api_keys();
    /// for (key, reason) in
    ///     [("not a key", Reason::MalformedCredential), ("sk_test_123", Reason::OwnApiKey)]
    /// {
    ///     let Decision::Refuse(refusal) = keys.authenticate(key, &Policy::default()) else {
    ///         panic!("nothing to ask WorkOS about");
    ///     };
    ///     assert_eq!(refusal.reason(), reason);
    /// }
    /// # Ok::<(), authkit_session::ConfigError>(())
    /// ```
    pub fn authenticate(&self, key: &str, policy: &Policy) -> Decision<Arc<VerifiedApiKey>> {
        match self.inner.decide_without_call(key, *policy) {
            KeyAction::Admit(key) => Decision::Admit(key),
            KeyAction::Refuse(reason) => Decision::Refuse(self.inner.refuse(reason)),
            KeyAction::Validate(hash) => {
                let (inner, key, policy) = (Arc::clone(&self.inner), Secret::new(key), *policy);
                Decision::Wait(Waiting::new(inner.decide_by_workos(hash, key, policy)))
            }
        }
    }
}

impl ApiKeyAuthenticator {
    /// Decides about a key as far as that is possible without a call.
    fn decide_without_call(&self, key: &str, policy: Policy) -> KeyAction {
        match KeyShape::of(key) {
            KeyShape::Malformed => return KeyAction::Refuse(Reason::MalformedCredential),
            KeyShape::Plausible if self.checks.is_own_api_key(key) => {
                return KeyAction::Refuse(Reason::OwnApiKey);
            }
            KeyShape::Plausible => {}
        }
        let hash = CredentialHash::of(key);
        match self.validations.remembered(hash) {
            RememberedCredential::Nothing => KeyAction::Validate(hash),
            RememberedCredential::Refused => KeyAction::Refuse(Reason::UnknownApiKey),
            RememberedCredential::Accepted(key) => match self.standing(&key, policy) {
                KeyStanding::Good => KeyAction::Admit(key),
                KeyStanding::Ended(reason) => KeyAction::Refuse(reason),
                KeyStanding::Outdated => {
                    self.validations.forget(hash);
                    KeyAction::Validate(hash)
                }
            },
        }
    }

    /// Asks WorkOS, and asks once more if a change of the key was announced before the answer came.
    async fn decide_by_workos(
        self: Arc<Self>,
        hash: CredentialHash,
        key: Secret,
        policy: Policy,
    ) -> Result<Arc<VerifiedApiKey>, Refusal> {
        let key = Arc::new(key);
        let mut is_repeated = false;
        loop {
            let question = || Arc::clone(&self).call_workos(Arc::clone(&key));
            let verified = match self.validations.ask(hash, question).await {
                Ok(Some(verified)) => verified,
                Ok(None) => return Err(self.refuse(Reason::UnknownApiKey)),
                Err(reason) => return Err(self.refuse(reason)),
            };
            match self.standing(&verified, policy) {
                KeyStanding::Good => return Ok(verified),
                KeyStanding::Ended(reason) => return Err(self.refuse(reason)),
                // WorkOS has just been asked again: no answer can be newer.
                KeyStanding::Outdated if is_repeated => return Ok(verified),
                KeyStanding::Outdated => {
                    is_repeated = true;
                    self.validations.forget(hash);
                }
            }
        }
    }

    /// Sends one validation request to WorkOS.
    async fn call_workos(
        self: Arc<Self>,
        key: Arc<Secret>,
    ) -> CredentialAnswer<Arc<VerifiedApiKey>> {
        let asked_at = self.settings.clock().wall();
        let answer = match self.checks.validate_api_key(&key).await {
            Ok(answer) => answer,
            Err(error) => return self.without_answer(&error),
        };
        match ValidationAnswer::read(&answer, asked_at) {
            ValidationAnswer::Accepted(key) => {
                let expires_at = key.expires_at();
                CredentialAnswer::Accepted { value: Arc::new(*key), expires_at }
            }
            ValidationAnswer::Refused => CredentialAnswer::Refused,
            ValidationAnswer::Unreadable(field) => {
                self.log_if_due("an answer about an API key", |left_out| {
                    tracing::error!(
                        field,
                        left_out,
                        "WorkOS's answer about an API key cannot be read"
                    );
                });
                CredentialAnswer::Unanswered(Reason::Upstream)
            }
        }
    }

    /// Maps a failed call to an answer that does not blame the caller.
    fn without_answer(&self, error: &UpstreamError) -> CredentialAnswer<Arc<VerifiedApiKey>> {
        let answer = CredentialAnswer::from(error);
        if answer.is_misconfigured() {
            self.log_if_due("our own credentials", |left_out| {
                tracing::error!(
                    %error,
                    left_out,
                    "WorkOS refuses our own API key, or our question about a customer's, which cannot be checked"
                );
            });
        }
        answer
    }

    /// Whether a key that WorkOS accepted is still valid.
    fn standing(&self, key: &VerifiedApiKey, policy: Policy) -> KeyStanding {
        let now = self.settings.clock().wall();
        let age = now.duration_since(key.validated_at()).unwrap_or_default();
        match self.ender.cut_off_of_api_key(key) {
            CutOffEffect::Ended => KeyStanding::Ended(Reason::Revoked),
            _ if key.expires_at().is_some_and(|at| at <= now) => {
                KeyStanding::Ended(Reason::Expired)
            }
            CutOffEffect::Changed | CutOffEffect::MayHaveChanged => KeyStanding::Outdated,
            CutOffEffect::None if policy.max_age().is_some_and(|max| age >= max) => {
                KeyStanding::Outdated
            }
            CutOffEffect::None => KeyStanding::Good,
        }
    }

    fn refuse(&self, reason: Reason) -> Refusal {
        if reason == Reason::OwnApiKey {
            self.log_if_due("our own API key", |left_out| {
                tracing::error!(
                    left_out,
                    "a client presented the WorkOS API key of this service as its own: it may have leaked; replace it"
                );
            });
            return Refusal::without_cookies(reason);
        }
        self.log.refuse("API key", reason)
    }

    fn log_if_due(&self, key: &'static str, write: impl FnOnce(u64)) {
        if let Some(left_out) = self.log.due(key) {
            write(left_out);
        }
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeys").field("validations", &self.inner.validations).finish()
    }
}

/// Whether a key that WorkOS accepted is still valid.
enum KeyStanding {
    Good,
    /// The key or its owner has changed since WorkOS was asked, or the layer wants a newer answer.
    Outdated,
    Ended(Reason),
}
