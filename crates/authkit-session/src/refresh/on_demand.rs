//! Exchanges that a handler requests: of the session's newest token, at once, for its own or for another organization.

use std::{sync::Arc, time::Duration};

use crate::{
    candidate::SessionCandidate,
    decide::{Verdict, refresh_outcome::RefreshFailure},
    error::{Error, ErrorKind},
    refresh::{
        Acceptance, Refresher, Unacceptable, exchange::Exchange, exchange_purpose::ExchangePurpose,
    },
    refresh_state::{
        RefreshTables,
        lineage::ExchangeStatus,
        successor::{ExchangeWaiter, Successor},
    },
    upstream::budget::Throttled,
};

/// The purpose of an exchange on demand.
#[derive(Clone, Copy, Debug)]
pub(crate) enum OnDemand<'a> {
    /// A new token for the same organization.
    NewToken,
    /// A token for this organization. A session that is already there needs no exchange.
    Organization(&'a str),
}

/// Exchanges the newest token of the candidate's session. Waits first for an exchange that is under way.
pub(crate) async fn exchange(
    refresher: &Arc<Refresher>,
    mut candidate: SessionCandidate,
    demand: OnDemand<'_>,
    accept: impl Fn(&mut SessionCandidate) -> Acceptance,
) -> Result<SessionCandidate, Error> {
    for _ in 0..ROUNDS {
        let (mut refreshed, is_wanted) = match next_step(refresher, &candidate, demand)? {
            Step::Done => return Ok(candidate),
            Step::Newer(successor, age) => {
                (refresher.open(&successor, age).await, demand.is_met_by(&successor))
            }
            Step::UnderWay(exchange) => {
                let is_ours = demand.is_asked_by(&exchange);
                match exchange.result().await {
                    Ok(refreshed) => {
                        let is_wanted = demand.is_met_by(&refreshed.successor);
                        (refresher.refreshed(&refreshed).await, is_wanted)
                    }
                    Err(failure) if is_ours => return Err(failure.into()),
                    Err(_) => continue,
                }
            }
            Step::Started(exchange) => (refresher.refreshed(&exchange.result().await?).await, true),
        };
        if is_wanted {
            match accept(&mut refreshed) {
                Acceptance::Accept | Acceptance::RefreshAgain { otherwise: Ok(()) } => {
                    return Ok(refreshed);
                }
                Acceptance::RefreshAgain { otherwise: Err(_) } => {}
                Acceptance::Reject(
                    why @ (Unacceptable::SignedOut
                    | Unacceptable::Unverified
                    | Unacceptable::HookUndecided),
                ) => return Err(RefreshFailure::from(why).into()),
            }
        }
        candidate = refreshed;
    }
    Err(ErrorKind::Transient.into())
}

impl<'a> OnDemand<'a> {
    /// # Errors
    ///
    /// [`ErrorKind::OrganizationGone`] for an empty id: it names no organization, and is not worth the token.
    pub(crate) fn organization(id: &'a str) -> Result<Self, Error> {
        if id.is_empty() {
            Err(ErrorKind::OrganizationGone.into())
        } else {
            Ok(Self::Organization(id))
        }
    }

    /// Whether an existing session already meets the request.
    fn is_met_by(self, successor: &Successor) -> bool {
        match self {
            Self::NewToken => false,
            Self::Organization(organization) => {
                successor.organization.as_deref() == Some(organization)
            }
        }
    }

    fn is_asked_by(self, exchange: &ExchangeWaiter) -> bool {
        match self {
            Self::NewToken => false,
            Self::Organization(organization) => exchange.is_for(Some(organization)),
        }
    }
}

/// The next step for a session that a request brought, or for a newer one.
enum Step {
    /// The session meets the request.
    Done,
    /// There is a newer session, obtained that long ago.
    Newer(Arc<Successor>, Duration),
    /// Another request has started an exchange of its token.
    UnderWay(ExchangeWaiter),
    /// This call has started the exchange.
    Started(ExchangeWaiter),
}

fn next_step(
    refresher: &Arc<Refresher>,
    candidate: &SessionCandidate,
    demand: OnDemand<'_>,
) -> Result<Step, Error> {
    let session = candidate.opened.as_ref().ok_or(ErrorKind::NoSession)?;
    let token = session.refresh_token.as_ref().ok_or(ErrorKind::NoSession)?;
    let pair = session.pair().ok_or(ErrorKind::NoSession)?;
    let session_id = session.unverified().sid.as_deref().unwrap_or_default();
    let now = refresher.settings.clock().monotonic();

    let mut tables = refresher.state.lock();
    let RefreshTables { lineages, pace } = &mut *tables;
    if let Some((successor, age)) = lineages.newer(pair, now) {
        return Ok(Step::Newer(successor, age));
    }
    let (organization, purpose) = match demand {
        OnDemand::NewToken => (session.unverified().org_id.as_deref(), ExchangePurpose::Refresh),
        OnDemand::Organization(organization) => {
            (Some(organization), ExchangePurpose::Switch(organization.to_owned()))
        }
    };
    if let (OnDemand::Organization(_), Verdict::Good | Verdict::Expiring, Some(session)) =
        (demand, candidate.verdict, &candidate.session)
        && session.organization_id() == organization
    {
        return Ok(Step::Done);
    }
    let too_soon = pace.wait(session_id, now);
    if too_soon.is_none() && matches!(demand, OnDemand::Organization(_)) {
        lineages.forget_refusal(pair);
    }
    let mut started = None;
    let status = lineages.exchange(pair, organization, now, || {
        if too_soon.is_some() {
            return Err(Throttled::Busy);
        }
        let permit = refresher.client.budget().start_refresh(session.owner(), now)?;
        pace.begun(session_id, now);
        let (sender, waiter) = ExchangeWaiter::channel(organization);
        started = Some((sender, permit));
        Ok(waiter)
    });
    drop(tables);

    if let Some((sender, permit)) = started {
        let exchange =
            Exchange::new(refresher, token.clone(), pair.token, session, purpose, sender, permit);
        exchange.start();
    }
    match status {
        ExchangeStatus::Start(exchange) => Ok(Step::Started(exchange)),
        ExchangeStatus::UnderWay(exchange) => Ok(Step::UnderWay(exchange)),
        ExchangeStatus::Successor(successor, age) => Ok(Step::Newer(successor, age)),
        ExchangeStatus::Refused(refusal, age) => {
            Err(RefreshFailure::Refused { refusal, age, sign_in_url: None }.into())
        }
        ExchangeStatus::Ended => Err(RefreshFailure::SignedOut.into()),
        ExchangeStatus::OtherOrganization => Err(RefreshFailure::OtherOrganization.into()),
        ExchangeStatus::Throttled(_) if too_soon.is_some() => {
            Err(Error::after(ErrorKind::TooSoon, too_soon))
        }
        ExchangeStatus::Throttled(throttled) => {
            Err(Error::after(ErrorKind::Transient, Some(throttled.wait())))
        }
    }
}

/// A session changes more often than this during one request only because of a bug.
const ROUNDS: usize = 4;
