//! The table of what a request gets, as a pure function over closed enums: no clock, no I/O.

pub(crate) mod reason;
pub(crate) mod refresh_outcome;

use std::time::Duration;

use crate::{
    decide::reason::{Reason, SecurityClaim},
    refresh_state::lineage::JUST_NOW,
};

/// What is known of the session that a request brought. In the order of the table: the first that holds counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "a new verdict has to break every match on it")]
pub enum Verdict {
    /// No cookie of the name.
    Absent,
    /// A value that no password and format opens.
    Unreadable,
    /// It opens, but holds no session.
    NotASession,
    /// Sessions of different users came together.
    Ambiguous,
    /// Its lineage ended here.
    SignedOut,
    /// It was revoked at WorkOS.
    Revoked,
    /// There are no signing keys to check it with.
    NoKeys,
    /// Its signing key is missing from a key set older than the token.
    UnknownKey,
    /// Its signing key is missing from a key set newer than the token, or the signature does not verify.
    BadSignature,
    /// The cookie's user or impersonator is not the token's.
    WrongSubject,
    /// Issuer, audience, client id or kind of token are not ours. What a token that cannot be verified says of them is
    /// enough.
    NotOurs,
    /// Its signature verifies, but a security claim is not of its type.
    InvalidClaim(SecurityClaim),
    /// Its time has not come yet.
    NotYetValid,
    /// Its time is over.
    Expired,
    /// It verifies, but the cookie names no user.
    NoUser,
    /// It verifies, and its time is nearly over.
    Expiring,
    /// It verifies.
    Good,
}

/// What else decides about a [`Verdict`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(clippy::exhaustive_structs, reason = "the table has these columns")]
pub struct Circumstances {
    /// Whether the session can be refreshed.
    pub refresh: Refreshing,
    /// Whether a good session is good enough.
    pub demand: Demand,
    /// Whether signing keys may be fetched now.
    pub keys: KeyFetch,
    /// Whether the tokens were obtained here within the last 10 seconds.
    pub age: PairAge,
}

/// Whether a session can be refreshed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "a column of the table")]
pub enum Refreshing {
    /// It has a refresh token, and the client can take a new cookie.
    Possible,
    /// It has none, or the client keeps no cookies.
    Impossible,
}

/// Whether a good session is good enough.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "a column of the table")]
pub enum Demand {
    /// It is.
    Nothing,
    /// Only new tokens will do: those presented are older than the layer allows.
    NewPair,
    /// Only newer tokens will do, however new those presented are: what they say has changed since.
    NewerPair,
}

/// Whether signing keys may be fetched now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "a column of the table")]
pub enum KeyFetch {
    /// They may.
    Allowed,
    /// They were fetched a moment ago, or could not be.
    Exhausted,
}

/// How old the presented tokens are here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "a column of the table")]
pub enum PairAge {
    /// WorkOS gave them to us less than 10 seconds and less than their lifetime ago: asking again would change nothing.
    JustObtained,
    /// Older, or obtained elsewhere.
    Older,
}

impl PairAge {
    /// By how long ago the tokens were obtained here, if they were. Those of a short life grow old within it.
    pub(crate) fn of(age: Option<Duration>, lifetime: Duration) -> Self {
        if age.is_some_and(|age| age < JUST_NOW.min(lifetime.max(A_SECOND))) {
            Self::JustObtained
        } else {
            Self::Older
        }
    }
}

/// What to do about a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "a new action has to break every match on it")]
pub enum Action {
    /// Let it through with the session presented.
    Admit,
    /// Exchange the refresh token.
    Refresh {
        /// What holds if that brings no new pair.
        or: Fallback,
    },
    /// Fetch the signing keys, and decide again.
    FetchKeys,
    /// Answer it without the inner service.
    Refuse(Reason),
}

/// What holds when a refresh brings no new pair.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "a column of the table")]
pub enum Fallback {
    /// The session presented is still good.
    Current,
    /// Nothing: the request is refused.
    Nothing,
}

/// Maps a verdict to an action.
///
/// # Examples
///
/// The table, row by row, for a session that can be refreshed, and in the last column for one that cannot:
///
/// ```
/// use authkit_session::{Action, Circumstances, Demand, Fallback, KeyFetch, PairAge, Reason, Refreshing, Verdict, decide};
/// use authkit_session::SecurityClaim::Act;
/// use Action::{Admit, FetchKeys, Refresh, Refuse};
///
/// let usual = Circumstances {
///     refresh: Refreshing::Possible,
///     demand: Demand::Nothing,
///     keys: KeyFetch::Allowed,
///     age: PairAge::Older,
/// };
/// let renew = Refresh { or: Fallback::Nothing };
/// let rows = [
///     (Verdict::Absent, Refuse(Reason::NoCookie), Refuse(Reason::NoCookie)),
///     (Verdict::Unreadable, Refuse(Reason::UnreadableCookie), Refuse(Reason::UnreadableCookie)),
///     (Verdict::NotASession, Refuse(Reason::NotASession), Refuse(Reason::NotASession)),
///     (Verdict::Ambiguous, Refuse(Reason::Ambiguous), Refuse(Reason::Ambiguous)),
///     (Verdict::SignedOut, Refuse(Reason::SignedOut), Refuse(Reason::SignedOut)),
///     (Verdict::Revoked, Refuse(Reason::Revoked), Refuse(Reason::Revoked)),
///     (Verdict::NoKeys, FetchKeys, FetchKeys),
///     (Verdict::UnknownKey, FetchKeys, FetchKeys),
///     (Verdict::BadSignature, renew, Refuse(Reason::BadSignature)),
///     (Verdict::WrongSubject, Refuse(Reason::WrongSubject), Refuse(Reason::WrongSubject)),
///     (Verdict::NotOurs, Refuse(Reason::NotOurs), Refuse(Reason::NotOurs)),
///     (Verdict::InvalidClaim(Act), Refuse(Reason::InvalidClaim(Act)), Refuse(Reason::InvalidClaim(Act))),
///     (Verdict::NotYetValid, Refuse(Reason::Clock), Refuse(Reason::Clock)),
///     (Verdict::Expired, renew, Refuse(Reason::Expired)),
///     (Verdict::NoUser, renew, Refuse(Reason::NotASession)),
///     (Verdict::Expiring, Refresh { or: Fallback::Current }, Admit),
///     (Verdict::Good, Admit, Admit),
/// ];
/// for (verdict, refreshable, otherwise) in rows {
///     assert_eq!(decide(verdict, usual), refreshable, "{verdict:?}");
///     let without = Circumstances { refresh: Refreshing::Impossible, ..usual };
///     assert_eq!(decide(verdict, without), otherwise, "{verdict:?} without a refresh");
/// }
///
/// // Keys that may not be fetched now: never a refresh.
/// let exhausted = Circumstances { keys: KeyFetch::Exhausted, ..usual };
/// assert_eq!(decide(Verdict::NoKeys, exhausted), Refuse(Reason::NoKeys));
/// assert_eq!(decide(Verdict::UnknownKey, exhausted), Refuse(Reason::UnknownKey));
///
/// // New tokens are demanded: only they admit.
/// let demanded = Circumstances { demand: Demand::NewPair, ..usual };
/// assert_eq!(decide(Verdict::Good, demanded), renew);
/// assert_eq!(decide(Verdict::Expiring, demanded), renew);
///
/// // Tokens that we got a moment ago are not exchanged again, unless what they say has changed since.
/// let fresh = Circumstances { age: PairAge::JustObtained, ..demanded };
/// assert_eq!(decide(Verdict::Good, fresh), Admit);
/// assert_eq!(decide(Verdict::Expiring, fresh), Admit);
/// assert_eq!(decide(Verdict::Expired, fresh), Refuse(Reason::Clock));
/// assert_eq!(decide(Verdict::BadSignature, fresh), Refuse(Reason::Unverified));
/// assert_eq!(decide(Verdict::NoUser, fresh), Refuse(Reason::Unverified));
/// for age in [PairAge::JustObtained, PairAge::Older] {
///     let changed = Circumstances { demand: Demand::NewerPair, age, ..usual };
///     assert_eq!(decide(Verdict::Good, changed), renew);
///     assert_eq!(decide(Verdict::Expiring, changed), renew);
/// }
/// ```
pub fn decide(verdict: Verdict, circumstances: Circumstances) -> Action {
    let renew = |reason| match circumstances.refresh {
        Refreshing::Possible => Action::Refresh { or: Fallback::Nothing },
        Refreshing::Impossible => Action::Refuse(reason),
    };
    let fetch = |reason| match circumstances.keys {
        KeyFetch::Allowed => Action::FetchKeys,
        KeyFetch::Exhausted => Action::Refuse(reason),
    };
    match (verdict, circumstances.age) {
        (Verdict::Absent, _) => Action::Refuse(Reason::NoCookie),
        (Verdict::Unreadable, _) => Action::Refuse(Reason::UnreadableCookie),
        (Verdict::NotASession, _) => Action::Refuse(Reason::NotASession),
        (Verdict::Ambiguous, _) => Action::Refuse(Reason::Ambiguous),
        (Verdict::SignedOut, _) => Action::Refuse(Reason::SignedOut),
        (Verdict::Revoked, _) => Action::Refuse(Reason::Revoked),
        (Verdict::NoKeys, _) => fetch(Reason::NoKeys),
        (Verdict::UnknownKey, _) => fetch(Reason::UnknownKey),
        (Verdict::BadSignature, PairAge::JustObtained) => Action::Refuse(Reason::Unverified),
        (Verdict::BadSignature, PairAge::Older) => renew(Reason::BadSignature),
        (Verdict::WrongSubject, _) => Action::Refuse(Reason::WrongSubject),
        (Verdict::NotOurs, _) => Action::Refuse(Reason::NotOurs),
        (Verdict::InvalidClaim(claim), _) => Action::Refuse(Reason::InvalidClaim(claim)),
        (Verdict::NotYetValid, _) => Action::Refuse(Reason::Clock),
        (Verdict::Expired, PairAge::JustObtained) => Action::Refuse(Reason::Clock),
        (Verdict::Expired, PairAge::Older) => renew(Reason::Expired),
        (Verdict::NoUser, PairAge::JustObtained) => Action::Refuse(Reason::Unverified),
        (Verdict::NoUser, PairAge::Older) => renew(Reason::NotASession),
        (Verdict::Expiring | Verdict::Good, PairAge::JustObtained) => match circumstances.demand {
            Demand::NewerPair => renew(Reason::Expired),
            Demand::NewPair | Demand::Nothing => Action::Admit,
        },
        (Verdict::Expiring, PairAge::Older) => {
            match (circumstances.demand, circumstances.refresh) {
                (Demand::NewPair | Demand::NewerPair, _) => renew(Reason::Expired),
                (Demand::Nothing, Refreshing::Possible) => {
                    Action::Refresh { or: Fallback::Current }
                }
                (Demand::Nothing, Refreshing::Impossible) => Action::Admit,
            }
        }
        (Verdict::Good, PairAge::Older) => match circumstances.demand {
            Demand::NewPair | Demand::NewerPair => renew(Reason::Expired),
            Demand::Nothing => Action::Admit,
        },
    }
}

/// Whatever a token says, it is not exchanged the moment it comes.
const A_SECOND: Duration = Duration::from_secs(1);
