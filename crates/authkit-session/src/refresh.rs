//! Refreshing: one exchange per refresh token, in a task that no client's leaving ends.

mod application;
pub(crate) mod coordinator;
mod exchange;
pub(crate) mod hook;
mod news;
mod on_demand;
mod replicas;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use self::exchange::{Errand, Flight};
pub(crate) use self::on_demand::{Wanted, exchange};
use crate::{
    candidate::{Presented, Sealed, cookies::Seen},
    core::Core,
    decide::{PairAge, Verdict, refresh_outcome::Outcome},
    refresh_state::{
        Join, Landing, Pair, Table,
        breaker::Held,
        channel, landed,
        lineage::{Ask, RefusedFor, RefusedSince},
    },
    seal::Attempts,
};

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
