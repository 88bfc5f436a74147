//! The lineages and their tokens, indexed by each other, and the expiry of each lineage.

#[cfg(test)]
use std::hash::{Hash, Hasher};
use std::{
    collections::{BTreeSet, HashMap},
    mem,
    sync::Arc,
    time::Duration,
};

#[cfg(test)]
use super::tests;
use crate::{
    refresh_state::{
        lineage::{Limits, LineageState, TokenPair, pair::Newest, token::Token},
        lookup_filter::LookupFilter,
    },
    sync::RandomState,
    token::TokenHash,
};

/// Lineages by number, and their tokens by hash.
#[derive(Clone, Debug)]
pub(super) struct LineageIndex<J, P> {
    lineages: HashMap<LineageId, Lineage<P>, RandomState>,
    tokens: HashMap<TokenHash, Token<J>, RandomState>,
    /// The expiries in order. A lineage with an exchange under way is not among them.
    expiries: BTreeSet<(Duration, LineageId)>,
    next: u64,
    bytes: usize,
    lookup_filter: Arc<LookupFilter>,
}

/// The number of a lineage.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct LineageId(u64);

/// The tokens that came from one another by refreshing.
#[derive(Clone, Debug)]
pub(super) struct Lineage<P> {
    pub(super) members: Vec<TokenHash>,
    pub(super) newest: Option<Newest<P>>,
    pub(super) state: LineageState,
    /// The number of its tokens' running exchanges; the lineage does not expire before they end.
    exchanges: usize,
    forget_at: Duration,
}

impl<J, P: TokenPair> LineageIndex<J, P> {
    pub(super) fn new(lookup_filter: Arc<LookupFilter>) -> Self {
        Self {
            lineages: HashMap::default(),
            tokens: HashMap::default(),
            expiries: BTreeSet::new(),
            next: 0,
            bytes: 0,
            lookup_filter,
        }
    }

    #[cfg(test)]
    pub(super) fn sizes(&self) -> tests::Sizes {
        tests::Sizes {
            tokens: self.tokens.len(),
            lineages: self.lineages.len(),
            expiries: self.expiries.len(),
        }
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn find(&self, token: TokenHash) -> Option<LineageId> {
        self.tokens.get(&token).map(|token| token.lineage)
    }

    /// The lineage of this token, for an event. A new one expires at once if nothing is recorded in it.
    pub(super) fn find_or_create(&mut self, token: TokenHash) -> LineageId {
        if let Some(id) = self.find(token) {
            self.require_lookups(id);
            return id;
        }
        let id = LineageId(self.next);
        self.next += 1;
        self.tokens.insert(token, Token::of(id, self.lookup_filter.mark(&token)));
        let lineage = Lineage {
            members: vec![token],
            newest: None,
            state: LineageState::Live,
            exchanges: 0,
            forget_at: Duration::ZERO,
        };
        self.lineages.insert(id, lineage);
        self.expiries.insert((Duration::ZERO, id));
        id
    }

    pub(super) fn lineage(&self, id: LineageId) -> &Lineage<P> {
        self.lineages.get(&id).expect(IN_STEP)
    }

    pub(super) fn lineage_mut(&mut self, id: LineageId) -> &mut Lineage<P> {
        self.lineages.get_mut(&id).expect(IN_STEP)
    }

    pub(super) fn token(&self, token: TokenHash) -> Option<&Token<J>> {
        self.tokens.get(&token)
    }

    pub(super) fn token_mut(&mut self, token: TokenHash) -> Option<&mut Token<J>> {
        self.tokens.get_mut(&token)
    }

    /// Records that the exchange of a token starts.
    pub(super) fn start_exchange(&mut self, token: TokenHash, exchange: J) {
        let token = self.tokens.get_mut(&token).expect(IN_STEP);
        token.exchange = Some(exchange);
        let id = token.lineage;
        let lineage = self.lineage_mut(id);
        lineage.exchanges += 1;
        let at = lineage.forget_at;
        self.expiries.remove(&(at, id));
    }

    /// Records that the exchange of a token has ended.
    pub(super) fn finish_exchange(&mut self, token: TokenHash) -> LineageId {
        let id = self.find_or_create(token);
        let over = self.tokens.get_mut(&token).and_then(|token| token.exchange.take());
        if over.is_some() {
            let lineage = self.lineage_mut(id);
            lineage.exchanges -= 1;
            let (at, left) = (lineage.forget_at, lineage.exchanges);
            if left == 0 {
                self.expiries.insert((at, id));
            }
        }
        id
    }

    /// Adds a token to a lineage, unless it is a member.
    pub(super) fn add_member(&mut self, id: LineageId, token: TokenHash) {
        let lineage = self.lineages.get_mut(&id).expect(IN_STEP);
        if !lineage.members.contains(&token) {
            lineage.members.push(token);
            self.tokens.insert(token, Token::of(id, self.lookup_filter.mark(&token)));
        }
    }

    /// Lets requests with this token skip the table until something happens to its lineage.
    pub(super) fn skip_lookups(&mut self, token: TokenHash) {
        if let Some(token) = self.tokens.get_mut(&token) {
            token.mark = None;
        }
    }

    /// Makes requests with each token of a lineage look into the table again.
    fn require_lookups(&mut self, id: LineageId) {
        for member in &self.lineages.get(&id).expect(IN_STEP).members {
            let token = self.tokens.get_mut(member).expect(IN_STEP);
            token.mark.get_or_insert_with(|| self.lookup_filter.mark(member));
        }
    }

    pub(super) fn set_newest(&mut self, id: LineageId, newest: Newest<P>) {
        self.clear_newest(id);
        self.bytes += newest.pair.bytes();
        self.lineage_mut(id).newest = Some(newest);
    }

    pub(super) fn clear_newest(&mut self, id: LineageId) -> Option<Arc<P>> {
        let newest = self.lineage_mut(id).newest.take()?;
        self.bytes -= newest.pair.bytes();
        Some(newest.pair)
    }

    /// Merges two lineages: `earlier` led to a token of `later`, by the only exchange that it had.
    pub(super) fn merge(&mut self, earlier: LineageId, later: LineageId) -> LineageId {
        self.require_lookups(later);
        self.clear_newest(earlier);
        let Lineage { members, state, exchanges, forget_at, .. } =
            self.lineages.remove(&earlier).expect(IN_STEP);
        debug_assert_eq!(exchanges, 0, "of a lineage, the newest token alone is exchanged");
        self.expiries.remove(&(forget_at, earlier));
        for member in &members {
            self.tokens.get_mut(member).expect(IN_STEP).lineage = later;
        }
        let lineage = self.lineage_mut(later);
        lineage.members.splice(0..0, members);
        if state == LineageState::Ended {
            lineage.state = state;
        }
        let at = lineage.forget_at.max(forget_at);
        self.keep_until(later, at);
        later
    }

    /// Keeps a lineage until this time, unless a refusal is remembered for longer, and its tokens but the newest pair's
    /// as long.
    pub(super) fn keep_sent_until(&mut self, id: LineageId, until: Duration) {
        let until = self.for_older_tokens(id, until, |_| until);
        self.keep_until(id, until);
    }

    /// The same, but nothing that is forgotten earlier is kept longer.
    pub(super) fn keep_at_most_until(&mut self, id: LineageId, at_most: Duration) {
        let until =
            self.for_older_tokens(id, at_most, |at| at.map_or(at_most, |at| at.min(at_most)));
        if until < self.lineage(id).forget_at {
            self.keep_until(id, until);
        }
    }

    /// Recomputes when the tokens other than the newest pair's are removed. Returns `until`, or the end of the refusal
    /// that is remembered longest.
    fn for_older_tokens(
        &mut self,
        id: LineageId,
        mut until: Duration,
        forget_at: impl Fn(Option<Duration>) -> Duration,
    ) -> Duration {
        let lineage = self.lineages.get(&id).expect(IN_STEP);
        let newest = lineage.newest.as_ref().map(|newest| newest.pair.id().token);
        for member in &lineage.members {
            let token = self.tokens.get_mut(member).expect(IN_STEP);
            if Some(*member) != newest {
                token.forget_at = Some(forget_at(token.forget_at));
            }
            until = token.refusal.map_or(until, |refusal| until.max(refusal.forget_at()));
        }
        until
    }

    /// Forgets a lineage at this time, or once its exchanges are over.
    pub(super) fn keep_until(&mut self, id: LineageId, until: Duration) {
        let lineage = self.lineage_mut(id);
        let before = mem::replace(&mut lineage.forget_at, until);
        if lineage.exchanges == 0 {
            self.expiries.remove(&(before, id));
            self.expiries.insert((until, id));
        }
    }

    pub(super) fn keep_at_least_until(&mut self, id: LineageId, until: Duration) {
        if self.lineage(id).forget_at < until {
            self.keep_until(id, until);
        }
    }

    /// Removes the tokens of a lineage that are no longer needed, so that an old lineage stays small.
    pub(super) fn prune(&mut self, id: LineageId, now: Duration) {
        let lineage = self.lineages.get_mut(&id).expect(IN_STEP);
        lineage.members.retain(|member| {
            let token = &self.tokens[member];
            let keep = token.exchange.is_some() || token.forget_at.is_none_or(|at| now < at);
            if !keep {
                self.tokens.remove(member);
            }
            keep
        });
        // The browser has the first token, if no successor was ever sent, or one of the last.
        let mut surplus = lineage.members.len().saturating_sub(MEMBERS);
        let first = lineage.members.first().copied();
        lineage.members.retain(|member| {
            let keep =
                surplus == 0 || Some(*member) == first || self.tokens[member].exchange.is_some();
            if !keep {
                surplus -= 1;
                self.tokens.remove(member);
            }
            keep
        });
    }

    pub(super) fn forget_old(&mut self, now: Duration) {
        while let Some(&(_, id)) = self.expiries.first().filter(|(at, _)| *at <= now) {
            self.forget(id);
        }
    }

    /// Removes what would expire next until the limits hold.
    pub(super) fn shrink(&mut self, limits: Limits) {
        while self.tokens.len() > limits.tokens || self.bytes > limits.bytes {
            let Some(&(_, id)) = self.expiries.first() else { break };
            self.forget(id);
        }
    }

    fn forget(&mut self, id: LineageId) {
        self.clear_newest(id);
        let Some(lineage) = self.lineages.remove(&id) else { return };
        for member in &lineage.members {
            self.tokens.remove(member);
        }
        self.expiries.remove(&(lineage.forget_at, id));
    }
}

#[cfg(test)]
impl<J: Hash, P: TokenPair> LineageIndex<J, P> {
    /// Hashes all that is known of a token and its lineage, by its age at `now`.
    pub(super) fn fingerprint(&self, token: TokenHash, now: Duration, hasher: &mut impl Hasher) {
        let Some(token) = self.tokens.get(&token) else { return };
        let lineage = self.lineage(token.lineage);
        (&token.exchange, token.refusal, token.mark.is_some()).hash(hasher);
        token.forget_at.map(|at| at.saturating_sub(now)).hash(hasher);
        (lineage.members.len(), lineage.state, lineage.exchanges).hash(hasher);
        lineage.forget_at.saturating_sub(now).hash(hasher);
    }
}

/// Why tokens and lineages are found in each other.
pub(super) const IN_STEP: &str =
    "a token is remembered as long as its lineage, and the other way round";
/// The greatest number of tokens of one lineage: a client that never takes its new cookie must not fill the table.
const MEMBERS: usize = 32;
