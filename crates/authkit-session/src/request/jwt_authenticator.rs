//! Decides about an access token that came without a cookie, of any kind: verified with published keys, never
//! refreshed.

use std::sync::Arc;

use tokio::time::{self, Instant};

use crate::{
    candidate::jwks::{FetchFor, Jwks},
    config::settings::Settings,
    decide::{
        Action, Circumstances, CutOffEffect, KeyFetch, MissingKeys, PairAge, Refreshing,
        SessionLimit, Verdict, decide, reason::Reason,
    },
    log_limit::{IdLogLimiter, LogLimiter},
    request::{
        admission::Refusal,
        credential_log::CredentialLog,
        policy::Policy,
        waiting::{Decision, PATIENCE, Waiting},
    },
    token::AccessToken,
};

/// Reads the tokens of one kind with the keys and revocations known now.
pub(crate) trait ReadToken: Send + Sync + 'static {
    /// The result of a good token.
    type Token: Send + Sync + 'static;

    fn read(&self, token: &str) -> TokenCandidate<Self::Token>;

    /// The keys that sign these tokens.
    fn keys(&self) -> &Jwks;

    /// The id of the token's principal in logs.
    fn log_id(&self, token: &Self::Token) -> String;
}

/// An access token, and the result of checking it.
pub(crate) struct TokenCandidate<T> {
    pub(crate) verdict: Verdict,
    /// Present if the signature verified and the token is of the kind.
    pub(crate) token: Option<T>,
    /// Unix seconds.
    pub(crate) issued_at: Option<u64>,
    pub(crate) cut_off: CutOffEffect,
}

impl<T> TokenCandidate<T> {
    /// A candidate with nothing but a verdict.
    pub(crate) fn without_token(verdict: Verdict) -> Self {
        Self { verdict, token: None, issued_at: None, cut_off: CutOffEffect::None }
    }
}

/// Decides about the tokens of one kind.
pub(crate) struct JwtAuthenticator<R> {
    settings: Arc<Settings>,
    reader: R,
    log: CredentialLog,
    /// Of lines about tokens that verify.
    known: IdLogLimiter,
}

impl<R: ReadToken> JwtAuthenticator<R> {
    pub(crate) fn new(settings: Arc<Settings>, reader: R) -> Self {
        let known = IdLogLimiter::new(LogLimiter::PAUSE);
        Self { log: CredentialLog::new(Arc::clone(&settings)), settings, reader, known }
    }

    pub(crate) fn reader(&self) -> &R {
        &self.reader
    }

    /// Decides about a request by its token alone. Nothing is ever refreshed, and the refusal sets no cookie.
    pub(crate) fn authenticate(
        self: &Arc<Self>,
        token: &str,
        policy: Policy,
    ) -> Decision<Arc<R::Token>> {
        let candidate = self.read(token);
        match self.action(&candidate, policy) {
            Action::FetchKeys => {
                let tokens = Arc::clone(self);
                Decision::Wait(Waiting::new(tokens.wait(AccessToken::new(token), policy)))
            }
            action @ (Action::Admit | Action::Refresh { .. } | Action::Refuse(_)) => {
                Decision::of(self.carry_out(candidate, action))
            }
        }
    }

    fn read(&self, token: &str) -> TokenCandidate<R::Token> {
        if token.len() > MAX_TOKEN {
            return TokenCandidate::without_token(Verdict::BadSignature);
        }
        self.reader.read(token)
    }

    fn action(&self, candidate: &TokenCandidate<R::Token>, policy: Policy) -> Action {
        let missing = candidate.verdict.missing_keys().map(fetch_for);
        let keys = missing.map_or(KeyFetch::Allowed, |why| self.reader.keys().may_fetch(why));
        let clock = self.settings.clock();
        let circumstances = Circumstances {
            refresh: Refreshing::Impossible,
            limit: SessionLimit::Within,
            demand: policy.demand(candidate.cut_off, candidate.issued_at, clock),
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
    ) -> Result<Arc<R::Token>, Refusal> {
        let deadline = Instant::now() + PATIENCE;
        let mut fetched = false;
        loop {
            let candidate = self.read(token.expose());
            match self.action(&candidate, policy) {
                Action::FetchKeys if !fetched => {
                    fetched = true;
                    let missing = candidate.verdict.missing_keys().unwrap_or(MissingKeys::All);
                    if let Some(keys) = self.reader.keys().fetch(fetch_for(missing)) {
                        // Keys that come too late are looked up once more, and reported missing.
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

    /// Carries out an action that needs no waiting.
    fn carry_out(
        &self,
        candidate: TokenCandidate<R::Token>,
        action: Action,
    ) -> Result<Arc<R::Token>, Refusal> {
        let reason = match action {
            Action::Admit => match candidate.token {
                Some(token) => return Ok(Arc::new(token)),
                // Verdicts that admit come with a token; without one the request is refused.
                None => Reason::BadSignature,
            },
            Action::Refuse(reason) => reason,
            Action::FetchKeys => {
                candidate.verdict.missing_keys().unwrap_or(MissingKeys::All).into()
            }
            // There is nothing to refresh with.
            Action::Refresh { .. } => Reason::Expired,
        };
        Err(match candidate.token.as_ref().map(|token| self.reader.log_id(token)) {
            Some(session) => {
                let now = self.settings.clock().monotonic();
                match self.known.admit(reason.as_str(), &session, now) {
                    Some(left_out) => {
                        tracing::info!(%reason, session, left_out, "bearer token refused");
                    }
                    None => tracing::debug!(%reason, session, "bearer token refused"),
                }
                Refusal::without_cookies(reason)
            }
            None => self.log.refuse("bearer token", reason),
        })
    }
}

/// Why keys are fetched for a token, which anybody may have made up.
fn fetch_for(missing: MissingKeys) -> FetchFor {
    match missing {
        MissingKeys::All => FetchFor::None,
        MissingKeys::OfToken => FetchFor::UnknownBearerKey,
    }
}

/// The longest token that is read: as long as the cookies that are read.
const MAX_TOKEN: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use super::*;
    use crate::testing::{Endpoint, OwnerParts, Reply, Workos};

    /// Reads every token with one result while there are no keys, and with another one when there are.
    struct Reader {
        keys: Jwks,
        without_keys: Verdict,
        with_keys: Verdict,
        reads: AtomicUsize,
    }

    impl ReadToken for Reader {
        type Token = ();

        fn read(&self, _: &str) -> TokenCandidate<()> {
            let reads = self.reads.fetch_add(1, Ordering::Relaxed) + 1;
            assert!(reads < 10, "a request reads its token again and again");
            let has_keys = self.keys.current().is_some();
            let verdict = if has_keys { self.with_keys } else { self.without_keys };
            TokenCandidate {
                verdict,
                token: Some(()),
                issued_at: None,
                cut_off: CutOffEffect::None,
            }
        }

        fn keys(&self) -> &Jwks {
            &self.keys
        }

        fn log_id(&self, (): &()) -> String {
            "-".to_owned()
        }
    }

    fn tokens(
        without_keys: Verdict,
        with_keys: Verdict,
    ) -> (Arc<JwtAuthenticator<Reader>>, Arc<Workos>) {
        let parts = OwnerParts::new(|config| config);
        let keys = parts.reader.keys().clone();
        let reader = Reader { keys, without_keys, with_keys, reads: AtomicUsize::new(0) };
        (Arc::new(JwtAuthenticator::new(parts.settings, reader)), parts.workos)
    }

    async fn judged(tokens: &Arc<JwtAuthenticator<Reader>>, token: &str) -> Result<(), Reason> {
        let decided = match tokens.authenticate(token, Policy::default()) {
            Decision::Admit(token) => Ok(token),
            Decision::Wait(waiting) => waiting.await,
            Decision::Refuse(refusal) => Err(refusal),
        };
        decided.map(drop).map_err(|refusal| refusal.reason())
    }

    #[tokio::test]
    async fn a_token_is_as_long_as_the_cookies_that_are_read_at_most() {
        let (tokens, _) = tokens(Verdict::Good, Verdict::Good);
        for (length, is_read) in [(1, true), (16_384, true), (16_385, false), (1_000_000, false)] {
            let expected = if is_read { Ok(()) } else { Err(Reason::BadSignature) };
            assert_eq!(judged(&tokens, &"t".repeat(length)).await, expected, "{length}");
        }
        assert_eq!(tokens.reader().reads.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_waits_for_keys_once_and_is_then_decided_about() {
        use Verdict::{Good, NoKeys, UnknownKey};

        let after = |seconds| Reply::Usual(Duration::from_secs(seconds));
        // The verdicts without and with keys, how the keys come, the result, and after how many seconds.
        let cases = [
            (NoKeys, Good, after(0), Ok(()), 0),
            (NoKeys, Good, after(3), Ok(()), 3),
            (NoKeys, Good, Reply::Hangs, Err(Reason::NoKeys), 4),
            (UnknownKey, UnknownKey, after(3), Err(Reason::UnknownKey), 3),
            // No reader does that; if one did, the request would not spin.
            (NoKeys, NoKeys, after(3), Err(Reason::NoKeys), 3),
        ];
        for (without_keys, with_keys, reply, expected, after) in cases {
            let name = format!("{without_keys:?}, {with_keys:?}, {reply:?}");
            let (tokens, workos) = tokens(without_keys, with_keys);
            workos.usually(Endpoint::Jwks, reply);
            let began = Instant::now();
            assert_eq!(judged(&tokens, "token").await, expected, "{name}");
            assert_eq!(began.elapsed().as_secs(), after, "{name}");
            assert_eq!(workos.calls(Endpoint::Jwks), 1, "{name}");
            let reads = tokens.reader().reads.load(Ordering::Relaxed);
            assert_eq!(reads, 3, "{name}: at once, when it waits, and with the keys");
        }
    }
}
