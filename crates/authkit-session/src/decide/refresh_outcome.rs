//! The table of what a request gets after a refresh, as a pure function over closed enums: no clock, no I/O.

use crate::decide::{Fallback, reason::Reason};

/// What became of a refresh.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "a new outcome has to break every match on it")]
pub enum Outcome {
    /// A new pair, whose token verifies.
    Renewed,
    /// A new pair, whose token cannot be verified now.
    Unverified,
    /// A new pair for another user, or for another organization than asked for.
    Foreign,
    /// The lineage ended meanwhile.
    SignedOut,
    /// The application refused the new session.
    Denied,
    /// The application could not say anything of the new session.
    Undecided,
    /// A newer pair is there, for another organization than the cookie's.
    OtherOrganization,
    /// Refused less than 10 seconds ago.
    RefusedJustNow,
    /// Refused less than 60 seconds ago.
    Refused,
    /// Refused, and again more than 60 seconds later.
    RefusedAgain,
    /// The organization or the membership is gone.
    OrganizationGone,
    /// The user has to do something on WorkOS's pages.
    InteractionNeeded,
    /// Our key, client id or request was refused.
    Misconfigured,
    /// Any other answer with a 4xx status.
    Rejected,
    /// 408, 429, 5xx, no answer or an unreadable one.
    Transient,
    /// The request waited as long as it may.
    TimedOut,
    /// Too many exchanges are under way.
    Busy,
    /// WorkOS is left alone for a moment.
    CircuitOpen,
}

/// What a request gets after a refresh.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "a new settlement has to break every match on it")]
pub enum Settlement {
    /// It goes on with the new session.
    AdmitRenewed,
    /// It goes on with the session it brought.
    AdmitCurrent,
    /// It is answered without the inner service.
    Refuse(Reason),
}

/// Maps what became of a refresh to what the request gets.
///
/// # Examples
///
/// The table, row by row. With a session that is still good, everything but its end admits:
///
/// ```
/// use authkit_session::{Fallback, Outcome, Reason, RefusalKind, Settlement, settle};
/// use RefusalKind::{Challenge, ChallengeDocuments, Unavailable};
/// use Settlement::{AdmitCurrent, AdmitRenewed, Refuse};
///
/// let rows = [
///     (Outcome::Unverified, Reason::Unverified, Unavailable),
///     (Outcome::Undecided, Reason::Undecided, Unavailable),
///     (Outcome::Foreign, Reason::Foreign, Unavailable),
///     (Outcome::OtherOrganization, Reason::OtherOrganization, ChallengeDocuments),
///     (Outcome::RefusedJustNow, Reason::RefusedJustNow, ChallengeDocuments),
///     (Outcome::Refused, Reason::Refused, Challenge),
///     (Outcome::RefusedAgain, Reason::RefusedAgain, Challenge),
///     (Outcome::OrganizationGone, Reason::OrganizationGone, Challenge),
///     (Outcome::InteractionNeeded, Reason::InteractionNeeded, Challenge),
///     (Outcome::Misconfigured, Reason::Misconfigured, Unavailable),
///     (Outcome::Rejected, Reason::Rejected, Challenge),
///     (Outcome::Transient, Reason::Upstream, Unavailable),
///     (Outcome::TimedOut, Reason::TimedOut, Unavailable),
///     (Outcome::Busy, Reason::Busy, Unavailable),
///     (Outcome::CircuitOpen, Reason::CircuitOpen, Unavailable),
/// ];
/// for (outcome, reason, kind) in rows {
///     assert_eq!(settle(outcome, Fallback::Nothing), Refuse(reason));
///     assert_eq!(reason.kind(), kind, "{reason}");
///     assert_eq!(settle(outcome, Fallback::Current), AdmitCurrent);
/// }
/// for fallback in [Fallback::Current, Fallback::Nothing] {
///     assert_eq!(settle(Outcome::Renewed, fallback), AdmitRenewed);
///     assert_eq!(settle(Outcome::SignedOut, fallback), Refuse(Reason::SignedOut));
///     assert_eq!(settle(Outcome::Denied, fallback), Refuse(Reason::Denied));
/// }
/// ```
pub fn settle(outcome: Outcome, fallback: Fallback) -> Settlement {
    let unless_current = |reason| match fallback {
        Fallback::Current => Settlement::AdmitCurrent,
        Fallback::Nothing => Settlement::Refuse(reason),
    };
    match outcome {
        Outcome::Renewed => Settlement::AdmitRenewed,
        Outcome::SignedOut => Settlement::Refuse(Reason::SignedOut),
        Outcome::Denied => Settlement::Refuse(Reason::Denied),
        Outcome::Undecided => unless_current(Reason::Undecided),
        Outcome::Unverified => unless_current(Reason::Unverified),
        Outcome::Foreign => unless_current(Reason::Foreign),
        Outcome::OtherOrganization => unless_current(Reason::OtherOrganization),
        Outcome::RefusedJustNow => unless_current(Reason::RefusedJustNow),
        Outcome::Refused => unless_current(Reason::Refused),
        Outcome::RefusedAgain => unless_current(Reason::RefusedAgain),
        Outcome::OrganizationGone => unless_current(Reason::OrganizationGone),
        Outcome::InteractionNeeded => unless_current(Reason::InteractionNeeded),
        Outcome::Misconfigured => unless_current(Reason::Misconfigured),
        Outcome::Rejected => unless_current(Reason::Rejected),
        Outcome::Transient => unless_current(Reason::Upstream),
        Outcome::TimedOut => unless_current(Reason::TimedOut),
        Outcome::Busy => unless_current(Reason::Busy),
        Outcome::CircuitOpen => unless_current(Reason::CircuitOpen),
    }
}
