//! How sessions start.

use std::{future::Future, sync::Arc};

use http::{HeaderMap, HeaderValue};

use crate::{
    candidate::{jwks::FetchFor, reader::SessionReader},
    config::settings::Settings,
    cookie::{
        received::ReceivedCookies,
        set_cookie::{SessionLifetime, TooLarge},
    },
    decide::Verdict,
    end::SessionEnder,
    error::{Error, ErrorKind},
    meter::SessionEvent,
    oauth_tokens::OauthTokens,
    payload::{Answer, Payload},
    refresh::hook::{self, HookDecision},
    refresh_state::lineage::Ended,
    seal::{Attempts, Form, Sealer},
    session::VerifiedSession,
    upstream::{budget::RefreshOwner, client::Client, error_answer, pkce::PkceVerifier},
};

/// Starts sessions from WorkOS's answers, and ends those that they replace.
#[derive(Debug)]
pub(crate) struct SignIn {
    settings: Arc<Settings>,
    client: Client,
    sealer: Arc<Sealer>,
    reader: Arc<SessionReader>,
    ender: Arc<SessionEnder>,
}

/// A session that has just started, and its cookies.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SignedIn {
    /// The session.
    pub session: Arc<VerifiedSession>,
    /// The `Set-Cookie` values of the response.
    pub set_cookies: Vec<HeaderValue>,
}

/// Whose session a new one may replace.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Replacing {
    /// Anybody's: the user started the sign-in.
    AnyUser,
    /// Only the same user's: somebody else may have started the sign-in.
    SameUser,
}

/// A session that WorkOS has started, and that no browser has yet.
struct VerifiedAnswer {
    session: Arc<VerifiedSession>,
    sealed: String,
    lifetime: SessionLifetime,
}

impl SignIn {
    pub(crate) fn new(
        settings: Arc<Settings>,
        client: Client,
        sealer: Arc<Sealer>,
        reader: Arc<SessionReader>,
        ender: Arc<SessionEnder>,
    ) -> Self {
        Self { settings, client, sealer, reader, ender }
    }

    /// Exchanges the code of the callback and starts its session, unless the application refuses it.
    pub(crate) async fn exchange_code<R>(
        &self,
        code: &str,
        verifier: &PkceVerifier,
        headers: &HeaderMap,
        replacing: Replacing,
        decide: impl FnOnce(Arc<VerifiedSession>, Option<OauthTokens>) -> R,
    ) -> Result<SignedIn, Error>
    where
        R: Future<Output = HookDecision> + Send + 'static,
    {
        let answer = self.client.exchange_code(code, verifier).await?;
        let (new, oauth_tokens) = self.verified(&answer).await?;
        match replacing {
            Replacing::AnyUser => {}
            // The session is not revoked: AuthKit uses it to sign the user in again after the user has agreed.
            Replacing::SameUser if self.is_of_another_user(&new.session, headers) => {
                return Err(ErrorKind::AnotherUser.into());
            }
            Replacing::SameUser => {}
        }
        let decision = decide(Arc::clone(&new.session), oauth_tokens);
        let refused = match hook::within_timeout(decision, &self.settings.log).await {
            HookDecision::Keep => return self.replace_sessions(new, headers),
            HookDecision::Refuse => ErrorKind::HookRefused,
            HookDecision::Undecided => ErrorKind::HookUndecided,
        };
        self.ender.end_elsewhere(new.session.session_id());
        Err(refused.into())
    }

    /// Whether `headers` bring a session of another user than `new`, expired or not, that has not ended here.
    fn is_of_another_user(&self, new: &VerifiedSession, headers: &HeaderMap) -> bool {
        let (present, _) = self.reader.open_all(self.settings.cookies.name(), headers);
        present.iter().map(|it| it.unverified()).any(|old| {
            let has_ended = old.sid.as_deref().is_some_and(|id| self.ender.has_ended(id));
            !has_ended && old.sub.as_deref().is_some_and(|user| user != new.user_id())
        })
    }

    /// Starts the session of an answer of WorkOS.
    pub(crate) async fn start_session(
        &self,
        answer: &[u8],
        headers: &HeaderMap,
    ) -> Result<SignedIn, Error> {
        let (new, _) = self.verified(answer).await?;
        self.replace_sessions(new, headers)
    }

    /// Seals and verifies the session of an answer; fetches new keys if they are needed.
    async fn verified(
        &self,
        answer: &[u8],
    ) -> Result<(VerifiedAnswer, Option<OauthTokens>), Error> {
        let answer = Answer::parse(answer).map_err(|_| error_answer::read_success(answer))?;
        let sealed = self.seal(&answer)?;
        let keys = self.reader.keys();
        if keys.lacks_key_of(&answer.access_token)
            && let Some(keys) = keys.fetch(FetchFor::OwnAnswer)
        {
            keys.over().await;
        }
        let received = ReceivedCookies::default();
        let candidate = self.reader.open(sealed.as_bytes(), received, &mut Attempts::new());
        let lifetime = SessionLifetime::of(&answer.claims());
        if let (Verdict::Good | Verdict::Expiring, Some(session)) =
            (candidate.verdict, candidate.session)
        {
            let oauth_tokens = answer.oauth_tokens.as_deref().and_then(OauthTokens::read);
            return Ok((VerifiedAnswer { session, sealed, lifetime }, oauth_tokens));
        }
        let is_of_another_time =
            matches!(candidate.verdict, Verdict::Expired | Verdict::NotYetValid);
        let kind = if is_of_another_time { ErrorKind::Clock } else { ErrorKind::Unverified };
        if let Some(left_out) = self.settings.log.due("a new session cannot be verified") {
            tracing::error!(verdict = ?candidate.verdict, left_out, "a new session cannot be verified");
        }
        Err(kind.into())
    }

    /// Seals a new session in the configured format.
    fn seal(&self, answer: &Answer<'_>) -> Result<String, Error> {
        let ring = self.sealer.ring();
        let target = ring.target(None);
        let (Form::Configured(format) | Form::Replaced(format)) = target.form else {
            return Err(Error::new(ErrorKind::Seal));
        };
        let plaintext = Payload::fresh(format, answer);
        self.sealer.seal(&plaintext, &target).map_err(|_| Error::new(ErrorKind::Seal))
    }

    /// Replaces the sessions in `headers` with a new one, and ends them.
    fn replace_sessions(
        &self,
        new: VerifiedAnswer,
        headers: &HeaderMap,
    ) -> Result<SignedIn, Error> {
        let VerifiedAnswer { session, sealed, lifetime } = new;
        let cookies = &self.settings.cookies;
        let (replaced, received) = self.reader.open_all(cookies.name(), headers);
        let written = cookies.session(&sealed, lifetime, received).map_err(|TooLarge| {
            if let Some(left_out) = self.settings.log.due("a new session is too large") {
                tracing::error!(
                    bytes = sealed.len(),
                    left_out,
                    "a new session is too large for cookies"
                );
            }
            Error::new(ErrorKind::TooLarge)
        })?;
        let Settings { log_ids, meter, .. } = &*self.settings;
        let log_id = log_ids.of(session.session_id());
        for old in &replaced {
            let RefreshOwner { session: old_id, user } = old.owner();
            if old_id != Some(session.session_id())
                && self.ender.end(old.token(), old_id) == Ended::Now
            {
                tracing::info!(
                    session = log_ids.of_any(old_id),
                    user = log_ids.of_any(user),
                    by = log_id,
                    "a sign-in replaced a session"
                );
                meter.session(SessionEvent::Replaced);
            }
        }
        let user = log_ids.of(session.user_id());
        tracing::info!(session = log_id, user, "a session began");
        meter.session(SessionEvent::Began);
        // Deletions go first: a client that does not distinguish the scopes (as RFC 6265 did not) keeps the new
        // session.
        let mut set_cookies = cookies.delete_other_scope(received);
        set_cookies.extend(written);
        Ok(SignedIn { session, set_cookies })
    }
}

#[cfg(test)]
mod tests;
