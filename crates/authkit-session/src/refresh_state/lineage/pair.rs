use crate::token::PairId;

/// A pair of tokens that a refresh brought.
pub(crate) trait TokenPair {
    fn id(&self) -> PairId;
    /// The session's id, as the new access token names it.
    fn session_id(&self) -> Option<&str>;
    /// The organization of the new access token.
    fn organization(&self) -> Option<&str>;
    /// Whether cookies can carry it to the browser.
    fn fit(&self) -> CookieFit;
    /// About how much memory it takes.
    fn bytes(&self) -> usize;
}

/// Whether a browser keeps a sealed session in cookies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CookieFit {
    Fits,
    /// The old cookie stays the browser's, and stands for the new session.
    TooLarge,
}
