//! The exchange of one refresh token, from the first attempt to the last.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::StatusCode;
use tokio::{sync::watch, time};
use zeroize::Zeroizing;

use crate::{
    candidate::Sealed,
    core::Core,
    error::{Error, ErrorKind},
    payload::Answer,
    refresh::replicas::{Claimed, News, SharedExchange},
    refresh_state::{
        Landing,
        lineage::{RefusedFor, RefusedSince},
    },
    seal::Seal,
    tasks::Task,
    token::{RefreshToken, TokenHash},
};

/// The exchange of one refresh token. It is over when this is dropped, even by a panic.
pub(super) struct Flight {
    token: RefreshToken,
    pub(super) hash: TokenHash,
    /// Whose session it is, as far as the cookie says.
    pub(super) subject: Option<String>,
    /// The organization to stay in, or to switch to.
    pub(super) organization: Option<String>,
    errand: Errand,
    pub(super) plaintext: Zeroizing<Vec<u8>>,
    pub(super) seal: Seal,
    landing: watch::Sender<Option<Landing>>,
    pub(super) settled: Settled,
    pub(super) task: Task,
}

/// What an exchange is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Errand {
    /// The same session, with a new token.
    Renew,
    /// The same session, in this organization.
    Switch(String),
}

/// Whether the table knows how the exchange ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Settled {
    No,
    Yes,
}

impl Flight {
    pub(super) fn new(
        core: &Arc<Core>,
        token: RefreshToken,
        hash: TokenHash,
        sealed: &Sealed,
        errand: Errand,
        landing: watch::Sender<Option<Landing>>,
    ) -> Self {
        let organization = match &errand {
            Errand::Renew => sealed.says().org_id.clone(),
            Errand::Switch(organization) => Some(organization.clone()),
        };
        Self {
            token,
            hash,
            subject: sealed.subject(),
            organization,
            errand,
            plaintext: sealed.opened.plaintext.clone(),
            seal: sealed.opened.seal,
            landing,
            settled: Settled::No,
            task: Task::begin(core),
        }
    }

    pub(super) async fn run(mut self) {
        let core = Arc::clone(self.task.core());
        let shared = SharedExchange::new(&core, self.hash, self.organization.as_deref());
        let (landing, news) = match shared.claim(&core).await {
            Claimed::Told(news) if self.may_take(&news) => (self.take(&news).await, None),
            Claimed::Alone => self.exchange(&shared, Others::None).await,
            Claimed::Contested | Claimed::Told(_) => self.exchange(&shared, Others::AtIt).await,
        };
        let publishing = news.map(|news| (Task::begin(&core), news));
        self.land(landing);
        if let Some((_task, news)) = publishing {
            shared.publish(&core, &news).await;
        }
    }

    /// Makes the exchange. What came of it is news for the others, unless it may come from what they did.
    async fn exchange(
        &mut self,
        shared: &SharedExchange,
        others: Others,
    ) -> (Landing, Option<News>) {
        let refused = match self.ask_workos().await {
            Ok(body) => return self.tell(News::Renewed(body)).await,
            Err(error) => match (refusal(&error), &self.errand) {
                (Ok(why), Errand::Switch(_)) if why.is_about_organization() => {
                    // The session goes on where it is, so nothing is remembered of its token.
                    let sign_in_at = error.authkit_redirect_url().map(Into::into);
                    let since = RefusedSince::JustNow;
                    return (Landing::Refused { why, since, sign_in_at }, None);
                }
                (Ok(why), Errand::Renew | Errand::Switch(_)) => why,
                (Err(landing), _) => return (landing, None),
            },
        };
        let news = News::Refused(refused);
        if refused != RefusedFor::Grant {
            return self.tell(news).await;
        }
        match (shared.look(self.task.core()).await, others) {
            (Claimed::Told(told), _) if self.may_take(&told) => (self.take(&told).await, None),
            (Claimed::Alone, Others::None) => self.tell(news).await,
            (Claimed::Told(_) | Claimed::Contested, _) | (Claimed::Alone, Others::AtIt) => {
                tracing::info!("a refresh was refused that another process was at");
                (Landing::Transient { retry_after: Some(NEWER_COOKIE_SOON) }, None)
            }
        }
    }

    /// Asks WorkOS until it answers something that lasts, within the time in which it answers a repetition alike.
    async fn ask_workos(&self) -> Result<Bytes, Error> {
        let core = self.task.core();
        let now = || core.settings.clock().monotonic();
        let told = core.table().breaker.told(now());
        time::sleep(told).await;
        let began = now();
        let left = || REPLAYABLE.saturating_sub(now().saturating_sub(began));
        let mut pauses = Pauses::of(self.hash);
        loop {
            let organization = self.organization.as_deref();
            let result = core.client.refresh(&self.token, organization, ATTEMPT.min(left())).await;
            let error = match result {
                Ok(body) if Answer::parse(&body).is_ok() => {
                    core.table().breaker.answered();
                    return Ok(body);
                }
                Ok(_) => Error::new(ErrorKind::Transient),
                Err(error) => error,
            };
            if !error.is_transient() {
                core.table().breaker.answered();
                return Err(error);
            }
            let asked = error.retry_after();
            {
                let breaker = &mut core.table().breaker;
                if error.status() != Some(StatusCode::TOO_MANY_REQUESTS) {
                    breaker.failed(now());
                }
                if let Some(asked) = asked {
                    breaker.leave_alone(asked, now());
                }
            }
            let mut at_least = asked.unwrap_or_default();
            let mut pause = pauses.next().max(at_least);
            loop {
                let at_most = left().saturating_sub(LAST);
                if at_most.is_zero() || at_least > at_most {
                    return Err(error);
                }
                time::sleep(pause.min(at_most)).await;
                let attempt = core.table().breaker.attempt(now());
                match attempt {
                    Ok(()) => break,
                    Err(early) => (at_least, pause) = (early, early + pauses.up_to(SPREAD)),
                }
            }
        }
    }

    /// Lets the waiters go.
    fn land(mut self, landing: Landing) {
        self.settle();
        self.landing.send_replace(Some(landing));
    }

    /// Whatever the table has not been told by now is lost.
    fn settle(&mut self) {
        if self.settled == Settled::No {
            let core = self.task.core();
            let now = core.settings.clock().monotonic();
            core.table().lineages.lost(self.hash, now);
            self.settled = Settled::Yes;
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.settle();
        self.task.core().table().breaker.finish();
    }
}

/// Whether another process may be exchanging the same token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Others {
    None,
    AtIt,
}

/// What WorkOS refused, if the same exchange would be refused again; else how the exchange has ended.
fn refusal(error: &Error) -> Result<RefusedFor, Landing> {
    match error.kind() {
        ErrorKind::Refused => Ok(RefusedFor::Grant),
        ErrorKind::OrganizationGone => Ok(RefusedFor::OrganizationGone),
        ErrorKind::InteractionNeeded => Ok(RefusedFor::InteractionNeeded),
        ErrorKind::Misconfigured => {
            tracing::error!(%error, "WorkOS refused our API key, client id or request");
            Err(Landing::Misconfigured)
        }
        ErrorKind::Rejected => {
            tracing::error!(%error, "WorkOS rejected a refresh");
            Err(Landing::Rejected)
        }
        ErrorKind::Transient
        | ErrorKind::Unverified
        | ErrorKind::Clock
        | ErrorKind::Claims
        | ErrorKind::Seal
        | ErrorKind::TooLarge
        | ErrorKind::NoSession
        | ErrorKind::SignedOut
        | ErrorKind::TooSoon
        | ErrorKind::Denied
        | ErrorKind::Undecided
        | ErrorKind::HeadSent => Err(Landing::Transient { retry_after: error.retry_after() }),
    }
}

/// The pauses between the attempts of an exchange. How they differ from those of others is drawn from the token's hash,
/// as good as random where nobody gains from guessing it, so that what a test went through can be repeated.
struct Pauses {
    hash: TokenHash,
    drawn: usize,
    attempts: u32,
}

impl Pauses {
    fn of(hash: TokenHash) -> Self {
        Self { hash, drawn: 0, attempts: 0 }
    }

    /// 200 ms, doubled each time up to 4 s, give or take a half.
    fn next(&mut self) -> Duration {
        let base = Duration::from_millis(200) * 2_u32.pow(self.attempts.min(5));
        let base = base.min(Duration::from_secs(4));
        self.attempts += 1;
        base / 2 + self.up_to(base)
    }

    /// Any time up to `most`.
    fn up_to(&mut self, most: Duration) -> Duration {
        let hash = self.hash.as_bytes();
        let at = 2 * self.drawn % hash.len();
        self.drawn += 1;
        let share = u16::from_le_bytes([hash[at], hash[at + 1]]);
        most.mul_f64(f64::from(share) / f64::from(u16::MAX))
    }
}

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(5);
/// How long the last one may take: were it cut off sooner, it might spend the token for nobody.
const LAST: Duration = Duration::from_secs(3);
/// WorkOS answers a repeated exchange alike for 30 seconds; this leaves 5 for the way.
const REPLAYABLE: Duration = Duration::from_secs(25);
/// How far apart exchanges that waited for the same moment go on.
const SPREAD: Duration = Duration::from_millis(250);
/// When the browser is to come again after a refusal that another process's success may have caused.
const NEWER_COOKIE_SOON: Duration = Duration::from_secs(1);
