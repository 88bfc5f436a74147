//! Exchanges that a handler asks for: of the session's newest token, now, for its organization or for another one.

use std::{sync::Arc, time::Duration};

use crate::{
    candidate::Presented,
    core::Core,
    decide::{Verdict, refresh_outcome::Outcome},
    error::{Answered, Error, ErrorKind},
    refresh::{Enough, Errand, Flight, examine},
    refresh_state::{
        Join, Landing, Pair, Table,
        breaker::Held,
        channel, landed,
        lineage::{Ask, RefusedFor, Successor},
    },
};

/// What the newest token of a session is exchanged for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted<'a> {
    /// One like it, made from now on.
    New,
    /// One in this organization. Where the session is there by now, no other is needed.
    In(&'a str),
}

/// Exchanges the newest token of the session that `presented` is of. An exchange under way is waited for first.
pub(crate) async fn exchange(
    core: &Arc<Core>,
    mut presented: Presented,
    wanted: Wanted<'_>,
    judge: impl Fn(&mut Presented) -> Enough,
) -> Result<Presented, Error> {
    let seen = presented.seen;
    for _ in 0..ROUNDS {
        let (pair, age, is_wanted) = match step(core, &presented, wanted)? {
            Step::There => return Ok(presented),
            Step::Newer(pair, age) => {
                let is_wanted = wanted.is_met_by(&pair);
                (pair, age, is_wanted)
            }
            Step::UnderWay(join) => {
                let is_ours = wanted.is_asked_by(&join);
                match landed(join).await {
                    Landing::Renewed(pair) => {
                        let is_wanted = wanted.is_met_by(&pair);
                        (pair, Duration::ZERO, is_wanted)
                    }
                    landing if is_ours => return Err(failure(&landing)),
                    _ => continue,
                }
            }
            Step::Ours(join) => match landed(join).await {
                Landing::Renewed(pair) => (pair, Duration::ZERO, true),
                landing => return Err(failure(&landing)),
            },
        };
        let mut renewed = examine(core, &pair, age, seen).await;
        if is_wanted {
            match judge(&mut renewed) {
                Enough::Yes | Enough::NotYet(Outcome::Renewed) => return Ok(renewed),
                Enough::NotYet(_) => {}
                Enough::No(Outcome::SignedOut) => return Err(ErrorKind::SignedOut.into()),
                Enough::No(Outcome::Undecided) => return Err(ErrorKind::Undecided.into()),
                Enough::No(_) => return Err(ErrorKind::Unverified.into()),
            }
        }
        presented = renewed;
    }
    Err(ErrorKind::Transient.into())
}

impl Wanted<'_> {
    /// Whether a pair that is there already is what is wanted.
    fn is_met_by(self, pair: &Pair) -> bool {
        match self {
            Self::New => false,
            Self::In(organization) => pair.organization() == Some(organization),
        }
    }

    fn is_asked_by(self, join: &Join) -> bool {
        match self {
            Self::New => false,
            Self::In(organization) => join.is_for(Some(organization)),
        }
    }
}

/// How it goes on from a session that was presented, or found to be newer.
enum Step {
    /// It is where it should be.
    There,
    /// There is a newer one, obtained so long ago.
    Newer(Arc<Pair>, Duration),
    /// Its token is being exchanged.
    UnderWay(Join),
    /// Its token is being exchanged for what is wanted, from now on.
    Ours(Join),
}

fn step(core: &Arc<Core>, presented: &Presented, wanted: Wanted<'_>) -> Result<Step, Error> {
    let sealed = presented.opened.as_ref().ok_or(ErrorKind::NoSession)?;
    let token = sealed.payload.refresh_token.as_ref().ok_or(ErrorKind::NoSession)?;
    let id = sealed.pair().ok_or(ErrorKind::NoSession)?;
    let session_id = sealed.says().sid.as_deref().unwrap_or_default();
    let now = core.settings.clock().monotonic();

    let mut table = core.table();
    let Table { lineages, breaker, pace } = &mut *table;
    if let Some((pair, age)) = lineages.newer(id, now) {
        return Ok(Step::Newer(pair, age));
    }
    let (organization, errand) = match wanted {
        Wanted::New => (sealed.says().org_id.as_deref(), Errand::Renew),
        Wanted::In(organization) => (Some(organization), Errand::Switch(organization.to_owned())),
    };
    if let (Wanted::In(_), Verdict::Good | Verdict::Expiring, Some(session)) =
        (wanted, presented.verdict, &presented.session)
        && session.organization_id() == organization
    {
        return Ok(Step::There);
    }
    let too_soon = pace.wait(session_id, now);
    if too_soon.is_none() && matches!(wanted, Wanted::In(_)) {
        lineages.forgive(id);
    }
    let mut start = None;
    let ask = lineages.ask(id, organization, now, || {
        if too_soon.is_some() {
            return Err(Held::Busy);
        }
        breaker.start(now)?;
        pace.begun(session_id, now);
        let (landing, join) = channel(organization);
        start = Some(landing);
        Ok(join)
    });
    drop(table);

    if let Some(landing) = start {
        let flight = Flight::new(core, token.clone(), id.token, sealed, errand, landing);
        tokio::spawn(flight.run());
    }
    match ask {
        Ask::Start(join) => Ok(Step::Ours(join)),
        Ask::Join(join) => Ok(Step::UnderWay(join)),
        Ask::Successor(pair, age) => Ok(Step::Newer(pair, age)),
        Ask::Refused(why, _) => Err(refused(why, None)),
        Ask::Ended => Err(ErrorKind::SignedOut.into()),
        Ask::OtherOrganization => Err(ErrorKind::Transient.into()),
        Ask::Held(_) if too_soon.is_some() => Err(Error::after(ErrorKind::TooSoon, too_soon)),
        Ask::Held(held) => Err(Error::after(ErrorKind::Transient, Some(held.wait()))),
    }
}

/// What a handler is told of an exchange that brought nothing.
fn failure(landing: &Landing) -> Error {
    match landing {
        Landing::Refused { why, sign_in_at, .. } => refused(*why, sign_in_at.as_deref()),
        Landing::SignedOut => ErrorKind::SignedOut.into(),
        Landing::Denied => ErrorKind::Denied.into(),
        Landing::Undecided => ErrorKind::Undecided.into(),
        Landing::Foreign => ErrorKind::Unverified.into(),
        Landing::Misconfigured => ErrorKind::Misconfigured.into(),
        Landing::Rejected => ErrorKind::Rejected.into(),
        Landing::Transient { retry_after } => Error::after(ErrorKind::Transient, *retry_after),
        Landing::Renewed(_) => ErrorKind::Transient.into(),
    }
}

fn refused(why: RefusedFor, sign_in_at: Option<&str>) -> Error {
    let kind = match why {
        RefusedFor::Grant => ErrorKind::Refused,
        RefusedFor::OrganizationGone => ErrorKind::OrganizationGone,
        RefusedFor::InteractionNeeded => ErrorKind::InteractionNeeded,
    };
    let authkit_redirect_url = sign_in_at.map(str::to_owned);
    Error::answered(kind, Answered { authkit_redirect_url, ..Answered::default() })
}

/// A session cannot change more often than this while one request waits, but by a mistake.
const ROUNDS: usize = 4;
