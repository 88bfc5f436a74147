use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderMap, header};
use tokio::time::{self, Instant};

use crate::{
    admission::{Admission, Head, Refusal},
    client::Client,
    config::{Config, CookiePassword},
    config_error::ConfigError,
    core::{Core, Presented, Sealed},
    cut_offs::Hit,
    decide::{Action, Circumstances, Demand, Fallback, KeyFetch, Refreshing, Verdict, decide},
    flight::{self, Enough, Refreshed},
    hooks::Ruled,
    jwks::FetchFor,
    notice::Inbox,
    reason::Reason,
    seal::{Purpose, SealError},
    settings::{self, Settings},
    settle::{Outcome, Settlement, settle},
};

/// Opens, verifies and refreshes the sessions of a service. Clones share everything.
///
/// Making one neither spawns a task nor needs a runtime; waiting for a [`Decision::Wait`] needs tokio's.
///
/// # Examples
///
/// ```
/// use authkit_session::{Authenticator, Config, CookiePassword, Decision, Policy, Reason};
/// use http::HeaderMap;
///
/// let password = CookiePassword::new("0123456789abcdef0123456789abcdef")?;
/// let config = Config::new("client_123", "sk_test_123", "https://app.example.com/callback", password);
/// let authenticator = Authenticator::new(config)?;
///
/// let Decision::Refuse(refusal) = authenticator.authenticate(&HeaderMap::new(), &Policy::default()) else {
///     panic!("nobody signed in");
/// };
/// assert_eq!(refusal.reason(), Reason::NoCookie);
/// # Ok::<(), authkit_session::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Authenticator {
    pub(crate) core: Arc<Core>,
}

/// What a request gets: `A` is an [`Admission`], or what a bearer token is worth.
#[derive(Debug)]
#[allow(clippy::exhaustive_enums, reason = "a new decision has to break every match on it")]
pub enum Decision<A = Admission> {
    /// It goes on.
    Admit(A),
    /// It depends on WorkOS: on signing keys, or on a refresh.
    Wait(Waiting<A>),
    /// It is answered without the inner service.
    Refuse(Refusal),
}

/// What one layer wants of sessions. The default: any session that verifies, refreshed where it is due.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct Policy {
    max_token_age: Option<Duration>,
    unrefreshable: bool,
}

impl Policy {
    /// Refreshes sessions whose access token was made longer ago than `age` (default: when they expire), so that a
    /// role that was taken away ends sooner. Whole seconds; each refresh is a call to WorkOS.
    pub fn with_max_token_age(mut self, age: Duration) -> Self {
        self.max_token_age = Some(age);
        self
    }

    /// Never refreshes, for clients that keep no cookies: an expired session is refused.
    pub fn without_refresh(mut self) -> Self {
        self.unrefreshable = true;
        self
    }

    /// What is asked of a token made at `made`, if it verified.
    pub(crate) fn demand(self, hit: Hit, made: Option<u64>, now: u64) -> Demand {
        let too_old = match (self.max_token_age, made) {
            (Some(age), Some(made)) => now.saturating_sub(made) >= age.as_secs(),
            (None, _) | (_, None) => false,
        };
        match hit {
            Hit::ChangedSince => Demand::NewerPair,
            Hit::ChangedMeanwhile => Demand::NewPair,
            Hit::Nothing | Hit::Ended if too_old => Demand::NewPair,
            Hit::Nothing | Hit::Ended => Demand::Nothing,
        }
    }

    fn refreshing(self, presented: &Presented) -> Refreshing {
        let token =
            presented.opened.as_ref().and_then(|sealed| sealed.payload.refresh_token.as_ref());
        if token.is_some() && !self.unrefreshable {
            Refreshing::Possible
        } else {
            Refreshing::Impossible
        }
    }
}

impl Authenticator {
    /// Checks `config` and prepares its keys.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with every problem of the configuration.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        let core = Arc::new(Core::new(settings::check(config)?));
        if let Some(revocations) = &core.revocations {
            revocations.subscribe(Inbox::of(&core));
        }
        Ok(Self { core })
    }

    /// The checked configuration.
    pub fn settings(&self) -> &Settings {
        &self.core.settings
    }

    /// The calls to WorkOS.
    pub fn client(&self) -> &Client {
        &self.core.client
    }

    /// Decides about a request by its `Cookie` fields. Synchronous: it reads what is cached and calls nobody.
    pub fn authenticate(&self, headers: &HeaderMap, policy: &Policy) -> Decision {
        let presented = self.core.present(headers);
        match self.core.act(&presented, *policy) {
            Action::Admit => self.core.admit(presented),
            Action::Refuse(reason) => Decision::Refuse(self.core.refuse(reason, &presented)),
            Action::Refresh { .. } | Action::FetchKeys => {
                let mut cookies = HeaderMap::new();
                for field in headers.get_all(header::COOKIE) {
                    cookies.append(header::COOKIE, field.clone());
                }
                Decision::Wait(Waiting::new(wait(Arc::clone(&self.core), cookies, *policy)))
            }
        }
    }

    /// Replaces the passwords without a restart: `current` seals, `others` open as well.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] where `current` cannot seal the configured format; the passwords in use stay.
    pub fn reload_keys(
        &self,
        current: &CookiePassword,
        others: &[CookiePassword],
    ) -> Result<(), ConfigError> {
        let ring = self.core.ring.load().reloaded(current, others)?;
        self.core.ring.store(Arc::new(ring));
        Ok(())
    }

    /// Seals a value that is no session, for `purpose` and `context`, into characters that URLs and cookies take.
    ///
    /// # Errors
    ///
    /// [`SealError::NoRandomness`].
    pub fn seal_for(
        &self,
        purpose: Purpose,
        context: &[u8],
        plaintext: &[u8],
    ) -> Result<String, SealError> {
        self.core.ring.load().seal_for(purpose, &self.core.context(context), plaintext)
    }

    /// Opens what [`seal_for`](Self::seal_for) sealed for the same purpose and context. `None` for anything else.
    pub fn open_for(&self, purpose: Purpose, context: &[u8], sealed: &str) -> Option<Vec<u8>> {
        let opened =
            self.core.ring.load().open_for(purpose, &self.core.context(context), sealed)?;
        Some(opened.to_vec())
    }

    /// Waits until the refreshes and revocations that are under way are over, `timeout` at most: for a shutdown.
    ///
    /// Says whether they are.
    pub async fn drain(&self, timeout: Duration) -> bool {
        let mut tasks = self.core.tasks.subscribe();
        time::timeout(timeout, tasks.wait_for(|tasks| *tasks == 0)).await.is_ok()
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Authenticator").field(&self.core).finish()
    }
}

/// A request that waits for WorkOS: a future of what it is admitted with, or its [`Refusal`].
///
/// Nothing starts before it is first polled. Dropping it cancels nothing that others wait for, nor an exchange that
/// was begun.
#[must_use = "futures do nothing unless polled"]
pub struct Waiting<A = Admission>(Pin<Box<dyn Future<Output = Result<A, Refusal>> + Send>>);

impl<A> Waiting<A> {
    pub(crate) fn new(outcome: impl Future<Output = Result<A, Refusal>> + Send + 'static) -> Self {
        Self(Box::pin(outcome))
    }
}

impl<A> Future for Waiting<A> {
    type Output = Result<A, Refusal>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl<A> fmt::Debug for Waiting<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waiting")
    }
}

/// Looks again, now that waiting is possible: what the request waits for may have come meanwhile.
async fn wait(core: Arc<Core>, cookies: HeaderMap, policy: Policy) -> Result<Admission, Refusal> {
    let deadline = Instant::now() + PATIENCE;
    let mut fetched = false;
    loop {
        let presented = core.present(&cookies);
        match core.act(&presented, policy) {
            Action::Admit => match core.admit(presented) {
                Decision::Admit(admission) => return Ok(admission),
                Decision::Refuse(refusal) => return Err(refusal),
                Decision::Wait(waiting) => return waiting.await,
            },
            Action::Refuse(reason) => return Err(core.refuse(reason, &presented)),
            Action::Refresh { or } => return renew(&core, presented, policy, or, deadline).await,
            Action::FetchKeys if fetched => {
                return Err(core.refuse(missing(presented.verdict), &presented));
            }
            Action::FetchKeys => {
                fetched = true;
                if let Some(keys) = core.jwks.fetch(why(presented.verdict)) {
                    // Keys that come too late are looked for once more, and found missing.
                    let _ = time::timeout_at(deadline, keys.over()).await;
                }
            }
        }
    }
}

/// Waits for the session's refresh, as long as a request may.
async fn renew(
    core: &Arc<Core>,
    presented: Presented,
    policy: Policy,
    or: Fallback,
    deadline: Instant,
) -> Result<Admission, Refusal> {
    let deadline = match or {
        Fallback::Current => deadline.min(Instant::now() + PATIENCE_IF_GOOD),
        Fallback::Nothing => deadline,
    };
    let refreshed = match (&presented.opened, core.ruled(&presented)) {
        (Some(_), Ruled::Later(wait)) => {
            let retry_after = Some(wait);
            Ok(Refreshed { retry_after, ..Refreshed::without(Outcome::Undecided) })
        }
        (Some(sealed), Ruled::Already | Ruled::NotYet) => {
            let judge = |renewed: &mut Presented| core.enough(renewed, policy);
            let refresh = flight::refresh(core, sealed, presented.seen, judge);
            time::timeout_at(deadline, refresh).await
        }
        (None, _) => return Err(core.refuse(Reason::NotASession, &presented)),
    };
    let refreshed = refreshed.unwrap_or_else(|_| Refreshed::without(Outcome::TimedOut));
    // Whatever came of it, or comes of it before the head leaves, belongs to the browser.
    let lineage = presented.opened.as_ref().and_then(Sealed::token);
    let presented = Presented { lineage, ..presented };
    core.log_refresh(refreshed.outcome, &presented);
    match settle(refreshed.outcome, or) {
        Settlement::AdmitRenewed => {
            let renewed = refreshed.presented.and_then(|renewed| renewed.session);
            renewed.map(|session| Admission::new(session, core.head(&presented)))
        }
        Settlement::AdmitCurrent => {
            presented.session.clone().map(|session| Admission::new(session, core.head(&presented)))
        }
        Settlement::Refuse(reason) => {
            return Err(core
                .refuse(reason, &presented)
                .retry_after_at_least(refreshed.retry_after));
        }
    }
    .ok_or_else(|| core.refuse(Reason::Unverified, &presented))
}

impl Core {
    fn act(&self, presented: &Presented, policy: Policy) -> Action {
        let keys = match presented.verdict {
            Verdict::NoKeys | Verdict::UnknownKey => self.jwks.may_fetch(why(presented.verdict)),
            _ => KeyFetch::Allowed,
        };
        let circumstances = Circumstances {
            refresh: policy.refreshing(presented),
            demand: policy.demand(
                presented.hit,
                presented.session.as_ref().map(|session| session.claims.iat),
                self.settings.clock().unix(),
            ),
            keys,
            age: presented.age,
        };
        decide(presented.verdict, circumstances)
    }

    /// Whether a session that a refresh brought is one that `policy` admits.
    pub(crate) fn enough(&self, renewed: &mut Presented, policy: Policy) -> Enough {
        self.check_cut_offs(renewed);
        let unruled = match self.ruled(renewed) {
            Ruled::Already => None,
            Ruled::NotYet => Some(Enough::NotYet(Outcome::Undecided)),
            Ruled::Later(_) => Some(Enough::No(Outcome::Undecided)),
        };
        match (self.act(renewed, policy), unruled) {
            (Action::Admit | Action::Refresh { or: Fallback::Current }, None) => Enough::Yes,
            (Action::Refresh { or: Fallback::Nothing }, None) => match renewed.verdict {
                // It was demanded to be newer. As new as WorkOS makes them, whatever its clocks say, is enough.
                Verdict::Good | Verdict::Expiring => Enough::NotYet(Outcome::Renewed),
                _ => Enough::NotYet(Outcome::Unverified),
            },
            (Action::Admit | Action::Refresh { .. }, Some(unruled)) => unruled,
            (Action::Refuse(Reason::Revoked), _) => Enough::No(Outcome::SignedOut),
            (Action::FetchKeys | Action::Refuse(_), _) => Enough::No(Outcome::Unverified),
        }
    }

    fn admit(self: &Arc<Self>, presented: Presented) -> Decision {
        let head = self.head(&presented);
        match presented.session {
            Some(session) => Decision::Admit(Admission::new(session, head)),
            // The verdicts that admit come with a session; without one, nobody is let in.
            None => Decision::Refuse(Refusal::new(Reason::NotASession, head)),
        }
    }

    fn refuse(self: &Arc<Self>, reason: Reason, presented: &Presented) -> Refusal {
        let session = presented.session_id().map(|id| self.log_word(id)).unwrap_or_default();
        if reason.is_for_the_operator() {
            tracing::error!(%reason, session, "session refused");
        } else if reason == Reason::NoCookie {
            tracing::trace!(%reason, "session refused");
        } else {
            tracing::info!(%reason, session, "session refused");
        }
        let organization = match reason {
            Reason::InteractionNeeded => {
                presented.opened.as_ref().and_then(|sealed| sealed.says.org_id.as_deref())
            }
            _ => None,
        };
        Refusal::new(reason, self.head(presented)).at_organization(organization)
    }

    fn head(self: &Arc<Self>, presented: &Presented) -> Head {
        Head { core: Arc::clone(self), lineage: presented.lineage, seen: presented.seen }
    }

    fn log_refresh(&self, outcome: Outcome, presented: &Presented) {
        let session = presented.session_id().map(|id| self.log_word(id)).unwrap_or_default();
        match outcome {
            Outcome::Renewed => tracing::debug!(session, "session refreshed"),
            outcome => tracing::warn!(?outcome, session, "session not refreshed"),
        }
    }

    /// What sealed values are bound to: our client id, and what the caller names.
    pub(crate) fn context(&self, context: &[u8]) -> Vec<u8> {
        let client_id = self.settings.client_id().as_bytes();
        let mut bound = Vec::with_capacity(8 + client_id.len() + context.len());
        bound.extend_from_slice(&(client_id.len() as u64).to_be_bytes());
        bound.extend_from_slice(client_id);
        bound.extend_from_slice(context);
        bound
    }
}

fn why(verdict: Verdict) -> FetchFor {
    match verdict {
        Verdict::UnknownKey => FetchFor::UnknownKey,
        _ => FetchFor::None,
    }
}

pub(crate) fn missing(verdict: Verdict) -> Reason {
    match verdict {
        Verdict::UnknownKey => Reason::UnknownKey,
        _ => Reason::NoKeys,
    }
}

/// How long a request waits for keys and a refresh together.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// How long a request waits for a refresh that it could do without.
const PATIENCE_IF_GOOD: Duration = Duration::from_secs(1);
