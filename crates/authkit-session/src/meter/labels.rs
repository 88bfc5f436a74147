//! The labels of metrics, with every value that they have.

use crate::{
    decide::reason::{Reason, RefusalKind},
    end::revocation::Subject,
    meter::{CallOutcome, CallPurpose, Credential, RevocationSource, SessionEvent},
    request::credential_kind::CredentialKind,
    upstream::budget::{CallClass, Throttled},
};

impl Credential {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Cookie => "cookie",
            Self::Header(CredentialKind::Bearer) => "bearer",
            Self::Header(CredentialKind::ApiKey) => "api_key",
            Self::Header(CredentialKind::Machine) => "machine",
            Self::Header(CredentialKind::Client) => "oauth_client",
            Self::Unrecognized => "unrecognized",
        }
    }
}

impl From<CallClass> for CallPurpose {
    fn from(class: CallClass) -> Self {
        match class {
            CallClass::Refresh => Self::Refresh,
            CallClass::SignIn => Self::SignIn,
            CallClass::SignOut => Self::SignOut,
            CallClass::Credential => Self::Credential,
        }
    }
}

impl RevocationSource {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Here => "here",
            Self::Replica => "replica",
        }
    }
}

impl SessionEvent {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Began => "began",
            Self::SignedOut => "signed_out",
            Self::Replaced => "replaced",
            Self::HookRefused => "hook_refused",
        }
    }
}

pub(super) fn refusal_label(kind: RefusalKind) -> &'static str {
    match kind {
        RefusalKind::Challenge => "challenge",
        RefusalKind::ChallengeDocuments => "challenge_documents",
        RefusalKind::Unavailable => "unavailable",
    }
}

pub(super) fn cause_of(throttled: Throttled) -> &'static str {
    match throttled {
        Throttled::Busy => "busy",
        Throttled::CircuitOpen => "circuit_open",
        Throttled::RetryAfter(_) => "retry_after",
    }
}

pub(super) fn subject_of(subject: &Subject) -> &'static str {
    match subject {
        Subject::Session(_) => "session",
        Subject::User(_) => "user",
        Subject::Membership { .. } => "membership",
        Subject::Organization(_) => "organization",
        Subject::ApiKey(_) => "api_key",
    }
}

pub(super) const CREDENTIALS: [Credential; 6] = [
    Credential::Cookie,
    Credential::Header(CredentialKind::Bearer),
    Credential::Header(CredentialKind::ApiKey),
    Credential::Header(CredentialKind::Machine),
    Credential::Header(CredentialKind::Client),
    Credential::Unrecognized,
];
pub(super) const PURPOSES: [CallPurpose; 5] = [
    CallPurpose::Refresh,
    CallPurpose::SignIn,
    CallPurpose::SignOut,
    CallPurpose::Credential,
    CallPurpose::Keys,
];
pub(super) const OUTCOMES: [CallOutcome; 4] =
    [CallOutcome::Ok, CallOutcome::Refused, CallOutcome::Failed, CallOutcome::Abandoned];
pub(super) const CLASSES: [CallClass; 4] =
    [CallClass::Refresh, CallClass::SignIn, CallClass::SignOut, CallClass::Credential];
pub(super) const CAUSES: [&str; 3] = ["busy", "circuit_open", "retry_after"];
pub(super) const SUBJECTS: [&str; 5] = ["session", "user", "membership", "organization", "api_key"];
pub(super) const SOURCES: [RevocationSource; 2] =
    [RevocationSource::Here, RevocationSource::Replica];
pub(super) const EVENTS: [SessionEvent; 4] = [
    SessionEvent::Began,
    SessionEvent::SignedOut,
    SessionEvent::Replaced,
    SessionEvent::HookRefused,
];
/// The failures that an exchange can end with.
pub(super) const FAILURES: [Reason; 12] = [
    Reason::RefusedJustNow,
    Reason::Refused,
    Reason::RefusedAgain,
    Reason::OrganizationGone,
    Reason::InteractionNeeded,
    Reason::Misconfigured,
    Reason::Rejected,
    Reason::Upstream,
    Reason::SignedOut,
    Reason::HookRefused,
    Reason::HookUndecided,
    Reason::Foreign,
];
