//! Access tokens that come alone (RFC 6750): judged by the rules for a cookie's token, never refreshed.

use std::sync::Arc;

use tokio::time::{self, Instant};

use crate::{
    admission::Refusal,
    authenticator::{Authenticator, Decision},
    config::setting::Setting,
    config_error::{ConfigError, ConfigProblem},
    core::Core,
    decide::{
        Action, Circumstances, KeyFetch, PairAge, Refreshing, Verdict, decide, reason::Reason,
    },
    judge::missing,
    jwks::FetchFor,
    policy::Policy,
    refreshes::lineage::Standing,
    revocations::cut_offs::{Hit, Made},
    token::{AccessToken, verified::VerifiedToken},
    verify::verify_bearer,
    waiting::{PATIENCE, Waiting},
};

/// Judges access tokens that clients send by themselves, as `Authorization: Bearer`.
///
/// There is one only where the configuration lists issuers: nothing else about such a token says whom it is meant for.
#[derive(Clone, Debug)]
pub struct BearerTokens {
    core: Arc<Core>,
}

/// A bearer token, as far as it got.
struct Examined {
    verdict: Verdict,
    token: Option<VerifiedToken>,
    hit: Hit,
}

impl Authenticator {
    /// The judge of bearer tokens.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] where [`Config::with_issuers`](crate::Config::with_issuers) names no issuer.
    pub fn bearer_tokens(&self) -> Result<BearerTokens, ConfigError> {
        match &self.core.settings.rules.issuers {
            Some(issuers) if !issuers.is_empty() => {
                Ok(BearerTokens { core: Arc::clone(&self.core) })
            }
            Some(_) | None => Err(ConfigProblem::invalid(
                Setting::Issuers,
                "names no issuer, which bearer tokens need",
                "write the `iss` claim of your access tokens",
            )
            .into()),
        }
    }
}

impl BearerTokens {
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
        let examined = self.core.examine_bearer(token);
        match self.core.act_on_bearer(&examined, *policy) {
            Action::FetchKeys => {
                let token = AccessToken::new(token);
                Decision::Wait(Waiting::new(wait(Arc::clone(&self.core), token, *policy)))
            }
            action => Decision::settled(self.core.settle_bearer(examined, action)),
        }
    }
}

/// Waits for signing keys, and looks again.
async fn wait(
    core: Arc<Core>,
    token: AccessToken,
    policy: Policy,
) -> Result<Arc<VerifiedToken>, Refusal> {
    let deadline = Instant::now() + PATIENCE;
    let mut fetched = false;
    loop {
        let examined = core.examine_bearer(token.expose());
        match core.act_on_bearer(&examined, policy) {
            Action::FetchKeys if !fetched => {
                fetched = true;
                if let Some(keys) = core.jwks.fetch(why(examined.verdict)) {
                    // Keys that come too late are looked for once more, and found missing.
                    let _ = time::timeout_at(deadline, keys.over()).await;
                }
            }
            action => return core.settle_bearer(examined, action),
        }
    }
}

impl Core {
    fn examine_bearer(&self, token: &str) -> Examined {
        if token.len() > MAX_LEN {
            return Examined { verdict: Verdict::BadSignature, token: None, hit: Hit::Nothing };
        }
        let now = self.settings.clock().unix();
        let (verdict, token) = verify_bearer(
            AccessToken::new(token),
            self.jwks.current().as_deref(),
            &self.settings.rules,
            now,
        );
        let Some(verified) = token else { return Examined { verdict, token, hit: Hit::Nothing } };
        let hit = self.cut_offs.hit(Made {
            session: Some(verified.session_id()),
            user: Some(verified.user_id()),
            organization: verified.organization_id(),
            at: verified.claims.iat,
        });
        let verdict = if self.has_ended(verified.session_id()) {
            Verdict::SignedOut
        } else if hit == Hit::Ended {
            Verdict::Revoked
        } else {
            verdict
        };
        Examined { verdict, token: Some(verified), hit }
    }

    /// Whether the session was signed out here.
    fn has_ended(&self, session_id: &str) -> bool {
        let Some(mut table) = self.table_if_any() else { return false };
        let now = self.settings.clock().monotonic();
        match table.lineages.presented(None, Some(session_id), now) {
            Standing::Ended => true,
            Standing::Known(_) | Standing::Unknown => false,
        }
    }

    fn act_on_bearer(&self, examined: &Examined, policy: Policy) -> Action {
        let keys = match examined.verdict {
            Verdict::NoKeys | Verdict::UnknownKey => self.jwks.may_fetch(why(examined.verdict)),
            _ => KeyFetch::Allowed,
        };
        let made = examined.token.as_ref().map(|token| token.claims.iat);
        let circumstances = Circumstances {
            refresh: Refreshing::Impossible,
            demand: policy.demand(examined.hit, made, self.settings.clock()),
            keys,
            age: PairAge::Older,
        };
        decide(examined.verdict, circumstances)
    }

    /// Carries out what needs no waiting any more.
    fn settle_bearer(
        &self,
        examined: Examined,
        action: Action,
    ) -> Result<Arc<VerifiedToken>, Refusal> {
        let reason = match action {
            Action::Admit => match examined.token {
                Some(token) => return Ok(Arc::new(token)),
                // The verdicts that admit come with a token; without one, nobody is let in.
                None => Reason::BadSignature,
            },
            Action::Refuse(reason) => reason,
            Action::FetchKeys => missing(examined.verdict),
            // There is nothing to refresh with.
            Action::Refresh { .. } => Reason::Expired,
        };
        let session = examined.token.map(|token| self.log_word(token.session_id()));
        tracing::info!(%reason, session = session.unwrap_or_default(), "bearer token refused");
        Err(Refusal::without_cookies(reason))
    }
}

fn why(verdict: Verdict) -> FetchFor {
    match verdict {
        Verdict::UnknownKey => FetchFor::UnknownBearerKey,
        _ => FetchFor::None,
    }
}

/// As much as is read of cookies.
const MAX_LEN: usize = 16 * 1024;
