//! Refreshing: one exchange per refresh token, in a task that no client's leaving ends.

mod application;
mod exchange;
mod news;
mod on_demand;
mod pace;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

pub(crate) use self::on_demand::{Wanted, exchange};
use self::{
    exchange::{Errand, Flight},
    pace::Pace,
};
use crate::{
    breaker::{Breaker, Held, RefreshLimits},
    core::Core,
    decide::{PairAge, Verdict},
    jar::Seen,
    lineage::{Ask, Carriage, Limits, Lineages, PairId, RefusedFor, RefusedSince, Successor},
    presented::{Presented, Sealed},
    seal::Attempts,
    set_cookie::SessionLifetime,
    settle::Outcome,
};

/// What is remembered of refreshes, behind one lock.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) lineages: Lineages<Join, Pair>,
    pub(crate) breaker: Breaker,
    pace: Pace,
}

impl Table {
    pub(crate) fn new(limits: RefreshLimits) -> Self {
        Self {
            lineages: Lineages::new(Limits::default()),
            breaker: Breaker::new(limits),
            pace: Pace::default(),
        }
    }
}

/// A session after a refresh, as its cookie will have it.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) sealed: String,
    pub(crate) lifetime: SessionLifetime,
    carriage: Carriage,
    id: PairId,
    session_id: Option<Box<str>>,
    organization: Option<Box<str>>,
}

impl Successor for Pair {
    fn id(&self) -> PairId {
        self.id
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
#[derive(Clone, Debug)]
pub(crate) struct Join {
    landing: watch::Receiver<Option<Landing>>,
    /// The organization that it asks for.
    organization: Option<Arc<str>>,
}

impl Join {
    fn is_for(&self, organization: Option<&str>) -> bool {
        self.organization.as_deref() == organization
    }
}

/// How an exchange ended.
#[derive(Clone, Debug)]
pub(crate) enum Landing {
    Renewed(Arc<Pair>),
    Refused {
        why: RefusedFor,
        since: RefusedSince,
        /// Where WorkOS wants the browser sent to (`authkit_redirect_url`).
        sign_in_at: Option<Arc<str>>,
    },
    SignedOut,
    /// The application refused the new session.
    Denied,
    /// It could not say anything of it.
    Undecided,
    Foreign,
    Misconfigured,
    Rejected,
    Transient {
        retry_after: Option<Duration>,
    },
}

impl Landing {
    /// Whether it says something of the organization that was asked for, and nothing of the token.
    fn is_about_organization(&self) -> bool {
        match self {
            Self::Refused { why, .. } => why.is_about_organization(),
            Self::Foreign => true,
            Self::Renewed(_)
            | Self::SignedOut
            | Self::Denied
            | Self::Undecided
            | Self::Misconfigured
            | Self::Rejected
            | Self::Transient { .. } => false,
        }
    }
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

/// Whether a new session is what the request wants.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Enough {
    Yes,
    /// It has to be refreshed itself, since it is too old; where that brings nothing better, this came of it.
    NotYet(Outcome),
    No(Outcome),
}

/// Refreshes `sealed`, or takes what another request's refresh of it has brought, as `judge` says.
pub(crate) async fn refresh(
    core: &Arc<Core>,
    sealed: &Sealed,
    seen: Seen,
    judge: impl Fn(&mut Presented) -> Enough,
) -> Refreshed {
    let mut successor: Option<Presented> = None;
    loop {
        let sealed =
            successor.as_ref().and_then(|presented| presented.opened.as_deref()).unwrap_or(sealed);
        let organization = sealed.says().org_id.as_deref();
        let (pair, age) = match ask(core, sealed) {
            Ask::Start(join) | Ask::Join(join) => {
                let is_ours = join.is_for(organization);
                match (landed(join).await, is_ours) {
                    (Landing::Renewed(pair), true) => (pair, Duration::ZERO),
                    (Landing::Renewed(_), false) => {
                        return Refreshed::without(Outcome::OtherOrganization);
                    }
                    // What WorkOS says of another organization is nothing about this one.
                    (landing, false) if landing.is_about_organization() => continue,
                    (landing, _) => return other(&landing),
                }
            }
            Ask::Successor(pair, age) => (pair, age),
            Ask::OtherOrganization => return Refreshed::without(Outcome::OtherOrganization),
            Ask::Refused(why, since) => return Refreshed::without(refused(why, since)),
            Ask::Ended => return Refreshed::without(Outcome::SignedOut),
            Ask::Held(Held::Busy) => return Refreshed::without(Outcome::Busy),
            Ask::Held(Held::Open) => return Refreshed::without(Outcome::CircuitOpen),
            Ask::Held(Held::Told(wait)) => {
                let retry_after = Some(wait);
                return Refreshed { retry_after, ..Refreshed::without(Outcome::Transient) };
            }
        };
        let mut renewed = examine(core, &pair, age, seen).await;
        match judge(&mut renewed) {
            Enough::NotYet(_) if successor.is_none() => successor = Some(renewed),
            Enough::Yes | Enough::NotYet(Outcome::Renewed) => {
                let presented = Some(renewed);
                return Refreshed { presented, ..Refreshed::without(Outcome::Renewed) };
            }
            Enough::NotYet(outcome) | Enough::No(outcome) => return Refreshed::without(outcome),
        }
    }
}

/// Opens and verifies a pair that was obtained so long ago. The keys that it takes may be on their way.
async fn examine(core: &Core, pair: &Pair, age: Duration, seen: Seen) -> Presented {
    let examine = || core.examine(pair.sealed.as_bytes(), seen, &mut Attempts::new());
    let mut renewed = examine();
    if let (Verdict::NoKeys | Verdict::UnknownKey | Verdict::BadSignature, Some(keys)) =
        (renewed.verdict, core.jwks.under_way())
    {
        keys.over().await;
        renewed = examine();
    }
    let lifetime =
        renewed.opened.as_ref().map_or(Duration::ZERO, |sealed| sealed.says().lifetime());
    renewed.age = PairAge::of(Some(age), lifetime);
    renewed
}

fn ask(core: &Arc<Core>, sealed: &Sealed) -> Ask<Join, Pair> {
    let (Some(token), Some(id)) = (&sealed.payload.refresh_token, sealed.pair()) else {
        return Ask::Ended;
    };
    let organization = sealed.says().org_id.as_deref();
    let now = core.settings.clock().monotonic();
    let mut start = None;
    let mut table = core.table();
    let Table { lineages, breaker, .. } = &mut *table;
    let ask = lineages.ask(id, organization, now, || {
        breaker.start(now)?;
        let (landing, join) = channel(organization);
        start = Some(landing);
        Ok(join)
    });
    drop(table);
    if let Some(landing) = start {
        let flight = Flight::new(core, token.clone(), id.token, sealed, Errand::Renew, landing);
        tokio::spawn(flight.run());
    }
    ask
}

/// The two ends of an exchange for `organization`.
fn channel(organization: Option<&str>) -> (watch::Sender<Option<Landing>>, Join) {
    let (sender, landing) = watch::channel(None);
    (sender, Join { landing, organization: organization.map(Into::into) })
}

async fn landed(mut join: Join) -> Landing {
    match join.landing.wait_for(Option::is_some).await {
        Ok(landing) => landing.clone().expect("it waited for that"),
        // The task vanished.
        Err(_) => Landing::Transient { retry_after: None },
    }
}

fn other(landing: &Landing) -> Refreshed {
    let (outcome, retry_after) = match landing {
        Landing::Renewed(_) => (Outcome::Renewed, None),
        Landing::Refused { why, since, .. } => (refused(*why, *since), None),
        Landing::SignedOut => (Outcome::SignedOut, None),
        Landing::Denied => (Outcome::Denied, None),
        Landing::Undecided => (Outcome::Undecided, None),
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
