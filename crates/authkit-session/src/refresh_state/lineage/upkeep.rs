//! Keeps the parts of the table in step: which lineage has which tokens, and what is forgotten when.

use std::{mem, sync::Arc, time::Duration};

use crate::{
    refresh_state::lineage::{
        IN_STEP, KEPT_SENT, Life, Lineage, LineageId, Lineages, Successor, Token,
    },
    token::TokenHash,
};

impl<J: Clone, P: Successor> Lineages<J, P> {
    pub(super) fn of(&self, token: TokenHash) -> Option<LineageId> {
        self.tokens.get(&token).map(|token| token.lineage)
    }

    pub(super) fn lineage(&mut self, id: LineageId) -> &mut Lineage<P> {
        self.lineages.get_mut(&id).expect(IN_STEP)
    }

    /// Founds a lineage of this token alone. It is forgotten at once if nothing comes of it.
    pub(super) fn found(&mut self, token: TokenHash) -> LineageId {
        let id = LineageId(self.next);
        self.next += 1;
        let known = Token { lineage: id, exchange: None, refused: None, forget_at: None };
        self.tokens.insert(token, known);
        let lineage = Lineage {
            members: vec![token],
            newest: None,
            life: Life::Live,
            exchanges: 0,
            forget_at: Duration::ZERO,
        };
        self.lineages.insert(id, lineage);
        self.expiries.insert((Duration::ZERO, id));
        id
    }

    /// The exchange of a token is over.
    pub(super) fn finished(&mut self, token: TokenHash) -> LineageId {
        let id = self.of(token).unwrap_or_else(|| self.found(token));
        let over = self.tokens.get_mut(&token).and_then(|token| token.exchange.take());
        if over.is_some() {
            let lineage = self.lineage(id);
            lineage.exchanges -= 1;
            let (at, left) = (lineage.forget_at, lineage.exchanges);
            if left == 0 {
                self.expiries.insert((at, id));
            }
        }
        id
    }

    /// Makes one lineage of two: `earlier` led to a token of `later`.
    pub(super) fn unite(&mut self, earlier: LineageId, later: LineageId) -> LineageId {
        self.clear_newest(earlier);
        let Lineage { members, life, exchanges, forget_at, .. } =
            self.lineages.remove(&earlier).expect(IN_STEP);
        self.expiries.remove(&(forget_at, earlier));
        for member in &members {
            self.tokens.get_mut(member).expect(IN_STEP).lineage = later;
        }
        let lineage = self.lineage(later);
        lineage.members.splice(0..0, members);
        if life == Life::Ended {
            lineage.life = life;
        }
        let at = lineage.forget_at.max(forget_at);
        self.keep(later, at);
        let lineage = self.lineage(later);
        lineage.exchanges += exchanges;
        if exchanges > 0 {
            self.expiries.remove(&(at, later));
        }
        later
    }

    /// The newest pair is at the browser, or on its way: stragglers with older ones are all that may still come.
    pub(super) fn arrived(&mut self, id: LineageId, now: Duration) {
        let gone = now + KEPT_SENT;
        let mut until = gone;
        let lineage = self.lineages.get_mut(&id).expect(IN_STEP);
        let newest = lineage.newest.as_ref().map(|newest| newest.pair.id().token);
        for member in &lineage.members {
            let token = self.tokens.get_mut(member).expect(IN_STEP);
            if Some(*member) != newest {
                token.forget_at.get_or_insert(gone);
            }
            until = token.refused.map_or(until, |refused| until.max(refused.forget_at()));
        }
        if until < lineage.forget_at {
            self.keep(id, until);
        }
    }

    /// Forgets a lineage at this time, or once its exchanges are over.
    pub(super) fn keep(&mut self, id: LineageId, until: Duration) {
        let lineage = self.lineage(id);
        let before = mem::replace(&mut lineage.forget_at, until);
        if lineage.exchanges == 0 {
            self.expiries.remove(&(before, id));
            self.expiries.insert((until, id));
        }
    }

    pub(super) fn keep_at_least(&mut self, id: LineageId, until: Duration) {
        if self.lineage(id).forget_at < until {
            self.keep(id, until);
        }
    }

    pub(super) fn clear_newest(&mut self, id: LineageId) -> Option<Arc<P>> {
        let newest = self.lineage(id).newest.take()?;
        self.bytes -= newest.pair.bytes();
        Some(newest.pair)
    }

    /// Forgets the tokens of a lineage that need not be known any longer, so that an old lineage stays small.
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
        // What the browser has is the first, where it was never sent a successor, or one of the last.
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
        self.ended_sessions.forget_old(now);
    }

    pub(super) fn forget(&mut self, id: LineageId) {
        self.clear_newest(id);
        let Some(lineage) = self.lineages.remove(&id) else { return };
        for member in &lineage.members {
            self.tokens.remove(member);
        }
        self.expiries.remove(&(lineage.forget_at, id));
    }

    /// Forgets what would be forgotten next until the limits hold.
    pub(super) fn shrink(&mut self) {
        while self.tokens.len() > self.limits.tokens || self.bytes > self.limits.bytes {
            let Some(&(_, id)) = self.expiries.first() else { break };
            self.forget(id);
        }
        self.ended_sessions.shrink(self.limits.tokens);
    }
}

/// How many tokens of one lineage are remembered, so that a client that never takes its new cookie fills no table.
const MEMBERS: usize = 32;
