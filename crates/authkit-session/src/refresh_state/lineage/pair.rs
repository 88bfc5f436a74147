use crate::token::TokenHash;

/// Names a pair of tokens, as a cookie holds them.
///
/// WorkOS may answer an exchange with the refresh token that was exchanged; then the access tokens tell which is newer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct PairId {
    pub(crate) token: TokenHash,
    /// When the access token was made, in Unix seconds.
    pub(crate) made: u64,
}

/// A pair of tokens that a refresh brought.
pub(crate) trait Successor {
    fn id(&self) -> PairId;
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
