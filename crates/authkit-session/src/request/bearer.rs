//! Access tokens that come without a cookie (RFC 6750): judged by the rules for a cookie's token, never refreshed.

use std::{fmt, sync::Arc};

use crate::{
    candidate::{jwks::Jwks, reader::SessionReader},
    config::{setting::Setting, settings::Settings},
    config_error::{ConfigError, ConfigProblem},
    decide::{CutOffEffect, Verdict},
    end::SessionEnder,
    request::{
        jwt_authenticator::{JwtAuthenticator, ReadToken, TokenCandidate},
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
    tokens: Arc<JwtAuthenticator<BearerReader>>,
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
                Ok(Self { tokens: Arc::new(JwtAuthenticator::new(settings, bearer)) })
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::{
        Reason, Revocation,
        testing::{Service, Workos, clock},
    };

    const ISSUER: &str = "https://issuer.example.com";

    fn service(issuers: &[&str]) -> Service {
        let clock = clock();
        let workos = Workos::new(clock.clone());
        Service::with(workos, clock, |config| config.with_issuers(issuers.iter().copied()))
    }

    /// A job has no request: it authenticates a token that a message brought.
    #[tokio::test(start_paused = true)]
    async fn a_job_learns_whose_token_it_has_until_the_token_or_the_session_ends() {
        let service = service(&[ISSUER]);
        let tokens = service.authenticator.bearer_tokens().unwrap();
        let whose = async |token: &str| match tokens.authenticate(token, &Policy::default()) {
            Decision::Admit(token) => Ok(token.user_id().to_owned()),
            Decision::Wait(waiting) => waiting
                .await
                .map(|token| token.user_id().to_owned())
                .map_err(|refusal| refusal.reason()),
            Decision::Refuse(refusal) => Err(refusal.reason()),
        };
        let token = async |user: &str, issuer: &str| {
            let browser = service.sign_in_with(user, json!({ "iss": issuer })).await;
            service.open(&browser).await.map_or_else(
                |refusal| panic!("{}", refusal.reason()),
                |admission| admission.session().access_token().expose().to_owned(),
            )
        };
        let (one, other) = (token("user_a", ISSUER).await, token("user_b", ISSUER).await);
        assert_eq!(whose(&one).await, Ok("user_a".to_owned()));
        assert_eq!(whose("garbage").await, Err(Reason::BadSignature));

        let revocation = Revocation::user("user_a", service.clock.wall());
        service.authenticator.revoke(revocation).await.unwrap();
        assert_eq!(whose(&one).await, Err(Reason::Revoked));
        assert_eq!(whose(&other).await, Ok("user_b".to_owned()));
        tokio::time::sleep(Duration::from_secs(310)).await;
        assert_eq!(whose(&other).await, Err(Reason::Expired));
    }

    #[test]
    fn without_issuers_there_are_no_bearer_tokens() {
        for service in [Service::new(), service(&[])] {
            let error = service.authenticator.bearer_tokens().unwrap_err().to_string();
            assert!(
                error.contains("WORKOS_ISSUER") && error.contains("names no issuer"),
                "{error}"
            );
        }
    }
}
