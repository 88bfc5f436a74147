use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::HeaderMap;
use tokio::time::{self, Instant};

use crate::{
    candidate::Presented,
    core::Core,
    decide::{
        Action, Fallback,
        reason::Reason,
        refresh_outcome::{Outcome, Settlement, settle},
    },
    refresh::{self, Refreshed, hook::Ruled},
    request::{
        admission::{Admission, Refusal},
        authenticate::{missing, why},
        policy::Policy,
    },
};

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
pub(crate) async fn wait(
    core: Arc<Core>,
    cookies: HeaderMap,
    policy: Policy,
) -> Result<Admission, Refusal> {
    let deadline = Instant::now() + PATIENCE;
    let mut fetched = false;
    loop {
        let presented = core.present_opened(&cookies);
        match core.act(&presented, policy) {
            Action::Admit => return core.admit(presented),
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
            let refresh = refresh::refresh(core, sealed, presented.seen, judge);
            time::timeout_at(deadline, refresh).await
        }
        (None, _) => return Err(core.refuse(Reason::NotASession, &presented)),
    };
    let refreshed = refreshed.unwrap_or_else(|_| Refreshed::without(Outcome::TimedOut));
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

/// How long a request waits for keys and a refresh together.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// How long a request waits for a refresh that it could do without.
const PATIENCE_IF_GOOD: Duration = Duration::from_secs(1);
