//! The outcome of exchanging a refresh token, and the table of what the request gets for it.
//!
//! | outcome | the session presented is still good | it is not, or a newer one was demanded |
//! |---|---|---|
//! | refreshed | admitted with the new session | admitted with the new session |
//! | signed out, or refused by the application's hook | refused, for that reason | refused, for that reason |
//! | any other | admitted with the session presented | refused, for the outcome's reason |

use std::{sync::Arc, time::Duration};

use crate::decide::{Fallback, reason::Reason};

/// The outcome of exchanging a refresh token: the new session, or why the request gets none.
pub(crate) type RefreshOutcome<S> = Result<S, RefreshFailure>;

/// Why an exchange brought no session for the request, from WorkOS's answer to the log.
///
/// The only sources of [`Reason`] and [`Error`](crate::Error) for refreshes are two `From` impls of this enum.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum RefreshFailure {
    /// New tokens, whose access token cannot be verified now.
    Unverified,
    /// New tokens for another user, or for another organization than asked for.
    Foreign,
    /// The session ended during the exchange.
    SignedOut,
    /// The application's hook refused the new session.
    HookRefused,
    /// The application's hook did not decide whether the new session continues.
    HookUndecided { retry_after: Option<Duration> },
    /// There are newer tokens, but for another organization than the cookie's.
    OtherOrganization,
    /// WorkOS refused; the same call would be refused again.
    Refused {
        refusal: ApiRefusal,
        age: RefusalAge,
        /// Where WorkOS wants the browser to go (`authkit_redirect_url`).
        sign_in_url: Option<Arc<str>>,
    },
    /// 408, 429, 5xx, no answer, or an unreadable one.
    Transient { retry_after: Option<Duration> },
    /// The request waited as long as it may; the exchange continues.
    TimedOut,
    /// Too many exchanges are under way.
    Busy,
    /// WorkOS failed several times in a row and gets no calls for a moment.
    CircuitOpen,
}

/// A definite answer of WorkOS other than success: the same call would get the same answer.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum ApiRefusal {
    /// The code or the refresh token is used up, revoked or expired.
    InvalidGrant,
    /// The organization is gone, or the user's membership in it.
    OrganizationGone,
    /// The user has to do something on WorkOS's pages first.
    InteractionNeeded,
    /// WorkOS refuses our API key or client id, for every user: for the operator.
    Credentials,
    /// WorkOS refuses our request, at least for this user: for the operator.
    Request,
    /// Any other answer with a 4xx status.
    Rejected,
}

/// What a refusal of WorkOS blames. The rules of an exchange depend on this and not on the single refusal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Blame {
    /// The code or the refresh token.
    Grant,
    /// The user in the requested organization.
    User,
    /// Our API key or client id, so the refusal affects every user.
    OurCredentials,
    /// Our request.
    OurRequest,
    /// WorkOS does not say.
    Unknown,
}

/// How long ago WorkOS first refused the refresh token.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum RefusalAge {
    /// Less than 10 seconds: the browser may already hold a newer cookie.
    JustNow,
    /// Less than a minute.
    Recent,
    /// Refused before, more than a minute ago, and again: the token is dead.
    Repeated,
}

/// What a request gets after an exchange.
#[derive(Debug)]
pub(crate) enum AfterRefresh<S> {
    /// It continues with the new session.
    AdmitRefreshed(S),
    /// It continues with the session that it brought.
    AdmitCurrent,
    /// It is refused without calling the inner service.
    Refuse(Reason),
}

impl ApiRefusal {
    /// Every refusal.
    pub(crate) const ALL: [Self; 6] = [
        Self::InvalidGrant,
        Self::OrganizationGone,
        Self::InteractionNeeded,
        Self::Credentials,
        Self::Request,
        Self::Rejected,
    ];

    pub(crate) fn blame(self) -> Blame {
        match self {
            Self::InvalidGrant => Blame::Grant,
            Self::OrganizationGone | Self::InteractionNeeded => Blame::User,
            Self::Credentials => Blame::OurCredentials,
            Self::Request => Blame::OurRequest,
            Self::Rejected => Blame::Unknown,
        }
    }

    /// The word for the refusal in what a replica publishes. It must not change, since replicas may have other versions.
    pub(crate) fn published_word(self) -> &'static str {
        match self {
            Self::InvalidGrant => "grant",
            Self::OrganizationGone => "organization",
            Self::InteractionNeeded => "interaction",
            Self::Credentials => "credentials",
            Self::Request => "request",
            Self::Rejected => "otherwise",
        }
    }

    /// Whether WorkOS may answer differently for another organization.
    pub(crate) fn is_about_organization(self) -> bool {
        self.blame() == Blame::User
    }
}

impl RefreshFailure {
    /// Whether the failure is about the requested organization and not about the token.
    pub(crate) fn is_about_organization(&self) -> bool {
        match self {
            Self::Refused { refusal, .. } => refusal.is_about_organization(),
            Self::Foreign => true,
            Self::Unverified
            | Self::SignedOut
            | Self::HookRefused
            | Self::HookUndecided { .. }
            | Self::OtherOrganization
            | Self::Transient { .. }
            | Self::TimedOut
            | Self::Busy
            | Self::CircuitOpen => false,
        }
    }

    /// How long to wait before trying again, if known.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::HookUndecided { retry_after } | Self::Transient { retry_after } => *retry_after,
            Self::Unverified
            | Self::Foreign
            | Self::SignedOut
            | Self::HookRefused
            | Self::OtherOrganization
            | Self::Refused { .. }
            | Self::TimedOut
            | Self::Busy
            | Self::CircuitOpen => None,
        }
    }
}

impl From<&RefreshFailure> for Reason {
    fn from(failure: &RefreshFailure) -> Self {
        match failure {
            RefreshFailure::Unverified => Self::Unverified,
            RefreshFailure::Foreign => Self::Foreign,
            RefreshFailure::SignedOut => Self::SignedOut,
            RefreshFailure::HookRefused => Self::HookRefused,
            RefreshFailure::HookUndecided { .. } => Self::HookUndecided,
            RefreshFailure::OtherOrganization => Self::OtherOrganization,
            RefreshFailure::Refused { refusal, age, .. } => match (refusal, age) {
                (ApiRefusal::InvalidGrant, RefusalAge::JustNow) => Self::RefusedJustNow,
                (ApiRefusal::InvalidGrant, RefusalAge::Recent) => Self::Refused,
                (ApiRefusal::InvalidGrant, RefusalAge::Repeated) => Self::RefusedAgain,
                (ApiRefusal::OrganizationGone, _) => Self::OrganizationGone,
                (ApiRefusal::InteractionNeeded, _) => Self::InteractionNeeded,
                (ApiRefusal::Credentials | ApiRefusal::Request, _) => Self::Misconfigured,
                (ApiRefusal::Rejected, _) => Self::Rejected,
            },
            RefreshFailure::Transient { .. } => Self::Upstream,
            RefreshFailure::TimedOut => Self::TimedOut,
            RefreshFailure::Busy => Self::Busy,
            RefreshFailure::CircuitOpen => Self::CircuitOpen,
        }
    }
}

/// Maps the outcome of an exchange to what the request gets.
pub(crate) fn after_refresh<S>(outcome: RefreshOutcome<S>, fallback: Fallback) -> AfterRefresh<S> {
    let failure = match outcome {
        Ok(session) => return AfterRefresh::AdmitRefreshed(session),
        Err(failure) => failure,
    };
    match (&failure, fallback) {
        (RefreshFailure::SignedOut | RefreshFailure::HookRefused, _) => {
            AfterRefresh::Refuse(Reason::from(&failure))
        }
        (
            RefreshFailure::Unverified
            | RefreshFailure::Foreign
            | RefreshFailure::HookUndecided { .. }
            | RefreshFailure::OtherOrganization
            | RefreshFailure::Refused { .. }
            | RefreshFailure::Transient { .. }
            | RefreshFailure::TimedOut
            | RefreshFailure::Busy
            | RefreshFailure::CircuitOpen,
            fallback,
        ) => match fallback {
            Fallback::Current => AfterRefresh::AdmitCurrent,
            Fallback::Nothing => AfterRefresh::Refuse(Reason::from(&failure)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::reason::RefusalKind::{self, Challenge, ChallengeDocuments, Unavailable};

    /// Every outcome without a session, with its reason and what that means to the client.
    fn rows() -> Vec<(RefreshFailure, Reason, RefusalKind)> {
        let refused = |refusal, age| RefreshFailure::Refused { refusal, age, sign_in_url: None };
        let after = Some(Duration::from_secs(3));
        use ApiRefusal::{
            Credentials, InteractionNeeded, InvalidGrant, OrganizationGone, Rejected, Request,
        };
        use RefusalAge::{JustNow, Recent, Repeated};
        vec![
            (RefreshFailure::Unverified, Reason::Unverified, Unavailable),
            (
                RefreshFailure::HookUndecided { retry_after: after },
                Reason::HookUndecided,
                Unavailable,
            ),
            (RefreshFailure::Foreign, Reason::Foreign, Unavailable),
            (RefreshFailure::OtherOrganization, Reason::OtherOrganization, ChallengeDocuments),
            (refused(InvalidGrant, JustNow), Reason::RefusedJustNow, ChallengeDocuments),
            (refused(InvalidGrant, Recent), Reason::Refused, Challenge),
            (refused(InvalidGrant, Repeated), Reason::RefusedAgain, Challenge),
            (refused(OrganizationGone, JustNow), Reason::OrganizationGone, Challenge),
            (refused(InteractionNeeded, Recent), Reason::InteractionNeeded, Challenge),
            (refused(Credentials, JustNow), Reason::Misconfigured, Unavailable),
            (refused(Request, Recent), Reason::Misconfigured, Unavailable),
            (refused(Rejected, JustNow), Reason::Rejected, Challenge),
            (RefreshFailure::Transient { retry_after: after }, Reason::Upstream, Unavailable),
            (RefreshFailure::TimedOut, Reason::TimedOut, Unavailable),
            (RefreshFailure::Busy, Reason::Busy, Unavailable),
            (RefreshFailure::CircuitOpen, Reason::CircuitOpen, Unavailable),
        ]
    }

    #[test]
    fn an_outcome_without_a_session_admits_who_still_has_a_good_one() {
        for (outcome, reason, kind) in rows() {
            assert_eq!(reason.kind(), kind, "{reason}");
            assert!(matches!(
                after_refresh::<()>(Err(outcome.clone()), Fallback::Current),
                AfterRefresh::AdmitCurrent
            ));
            assert!(
                matches!(after_refresh::<()>(Err(outcome), Fallback::Nothing), AfterRefresh::Refuse(got) if got == reason),
                "{reason}"
            );
        }
    }

    #[test]
    fn a_new_session_admits_and_an_end_refuses_whatever_was_there_before() {
        for fallback in [Fallback::Current, Fallback::Nothing] {
            let after = |outcome: RefreshOutcome<u8>| after_refresh(outcome, fallback);
            assert!(matches!(after(Ok(7)), AfterRefresh::AdmitRefreshed(7)));
            for (outcome, reason) in [
                (RefreshFailure::SignedOut, Reason::SignedOut),
                (RefreshFailure::HookRefused, Reason::HookRefused),
            ] {
                assert!(matches!(after(Err(outcome)), AfterRefresh::Refuse(got) if got == reason));
            }
        }
    }

    #[test]
    fn what_is_about_the_organization_says_nothing_of_the_token() {
        for (outcome, reason, _) in rows() {
            let expected = matches!(
                reason,
                Reason::OrganizationGone | Reason::InteractionNeeded | Reason::Foreign
            );
            assert_eq!(outcome.is_about_organization(), expected, "{reason}");
        }
    }

    #[test]
    fn the_wait_that_whoever_failed_asks_for_is_passed_on() {
        for (outcome, reason, _) in rows() {
            let expected = matches!(reason, Reason::Upstream | Reason::HookUndecided)
                .then_some(Duration::from_secs(3));
            assert_eq!(outcome.retry_after(), expected, "{reason}");
        }
    }
}
