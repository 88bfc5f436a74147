//! How sessions begin and end: sign-in, sign-out.

use std::{collections::BTreeSet, sync::Arc};

use http::{HeaderMap, HeaderValue};
use tokio::runtime::Handle;

use crate::{
    authenticator::Authenticator,
    candidate::{
        Sealed,
        cookies::{self, Seen},
        jwks::FetchFor,
    },
    core::Core,
    decide::Verdict,
    error::{Error, ErrorKind},
    payload::{Answer, Payload},
    refresh::hook::{self, Ruling},
    seal::{Attempts, Form},
    session::VerifiedSession,
    set_cookie::{SessionLifetime, TooLarge},
    tasks::Task,
    token::{TokenHash, jwt::Unverified},
    upstream::pkce::PkceVerifier,
};

/// A session that has just begun, and the cookies that keep it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SignedIn {
    /// The session.
    pub session: Arc<VerifiedSession>,
    /// The `Set-Cookie` values of the response.
    pub set_cookies: Vec<HeaderValue>,
}

/// A session that has ended here.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SignedOut {
    /// Its id, where the request's cookie could be opened: for [`Client::logout_url`](crate::Client::logout_url).
    pub session_id: Option<String>,
    /// The `Set-Cookie` values of the response.
    pub set_cookies: Vec<HeaderValue>,
}

impl Authenticator {
    /// Exchanges the code of the callback and begins its session, in place of the one in `headers`, if any, unless
    /// `rule` refuses it: then the new one is revoked at WorkOS, and the one in `headers` goes on.
    ///
    /// The code is sent once: what became of it after a lost answer cannot be known. `rule` has 3 seconds.
    ///
    /// # Errors
    ///
    /// Those of a call to WorkOS and of [`start_session`](Self::start_session), [`ErrorKind::Denied`] and
    /// [`ErrorKind::Undecided`].
    pub async fn exchange_code<R>(
        &self,
        code: &str,
        verifier: &PkceVerifier,
        headers: &HeaderMap,
        rule: impl FnOnce(Arc<VerifiedSession>) -> R,
    ) -> Result<SignedIn, Error>
    where
        R: Future<Output = Ruling> + Send + 'static,
    {
        let core = &self.core;
        let answer = core.client.exchange_code(code, verifier).await?;
        let begun = core.begin(&answer).await?;
        let refused = match hook::within_patience(rule(Arc::clone(&begun.session))).await {
            Ruling::Keep => return core.install(begun, headers),
            Ruling::Refuse => ErrorKind::Denied,
            Ruling::Undecided => ErrorKind::Undecided,
        };
        core.revoke_in_background(begun.session.session_id().to_owned());
        Err(refused.into())
    }

    /// Begins the session of an answer of WorkOS, in place of the one in `headers`, if any.
    ///
    /// `answer` is the JSON body of a successful `POST /user_management/authenticate`: for applications that sign
    /// users in by other calls, such as the `workos` crate's password or magic-code ones. Its token is verified.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Transient`] where `answer` is not such a body, [`ErrorKind::Unverified`] where its token cannot be
    /// verified, [`ErrorKind::Clock`] where it is not of this time, and [`ErrorKind::TooLarge`] where the session is too
    /// large for cookies. The session in `headers` goes on then.
    pub async fn start_session(
        &self,
        answer: &[u8],
        headers: &HeaderMap,
    ) -> Result<SignedIn, Error> {
        let begun = self.core.begin(answer).await?;
        self.core.install(begun, headers)
    }

    /// Ends the session of a request here and, in the background, at WorkOS. Works with expired sessions too.
    ///
    /// From now on no response sets its cookie again, and its cookie is refused by this process.
    ///
    /// What deletes its cookies is in the answer: every part, for this host and for a configured `Domain`, and one of
    /// ours under `wos-session`, the name that WorkOS's JavaScript SDKs give it.
    pub fn sign_out(&self, headers: &HeaderMap) -> SignedOut {
        let core = &self.core;
        let (sessions, seen) = core.opened(headers);
        for sealed in &sessions {
            core.end(sealed.token(), sealed.says().sid.as_deref());
        }
        let named = || {
            sessions.iter().map(Sealed::says).filter_map(|it| Some((it.iat, it.sid.as_deref()?)))
        };
        for id in named().map(|(_, id)| id).collect::<BTreeSet<_>>() {
            tracing::info!(session = core.log_word(id), "signed out");
            core.revoke_in_background(id.to_owned());
        }
        // The latest is the one that requests went by.
        let session_id = named().max().map(|(_, id)| id.to_owned());
        let cookies = &core.settings.cookies;
        let mut set_cookies = cookies.delete_session(seen);
        set_cookies.extend(cookies.delete_other_scope(seen));
        if cookies.name() != LEFT_OVER && !core.sessions_named(LEFT_OVER, headers).0.is_empty() {
            set_cookies.extend(cookies.delete_named(LEFT_OVER));
        }
        SignedOut { session_id, set_cookies }
    }
}

/// A session that WorkOS has begun, and that no browser has yet.
struct Begun {
    session: Arc<VerifiedSession>,
    sealed: String,
    lifetime: SessionLifetime,
}

impl Core {
    /// Seals and verifies the session of an answer.
    async fn begin(&self, answer: &[u8]) -> Result<Begun, Error> {
        let answer = Answer::parse(answer).map_err(|_| Error::new(ErrorKind::Transient))?;
        let sealed = self.seal_new(&answer)?;
        let session = self.verified(&sealed, &answer).await?;
        let lifetime = SessionLifetime::of(&Unverified::of(&answer.access_token));
        Ok(Begun { session, sealed, lifetime })
    }

    /// Puts a session into the place of those in `headers`, which end.
    fn install(&self, begun: Begun, headers: &HeaderMap) -> Result<SignedIn, Error> {
        let Begun { session, sealed, lifetime } = begun;
        let (replaced, seen) = self.opened(headers);
        let cookies = &self.settings.cookies;
        let written = cookies.session(&sealed, lifetime, seen).map_err(|TooLarge| {
            tracing::error!(bytes = sealed.len(), "a new session is too large for cookies");
            Error::new(ErrorKind::TooLarge)
        })?;
        for old in &replaced {
            if old.says().sid.as_deref() != Some(session.session_id()) {
                self.end(old.token(), old.says().sid.as_deref());
            }
        }
        tracing::info!(session = self.log_word(session.session_id()), "a session began");
        // Deletions go first: a client that does not tell the scopes apart (RFC 6265 did not) keeps the new session.
        let mut set_cookies = cookies.delete_other_scope(seen);
        set_cookies.extend(written);
        Ok(SignedIn { session, set_cookies })
    }

    /// Seals a new session in the configured format.
    fn seal_new(&self, answer: &Answer<'_>) -> Result<String, Error> {
        let ring = self.ring.load();
        let target = ring.target(None);
        let (Form::Configured(format) | Form::Replaced(format)) = target.form else {
            return Err(Error::new(ErrorKind::Seal));
        };
        self.seal(&Payload::fresh(format, answer), &target).map_err(|_| Error::new(ErrorKind::Seal))
    }

    /// Verifies a session that WorkOS has just begun, with new keys if it takes them.
    async fn verified(
        &self,
        sealed: &str,
        answer: &Answer<'_>,
    ) -> Result<Arc<VerifiedSession>, Error> {
        if self.jwks.lacks_key_of(&answer.access_token)
            && let Some(keys) = self.jwks.fetch(FetchFor::OwnAnswer)
        {
            keys.over().await;
        }
        let begun = self.examine(sealed.as_bytes(), Seen::default(), &mut Attempts::new());
        match (begun.verdict, begun.session) {
            (Verdict::Good | Verdict::Expiring, Some(session)) => Ok(session),
            (verdict, _) => {
                tracing::error!(?verdict, "a new session cannot be verified");
                Err(Error::new(match verdict {
                    Verdict::Expired | Verdict::NotYetValid => ErrorKind::Clock,
                    _ => ErrorKind::Unverified,
                }))
            }
        }
    }

    /// Every session among the request's cookies, whatever its token is worth.
    fn opened(&self, headers: &HeaderMap) -> (Vec<Sealed>, Seen) {
        self.sessions_named(self.settings.cookie_name(), headers)
    }

    fn sessions_named(&self, name: &str, headers: &HeaderMap) -> (Vec<Sealed>, Seen) {
        let found = cookies::find(headers, name);
        let mut attempts = Attempts::new();
        let sessions = found
            .candidates()
            .filter_map(|value| self.examine(&value.whole(), found.seen, &mut attempts).opened)
            .map(|sealed| *sealed)
            .collect();
        (sessions, found.seen)
    }

    /// Nothing of the session counts here any more.
    pub(crate) fn end(&self, token: Option<TokenHash>, session_id: Option<&str>) {
        let now = self.settings.clock().monotonic();
        self.table().lineages.end(token, session_id, now);
    }

    /// The browser ends the session by going to the logout URL; this ends it even if it does not.
    pub(crate) fn revoke_in_background(self: &Arc<Self>, session_id: String) {
        if Handle::try_current().is_err() {
            return;
        }
        let task = Task::begin(self);
        tokio::spawn(async move {
            let core = task.core();
            let (revoked, ()) =
                tokio::join!(core.client.revoke(&session_id), core.publish_sign_out(&session_id));
            if let Err(error) = revoked {
                tracing::debug!(%error, "a signed-out session was not revoked");
            }
        });
    }
}

/// What WorkOS's JavaScript SDKs call the cookie: one of ours is left over where a service was moved from one of them.
/// A neighbour's, which our passwords do not open, stays.
const LEFT_OVER: &str = "wos-session";
