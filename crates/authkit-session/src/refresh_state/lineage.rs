//! What is remembered of refreshes: which token became which, what was sent to the browser, what has ended.
//!
//! A plain table without clock, lock or I/O: time is passed in, and each event is one method.

mod ended;
mod newest;
mod pair;
mod refused;
#[cfg(test)]
mod tests;
mod upkeep;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use self::{ended::EndedSessions, refused::Refused};
pub(crate) use self::{
    pair::{Carriage, PairId, Successor},
    refused::{RefusedFor, RefusedSince},
};
use crate::{refresh_state::breaker::Held, token::TokenHash};

/// The table. `J` joins an exchange that is under way, `P` is a new pair.
#[derive(Clone, Debug)]
pub(crate) struct Lineages<J, P> {
    lineages: HashMap<LineageId, Lineage<P>>,
    tokens: HashMap<TokenHash, Token<J>>,
    ended_sessions: EndedSessions,
    /// What is forgotten next. A lineage with an exchange under way is not in it.
    expiries: BTreeSet<(Duration, LineageId)>,
    next: u64,
    bytes: usize,
    limits: Limits,
}

/// How much is remembered at most, beside exchanges under way. What would be forgotten first goes first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Refresh tokens; and as many ids of ended sessions.
    pub(crate) tokens: usize,
    /// Bytes of new pairs.
    pub(crate) bytes: usize,
}

impl Default for Limits {
    /// 200,000 tokens, and 64 MiB of new pairs.
    fn default() -> Self {
        Self { tokens: 200_000, bytes: 64 << 20 }
    }
}

/// The tokens that came from one another by refreshing, by number.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
struct LineageId(u64);

#[derive(Clone, Debug)]
struct Lineage<P> {
    members: Vec<TokenHash>,
    newest: Option<Newest<P>>,
    life: Life,
    /// How many exchanges of its tokens are under way: until they are over, it is not forgotten.
    exchanges: usize,
    forget_at: Duration,
}

/// Whether a lineage goes on.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Life {
    Live,
    /// Signed out, or replaced by another session.
    Ended,
}

#[derive(Clone, Debug)]
struct Newest<P> {
    pair: Arc<P>,
    obtained: Duration,
    place: Place,
}

/// How far a pair has got.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
enum Place {
    /// No response head has carried it.
    Here,
    /// One has.
    Sent,
    /// The browser has sent it back.
    Presented,
}

#[derive(Clone, Debug)]
struct Token<J> {
    lineage: LineageId,
    exchange: Option<J>,
    refused: Option<Refused>,
    /// When it need not be known any longer, even if its lineage is: its successor was sent long before.
    forget_at: Option<Duration>,
}

/// What a request that needs a refresh finds.
#[derive(Debug)]
pub(crate) enum Ask<J, P> {
    /// It is the first: exchange the token.
    Start(J),
    /// The token is being exchanged.
    Join(J),
    /// The token was exchanged before; this is what came of it, so long ago.
    Successor(Arc<P>, Duration),
    /// What came of it belongs to another organization.
    OtherOrganization,
    /// WorkOS answered so less than a minute ago, or twice.
    Refused(RefusedFor, RefusedSince),
    /// The lineage ended.
    Ended,
    /// It would be the first, but WorkOS is not to be asked now.
    Held(Held),
}

/// What is known of a token that a request presented.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Standing {
    Unknown,
    Ended,
    /// Its lineage is remembered; how long ago it was obtained here, if it is the newest pair.
    Known(Option<Duration>),
}

impl<J: Clone, P: Successor> Lineages<J, P> {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            lineages: HashMap::new(),
            tokens: HashMap::new(),
            ended_sessions: EndedSessions::default(),
            expiries: BTreeSet::new(),
            next: 0,
            bytes: 0,
            limits,
        }
    }

    /// Whether nothing is remembered, so that no request has to be looked up.
    pub(crate) fn is_empty(&self) -> bool {
        self.lineages.is_empty() && self.ended_sessions.is_empty()
    }

    /// How many tokens, lineages and ended sessions are remembered.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.tokens.len() + self.lineages.len() + self.ended_sessions.len()
    }

    /// How many bytes of new pairs are.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// A request presented this pair, of this session: the browser has it.
    pub(crate) fn presented(
        &mut self,
        pair: Option<PairId>,
        session_id: Option<&str>,
        now: Duration,
    ) -> Standing {
        self.forget_old(now);
        if self.ended_sessions.contains(session_id) {
            return Standing::Ended;
        }
        let known = pair.and_then(|pair| Some((pair, self.of(pair.token)?)));
        let Some((pair, id)) = known else { return Standing::Unknown };
        let lineage = self.lineage(id);
        match lineage.life {
            Life::Ended => return Standing::Ended,
            Life::Live => {}
        }
        let newest = lineage.newest.as_mut().filter(|newest| newest.is(pair));
        let age = newest.map(|newest| {
            newest.place = Place::Presented;
            now.saturating_sub(newest.obtained)
        });
        if age.is_some() {
            self.arrived(id, now);
        }
        Standing::Known(age)
    }

    /// A request with this pair, for this organization, needs a refresh. `begin` makes the way to join a new exchange,
    /// if one may start now.
    pub(crate) fn ask(
        &mut self,
        pair: PairId,
        organization: Option<&str>,
        now: Duration,
        begin: impl FnOnce() -> Result<J, Held>,
    ) -> Ask<J, P> {
        self.forget_old(now);
        let id = self.of(pair.token).unwrap_or_else(|| self.found(pair.token));
        let lineage = self.lineages.get(&id).expect(IN_STEP);
        match lineage.life {
            Life::Ended => return Ask::Ended,
            Life::Live => {}
        }
        if let Some(newest) = lineage.newest.as_ref().filter(|newest| !newest.is(pair)) {
            return if self.ended_sessions.contains(newest.pair.session_id()) {
                Ask::Ended
            } else if newest.pair.organization() == organization {
                Ask::Successor(Arc::clone(&newest.pair), now.saturating_sub(newest.obtained))
            } else {
                Ask::OtherOrganization
            };
        }
        let token = self.tokens.get_mut(&pair.token).expect(IN_STEP);
        if let Some(exchange) = &token.exchange {
            return Ask::Join(exchange.clone());
        }
        if let Some((why, since)) = token.refused.and_then(|refused| refused.holds(now)) {
            return Ask::Refused(why, since);
        }
        let exchange = match begin() {
            Ok(exchange) => exchange,
            Err(held) => return Ask::Held(held),
        };
        token.exchange = Some(exchange.clone());
        let lineage = self.lineage(id);
        lineage.exchanges += 1;
        let at = lineage.forget_at;
        self.expiries.remove(&(at, id));
        Ask::Start(exchange)
    }

    /// The exchange of `token` brought a new pair. Says whether the session goes on with it.
    pub(crate) fn renewed(&mut self, token: TokenHash, pair: Arc<P>, now: Duration) -> Life {
        let id = self.finished(token);
        self.tokens.get_mut(&token).expect(IN_STEP).refused = None;
        let PairId { token: new, .. } = pair.id();
        let id = match self.of(new) {
            // Another replica exchanged the token too, and the browser has brought here what it got.
            Some(other) if other != id => self.unite(id, other),
            _ => id,
        };
        self.prune(id, now);
        let ended = self.ended_sessions.contains(pair.session_id());
        let lineage = self.lineages.get_mut(&id).expect(IN_STEP);
        if ended {
            lineage.life = Life::Ended;
        }
        let life = lineage.life;
        // A newest pair of a lineage that it was united with came from this one.
        let overtaken = lineage.newest.is_some() && lineage.members.contains(&new) && new != token;
        if !lineage.members.contains(&new) {
            lineage.members.push(new);
            let token = Token { lineage: id, exchange: None, refused: None, forget_at: None };
            self.tokens.insert(new, token);
        }
        match life {
            Life::Ended => {
                self.ended_sessions.add(pair.session_id(), now);
                self.clear_newest(id);
                self.keep(id, now + KEPT_ENDED);
            }
            Life::Live if overtaken => {}
            Life::Live => {
                self.clear_newest(id);
                self.bytes += pair.bytes();
                self.lineage(id).newest = Some(Newest { pair, obtained: now, place: Place::Here });
                self.keep(id, now + KEPT_UNSENT);
            }
        }
        self.shrink();
        life
    }

    /// WorkOS refused the exchange of `token`. `None` where the lineage has ended anyway.
    pub(crate) fn refused(
        &mut self,
        token: TokenHash,
        why: RefusedFor,
        now: Duration,
    ) -> Option<RefusedSince> {
        let id = self.finished(token);
        let life = self.lineage(id).life;
        let token = self.tokens.get_mut(&token).expect(IN_STEP);
        let refused = Refused::again(token.refused, why, now);
        token.refused = Some(refused);
        self.keep_at_least(id, refused.forget_at());
        self.shrink();
        match life {
            Life::Live => Some(refused.since(now)),
            Life::Ended => None,
        }
    }

    /// The exchange of `token` brought no answer that says anything about the token.
    pub(crate) fn lost(&mut self, token: TokenHash, now: Duration) {
        let id = self.finished(token);
        let refused = self.tokens[&token].refused.map(Refused::forget_at);
        let lineage = self.lineage(id);
        let keep = match (lineage.life, &lineage.newest) {
            (Life::Ended, _) => now + KEPT_ENDED,
            (Life::Live, Some(newest)) => match newest.place {
                Place::Here => now + KEPT_UNSENT,
                Place::Sent | Place::Presented => now + KEPT_SENT,
            },
            (Life::Live, None) => now,
        };
        self.keep_at_least(id, refused.map_or(keep, |refused| keep.max(refused)));
        self.forget_old(now);
        self.shrink();
    }

    /// A response head is about to leave for a request that brought `token`: what it is to carry.
    pub(crate) fn head(&mut self, token: TokenHash, now: Duration) -> Option<Arc<P>> {
        self.forget_old(now);
        let id = self.of(token)?;
        let lineage = self.lineages.get_mut(&id).filter(|lineage| lineage.life == Life::Live)?;
        let newest = lineage.newest.as_mut().filter(|newest| {
            newest.place < Place::Presented
                && newest.pair.carriage() == Carriage::ByCookie
                && !self.ended_sessions.contains(newest.pair.session_id())
        })?;
        newest.place = Place::Sent;
        let pair = Arc::clone(&newest.pair);
        self.arrived(id, now);
        Some(pair)
    }

    /// The session was signed out, or replaced by another one.
    pub(crate) fn end(
        &mut self,
        token: Option<TokenHash>,
        session_id: Option<&str>,
        now: Duration,
    ) {
        self.forget_old(now);
        self.ended_sessions.add(session_id, now);
        if let Some(token) = token {
            let id = self.of(token).unwrap_or_else(|| self.found(token));
            self.lineage(id).life = Life::Ended;
            if let Some(newest) = self.clear_newest(id) {
                self.ended_sessions.add(newest.session_id(), now);
            }
            self.keep(id, now + KEPT_ENDED);
        }
        self.shrink();
    }
}

impl<P: Successor> Newest<P> {
    /// Whether a cookie with this pair holds this one, or what another replica made of the same refresh token later.
    fn is(&self, pair: PairId) -> bool {
        let newest = self.pair.id();
        newest.token == pair.token && newest.made <= pair.made
    }
}

/// Why tokens and lineages are found in each other.
const IN_STEP: &str = "a token is remembered as long as its lineage, and the other way round";
/// A pair younger than this is not exchanged again.
pub(crate) const JUST_NOW: Duration = Duration::from_secs(10);
/// How long a pair is kept that a head has carried.
const KEPT_SENT: Duration = Duration::from_secs(60);
/// How long a pair is kept that no head has carried: for its client, the old cookie still is the current one.
const KEPT_UNSENT: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the end of a session is kept.
const KEPT_ENDED: Duration = Duration::from_secs(24 * 60 * 60);
