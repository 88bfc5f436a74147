use std::{sync::Arc, time::Duration};

use crate::{refresh_state::lineage::CookieState, token::PairId};

/// A token pair that a refresh brought.
pub(crate) trait TokenPair {
    fn id(&self) -> PairId;
    /// The session's id, as the new access token names it.
    fn session_id(&self) -> Option<&str>;
    /// The organization of the new access token.
    fn organization(&self) -> Option<&str>;
    /// Whether cookies can carry it to the browser.
    fn cookie_size(&self) -> CookieSize;
    /// The approximate memory of the pair, in bytes.
    fn bytes(&self) -> usize;
}

/// Whether a browser keeps a sealed session in cookies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CookieSize {
    Fits,
    /// The browser keeps the old cookie, which stands for the new session.
    TooLarge,
}

/// The pair that the last refresh brought.
#[derive(Clone, Debug)]
pub(super) struct Newest<P> {
    pub(super) pair: Arc<P>,
    pub(super) obtained: Duration,
    pub(super) cookie: CookieState,
}

impl<P: TokenPair> Newest<P> {
    /// Whether a cookie with this pair holds this one, or what another replica made of the same refresh token later.
    pub(super) fn is(&self, pair: PairId) -> bool {
        let newest = self.pair.id();
        newest.token == pair.token && newest.issued_at <= pair.issued_at
    }
}
