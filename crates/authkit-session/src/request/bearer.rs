//! Access tokens that come alone (RFC 6750): judged by the rules for a cookie's token, never refreshed.

use std::{fmt, sync::Arc};

use tokio::time::{self, Instant};

use crate::{
    candidate::{jwks::FetchFor, reader::SessionReader},
    config::{setting::Setting, settings::Settings},
    config_error::{ConfigError, ConfigProblem},
    decide::{
        Action, Circumstances, CutOffEffect, KeyFetch, MissingKeys, PairAge, Refreshing, Verdict,
        decide, reason::Reason,
    },
    end::SessionEnder,
    request::{
        admission::Refusal,
        policy::Policy,
        waiting::{Decision, PATIENCE, Waiting},
    },
    token::{AccessToken, verified::VerifiedToken},
};

/// Judges access tokens that clients send by themselves, as `Authorization: Bearer`.
///
/// There is one only where the configuration lists issuers: nothing else about such a token says whom it is meant for.
#[derive(Clone)]
pub struct BearerTokens {
    owners: Arc<BearerOwners>,
}

/// What deciding about a bearer token takes.
struct BearerOwners {
    settings: Arc<Settings>,
    reader: Arc<SessionReader>,
    ender: Arc<SessionEnder>,
}

/// A bearer token, and what checking it has shown.
struct BearerCandidate {
    verdict: Verdict,
    token: Option<VerifiedToken>,
    cut_off: CutOffEffect,
}

impl BearerTokens {
    /// # Errors
    ///
    /// [`ConfigError`] where [`Config::with_issuers`](crate::Config::with_issuers) names no issuer.
    pub(crate) fn new(
        settings: Arc<Settings>,
        reader: Arc<SessionReader>,
        ender: Arc<SessionEnder>,
    ) -> Result<Self, ConfigError> {
        match &settings.rules.issuers {
            Some(issuers) if !issuers.is_empty() => {
                Ok(Self { owners: Arc::new(BearerOwners { settings, reader, ender }) })
            }
            Some(_) | None => Err(ConfigProblem::invalid(
                Setting::Issuers,
                "names no issuer, which bearer tokens need",
                "write the `iss` claim of your access tokens",
            )
            .into()),
        }
    }

    /// Decides about a request by its bearer token alone. Synchronous, like [`Authenticator::authenticate`]; nothing is
    /// ever refreshed, and the refusal sets no cookie.
    ///
    /// # Examples
    ///
    /// ```
    /// # use authkit_session::{Authenticator, Config, CookiePassword};
    /// use authkit_session::{Decision, Policy, Reason};
    ///
    /// # let password = CookiePassword::new("0123456789abcdef0123456789abcdef")?;
    /// # let config = Config::new("client_123", "sk_test_123", "https://app.example.com/callback", password);
    /// let config = config.with_issuers(["https://api.workos.com/user_management/client_123"]);
    /// let tokens = Authenticator::new(config)?.bearer_tokens()?;
    ///
    /// let Decision::Refuse(refusal) = tokens.authenticate("not a token", &Policy::default()) else {
    ///     panic!("nobody signed that");
    /// };
    /// assert_eq!(refusal.reason(), Reason::BadSignature);
    /// # Ok::<(), authkit_session::ConfigError>(())
    /// ```
    pub fn authenticate(&self, token: &str, policy: &Policy) -> Decision<Arc<VerifiedToken>> {
        let candidate = self.owners.read(token);
        match self.owners.action(&candidate, *policy) {
            Action::FetchKeys => {
                let owners = Arc::clone(&self.owners);
                Decision::Wait(Waiting::new(owners.wait(AccessToken::new(token), *policy)))
            }
            action @ (Action::Admit | Action::Refresh { .. } | Action::Refuse(_)) => {
                Decision::of(self.owners.carry_out(candidate, action))
            }
        }
    }
}

impl BearerOwners {
    fn read(&self, token: &str) -> BearerCandidate {
        if token.len() > MAX_LEN {
            let cut_off = CutOffEffect::None;
            return BearerCandidate { verdict: Verdict::BadSignature, token: None, cut_off };
        }
        let (verdict, token) = self.reader.verify_bearer(token);
        let Some(token) = token else {
            return BearerCandidate { verdict, token, cut_off: CutOffEffect::None };
        };
        let cut_off = self.ender.cut_off(token.identity());
        let verdict = if self.ender.has_ended(token.session_id()) {
            Verdict::SignedOut
        } else if cut_off == CutOffEffect::Ended {
            Verdict::Revoked
        } else {
            verdict
        };
        BearerCandidate { verdict, token: Some(token), cut_off }
    }

    fn action(&self, candidate: &BearerCandidate, policy: Policy) -> Action {
        let missing = candidate.verdict.missing_keys().map(fetch_for);
        let keys = missing.map_or(KeyFetch::Allowed, |why| self.reader.keys().may_fetch(why));
        let issued_at = candidate.token.as_ref().map(|token| token.claims.iat);
        let circumstances = Circumstances {
            refresh: Refreshing::Impossible,
            demand: policy.demand(candidate.cut_off, issued_at, self.settings.clock()),
            keys,
            age: PairAge::Older,
        };
        decide(candidate.verdict, circumstances)
    }

    /// Waits for signing keys, and reads the token again.
    async fn wait(
        self: Arc<Self>,
        token: AccessToken,
        policy: Policy,
    ) -> Result<Arc<VerifiedToken>, Refusal> {
        let deadline = Instant::now() + PATIENCE;
        let mut fetched = false;
        loop {
            let candidate = self.read(token.expose());
            match self.action(&candidate, policy) {
                Action::FetchKeys if !fetched => {
                    fetched = true;
                    let missing = candidate.verdict.missing_keys().unwrap_or(MissingKeys::All);
                    if let Some(keys) = self.reader.keys().fetch(fetch_for(missing)) {
                        // Keys that come too late are looked for once more, and found missing.
                        let _ = time::timeout_at(deadline, keys.over()).await;
                    }
                }
                action @ (Action::Admit
                | Action::Refresh { .. }
                | Action::FetchKeys
                | Action::Refuse(_)) => return self.carry_out(candidate, action),
            }
        }
    }

    /// Carries out an action that waits for nothing any more.
    fn carry_out(
        &self,
        candidate: BearerCandidate,
        action: Action,
    ) -> Result<Arc<VerifiedToken>, Refusal> {
        let reason = match action {
            Action::Admit => match candidate.token {
                Some(token) => return Ok(Arc::new(token)),
                // The verdicts that admit come with a token; without one, nobody is let in.
                None => Reason::BadSignature,
            },
            Action::Refuse(reason) => reason,
            Action::FetchKeys => {
                candidate.verdict.missing_keys().unwrap_or(MissingKeys::All).into()
            }
            // There is nothing to refresh with.
            Action::Refresh { .. } => Reason::Expired,
        };
        let session_id = candidate.token.as_ref().map(|token| token.session_id());
        let session = self.settings.log_ids.of_any(session_id);
        tracing::info!(%reason, session, "bearer token refused");
        Err(Refusal::without_cookies(reason))
    }
}

impl fmt::Debug for BearerTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerTokens").finish_non_exhaustive()
    }
}

/// Why keys are fetched for a token that anybody may have made up.
fn fetch_for(missing: MissingKeys) -> FetchFor {
    match missing {
        MissingKeys::All => FetchFor::None,
        MissingKeys::OfToken => FetchFor::UnknownBearerKey,
    }
}

/// As much as is read of cookies.
const MAX_LEN: usize = 16 * 1024;
