use std::time::SystemTime;

use crate::{
    decide::{reason::Reason, refresh_outcome::Blame},
    upstream::error_answer::{UpstreamError, UpstreamFailure},
};

/// WorkOS's answer about a credential.
#[derive(Clone)]
pub(crate) enum CredentialAnswer<V> {
    Accepted {
        value: V,
        expires_at: Option<SystemTime>,
    },
    Refused,
    /// WorkOS has no answer about this credential.
    Unanswered(Reason),
    /// The call failed, for a reason that concerns all credentials.
    Fault(Reason),
}

impl<V> CredentialAnswer<V> {
    /// Whether WorkOS refused our request, and not the credential.
    pub(crate) fn is_misconfigured(&self) -> bool {
        match self {
            Self::Unanswered(reason) | Self::Fault(reason) => *reason == Reason::Misconfigured,
            Self::Accepted { .. } | Self::Refused => false,
        }
    }

    pub(super) fn into_result(self) -> Result<Option<V>, Reason> {
        match self {
            Self::Accepted { value, .. } => Ok(Some(value)),
            Self::Refused => Ok(None),
            Self::Unanswered(reason) | Self::Fault(reason) => Err(reason),
        }
    }
}

/// Maps a failed call. No failure is blamed on the client that presented the credential.
impl<V> From<&UpstreamError> for CredentialAnswer<V> {
    fn from(error: &UpstreamError) -> Self {
        match (error.failure, error.details.status, error.details.retry_after) {
            // Our own budget refused the call; WorkOS did not answer.
            (UpstreamFailure::Transient, None, Some(_)) => Self::Fault(Reason::Busy),
            (UpstreamFailure::Transient, _, _) => Self::Fault(Reason::Upstream),
            (UpstreamFailure::Refused(refusal), _, _) => match refusal.blame() {
                Blame::OurCredentials => Self::Fault(Reason::Misconfigured),
                Blame::OurRequest | Blame::Grant | Blame::User | Blame::Unknown => {
                    Self::Unanswered(Reason::Misconfigured)
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;

    use super::*;
    use crate::{decide::refresh_outcome::ApiRefusal, upstream::error_answer::Answered};

    #[test]
    fn only_what_is_about_everybody_is_a_fault() {
        use UpstreamFailure::{Refused, Transient};

        let (second, everybody, one) = (Some(Duration::from_secs(1)), true, false);
        let cases = [
            (Transient, None, second, everybody, Reason::Busy),
            (Transient, None, None, everybody, Reason::Upstream),
            (Transient, Some(429), second, everybody, Reason::Upstream),
            (Transient, Some(500), None, everybody, Reason::Upstream),
            (Refused(ApiRefusal::Credentials), Some(401), None, everybody, Reason::Misconfigured),
            (Refused(ApiRefusal::Request), Some(422), None, one, Reason::Misconfigured),
            (Refused(ApiRefusal::Request), None, None, one, Reason::Misconfigured),
            (Refused(ApiRefusal::Rejected), Some(409), None, one, Reason::Misconfigured),
            (Refused(ApiRefusal::InvalidGrant), Some(400), None, one, Reason::Misconfigured),
            (Refused(ApiRefusal::OrganizationGone), Some(404), None, one, Reason::Misconfigured),
            (Refused(ApiRefusal::InteractionNeeded), Some(403), None, one, Reason::Misconfigured),
        ];
        for (failure, status, retry_after, is_about_everybody, reason) in cases {
            let status = status.map(|status| StatusCode::from_u16(status).unwrap());
            let details = Answered { status, retry_after, ..Answered::default() };
            let answer = CredentialAnswer::<()>::from(&UpstreamError { failure, details });
            let told = match answer {
                CredentialAnswer::Fault(reason) => Some((everybody, reason)),
                CredentialAnswer::Unanswered(reason) => Some((one, reason)),
                CredentialAnswer::Accepted { .. } | CredentialAnswer::Refused => None,
            };
            assert_eq!(told, Some((is_about_everybody, reason)), "{failure:?} {status:?}");
        }
    }
}
