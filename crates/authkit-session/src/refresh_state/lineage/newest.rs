//! What a handler goes on from that exchanges the session's newest token, whichever organization that is for.

use std::{sync::Arc, time::Duration};

use crate::{
    refresh_state::lineage::{Life, Lineages, PairId, Successor},
    token::TokenHash,
};

impl<J: Clone, P: Successor> Lineages<J, P> {
    /// The newest pair of this one's lineage and how long ago it was obtained, unless it is this one or has ended.
    pub(crate) fn newer(&self, pair: PairId, now: Duration) -> Option<(Arc<P>, Duration)> {
        let lineage = self.lineages.get(&self.of(pair.token)?)?;
        let newest = lineage.newest.as_ref().filter(|newest| !newest.is(pair))?;
        let goes_on =
            lineage.life == Life::Live && !self.ended_sessions.contains(newest.pair.session_id());
        goes_on.then(|| (Arc::clone(&newest.pair), now.saturating_sub(newest.obtained)))
    }

    /// Forgets that WorkOS refused this token for the organization that its session is in: it is asked for another one.
    pub(crate) fn forgive(&mut self, pair: PairId) {
        if let Some(token) = self.tokens.get_mut(&pair.token) {
            token.refused = token.refused.filter(|refused| !refused.why().is_about_organization());
        }
    }

    /// Whether it is remembered that WorkOS refused this token.
    pub(crate) fn is_refused(&self, token: TokenHash) -> bool {
        self.tokens.get(&token).is_some_and(|token| token.refused.is_some())
    }
}
