//! Refreshing: one exchange per refresh token, in a task that no client's leaving ends.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::StatusCode;
use tokio::{sync::watch, time};
use zeroize::Zeroizing;

use crate::{
    breaker::{Breaker, Held},
    core::{Core, Presented, Sealed},
    decide::{Outcome, PairAge, Verdict},
    error::{Error, ErrorKind},
    jar::Seen,
    jwks::FetchFor,
    jwt::Unverified,
    lineage::{Ask, Carriage, Limits, Lineages, RefusedFor, RefusedSince, Standing, Successor},
    payload::{Answer, Payload},
    random,
    seal::{Attempts, Form, Seal},
    set_cookie::SessionLifetime,
    task::Task,
    token::{RefreshToken, TokenHash},
};

/// What is remembered of refreshes, behind one lock.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) lineages: Lineages<Join, Pair>,
    pub(crate) breaker: Breaker,
}

impl Default for Table {
    fn default() -> Self {
        Self { lineages: Lineages::new(Limits::default()), breaker: Breaker::default() }
    }
}

/// A session after a refresh, as its cookie will have it.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) sealed: String,
    pub(crate) lifetime: SessionLifetime,
    carriage: Carriage,
    token: TokenHash,
    session_id: Option<Box<str>>,
    organization: Option<Box<str>>,
}

impl Successor for Pair {
    fn token(&self) -> TokenHash {
        self.token
    }

    fn session_id(&self) -> Option<&str> {
        self.session_id.as_deref()
    }

    fn organization(&self) -> Option<&str> {
        self.organization.as_deref()
    }

    fn carriage(&self) -> Carriage {
        self.carriage
    }

    fn bytes(&self) -> usize {
        self.sealed.len() + 512
    }
}

/// The way to wait for an exchange.
pub(crate) type Join = watch::Receiver<Option<Landing>>;

/// How an exchange ended.
#[derive(Clone, Debug)]
pub(crate) enum Landing {
    Renewed(Arc<Pair>),
    Refused(RefusedFor, RefusedSince),
    SignedOut,
    Foreign,
    Misconfigured,
    Rejected,
    Transient { retry_after: Option<Duration> },
}

/// What a refresh brought for one request.
pub(crate) struct Refreshed {
    pub(crate) outcome: Outcome,
    /// The new session, where the outcome is [`Outcome::Renewed`].
    pub(crate) presented: Option<Presented>,
    pub(crate) retry_after: Option<Duration>,
}

impl Refreshed {
    /// Nothing new.
    pub(crate) fn without(outcome: Outcome) -> Self {
        Self { outcome, presented: None, retry_after: None }
    }
}

/// Refreshes `sealed`, or takes what another request's refresh of it has brought.
pub(crate) async fn refresh(core: &Arc<Core>, sealed: &Sealed, seen: Seen) -> Refreshed {
    let mut newest: Option<Presented> = None;
    loop {
        let sealed =
            newest.as_ref().and_then(|presented| presented.opened.as_ref()).unwrap_or(sealed);
        let (pair, lineage) = match ask(core, sealed) {
            Ask::Start(lineage, join) | Ask::Join(lineage, join) => match landed(join).await {
                Landing::Renewed(pair) => (pair, lineage),
                landing => return other(&landing),
            },
            Ask::Successor(lineage, pair) => (pair, lineage),
            Ask::OtherOrganization => return Refreshed::without(Outcome::OtherOrganization),
            Ask::Refused(why, since) => return Refreshed::without(refused(why, since)),
            Ask::Ended => return Refreshed::without(Outcome::SignedOut),
            Ask::Held(Held::Busy) => return Refreshed::without(Outcome::Busy),
            Ask::Held(Held::Open) => return Refreshed::without(Outcome::CircuitOpen),
        };
        let renewed = core.examine(pair.sealed.as_bytes(), seen, &mut Attempts::new());
        let age = core.table().lineages.age(lineage, core.settings.clock().monotonic());
        match (renewed.verdict, PairAge::of(age)) {
            (Verdict::Good | Verdict::Expiring, _) => {
                return Refreshed {
                    presented: Some(renewed),
                    ..Refreshed::without(Outcome::Renewed)
                };
            }
            // Nobody came for it until it had expired itself: on to the next.
            (Verdict::Expired, PairAge::Older) if newest.is_none() => newest = Some(renewed),
            _ => return Refreshed::without(Outcome::Unverified),
        }
    }
}

fn ask(core: &Arc<Core>, sealed: &Sealed) -> Ask<Join, Pair> {
    let Some(token) = &sealed.payload.refresh_token else { return Ask::Ended };
    let hash = token.hash();
    let organization = sealed.says.org_id.as_deref();
    let now = core.settings.clock().monotonic();
    let mut landing = None;
    let mut table = core.table();
    let Table { lineages, breaker } = &mut *table;
    let ask = lineages.ask(hash, organization, now, || {
        breaker.start(now)?;
        let (sender, receiver) = watch::channel(None);
        landing = Some(sender);
        Ok(receiver)
    });
    drop(table);
    if let Some(landing) = landing {
        let flight = Flight {
            token: token.clone(),
            hash,
            subject: sealed.subject(),
            organization: sealed.says.org_id.clone(),
            plaintext: sealed.opened.plaintext.clone(),
            seal: sealed.opened.seal,
            landing,
            settled: Settled::No,
            task: Task::begin(core),
        };
        tokio::spawn(flight.run());
    }
    ask
}

async fn landed(mut join: Join) -> Landing {
    match join.wait_for(Option::is_some).await {
        Ok(landing) => landing.clone().expect("it waited for that"),
        // The task vanished.
        Err(_) => Landing::Transient { retry_after: None },
    }
}

fn other(landing: &Landing) -> Refreshed {
    let (outcome, retry_after) = match landing {
        Landing::Renewed(_) => (Outcome::Renewed, None),
        Landing::Refused(why, since) => (refused(*why, *since), None),
        Landing::SignedOut => (Outcome::SignedOut, None),
        Landing::Foreign => (Outcome::Foreign, None),
        Landing::Misconfigured => (Outcome::Misconfigured, None),
        Landing::Rejected => (Outcome::Rejected, None),
        Landing::Transient { retry_after } => (Outcome::Transient, *retry_after),
    };
    Refreshed { retry_after, ..Refreshed::without(outcome) }
}

fn refused(why: RefusedFor, since: RefusedSince) -> Outcome {
    match (why, since) {
        (RefusedFor::Grant, RefusedSince::JustNow) => Outcome::RefusedJustNow,
        (RefusedFor::Grant, RefusedSince::AWhile) => Outcome::Refused,
        (RefusedFor::Grant, RefusedSince::Twice) => Outcome::RefusedAgain,
        (RefusedFor::OrganizationGone, _) => Outcome::OrganizationGone,
        (RefusedFor::InteractionNeeded, _) => Outcome::InteractionNeeded,
    }
}

/// The exchange of one refresh token.
struct Flight {
    token: RefreshToken,
    hash: TokenHash,
    /// Whose session it is, as far as the cookie says.
    subject: Option<String>,
    /// The organization to stay in.
    organization: Option<String>,
    plaintext: Zeroizing<Vec<u8>>,
    seal: Seal,
    landing: watch::Sender<Option<Landing>>,
    settled: Settled,
    task: Task,
}

/// Whether the table knows how the exchange ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Settled {
    No,
    Yes,
}

impl Flight {
    async fn run(mut self) {
        let landing = match self.exchange().await {
            Ok(body) => self.renewed(&body).await,
            Err(error) => self.failed(&error),
        };
        self.landing.send_replace(Some(landing));
    }

    /// Asks WorkOS until it answers something that lasts, within the time in which it answers a repetition alike.
    async fn exchange(&self) -> Result<Bytes, Error> {
        let core = self.task.core();
        let clock = core.settings.clock();
        let began = clock.monotonic();
        let left = || REPLAYABLE.saturating_sub(clock.monotonic().saturating_sub(began));
        let mut attempt = 0;
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
            if error.status() != Some(StatusCode::TOO_MANY_REQUESTS) {
                core.table().breaker.failed(clock.monotonic());
            }
            let mut pause = error.retry_after().unwrap_or_else(|| backoff(attempt));
            attempt += 1;
            loop {
                if pause >= left() {
                    return Err(error);
                }
                time::sleep(pause).await;
                if core.table().breaker.probe(clock.monotonic()).is_ok() {
                    break;
                }
                pause = backoff(attempt);
            }
        }
    }

    /// Seals the new session and remembers it before anything that can fail; then makes sure that it can be verified.
    async fn renewed(&mut self, body: &[u8]) -> Landing {
        let core = Arc::clone(self.task.core());
        let Ok(answer) = Answer::parse(body) else {
            return Landing::Transient { retry_after: None };
        };
        let says = Unverified::of(&answer.access_token);
        let differs =
            |asked: &Option<String>, got: &Option<String>| asked.is_some() && asked != got;
        let foreign =
            differs(&self.subject, &says.sub) || differs(&self.organization, &says.org_id);
        if foreign {
            tracing::error!(
                "WorkOS answered a refresh with another user's or another organization's session"
            );
            return Landing::Foreign;
        }
        let ring = core.ring.load_full();
        let target = ring.target(Some(self.seal));
        if let Form::Replaced(format) = target.form {
            tracing::warn!(%format, "the cookie's format cannot be sealed with this password; another one was written");
        }
        let sealed = Payload::renewed(&self.plaintext, &answer, target.key_style())
            .ok()
            .and_then(|plaintext| core.seal(&plaintext, &target).ok());
        let Some(sealed) = sealed else { return Landing::Transient { retry_after: None } };
        let carriage = if core.settings.cookies.fits(&sealed) {
            Carriage::ByCookie
        } else {
            tracing::error!(
                bytes = sealed.len(),
                "a refreshed session is too large for cookies: only this process knows it"
            );
            Carriage::None
        };
        let pair = Arc::new(Pair {
            sealed,
            lifetime: SessionLifetime::of(&says),
            carriage,
            token: RefreshToken::new(answer.refresh_token.as_ref()).hash(),
            session_id: says.sid.map(Into::into),
            organization: self.organization.as_deref().map(Into::into),
        });
        let now = core.settings.clock().monotonic();
        let standing = core.table().lineages.renewed(self.hash, Arc::clone(&pair), now);
        self.settled = Settled::Yes;
        match standing {
            Standing::Ended => return Landing::SignedOut,
            Standing::Known { .. } | Standing::Unknown => {}
        }
        let verdict =
            core.examine(pair.sealed.as_bytes(), Seen::default(), &mut Attempts::new()).verdict;
        if matches!(verdict, Verdict::NoKeys | Verdict::UnknownKey)
            && let Some(keys) = core.jwks.fetch(FetchFor::OwnAnswer)
        {
            keys.over().await;
        }
        Landing::Renewed(pair)
    }

    fn failed(&mut self, error: &Error) -> Landing {
        let core = Arc::clone(self.task.core());
        let now = core.settings.clock().monotonic();
        let mut refuse = |why| {
            self.settled = Settled::Yes;
            Landing::Refused(why, core.table().lineages.refused(self.hash, why, now))
        };
        match error.kind() {
            ErrorKind::Refused => refuse(RefusedFor::Grant),
            ErrorKind::OrganizationGone => refuse(RefusedFor::OrganizationGone),
            ErrorKind::InteractionNeeded => refuse(RefusedFor::InteractionNeeded),
            ErrorKind::Misconfigured => {
                tracing::error!(%error, "WorkOS refused our API key, client id or request");
                Landing::Misconfigured
            }
            ErrorKind::Rejected => {
                tracing::error!(%error, "WorkOS rejected a refresh");
                Landing::Rejected
            }
            ErrorKind::Transient
            | ErrorKind::Unverified
            | ErrorKind::Claims
            | ErrorKind::Seal
            | ErrorKind::TooLarge => Landing::Transient { retry_after: error.retry_after() },
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let core = self.task.core();
        let now = core.settings.clock().monotonic();
        let mut table = core.table();
        table.breaker.finish();
        if self.settled == Settled::No {
            table.lineages.lost(self.hash, now);
        }
    }
}

/// The pause before attempt `n + 2`: 200 ms, doubled each time up to 4 s, give or take a half.
fn backoff(n: u32) -> Duration {
    let base = 200_u64 << n.min(5);
    let jitter =
        u64::from(u16::from_le_bytes(random::bytes())) * base.min(4_000) / u64::from(u16::MAX);
    Duration::from_millis(base.min(4_000) / 2 + jitter)
}

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(5);
/// WorkOS answers a repeated exchange alike for 30 seconds; this leaves 5 for the way.
const REPLAYABLE: Duration = Duration::from_secs(25);
