use std::fmt;

use crate::decide::{cookie_fate::CookieFate, security_claim::SecurityClaim};

/// Why a request was not admitted. [`Display`](fmt::Display) writes it in snake_case, for logs and metrics.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// The request brought no session cookie.
    NoCookie,
    /// No password and format opens the cookie. The cookie stays, since it may belong to another deployment.
    UnreadableCookie,
    /// The cookie opens, but there is no session in it.
    NotASession,
    /// Cookies of different users came together.
    Ambiguous,
    /// The session was signed out here.
    SignedOut,
    /// The session was revoked at WorkOS.
    Revoked,
    /// WorkOS's signing keys could not be fetched yet.
    NoKeys,
    /// The access token names a signing key that WorkOS has not published to us yet.
    UnknownKey,
    /// The access token's signature does not verify, and there is nothing to refresh it with.
    BadSignature,
    /// The cookie's user or impersonator is not the one that the access token names.
    WrongSubject,
    /// The access token is not for this service: wrong issuer, audience, client id or kind.
    NotOurs,
    /// A security claim of the access token has the wrong type, so nobody knows what the token allows.
    InvalidClaim(SecurityClaim),
    /// The access token is not valid yet, or was expired when it was made: a clock is wrong.
    Clock,
    /// The access token has expired, and nothing can or may refresh it.
    Expired,
    /// The user signed in longer ago than the layer allows, or the token does not say when.
    SessionTooOld,
    /// The session has not been used for longer than the layer allows.
    SessionIdle,
    /// WorkOS refused the refresh token a moment ago; the browser may already hold a newer cookie.
    RefusedJustNow,
    /// WorkOS refused the refresh token.
    Refused,
    /// WorkOS refused the refresh token twice, a minute apart: the session has ended.
    RefusedAgain,
    /// The organization that the session is in is gone, or the user's membership in it.
    OrganizationGone,
    /// WorkOS wants the user to do something first: single sign-on, a second factor, choose an organization.
    InteractionNeeded,
    /// WorkOS refused our API key, client id or request: for the operator.
    Misconfigured,
    /// WorkOS rejected the refresh in a way that this version does not know.
    Rejected,
    /// WorkOS could not be reached, or was too busy.
    Upstream,
    /// The refresh goes on, but took longer than a request waits.
    TimedOut,
    /// Too many refreshes are under way.
    Busy,
    /// WorkOS failed several times in a row and is left alone for a moment.
    CircuitOpen,
    /// The newer session belongs to another organization than the cookie that was presented.
    OtherOrganization,
    /// The session was refreshed, but its new token cannot be verified yet.
    Unverified,
    /// The application refused the refreshed session.
    HookRefused,
    /// The application's hook did not decide about the refreshed session.
    HookUndecided,
    /// WorkOS answered a refresh with another user's or another organization's session.
    Foreign,
    /// The request brought no bearer credential, and the layer takes no session.
    NoCredential,
    /// The `Authorization` field has another scheme than `Bearer`, and the layer reads no cookie beside that field.
    OtherScheme,
    /// The bearer credential is neither an access token nor an API key.
    MalformedCredential,
    /// The credential is of a kind that the layer does not accept, as far as the service can tell.
    WrongKind,
    /// WorkOS knows no such API key: it never existed, was deleted, or has expired.
    UnknownApiKey,
    /// The service's own WorkOS API key was presented as a customer's.
    OwnApiKey,
}

/// What a refusal means to the client. Closed: a layer answers each in the client's own protocol.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "a new kind has to break every match on it")]
pub enum RefusalKind {
    /// The user has to sign in.
    Challenge,
    /// A document request: the user has to sign in. Any other request: 503 and `Retry-After: 1`, since the browser may
    /// already have a newer cookie.
    ChallengeDocuments,
    /// Not the user's fault and not for long: 503 and `Retry-After`.
    Unavailable,
}

/// Why a browser that has just signed in is sent to sign in again.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "a new cause has to break every match on it")]
pub enum SignInCause {
    /// Its new session cannot be opened or read, for instance because replicas have different passwords.
    UnreadableSession,
    /// Its new session is expired or not yet valid: a clock is wrong.
    Clock,
    /// Another cause, which signing in again does not change.
    Other,
}

impl Reason {
    /// What the refusal means to the client.
    pub fn kind(self) -> RefusalKind {
        match self {
            Self::NoCookie
            | Self::UnreadableCookie
            | Self::NotASession
            | Self::Ambiguous
            | Self::SignedOut
            | Self::Revoked
            | Self::BadSignature
            | Self::WrongSubject
            | Self::NotOurs
            | Self::InvalidClaim(_)
            | Self::Expired
            | Self::SessionTooOld
            | Self::SessionIdle
            | Self::Refused
            | Self::RefusedAgain
            | Self::OrganizationGone
            | Self::InteractionNeeded
            | Self::Rejected
            | Self::HookRefused
            | Self::NoCredential
            | Self::OtherScheme
            | Self::MalformedCredential
            | Self::WrongKind
            | Self::UnknownApiKey
            | Self::OwnApiKey => RefusalKind::Challenge,
            Self::RefusedJustNow | Self::OtherOrganization => RefusalKind::ChallengeDocuments,
            Self::NoKeys
            | Self::UnknownKey
            | Self::Clock
            | Self::Misconfigured
            | Self::Upstream
            | Self::TimedOut
            | Self::Busy
            | Self::CircuitOpen
            | Self::Unverified
            | Self::HookUndecided
            | Self::Foreign => RefusalKind::Unavailable,
        }
    }

    /// Why a browser that has just signed in gets this refusal.
    pub fn sign_in_cause(self) -> SignInCause {
        match self {
            Self::UnreadableCookie | Self::NotASession => SignInCause::UnreadableSession,
            Self::Clock | Self::Expired => SignInCause::Clock,
            Self::NoCookie
            | Self::Ambiguous
            | Self::SignedOut
            | Self::Revoked
            | Self::NoKeys
            | Self::UnknownKey
            | Self::BadSignature
            | Self::WrongSubject
            | Self::NotOurs
            | Self::InvalidClaim(_)
            | Self::SessionTooOld
            | Self::SessionIdle
            | Self::RefusedJustNow
            | Self::Refused
            | Self::RefusedAgain
            | Self::OrganizationGone
            | Self::InteractionNeeded
            | Self::Misconfigured
            | Self::Rejected
            | Self::Upstream
            | Self::TimedOut
            | Self::Busy
            | Self::CircuitOpen
            | Self::OtherOrganization
            | Self::Unverified
            | Self::HookRefused
            | Self::HookUndecided
            | Self::Foreign
            | Self::NoCredential
            | Self::OtherScheme
            | Self::MalformedCredential
            | Self::WrongKind
            | Self::UnknownApiKey
            | Self::OwnApiKey => SignInCause::Other,
        }
    }

    /// The default time that a client is told to wait, in seconds.
    pub(crate) fn retry_after(self) -> u64 {
        match self {
            Self::Misconfigured | Self::Foreign | Self::Clock => 30,
            Self::Upstream | Self::CircuitOpen | Self::NoKeys | Self::UnknownKey => 2,
            Self::NoCookie
            | Self::UnreadableCookie
            | Self::NotASession
            | Self::Ambiguous
            | Self::SignedOut
            | Self::Revoked
            | Self::BadSignature
            | Self::WrongSubject
            | Self::NotOurs
            | Self::InvalidClaim(_)
            | Self::Expired
            | Self::SessionTooOld
            | Self::SessionIdle
            | Self::RefusedJustNow
            | Self::Refused
            | Self::RefusedAgain
            | Self::OrganizationGone
            | Self::InteractionNeeded
            | Self::Rejected
            | Self::TimedOut
            | Self::Busy
            | Self::OtherOrganization
            | Self::Unverified
            | Self::HookRefused
            | Self::HookUndecided
            | Self::NoCredential
            | Self::OtherScheme
            | Self::MalformedCredential
            | Self::WrongKind
            | Self::UnknownApiKey
            | Self::OwnApiKey => 1,
        }
    }

    pub(crate) fn cookie_fate(self) -> CookieFate {
        match self {
            Self::Revoked | Self::RefusedAgain | Self::HookRefused => CookieFate::DeletedByDocument,
            Self::NoCookie
            | Self::UnreadableCookie
            | Self::NotASession
            | Self::Ambiguous
            | Self::SignedOut
            | Self::NoKeys
            | Self::UnknownKey
            | Self::BadSignature
            | Self::WrongSubject
            | Self::NotOurs
            | Self::InvalidClaim(_)
            | Self::Clock
            | Self::Expired
            | Self::SessionTooOld
            | Self::SessionIdle
            | Self::RefusedJustNow
            | Self::Refused
            | Self::OrganizationGone
            | Self::InteractionNeeded
            | Self::Misconfigured
            | Self::Rejected
            | Self::Upstream
            | Self::TimedOut
            | Self::Busy
            | Self::CircuitOpen
            | Self::OtherOrganization
            | Self::Unverified
            | Self::HookUndecided
            | Self::Foreign
            | Self::NoCredential
            | Self::OtherScheme
            | Self::MalformedCredential
            | Self::WrongKind
            | Self::UnknownApiKey
            | Self::OwnApiKey => CookieFate::Kept,
        }
    }

    /// Whether an operator has something to do.
    pub(crate) fn is_for_the_operator(self) -> bool {
        matches!(
            self,
            Self::NotOurs
                | Self::InvalidClaim(_)
                | Self::Misconfigured
                | Self::Foreign
                | Self::Ambiguous
                | Self::Clock
                | Self::OwnApiKey
        )
    }

    /// The reason in snake_case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoCookie => "no_cookie",
            Self::UnreadableCookie => "unreadable_cookie",
            Self::NotASession => "not_a_session",
            Self::Ambiguous => "ambiguous",
            Self::SignedOut => "signed_out",
            Self::Revoked => "revoked",
            Self::NoKeys => "no_keys",
            Self::UnknownKey => "unknown_key",
            Self::BadSignature => "bad_signature",
            Self::WrongSubject => "wrong_subject",
            Self::NotOurs => "not_ours",
            Self::InvalidClaim(SecurityClaim::Exp) => "invalid_exp",
            Self::InvalidClaim(SecurityClaim::Nbf) => "invalid_nbf",
            Self::InvalidClaim(SecurityClaim::Iat) => "invalid_iat",
            Self::InvalidClaim(SecurityClaim::Sub) => "invalid_sub",
            Self::InvalidClaim(SecurityClaim::Sid) => "invalid_sid",
            Self::InvalidClaim(SecurityClaim::Iss) => "invalid_iss",
            Self::InvalidClaim(SecurityClaim::ClientId) => "invalid_client_id",
            Self::InvalidClaim(SecurityClaim::Aud) => "invalid_aud",
            Self::InvalidClaim(SecurityClaim::Act) => "invalid_act",
            Self::InvalidClaim(SecurityClaim::OrgId) => "invalid_org_id",
            Self::Clock => "clock",
            Self::Expired => "expired",
            Self::SessionTooOld => "session_too_old",
            Self::SessionIdle => "session_idle",
            Self::RefusedJustNow => "refused_just_now",
            Self::Refused => "refused",
            Self::RefusedAgain => "refused_again",
            Self::OrganizationGone => "organization_gone",
            Self::InteractionNeeded => "interaction_needed",
            Self::Misconfigured => "misconfigured",
            Self::Rejected => "rejected",
            Self::Upstream => "upstream",
            Self::TimedOut => "timed_out",
            Self::Busy => "busy",
            Self::CircuitOpen => "circuit_open",
            Self::OtherOrganization => "other_organization",
            Self::Unverified => "unverified",
            Self::HookRefused => "hook_refused",
            Self::HookUndecided => "hook_undecided",
            Self::Foreign => "foreign",
            Self::NoCredential => "no_credential",
            Self::OtherScheme => "other_scheme",
            Self::MalformedCredential => "malformed_credential",
            Self::WrongKind => "wrong_kind",
            Self::UnknownApiKey => "unknown_api_key",
            Self::OwnApiKey => "own_api_key",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::reasons::REASONS;

    #[test]
    fn every_reason_is_documented_as_it_is_answered() {
        let source = include_str!("reason.rs");
        let words = source.split("pub fn as_str(self)").nth(1).unwrap().split("impl fmt").next();
        assert_eq!(
            words.unwrap().matches("=> \"").count(),
            REASONS.len(),
            "the list has every reason"
        );
        let rows: Vec<Vec<&str>> = include_str!("../../../../docs/reasons.md")
            .lines()
            .filter(|line| line.starts_with("| `"))
            .map(|line| line.split('|').map(str::trim).collect())
            .collect();
        assert_eq!(rows.len(), REASONS.len());
        for (row, reason) in rows.iter().zip(REASONS) {
            let gets = match reason.kind() {
                RefusalKind::Challenge => "challenge",
                RefusalKind::ChallengeDocuments => "challenge, pages only",
                RefusalKind::Unavailable => "unavailable",
            };
            let cookie = match reason.cookie_fate() {
                CookieFate::Kept => "kept",
                CookieFate::DeletedByDocument => "deleted",
            };
            let word = format!("`{reason}`");
            assert_eq!(row[1..4], [word.as_str(), gets, cookie], "{reason}");
            assert!(row[4..6].iter().all(|cell| !cell.is_empty()), "{reason}");
        }
    }

    #[test]
    fn what_lasts_longer_is_tried_again_later() {
        let cases = [
            (
                "the operator has to act",
                [Reason::Misconfigured, Reason::Foreign, Reason::Clock],
                30,
            ),
            ("WorkOS is away", [Reason::Upstream, Reason::CircuitOpen, Reason::NoKeys], 2),
            ("it may pass at once", [Reason::Busy, Reason::TimedOut, Reason::RefusedJustNow], 1),
        ];
        for (name, reasons, seconds) in cases {
            for reason in reasons {
                assert_eq!(reason.retry_after(), seconds, "{name}: {reason}");
            }
        }
    }

    #[test]
    fn an_operator_is_called_for_what_no_user_can_mend_and_not_for_what_users_do_every_day() {
        let mended_by_the_operator = [
            Reason::NotOurs,
            Reason::InvalidClaim(crate::decide::security_claim::SecurityClaim::Act),
            Reason::Misconfigured,
            Reason::Foreign,
            Reason::Ambiguous,
            Reason::Clock,
            Reason::OwnApiKey,
        ];
        for reason in mended_by_the_operator {
            assert!(reason.is_for_the_operator(), "{reason}");
        }
        for reason in [Reason::NoCookie, Reason::SignedOut, Reason::Revoked, Reason::Expired] {
            assert!(!reason.is_for_the_operator(), "{reason}");
        }
    }

    #[test]
    fn a_refused_claim_is_named_in_the_word() {
        let mut claims = 0;
        for reason in REASONS {
            if let Reason::InvalidClaim(claim) = reason {
                assert_eq!(reason.as_str(), format!("invalid_{}", claim.as_str()));
                claims += 1;
            }
        }
        assert!(claims > 0);
    }
}
