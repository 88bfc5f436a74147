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
    /// WorkOS has answered; a session that WorkOS does not know, or no longer, has ended too.
    Done,
    TryAgain,
}

fn after(error: &UpstreamError) -> Next {
    match error.failure {
        UpstreamFailure::Transient | UpstreamFailure::Refused(ApiRefusal::Credentials) => {
            Next::TryAgain
        }
        UpstreamFailure::Refused(
            ApiRefusal::InvalidGrant
            | ApiRefusal::OrganizationGone
            | ApiRefusal::InteractionNeeded
            | ApiRefusal::Request
            | ApiRefusal::Rejected,
        ) => Next::Done,
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
