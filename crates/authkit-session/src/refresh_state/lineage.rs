//! Lineages: which refresh token became which, which cookie the browser has, and which sessions have ended.
//!
//! A plain table without clock, lock or I/O: the time is passed in, and each event is one method. The rules:
//!
//! 1. A chain of refreshes is one lineage. Every older cookie of it stands for its newest token pair.
//! 2. A refresh token is exchanged by one task at a time; other requests wait for that exchange.
//! 3. A response head carries the newest pair until the browser has sent that pair back, and none after that: a slow
//!    response cannot put an old cookie over a newer one.
//! 4. A refusal is remembered, and WorkOS is not asked again about the token for a minute. A second refusal after that
//!    is final.
//! 5. A lineage that has ended stays ended, whatever an exchange that was under way brings.
//! 6. A pair that no head has carried is kept for a day, since its old cookie is the browser's current one. A pair that
//!    a head has carried is kept for ten minutes from the last such head, since the response may have been lost on its
//!    way. A pair that the browser has sent back is kept for a minute, for requests that were on their way.
//! 7. A request takes no lock if nothing that matters to it is known: its token is not in the table, or the browser has
//!    sent the token back and it was obtained 10 seconds ago, and nothing has happened to its lineage since.
//! 8. Everything is bounded. A full table removes first what would expire first.

mod ended;
mod index;
mod pair;
mod refused;
#[cfg(test)]
mod tests;
mod token;

use std::{sync::Arc, time::Duration};

pub(crate) use self::pair::{CookieSize, TokenPair};
use self::{
    ended::EndedSessions,
    index::{IN_STEP, LineageIndex},
    pair::Newest,
    refused::RememberedRefusal,
};
use crate::{
    decide::{
        JUST_NOW,
        refresh_outcome::{ApiRefusal, RefusalAge},
    },
    refresh_state::lookup_filter::LookupFilter,
    token::{PairId, TokenHash},
    upstream::budget::Throttled,
};

/// The table. `J` waits for an exchange that is under way, `P` is a token pair that a refresh brought.
#[derive(Clone, Debug)]
pub(crate) struct Lineages<J, P> {
    index: LineageIndex<J, P>,
    ended_sessions: EndedSessions,
    limits: Limits,
}

/// The limits of the table, beside exchanges under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The number of refresh tokens, and also the number of ids of ended sessions.
    pub(crate) tokens: usize,
    /// The bytes of token pairs.
    pub(crate) bytes: usize,
}

impl Default for Limits {
    /// 200,000 tokens, and 64 MiB of token pairs.
    fn default() -> Self {
        Self { tokens: 200_000, bytes: 64 << 20 }
    }
}

/// Whether a lineage continues.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum LineageState {
    Live,
    /// Signed out, revoked, refused by the application, or replaced by another session.
    Ended,
}

/// How far a token pair has got on its way to the browser.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
enum CookieState {
    /// No response head has carried it.
    Unsent,
    /// A response head has carried it.
    Sent,
    /// The browser has sent it back.
    Returned,
}

/// The state of an exchange, for a request that needs one.
#[derive(Debug)]
pub(crate) enum ExchangeStatus<J, P> {
    /// Nobody exchanges the token: this request starts the exchange.
    Start(J),
    /// Another request has started the exchange.
    UnderWay(J),
    /// The token was exchanged before, that long ago, for this pair.
    Successor(Arc<P>, Duration),
    /// The token was exchanged before, for a pair of another organization.
    OtherOrganization,
    /// WorkOS refused the token less than a minute ago, or twice.
    Refused(ApiRefusal, RefusalAge),
    /// The lineage has ended.
    Ended,
    /// No exchange of the token is running, and WorkOS must not be called now.
    Throttled(Throttled),
}

/// What is known of the lineage of a token pair.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum LineageStatus {
    Unknown,
    Ended,
    /// The lineage is known. For its newest pair: how long ago this process obtained it.
    Known(Option<Duration>),
}

impl<J: Clone, P: TokenPair> Lineages<J, P> {
    /// An empty table that marks in `lookup_filter` what a request has to look up.
    pub(crate) fn new(limits: Limits, lookup_filter: Arc<LookupFilter>) -> Self {
        Self {
            index: LineageIndex::new(Arc::clone(&lookup_filter)),
            ended_sessions: EndedSessions::new(limits.tokens, lookup_filter),
            limits,
        }
    }

    /// Whether nothing is remembered.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.index.sizes() == tests::Sizes::default() && self.ended_sessions.is_empty()
    }

    /// How many tokens, lineages and ended sessions are remembered.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        let sizes = self.index.sizes();
        sizes.tokens + sizes.lineages + self.ended_sessions.len()
    }

    /// Whether a request with this token, of this session, has to be looked up.
    #[cfg(test)]
    pub(crate) fn requires_lookup(&self, token: TokenHash, session_id: &str) -> bool {
        let is_marked = self.index.token(token).is_some_and(|token| token.mark.is_some());
        is_marked || self.ended_sessions.contains(Some(session_id))
    }

    /// How many bytes the remembered pairs take.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.index.bytes()
    }

    /// Records that a request of this session brought this pair, so the browser has it.
    pub(crate) fn returned(
        &mut self,
        pair: Option<PairId>,
        session_id: Option<&str>,
        now: Duration,
    ) -> LineageStatus {
        self.forget_old(now);
        if self.ended_sessions.contains(session_id) {
            return LineageStatus::Ended;
        }
        let known = pair.and_then(|pair| Some((pair, self.index.find(pair.token)?)));
        let Some((pair, id)) = known else { return LineageStatus::Unknown };
        let lineage = self.index.lineage_mut(id);
        match lineage.state {
            LineageState::Ended => return LineageStatus::Ended,
            LineageState::Live => {}
        }
        let newest = lineage.newest.as_mut().filter(|newest| newest.is(pair));
        let age = newest.map(|newest| {
            newest.cookie = CookieState::Returned;
            now.saturating_sub(newest.obtained)
        });
        if let Some(age) = age {
            self.index.keep_at_most_until(id, now + KEPT_RETURNED);
            if age >= JUST_NOW {
                self.index.skip_lookups(pair.token);
            }
        }
        LineageStatus::Known(age)
    }

    /// Looks up the token of a request that needs a new pair for this organization. If an exchange may start now,
    /// `start` makes its waiter.
    pub(crate) fn exchange(
        &mut self,
        pair: PairId,
        organization: Option<&str>,
        now: Duration,
        start: impl FnOnce() -> Result<J, Throttled>,
    ) -> ExchangeStatus<J, P> {
        self.forget_old(now);
        let id = self.index.find_or_create(pair.token);
        let lineage = self.index.lineage(id);
        match lineage.state {
            LineageState::Ended => return ExchangeStatus::Ended,
            LineageState::Live => {}
        }
        if let Some(newest) = lineage.newest.as_ref().filter(|newest| !newest.is(pair)) {
            return if self.ended_sessions.contains(newest.pair.session_id()) {
                ExchangeStatus::Ended
            } else if newest.pair.organization() == organization {
                let age = now.saturating_sub(newest.obtained);
                ExchangeStatus::Successor(Arc::clone(&newest.pair), age)
            } else {
                ExchangeStatus::OtherOrganization
            };
        }
        let token = self.index.token(pair.token).expect(IN_STEP);
        if let Some(exchange) = &token.exchange {
            return ExchangeStatus::UnderWay(exchange.clone());
        }
        if let Some((refusal, age)) = token.refusal.and_then(|refusal| refusal.holds(now)) {
            return ExchangeStatus::Refused(refusal, age);
        }
        match start() {
            Ok(exchange) => {
                self.index.start_exchange(pair.token, exchange.clone());
                ExchangeStatus::Start(exchange)
            }
            Err(throttled) => ExchangeStatus::Throttled(throttled),
        }
    }

    /// Records the new pair that the exchange of `token` brought. `state` is `Ended` if the application refused it.
    /// Returns whether the session continues with it.
    pub(crate) fn refreshed(
        &mut self,
        token: TokenHash,
        pair: Arc<P>,
        state: LineageState,
        now: Duration,
    ) -> LineageState {
        let id = self.index.finish_exchange(token);
        let refreshed = self.index.token_mut(token).expect(IN_STEP);
        (refreshed.refusal, refreshed.refusal_delayed_at) = (None, None);
        let new = pair.id().token;
        let id = match self.index.find(new) {
            // Another replica also exchanged the token, and the browser has brought that replica's result here.
            Some(other) if other != id => self.index.merge(id, other),
            Some(_) | None => id,
        };
        // Once a lineage has ended, none of its tokens is forgotten before the others.
        if self.index.lineage(id).state == LineageState::Live {
            self.index.prune(id, now);
        }
        let session_ended = self.ended_sessions.contains(pair.session_id());
        let lineage = self.index.lineage_mut(id);
        if session_ended || state == LineageState::Ended {
            lineage.state = LineageState::Ended;
        }
        let state = lineage.state;
        // The newest pair of a lineage that was merged into this one came from this one.
        let is_overtaken =
            lineage.newest.is_some() && lineage.members.contains(&new) && new != token;
        self.index.add_member(id, new);
        match state {
            LineageState::Ended => {
                self.ended_sessions.add(pair.session_id(), now);
                self.index.clear_newest(id);
                self.index.keep_until(id, now + KEPT_ENDED);
            }
            LineageState::Live if is_overtaken => {}
            LineageState::Live => {
                self.index
                    .set_newest(id, Newest { pair, obtained: now, cookie: CookieState::Unsent });
                self.index.keep_until(id, now + KEPT_UNSENT);
            }
        }
        self.shrink();
        state
    }

    /// Records that WorkOS refused the exchange of `token`. `None` if the lineage has ended anyway.
    pub(crate) fn refused(
        &mut self,
        token: TokenHash,
        refusal: ApiRefusal,
        now: Duration,
    ) -> Option<RefusalAge> {
        let id = self.index.finish_exchange(token);
        let state = self.index.lineage(id).state;
        let token = self.index.token_mut(token).expect(IN_STEP);
        let remembered = RememberedRefusal::after(token.refusal, refusal, now);
        token.refusal = Some(remembered);
        self.index.keep_at_least_until(id, remembered.forget_at());
        self.shrink();
        match state {
            LineageState::Live => Some(remembered.age(now)),
            LineageState::Ended => None,
        }
    }

    /// Whether a refusal that another process got `ago` counts here. If a refusal is already known, a second one counts
    /// if it came at least a minute later: then the token is dead.
    pub(crate) fn counts_refusal(&self, token: TokenHash, ago: Duration, now: Duration) -> bool {
        let remembered = self.index.token(token).and_then(|known| known.refusal);
        remembered.is_none_or(|refusal| refusal.holds(now.saturating_sub(ago)).is_none())
    }

    /// Delays the refusal of `token`, which another process may also have been exchanging, once in ten minutes.
    pub(crate) fn delay_refusal(&mut self, token: TokenHash, now: Duration) -> RefusalDelay {
        let id = self.index.find_or_create(token);
        let known = self.index.token_mut(token).expect(IN_STEP);
        let delay = match known.refusal_delayed_at {
            Some(at) if now.saturating_sub(at) < KEPT_DELAYED => RefusalDelay::Spent,
            Some(_) | None => {
                known.refusal_delayed_at = Some(now);
                RefusalDelay::Granted
            }
        };
        self.index.keep_at_least_until(id, now + KEPT_DELAYED);
        delay
    }

    /// Records that the exchange of `token` brought no answer about the token.
    pub(crate) fn lost(&mut self, token: TokenHash, now: Duration) {
        let id = self.index.finish_exchange(token);
        let refusal = self.index.token(token).expect(IN_STEP).refusal;
        let lineage = self.index.lineage(id);
        let until = match (lineage.state, &lineage.newest) {
            (LineageState::Ended, _) => now + KEPT_ENDED,
            (LineageState::Live, Some(newest)) => match newest.cookie {
                CookieState::Unsent => now + KEPT_UNSENT,
                CookieState::Sent => now + KEPT_SENT,
                CookieState::Returned => now + KEPT_RETURNED,
            },
            (LineageState::Live, None) => now,
        };
        let until = refusal.map_or(until, |refusal| until.max(refusal.forget_at()));
        self.index.keep_at_least_until(id, until);
        self.forget_old(now);
        self.shrink();
    }

    /// The pair that a response head must carry which leaves now for a request with `token`.
    pub(crate) fn pair_to_send(&mut self, token: TokenHash, now: Duration) -> Option<Arc<P>> {
        self.forget_old(now);
        let id = self.index.find(token)?;
        let lineage = self.index.lineage_mut(id);
        if lineage.state == LineageState::Ended {
            return None;
        }
        let newest = lineage.newest.as_mut().filter(|newest| {
            newest.cookie < CookieState::Returned
                && newest.pair.cookie_size() == CookieSize::Fits
                && !self.ended_sessions.contains(newest.pair.session_id())
        })?;
        newest.cookie = CookieState::Sent;
        let pair = Arc::clone(&newest.pair);
        self.index.keep_sent_until(id, now + KEPT_SENT);
        Some(pair)
    }

    /// Ends the session: it was signed out, or replaced by another one. Returns whether this process did not know that
    /// before.
    pub(crate) fn end(
        &mut self,
        token: Option<TokenHash>,
        session_id: Option<&str>,
        now: Duration,
    ) -> Ended {
        self.forget_old(now);
        let mut ended = if self.ended_sessions.contains(session_id) || session_id.is_none() {
            Ended::Before
        } else {
            Ended::Now
        };
        self.ended_sessions.add(session_id, now);
        if let Some(token) = token {
            let id = self.index.find_or_create(token);
            let lineage = self.index.lineage_mut(id);
            if lineage.state == LineageState::Live {
                ended = Ended::Now;
            }
            lineage.state = LineageState::Ended;
            if let Some(newest) = self.index.clear_newest(id) {
                self.ended_sessions.add(newest.session_id(), now);
            }
            self.index.keep_until(id, now + KEPT_ENDED);
        }
        self.shrink();
        ended
    }

    /// The newest pair of this one's lineage and how long ago it was obtained, unless it is this one or has ended. A
    /// handler that exchanges the session's newest token goes on from there, whichever organization the pair is for.
    pub(crate) fn newer(&self, pair: PairId, now: Duration) -> Option<(Arc<P>, Duration)> {
        let lineage = self.index.lineage(self.index.find(pair.token)?);
        let newest = lineage.newest.as_ref().filter(|newest| !newest.is(pair))?;
        let goes_on = lineage.state == LineageState::Live
            && !self.ended_sessions.contains(newest.pair.session_id());
        goes_on.then(|| (Arc::clone(&newest.pair), now.saturating_sub(newest.obtained)))
    }

    /// Forgets that WorkOS refused this token for its session's organization: it is exchanged for another organization.
    pub(crate) fn forget_refusal(&mut self, pair: PairId) {
        if let Some(token) = self.index.token_mut(pair.token) {
            token.refusal =
                token.refusal.filter(|refusal| !refusal.refusal().is_about_organization());
        }
    }

    /// Whether WorkOS is known to have refused this token.
    pub(crate) fn is_refused(&self, token: TokenHash) -> bool {
        self.index.token(token).is_some_and(|token| token.refusal.is_some())
    }

    fn forget_old(&mut self, now: Duration) {
        self.index.forget_old(now);
        self.ended_sessions.forget_old(now);
    }

    /// Removes what would expire next until the limits hold.
    fn shrink(&mut self) {
        self.index.shrink(self.limits);
    }
}

/// Whether the refusal of a token may be delayed because another process may have refreshed the session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RefusalDelay {
    Granted,
    /// A refusal of the token was delayed in the last ten minutes.
    Spent,
}

/// Whether a session ended just now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ended {
    Now,
    /// It had ended before, or is not known well enough to tell.
    Before,
}

/// How long a pair is kept after the last head that carried it: a proxy may have lost the response.
const KEPT_SENT: Duration = Duration::from_secs(10 * 60);
/// How long a pair is kept after the browser has sent it back.
const KEPT_RETURNED: Duration = Duration::from_secs(60);
/// How long a pair is kept that no head has carried: its client still uses the old cookie.
const KEPT_UNSENT: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a delayed refusal is remembered.
const KEPT_DELAYED: Duration = Duration::from_secs(10 * 60);
/// How long the end of a session is remembered.
const KEPT_ENDED: Duration = Duration::from_secs(24 * 60 * 60);
