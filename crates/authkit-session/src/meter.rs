//! Counts what happens, for the recorder of the crate `metrics`; without the feature `metrics` it does nothing.

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

/// What a request authenticates with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Credential {
    Cookie,
    /// In the `Authorization` field.
    Header(CredentialKind),
    /// Nothing, or nothing of a kind that is accepted, in a request that no cookie decides about.
    Unrecognized,
}

/// What looking a session up in the cache came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CacheLookup {
    Hit,
    Miss,
}

/// What a call to WorkOS is for.
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

/// What came of a call to WorkOS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CallOutcome {
    /// 200.
    Ok,
    /// WorkOS would answer the same call alike.
    Refused,
    /// 408, 429, 5xx, no answer, or an unreadable one.
    Failed,
    /// Nobody waited for the answer any more.
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

/// Whether WorkOS is left alone after failures in a row.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CircuitState {
    Closed,
    Open,
}

/// Who told of a revocation.
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
    /// A sign-in put another session into its place.
    Replaced,
    /// The application's refresh hook refused it.
    HookRefused,
}
