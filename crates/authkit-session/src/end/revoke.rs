//! Revokes an ended session at WorkOS, and retries until WorkOS has answered.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time;

use crate::{
    bounded_map::BoundedMap,
    decide::refresh_outcome::ApiRefusal,
    tasks::Task,
    upstream::{
        client::Client,
        error_answer::{UpstreamError, UpstreamFailure},
    },
};

/// The revocation of one session.
pub(super) struct Revoke {
    pub(super) session_id: String,
    pub(super) log_id: String,
    pub(super) client: Client,
    pub(super) pending_revokes: Arc<PendingRevokes>,
    pub(super) _task: Task,
}

impl Revoke {
    /// Calls WorkOS until it has answered, at most [`ATTEMPTS`] times in about two minutes.
    pub(super) async fn run(self) {
        let mut pause = FIRST_PAUSE;
        for _ in 1..ATTEMPTS {
            let error = match self.client.send_revoke(&self.session_id).await {
                Ok(()) => return,
                Err(error) => error,
            };
            match after(&error) {
                Next::Done => return,
                Next::TryAgain => {}
            }
            let wait = error.details.retry_after.unwrap_or_default().min(LONGEST_PAUSE);
            time::sleep(pause.max(wait)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        if let Err(error) = self.client.send_revoke(&self.session_id).await
            && after(&error) == Next::TryAgain
        {
            let session = self.log_id.as_str();
            tracing::warn!(%error, session, "a session has ended here, but WorkOS did not take its revocation");
            self.pending_revokes.add(&self.session_id);
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Next {
    /// A session that WorkOS does not know, or no longer, has ended too.
    Done,
    TryAgain,
}

/// Only an answer that may be about the session itself says that it has ended. Any other leaves it as it was: one about our
/// permissions (403), or one of a proxy on the way.
///
/// The class alone does not tell them apart: `Request` has 404 and 413, and `Rejected` has 410 and 418. Everybody else treats
/// those alike, and each class has a word that replicas exchange, so that this one reader is no reason to split them.
fn after(error: &UpstreamError) -> Next {
    let is_about_the_session = error
        .details
        .status
        .is_none_or(|status| matches!(status.as_u16(), 400 | 404 | 409 | 410 | 422));
    match error.failure {
        UpstreamFailure::Transient
        | UpstreamFailure::Refused(ApiRefusal::Credentials | ApiRefusal::InteractionNeeded) => {
            Next::TryAgain
        }
        UpstreamFailure::Refused(
            ApiRefusal::InvalidGrant
            | ApiRefusal::OrganizationGone
            | ApiRefusal::Request
            | ApiRefusal::Rejected,
        ) => {
            if is_about_the_session {
                Next::Done
            } else {
                Next::TryAgain
            }
        }
    }
}

/// The sessions that have ended here, but not at WorkOS: the latest [`LIMIT`].
#[derive(Debug)]
pub(super) struct PendingRevokes(Mutex<BoundedMap>);

impl Default for PendingRevokes {
    fn default() -> Self {
        Self(Mutex::new(BoundedMap::new(LIMIT, Duration::MAX)))
    }
}

impl PendingRevokes {
    fn add(&self, session_id: &str) {
        self.lock().add(session_id, (), Duration::ZERO);
    }

    /// Removes the session; returns whether it was pending.
    pub(super) fn take(&self, session_id: &str) -> bool {
        self.lock().remove(session_id).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, BoundedMap> {
        // Each method leaves the map consistent, so a panic elsewhere does no harm.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many times WorkOS is called for one session.
const ATTEMPTS: usize = 9;
/// The pause after the first attempt; doubled each time, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How many sessions are remembered whose revocation has failed.
const LIMIT: usize = 10_000;

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use bytes::Bytes;
    use http::{Response, StatusCode};

    use super::*;
    use crate::{
        testing::{Endpoint, OwnerParts, Reply},
        upstream::error_answer,
    };

    /// D1 of docs/cases.md, and its kind: what may still be alive at WorkOS is not taken for ended.
    #[test]
    fn d1_only_an_answer_about_the_session_says_that_it_has_ended() {
        use Next::{Done, TryAgain};

        let cases = [
            (400, r#"{"message":"Session not found"}"#, Done),
            (404, r#"{"code":"not_found","message":"Session not found"}"#, Done),
            (409, r#"{"message":"already ended"}"#, Done),
            (410, "", Done),
            (422, r#"{"code":"invalid_request_parameters","message":"x"}"#, Done),
            (401, r#"{"message":"Unauthorized"}"#, TryAgain),
            (403, r#"{"message":"Forbidden"}"#, TryAgain),
            (403, r#"{"code":"insufficient_permissions","message":"x"}"#, TryAgain),
            (402, "", TryAgain),
            (405, "<html>", TryAgain),
            (406, "<html>", TryAgain),
            (407, "<html>", TryAgain),
            (408, "", TryAgain),
            (413, "<html>", TryAgain),
            (418, "", TryAgain),
            (421, "", TryAgain),
            (425, "", TryAgain),
            (429, r#"{"error":"too_many_requests"}"#, TryAgain),
            (451, "<html>", TryAgain),
            (499, "", TryAgain),
            (302, "", TryAgain),
            (500, "", TryAgain),
            (525, "error code: 525", TryAgain),
        ];
        for (status, body, expected) in cases {
            let mut answer = Response::new(Bytes::from(body));
            *answer.status_mut() = StatusCode::from_u16(status).unwrap();
            let error = error_answer::read(&answer, UNIX_EPOCH);
            assert_eq!(after(&error), expected, "{status} {body}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn d1_a_session_that_workos_does_not_know_is_not_revoked_again() {
        for (status, calls) in [(404, 1), (403, 2), (503, 2)] {
            let parts = OwnerParts::new(|config| config);
            let reply = Reply::Instead(status, Vec::new(), String::new());
            parts.workos.will(Endpoint::Revoke, reply);
            parts.ender().end(None, Some("session_1"));
            assert!(parts.tasks.drain(Duration::from_secs(300)).await);
            assert_eq!(parts.workos.calls(Endpoint::Revoke), calls, "{status}");
        }
    }

    /// WorkOS documents no body of the answer.
    #[tokio::test(start_paused = true)]
    async fn d1_every_success_ends_the_session_whatever_its_body() {
        for (status, body) in [
            (200, ""),
            (200, "{}"),
            (200, r#"{"success":true}"#),
            (202, ""),
            (204, ""),
            (200, "<html>"),
        ] {
            let parts = OwnerParts::new(|config| config);
            parts
                .workos
                .usually(Endpoint::Revoke, Reply::Instead(status, Vec::new(), body.to_owned()));
            parts.ender().end(None, Some("session_1"));
            assert!(parts.tasks.drain(Duration::from_secs(300)).await);
            assert_eq!(parts.workos.calls(Endpoint::Revoke), 1, "{status} {body}");
        }
    }
}
