//! The table that maps a request's verdict to an action: a pure function over closed enums, without clock or I/O.
//!
//! | verdict | with a refresh token | without one |
//! |---|---|---|
//! | no cookie, unreadable, not a session, ambiguous | refused | refused |
//! | signed out, revoked | refused | refused |
//! | one of the rows with refreshes below, or good: older, or longer unused, than the layer allows | refused | refused |
//! | no keys, or a key set older than the token without its key | keys are fetched; not allowed now: refused | the same |
//! | bad signature | refreshed | refused |
//! | another user's, not ours, a security claim of another type, not yet valid | refused | refused |
//! | expired, or no user in the cookie | refreshed | refused |
//! | good, and newer tokens are demanded | refreshed; only new tokens admit | refused |
//! | good, and newer tokens are wished for | refreshed; admitted whatever comes of it | admitted |
//! | expiring | refreshed; admitted whatever comes of it | admitted |
//! | good | admitted | admitted |
//!
//! Tokens that this process obtained less than 10 seconds ago are not refreshed for their age or signature.

pub(crate) mod cookie_fate;
pub(crate) mod others_exchange;
pub(crate) mod reason;
#[cfg(any(test, feature = "metrics"))]
pub(crate) mod reasons;
pub(crate) mod refresh_outcome;
pub(crate) mod security_claim;

use std::time::Duration;

use crate::decide::{reason::Reason, security_claim::SecurityClaim};

/// The result of checking the session that a request brought. In the order of the table: the first that applies counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
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
    /// There are no signing keys to verify it with.
    NoKeys,
    /// Its signing key is missing from a key set older than the token.
    UnknownKey,
    /// Its signing key is missing from a key set newer than the token, or the signature does not verify.
    BadSignature,
    /// The cookie's user or impersonator is not the token's.
    WrongSubject,
    /// Its issuer, audience, client id or kind is not ours. Unverified claims are enough for this verdict.
    NotOurs,
    /// Its signature verifies, but a security claim is not of its type.
    InvalidClaim(SecurityClaim),
    /// It is not valid yet.
    NotYetValid,
    /// It has expired.
    Expired,
    /// It verifies, but the cookie names no user.
    NoUser,
    /// It verifies and expires soon.
    Expiring,
    /// It verifies.
    Good,
}

/// The signing keys that are missing to verify a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum MissingKeys {
    /// There are none.
    All,
    /// The key that the token names.
    OfToken,
}

impl Verdict {
    /// Whether the token verified and has not expired.
    pub(crate) fn is_verified(self) -> bool {
        matches!(self, Self::Expiring | Self::Good)
    }

    /// The signing keys that the verdict waits for, if any.
    pub(crate) fn missing_keys(self) -> Option<MissingKeys> {
        if self == Self::NoKeys {
            Some(MissingKeys::All)
        } else if self == Self::UnknownKey {
            Some(MissingKeys::OfToken)
        } else {
            None
        }
    }
}

/// The reason of a request for which fetching keys did not help.
impl From<MissingKeys> for Reason {
    fn from(missing: MissingKeys) -> Self {
        match missing {
            MissingKeys::All => Self::NoKeys,
            MissingKeys::OfToken => Self::UnknownKey,
        }
    }
}

/// What decides besides the [`Verdict`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Circumstances {
    /// Whether the session can be refreshed.
    pub(crate) refresh: Refreshing,
    /// Whether the session may still be used.
    pub(crate) limit: SessionLimit,
    /// Whether the request needs newer tokens.
    pub(crate) demand: Demand,
    /// Whether signing keys may be fetched now.
    pub(crate) keys: KeyFetch,
    /// Whether the tokens were obtained here within the last 10 seconds.
    pub(crate) age: PairAge,
}

/// Whether a session can be refreshed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refreshing {
    /// It has a refresh token, and the client can take a new cookie.
    Possible,
    /// It has none, or the client keeps no cookies.
    Impossible,
}

/// Whether a session is within the limits that the layer sets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SessionLimit {
    /// It is within the limits, or there are none.
    Within,
    /// Its user signed in too long ago.
    TooOld,
    /// It was not used for too long.
    Idle,
}

/// Whether the request needs newer tokens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Demand {
    /// No.
    Nothing,
    /// No, but newer tokens would show for longer that the session is in use.
    NewPairIfPossible,
    /// Yes: the presented tokens are older than the layer allows.
    NewPair,
    /// Yes, however new the presented tokens are: what they say has changed since.
    NewerPair,
}

/// The effect of revocations on a token, from none to the worst.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum CutOffEffect {
    None,
    /// The token's subject changed in the second in which the token was issued; which came first is not known.
    MayHaveChanged,
    /// The token's subject has changed since.
    Changed,
    /// The token's subject has ended.
    Ended,
}

/// Whether signing keys may be fetched now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum KeyFetch {
    /// Yes.
    Allowed,
    /// No: they were fetched a moment ago, or a fetch failed.
    Exhausted,
}

/// How long ago this process obtained the presented tokens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum PairAge {
    /// Less than 10 seconds ago, and less than their lifetime: another refresh would change nothing.
    JustObtained,
    /// Older, or obtained elsewhere.
    Older,
}

impl PairAge {
    /// Classifies the time since this process obtained the tokens. Short-lived tokens become older within their
    /// lifetime.
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
pub(crate) enum Action {
    /// Admit it with the presented session.
    Admit,
    /// Exchange the refresh token.
    Refresh {
        /// What to do if the exchange brings no new pair.
        or: Fallback,
    },
    /// Fetch the signing keys, and decide again.
    FetchKeys,
    /// Answer the request without calling the inner service.
    Refuse(Reason),
}

/// What to do if a refresh brings no new pair.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fallback {
    /// Admit with the presented session, which is still good.
    Current,
    /// Refuse the request.
    Nothing,
}

/// Maps a verdict to an action. The table is in the documentation of this module; the first row that holds counts.
#[inline]
pub(crate) fn decide(verdict: Verdict, circumstances: Circumstances) -> Action {
    let refresh = |reason| match circumstances.refresh {
        Refreshing::Possible => Action::Refresh { or: Fallback::Nothing },
        Refreshing::Impossible => Action::Refuse(reason),
    };
    let fetch = |reason| match circumstances.keys {
        KeyFetch::Allowed => Action::FetchKeys,
        KeyFetch::Exhausted => Action::Refuse(reason),
    };
    // The verdicts with which a session could be refreshed for ever, beyond its limits.
    let is_a_session = matches!(
        verdict,
        Verdict::BadSignature
            | Verdict::Expired
            | Verdict::NoUser
            | Verdict::Expiring
            | Verdict::Good
    );
    match circumstances.limit {
        SessionLimit::TooOld if is_a_session => return Action::Refuse(Reason::SessionTooOld),
        SessionLimit::Idle if is_a_session => return Action::Refuse(Reason::SessionIdle),
        SessionLimit::TooOld | SessionLimit::Idle | SessionLimit::Within => {}
    }
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
        (Verdict::BadSignature, PairAge::Older) => refresh(Reason::BadSignature),
        (Verdict::WrongSubject, _) => Action::Refuse(Reason::WrongSubject),
        (Verdict::NotOurs, _) => Action::Refuse(Reason::NotOurs),
        (Verdict::InvalidClaim(claim), _) => Action::Refuse(Reason::InvalidClaim(claim)),
        (Verdict::NotYetValid, _) => Action::Refuse(Reason::Clock),
        (Verdict::Expired, PairAge::JustObtained) => Action::Refuse(Reason::Clock),
        (Verdict::Expired, PairAge::Older) => refresh(Reason::Expired),
        (Verdict::NoUser, PairAge::JustObtained) => Action::Refuse(Reason::Unverified),
        (Verdict::NoUser, PairAge::Older) => refresh(Reason::NotASession),
        (Verdict::Expiring | Verdict::Good, PairAge::JustObtained) => match circumstances.demand {
            Demand::NewerPair => refresh(Reason::Expired),
            Demand::NewPair | Demand::NewPairIfPossible | Demand::Nothing => Action::Admit,
        },
        (Verdict::Expiring, PairAge::Older) => {
            match (circumstances.demand, circumstances.refresh) {
                (Demand::NewPair | Demand::NewerPair, _) => refresh(Reason::Expired),
                (Demand::Nothing | Demand::NewPairIfPossible, Refreshing::Possible) => {
                    Action::Refresh { or: Fallback::Current }
                }
                (Demand::Nothing | Demand::NewPairIfPossible, Refreshing::Impossible) => {
                    Action::Admit
                }
            }
        }
        (Verdict::Good, PairAge::Older) => match (circumstances.demand, circumstances.refresh) {
            (Demand::NewPair | Demand::NewerPair, _) => refresh(Reason::Expired),
            (Demand::NewPairIfPossible, Refreshing::Possible) => {
                Action::Refresh { or: Fallback::Current }
            }
            (Demand::NewPairIfPossible, Refreshing::Impossible) | (Demand::Nothing, _) => {
                Action::Admit
            }
        },
    }
}

/// Tokens that are younger than this are not exchanged again.
pub(crate) const JUST_NOW: Duration = Duration::from_secs(10);
/// Tokens are not exchanged before this age, whatever lifetime they claim.
const A_SECOND: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::{
        Action::{Admit, FetchKeys, Refresh, Refuse},
        *,
    };
    use crate::decide::security_claim::SecurityClaim::Act;

    const USUAL: Circumstances = Circumstances {
        refresh: Refreshing::Possible,
        limit: SessionLimit::Within,
        demand: Demand::Nothing,
        keys: KeyFetch::Allowed,
        age: PairAge::Older,
    };
    const RENEW: Action = Refresh { or: Fallback::Nothing };

    #[test]
    fn every_verdict_has_one_action_with_and_without_a_refresh_token() {
        let rows = [
            (Verdict::Absent, Refuse(Reason::NoCookie), Refuse(Reason::NoCookie)),
            (
                Verdict::Unreadable,
                Refuse(Reason::UnreadableCookie),
                Refuse(Reason::UnreadableCookie),
            ),
            (Verdict::NotASession, Refuse(Reason::NotASession), Refuse(Reason::NotASession)),
            (Verdict::Ambiguous, Refuse(Reason::Ambiguous), Refuse(Reason::Ambiguous)),
            (Verdict::SignedOut, Refuse(Reason::SignedOut), Refuse(Reason::SignedOut)),
            (Verdict::Revoked, Refuse(Reason::Revoked), Refuse(Reason::Revoked)),
            (Verdict::NoKeys, FetchKeys, FetchKeys),
            (Verdict::UnknownKey, FetchKeys, FetchKeys),
            (Verdict::BadSignature, RENEW, Refuse(Reason::BadSignature)),
            (Verdict::WrongSubject, Refuse(Reason::WrongSubject), Refuse(Reason::WrongSubject)),
            (Verdict::NotOurs, Refuse(Reason::NotOurs), Refuse(Reason::NotOurs)),
            (
                Verdict::InvalidClaim(Act),
                Refuse(Reason::InvalidClaim(Act)),
                Refuse(Reason::InvalidClaim(Act)),
            ),
            (Verdict::NotYetValid, Refuse(Reason::Clock), Refuse(Reason::Clock)),
            (Verdict::Expired, RENEW, Refuse(Reason::Expired)),
            (Verdict::NoUser, RENEW, Refuse(Reason::NotASession)),
            (Verdict::Expiring, Refresh { or: Fallback::Current }, Admit),
            (Verdict::Good, Admit, Admit),
        ];
        for (verdict, refreshable, otherwise) in rows {
            assert_eq!(decide(verdict, USUAL), refreshable, "{verdict:?}");
            let without = Circumstances { refresh: Refreshing::Impossible, ..USUAL };
            assert_eq!(decide(verdict, without), otherwise, "{verdict:?} without a refresh");
        }
    }

    #[test]
    fn a_session_beyond_its_limits_is_refused_and_never_refreshed() {
        use Verdict::*;

        for (limit, reason) in [
            (SessionLimit::TooOld, Reason::SessionTooOld),
            (SessionLimit::Idle, Reason::SessionIdle),
        ] {
            for refresh in [Refreshing::Possible, Refreshing::Impossible] {
                for age in [PairAge::JustObtained, PairAge::Older] {
                    let beyond = Circumstances { limit, refresh, age, ..USUAL };
                    for verdict in [BadSignature, Expired, NoUser, Expiring, Good] {
                        assert_eq!(decide(verdict, beyond), Refuse(reason), "{verdict:?}");
                    }
                    for verdict in [
                        Absent,
                        Unreadable,
                        NotASession,
                        Ambiguous,
                        SignedOut,
                        Revoked,
                        NoKeys,
                        UnknownKey,
                        WrongSubject,
                        NotOurs,
                        InvalidClaim(Act),
                        NotYetValid,
                    ] {
                        let within = Circumstances { limit: SessionLimit::Within, ..beyond };
                        assert_eq!(decide(verdict, beyond), decide(verdict, within), "{verdict:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn newer_tokens_that_are_wished_for_are_not_waited_for() {
        let wished = Circumstances { demand: Demand::NewPairIfPossible, ..USUAL };
        let without = Circumstances { refresh: Refreshing::Impossible, ..wished };
        let fresh = Circumstances { age: PairAge::JustObtained, ..wished };
        for verdict in [Verdict::Good, Verdict::Expiring] {
            assert_eq!(decide(verdict, wished), Refresh { or: Fallback::Current });
            assert_eq!(decide(verdict, without), Admit);
            assert_eq!(decide(verdict, fresh), Admit);
        }
    }

    #[test]
    fn keys_that_may_not_be_fetched_now_never_lead_to_a_refresh() {
        let exhausted = Circumstances { keys: KeyFetch::Exhausted, ..USUAL };
        assert_eq!(decide(Verdict::NoKeys, exhausted), Refuse(Reason::NoKeys));
        assert_eq!(decide(Verdict::UnknownKey, exhausted), Refuse(Reason::UnknownKey));
    }

    #[test]
    fn a_demand_for_new_tokens_is_met_by_a_refresh_alone() {
        let demanded = Circumstances { demand: Demand::NewPair, ..USUAL };
        assert_eq!(decide(Verdict::Good, demanded), RENEW);
        assert_eq!(decide(Verdict::Expiring, demanded), RENEW);
        for age in [PairAge::JustObtained, PairAge::Older] {
            let changed = Circumstances { demand: Demand::NewerPair, age, ..USUAL };
            assert_eq!(decide(Verdict::Good, changed), RENEW);
            assert_eq!(decide(Verdict::Expiring, changed), RENEW);
        }
    }

    #[test]
    fn tokens_obtained_a_moment_ago_are_not_exchanged_again() {
        let rows = [
            (Verdict::Good, Admit),
            (Verdict::Expiring, Admit),
            (Verdict::Expired, Refuse(Reason::Clock)),
            (Verdict::BadSignature, Refuse(Reason::Unverified)),
            (Verdict::NoUser, Refuse(Reason::Unverified)),
        ];
        let fresh = Circumstances { demand: Demand::NewPair, age: PairAge::JustObtained, ..USUAL };
        for (verdict, action) in rows {
            assert_eq!(decide(verdict, fresh), action, "{verdict:?}");
        }
    }

    #[test]
    fn tokens_grow_old_after_ten_seconds_or_within_their_own_life() {
        use PairAge::{JustObtained, Older};

        let (second, nanosecond) = (Duration::from_secs(1), Duration::from_nanos(1));
        let cases = [
            ("not obtained here", None, 300 * second, Older),
            ("now", Some(Duration::ZERO), 300 * second, JustObtained),
            ("almost ten seconds", Some(10 * second - nanosecond), 300 * second, JustObtained),
            ("ten seconds", Some(10 * second), 300 * second, Older),
            ("almost a short life", Some(5 * second - nanosecond), 5 * second, JustObtained),
            ("a short life", Some(5 * second), 5 * second, Older),
            ("no life at all, now", Some(Duration::ZERO), Duration::ZERO, JustObtained),
            ("no life at all, a second", Some(second), Duration::ZERO, Older),
        ];
        for (name, age, lifetime, expected) in cases {
            assert_eq!(PairAge::of(age, lifetime), expected, "{name}");
        }
    }

    #[test]
    fn a_verdict_says_whether_the_token_verified_and_which_keys_it_waits_for() {
        let cases = [
            (Verdict::Good, true, None),
            (Verdict::Expiring, true, None),
            (Verdict::Expired, false, None),
            (Verdict::BadSignature, false, None),
            (Verdict::NoUser, false, None),
            (Verdict::Revoked, false, None),
            (Verdict::NoKeys, false, Some(MissingKeys::All)),
            (Verdict::UnknownKey, false, Some(MissingKeys::OfToken)),
        ];
        for (verdict, is_verified, missing_keys) in cases {
            assert_eq!(verdict.is_verified(), is_verified, "{verdict:?}");
            assert_eq!(verdict.missing_keys(), missing_keys, "{verdict:?}");
        }
    }
}
