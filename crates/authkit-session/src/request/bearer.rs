//! Access tokens that come without a cookie (RFC 6750): judged by the rules for a cookie's token, never refreshed.

use std::{fmt, sync::Arc};

use crate::{
    candidate::{jwks::Jwks, reader::SessionReader},
    config::{setting::Setting, settings::Settings},
    config_error::{ConfigError, ConfigProblem},
    decide::{CutOffEffect, Verdict},
    end::SessionEnder,
    request::{
        offline::{OfflineTokens, ReadToken, TokenCandidate},
        policy::Policy,
        waiting::Decision,
    },
    token::verified::VerifiedToken,
};

/// Judges access tokens that clients send as `Authorization: Bearer`.
///
/// It needs configured issuers: nothing else about such a token shows whom it is meant for.
#[derive(Clone)]
pub struct BearerTokens {
    tokens: Arc<OfflineTokens<BearerReader>>,
}

/// Reads session tokens.
struct BearerReader {
    settings: Arc<Settings>,
    reader: Arc<SessionReader>,
    ender: Arc<SessionEnder>,
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
                let bearer = BearerReader { settings: Arc::clone(&settings), reader, ender };
                Ok(Self { tokens: Arc::new(OfflineTokens::new(settings, bearer)) })
            }
            Some(_) | None => Err(ConfigProblem::invalid(
                Setting::Issuers,
                "names no issuer, which bearer tokens need",
                "write the `iss` claim of your access tokens",
            )
            .into()),
        }
    }

    /// Decides about a request by its bearer token alone. Synchronous, like
    /// [`Authenticator::authenticate`](crate::Authenticator::authenticate); nothing is
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
        self.tokens.authenticate(token, *policy)
    }
}

impl ReadToken for BearerReader {
    type Token = VerifiedToken;

    fn read(&self, token: &str) -> TokenCandidate<VerifiedToken> {
        let (verdict, token) = self.reader.verify_bearer(token);
        let Some(token) = token else { return TokenCandidate::without_token(verdict) };
        let cut_off = self.ender.cut_off(token.identity());
        let verdict = if self.ender.has_ended(token.session_id()) {
            Verdict::SignedOut
        } else if cut_off == CutOffEffect::Ended {
            Verdict::Revoked
        } else {
            verdict
        };
        let issued_at = Some(token.claims.iat);
        TokenCandidate { verdict, token: Some(token), issued_at, cut_off }
    }

    fn keys(&self) -> &Jwks {
        self.reader.keys()
    }

    fn log_id(&self, token: &VerifiedToken) -> String {
        self.settings.log_ids.of(token.session_id())
    }
}

impl fmt::Debug for BearerTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerTokens").finish_non_exhaustive()
    }
}
