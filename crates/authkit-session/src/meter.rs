//! Counts events for the recorder of the crate `metrics`; does nothing without the feature `metrics`.

#[cfg(feature = "metrics")]
mod instruments;
#[cfg(feature = "metrics")]
mod labels;
#[cfg(not(feature = "metrics"))]
mod off;
#[cfg(feature = "metrics")]
mod recording;

#[cfg(not(feature = "metrics"))]
pub(crate) use self::off::{NoMeter as Meter, NoTimer as RefreshTimer};
#[cfg(feature = "metrics")]
pub(crate) use self::recording::{Meter, RefreshTimer};

use crate::request::credential_kind::CredentialKind;

/// The credential of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Credential {
    Cookie,
    /// In the `Authorization` field.
    Header(CredentialKind),
    /// None, or none of an accepted kind, in a request that does not use a cookie.
    Unrecognized,
}

/// The result of a cache lookup.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CacheLookup {
    Hit,
    Miss,
}

/// The purpose of a call to WorkOS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CallPurpose {
    Refresh,
    SignIn,
    SignOut,
    /// A question about a credential of an `Authorization` field.
    Credential,
    Keys,
}

impl CallPurpose {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Refresh => "refresh",
            Self::SignIn => "sign_in",
            Self::SignOut => "sign_out",
            Self::Credential => "credential",
            Self::Keys => "keys",
        }
    }
}

/// The outcome of a call to WorkOS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CallOutcome {
    /// 200.
    Ok,
    /// WorkOS would give the same answer again.
    Refused,
    /// 408, 429, 5xx, no answer, or an unreadable one.
    Failed,
    /// The caller stopped waiting for the answer.
    Abandoned,
}

impl CallOutcome {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
        }
    }
}

/// Whether calls to WorkOS are suspended after consecutive failures.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CircuitState {
    Closed,
    Open,
}

/// The source of a revocation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RevocationSource {
    /// This process: a webhook, or the application.
    Here,
    /// Another replica.
    Replica,
}

/// How a session begins or ends here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SessionEvent {
    Began,
    SignedOut,
    /// A sign-in replaced the session.
    Replaced,
    /// The application's refresh hook refused it.
    HookRefused,
}
