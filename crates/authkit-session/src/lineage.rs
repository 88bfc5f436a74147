//! What is remembered of refreshes: which token became which, what was sent to the browser, what has ended.
//!
//! A plain table without clock, lock or I/O: time is passed in, and each event is one method.

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use crate::{breaker::Held, token::TokenHash};

/// The tokens that came from one another by refreshing, by number.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct LineageId(u64);

/// A pair of tokens that a refresh brought.
pub(crate) trait Successor {
    /// The new refresh token.
    fn token(&self) -> TokenHash;
    /// The session's id, as the new access token names it.
    fn session_id(&self) -> Option<&str>;
    /// The organization of the new access token.
    fn organization(&self) -> Option<&str>;
    /// Whether the browser can be given it.
    fn carriage(&self) -> Carriage;
    /// About how much memory it takes.
    fn bytes(&self) -> usize;
}

/// How a new pair gets to the browser.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Carriage {
    /// In the cookies of a response head.
    ByCookie,
    /// Not at all, being too large: the old cookie stays the browser's, and stands for it.
    None,
}

/// The table. `J` joins an exchange that is under way, `P` is a new pair.
#[derive(Debug)]
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

/// How much is remembered at most. What would be forgotten first goes first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) lineages: usize,
    pub(crate) bytes: usize,
}

impl Default for Limits {
    /// 100,000 lineages, and 64 MiB of new pairs.
    fn default() -> Self {
        Self { lineages: 100_000, bytes: 64 << 20 }
    }
}

#[derive(Debug)]
struct Lineage<P> {
    members: Vec<TokenHash>,
    newest: Option<Newest<P>>,
    ended: bool,
    /// `None` while an exchange is under way.
    forget_at: Option<Duration>,
}

#[derive(Debug)]
struct Newest<P> {
    pair: Arc<P>,
    obtained: Duration,
    /// A response head has carried it.
    sent: bool,
    /// The browser has sent it back.
    presented: bool,
}

#[derive(Debug)]
struct Token<J> {
    lineage: LineageId,
    exchange: Option<J>,
    refused: Option<Refused>,
}

#[derive(Clone, Copy, Debug)]
struct Refused {
    why: RefusedFor,
    at: Duration,
    times: u32,
}

/// An answer of WorkOS that the same exchange would bring again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RefusedFor {
    Grant,
    OrganizationGone,
    InteractionNeeded,
}

/// What a request that needs a refresh finds.
#[derive(Debug)]
pub(crate) enum Ask<J, P> {
    /// It is the first: exchange the token.
    Start(LineageId, J),
    /// The token is being exchanged.
    Join(LineageId, J),
    /// The token was exchanged before; this is what came of it.
    Successor(LineageId, Arc<P>),
    /// What came of it belongs to another organization.
    OtherOrganization,
    /// WorkOS answered so less than a minute ago.
    Refused(RefusedFor, RefusedSince),
    /// The lineage ended.
    Ended,
    /// It would be the first, but WorkOS is not to be asked now.
    Held(Held),
}

/// How long ago a refusal was, or that it was not the first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RefusedSince {
    /// Less than 10 seconds: the browser may hold a newer cookie already.
    JustNow,
    /// Less than a minute.
    AWhile,
    /// Refused before, more than a minute ago, and again.
    Twice,
}

/// What is known of a token that a request presented.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Standing {
    Unknown,
    Ended,
    Known { lineage: LineageId, age: Option<Duration> },
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

    /// A request presented this token, of this session: the browser has it. Says what is known, and how long ago the
    /// token was obtained here.
    pub(crate) fn presented(
        &mut self,
        token: Option<TokenHash>,
        session_id: Option<&str>,
        now: Duration,
    ) -> Standing {
        self.forget_old(now);
        if session_id.is_some_and(|id| self.ended_sessions.contains(id)) {
            return Standing::Ended;
        }
        let Some(id) = token.and_then(|token| self.of(token)) else { return Standing::Unknown };
        let lineage =
            self.lineages.get_mut(&id).expect("a token's lineage is there as long as the token");
        if lineage.ended {
            return Standing::Ended;
        }
        let newest = lineage.newest.as_mut().filter(|newest| Some(newest.pair.token()) == token);
        let age = newest.map(|newest| {
            newest.presented = true;
            now.saturating_sub(newest.obtained)
        });
        if age.is_some() {
            // The browser has it: stragglers with older cookies are all that may still come.
            self.keep_no_longer_than(id, now + KEPT_SENT);
        }
        Standing::Known { lineage: id, age }
    }

    /// A request with this token, for this organization, needs a refresh. `begin` makes the way to join a new exchange,
    /// if one may start now.
    pub(crate) fn ask(
        &mut self,
        token: TokenHash,
        organization: Option<&str>,
        now: Duration,
        begin: impl FnOnce() -> Result<J, Held>,
    ) -> Ask<J, P> {
        self.forget_old(now);
        let id = self.of(token).unwrap_or_else(|| self.found(token));
        let lineage =
            self.lineages.get_mut(&id).expect("a token's lineage is there as long as the token");
        if lineage.ended {
            return Ask::Ended;
        }
        if let Some(newest) = lineage.newest.as_ref().filter(|newest| newest.pair.token() != token)
        {
            return if newest.pair.organization() == organization {
                Ask::Successor(id, Arc::clone(&newest.pair))
            } else {
                Ask::OtherOrganization
            };
        }
        let known = self.tokens.get_mut(&token).expect("found or founded above");
        if let Some(exchange) = &known.exchange {
            return Ask::Join(id, exchange.clone());
        }
        if let Some(refused) = known.refused {
            let ago = now.saturating_sub(refused.at);
            if ago < REFUSAL_HOLDS {
                return Ask::Refused(refused.why, refused.since(ago));
            }
        }
        let exchange = match begin() {
            Ok(exchange) => exchange,
            Err(held) => return Ask::Held(held),
        };
        known.exchange = Some(exchange.clone());
        if let Some(at) = lineage.forget_at.take() {
            self.expiries.remove(&(at, id));
        }
        Ask::Start(id, exchange)
    }

    /// The exchange of `token` brought a new pair. Says whether the lineage still goes on.
    pub(crate) fn renewed(&mut self, token: TokenHash, pair: Arc<P>, now: Duration) -> Standing {
        let Some(id) = self.finished(token) else { return Standing::Unknown };
        let lineage =
            self.lineages.get_mut(&id).expect("a token's lineage is there as long as the token");
        let ended = lineage.ended;
        lineage.members.push(pair.token());
        if let Some(old) = lineage.newest.take() {
            self.bytes -= old.pair.bytes();
        }
        self.tokens.insert(pair.token(), Token { lineage: id, exchange: None, refused: None });
        if ended {
            self.ended_sessions.add(pair.session_id(), now);
        } else {
            self.bytes += pair.bytes();
            lineage.newest = Some(Newest { pair, obtained: now, sent: false, presented: false });
        }
        self.keep_until(id, now + if ended { KEPT_ENDED } else { KEPT_UNSENT });
        self.shrink();
        if ended {
            Standing::Ended
        } else {
            Standing::Known { lineage: id, age: Some(Duration::ZERO) }
        }
    }

    /// WorkOS refused the exchange of `token`.
    pub(crate) fn refused(
        &mut self,
        token: TokenHash,
        why: RefusedFor,
        now: Duration,
    ) -> RefusedSince {
        let Some(id) = self.finished(token) else { return RefusedSince::JustNow };
        let known = self.tokens.get_mut(&token).expect("it was there a line ago");
        let times = match known.refused {
            Some(before) if before.why == RefusedFor::Grant && why == RefusedFor::Grant => {
                before.times + 1
            }
            _ => 1,
        };
        let refused = Refused { why, at: now, times };
        known.refused = Some(refused);
        self.keep_until(id, now + KEPT_REFUSED);
        self.shrink();
        refused.since(Duration::ZERO)
    }

    /// The exchange of `token` brought no answer that says anything about the token.
    pub(crate) fn lost(&mut self, token: TokenHash, now: Duration) {
        let Some(id) = self.finished(token) else { return };
        let known_refused = self.tokens.get(&token).is_some_and(|token| token.refused.is_some());
        let lineage = &self.lineages[&id];
        let keep = match &lineage.newest {
            _ if lineage.ended => KEPT_ENDED,
            Some(newest) if newest.sent || newest.presented => KEPT_SENT,
            Some(_) => KEPT_UNSENT,
            None if known_refused => KEPT_REFUSED,
            None => return self.forget(id),
        };
        self.keep_until(id, now + keep);
    }

    /// The lineage that a token belongs to.
    pub(crate) fn of(&self, token: TokenHash) -> Option<LineageId> {
        self.tokens.get(&token).map(|token| token.lineage)
    }

    /// How long ago the newest pair of a lineage was obtained.
    pub(crate) fn age(&self, id: LineageId, now: Duration) -> Option<Duration> {
        let newest = self.lineages.get(&id)?.newest.as_ref()?;
        Some(now.saturating_sub(newest.obtained))
    }

    /// A response head is about to leave for a request of this lineage: what it is to carry.
    pub(crate) fn head(&mut self, id: LineageId, now: Duration) -> Option<Arc<P>> {
        let lineage = self.lineages.get_mut(&id).filter(|lineage| !lineage.ended)?;
        let newest = lineage
            .newest
            .as_mut()
            .filter(|newest| !newest.presented && newest.pair.carriage() == Carriage::ByCookie)?;
        let pair = Arc::clone(&newest.pair);
        if !newest.sent {
            newest.sent = true;
            self.keep_no_longer_than(id, now + KEPT_SENT);
        }
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
        let Some(token) = token else { return };
        let id = self.of(token).unwrap_or_else(|| self.found(token));
        let lineage =
            self.lineages.get_mut(&id).expect("a token's lineage is there as long as the token");
        lineage.ended = true;
        let exchanging = lineage.forget_at.is_none();
        if let Some(newest) = lineage.newest.take() {
            self.bytes -= newest.pair.bytes();
            self.ended_sessions.add(newest.pair.session_id(), now);
        }
        if !exchanging {
            self.keep_until(id, now + KEPT_ENDED);
        }
        self.shrink();
    }

    /// Founds a lineage of this token alone. It is forgotten at once if nothing comes of it.
    fn found(&mut self, token: TokenHash) -> LineageId {
        let id = LineageId(self.next);
        self.next += 1;
        self.tokens.insert(token, Token { lineage: id, exchange: None, refused: None });
        let lineage = Lineage {
            members: vec![token],
            newest: None,
            ended: false,
            forget_at: Some(Duration::ZERO),
        };
        self.lineages.insert(id, lineage);
        self.expiries.insert((Duration::ZERO, id));
        id
    }

    /// The exchange of a token is over; `None` if the token is not known (any more).
    fn finished(&mut self, token: TokenHash) -> Option<LineageId> {
        let known = self.tokens.get_mut(&token)?;
        known.exchange = None;
        Some(known.lineage)
    }

    fn keep_until(&mut self, id: LineageId, at: Duration) {
        let Some(lineage) = self.lineages.get_mut(&id) else { return };
        if let Some(before) = lineage.forget_at.replace(at) {
            self.expiries.remove(&(before, id));
        }
        self.expiries.insert((at, id));
    }

    /// Leaves a lineage with an exchange under way alone: its end decides.
    fn keep_no_longer_than(&mut self, id: LineageId, at: Duration) {
        if self
            .lineages
            .get(&id)
            .and_then(|lineage| lineage.forget_at)
            .is_some_and(|before| at < before)
        {
            self.keep_until(id, at);
        }
    }

    fn forget_old(&mut self, now: Duration) {
        while let Some(&(at, id)) = self.expiries.first().filter(|(at, _)| *at <= now) {
            self.expiries.remove(&(at, id));
            self.forget(id);
        }
        self.ended_sessions.forget_old(now);
    }

    fn forget(&mut self, id: LineageId) {
        let Some(lineage) = self.lineages.remove(&id) else { return };
        for member in &lineage.members {
            self.tokens.remove(member);
        }
        if let Some(at) = lineage.forget_at {
            self.expiries.remove(&(at, id));
        }
        self.bytes -= lineage.newest.map_or(0, |newest| newest.pair.bytes());
    }

    /// Forgets what would be forgotten next until the limits hold.
    fn shrink(&mut self) {
        while self.lineages.len() > self.limits.lineages || self.bytes > self.limits.bytes {
            let Some(&(_, id)) = self.expiries.first() else { break };
            self.forget(id);
        }
        self.ended_sessions.shrink(self.limits.lineages);
    }
}

/// The ids of sessions that ended here, in the order in which they did.
#[derive(Debug, Default)]
struct EndedSessions {
    ids: HashSet<Arc<str>>,
    order: VecDeque<(Duration, Arc<str>)>,
}

impl EndedSessions {
    fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    fn contains(&self, session_id: &str) -> bool {
        self.ids.contains(session_id)
    }

    fn add(&mut self, session_id: Option<&str>, now: Duration) {
        let Some(id) = session_id.filter(|id| !self.contains(id)) else { return };
        let id: Arc<str> = id.into();
        self.ids.insert(Arc::clone(&id));
        self.order.push_back((now + KEPT_ENDED, id));
    }

    fn forget_old(&mut self, now: Duration) {
        while self.order.front().is_some_and(|(until, _)| *until <= now) {
            self.shrink(self.order.len() - 1);
        }
    }

    fn shrink(&mut self, len: usize) {
        while self.order.len() > len {
            let Some((_, id)) = self.order.pop_front() else { return };
            self.ids.remove(&id);
        }
    }
}

impl Refused {
    fn since(self, ago: Duration) -> RefusedSince {
        if self.times > 1 {
            RefusedSince::Twice
        } else if ago < JUST_NOW {
            RefusedSince::JustNow
        } else {
            RefusedSince::AWhile
        }
    }
}

/// A pair younger than this is not exchanged again, and a refusal younger than this may be overtaken.
pub(crate) const JUST_NOW: Duration = Duration::from_secs(10);
/// How long WorkOS is not asked again about a token that it refused.
const REFUSAL_HOLDS: Duration = Duration::from_secs(60);
/// How long a pair is kept that a head has carried.
const KEPT_SENT: Duration = Duration::from_secs(60);
/// How long a pair is kept that no head has carried: for its client, the old cookie still is the current one.
const KEPT_UNSENT: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a refusal is kept, to know the second one.
const KEPT_REFUSED: Duration = Duration::from_secs(60 * 60);
/// How long the end of a session is kept.
const KEPT_ENDED: Duration = Duration::from_secs(24 * 60 * 60);
