//! How sessions end: here, on the other replicas, and at WorkOS.
//!
//! 1. A sign-out ends the session in this process at once, and so does a sign-in that replaces another session: no
//!    response sets its cookie again, and its cookie is refused.
//! 2. A task that outlives the request tells the other replicas and has WorkOS revoke the session.
//! 3. A revocation that WorkOS reports is a cut-off: tokens issued at or before it are refused, or refreshed first.

pub(crate) mod cut_offs;
pub(crate) mod notice;
pub(crate) mod revocation;
mod revoke;
pub(crate) mod sign_out;
pub(crate) mod watch;

use std::sync::Arc;

use tokio::runtime::Handle;

use crate::{
    api_key::verified::VerifiedApiKey,
    candidate::SessionCandidate,
    config::settings::Settings,
    decide::{CutOffEffect, Verdict},
    end::{
        cut_offs::CutOffs,
        notice::RevocationPublisher,
        revoke::{PendingRevokes, Revoke},
    },
    refresh_state::{
        RefreshState,
        lineage::{Ended, LineageStatus},
    },
    tasks::Tasks,
    token::{SessionIdHash, TokenHash, TokenIdentity},
    upstream::client::Client,
};

/// Ends sessions, and knows which have ended.
#[derive(Debug)]
pub(crate) struct SessionEnder {
    settings: Arc<Settings>,
    state: Arc<RefreshState>,
    cut_offs: Arc<CutOffs>,
    publisher: Arc<RevocationPublisher>,
    client: Client,
    tasks: Tasks,
    pending_revokes: Arc<PendingRevokes>,
}

impl SessionEnder {
    pub(crate) fn new(
        settings: Arc<Settings>,
        state: Arc<RefreshState>,
        publisher: Arc<RevocationPublisher>,
        client: Client,
        tasks: Tasks,
    ) -> Self {
        let cut_offs = Arc::clone(publisher.cut_offs());
        let pending_revokes = Arc::default();
        Self { settings, state, cut_offs, publisher, client, tasks, pending_revokes }
    }

    /// Marks a candidate whose session has ended or changed at WorkOS.
    #[inline]
    pub(crate) fn mark_if_ended(&self, candidate: &mut SessionCandidate) {
        let may_be_hit = candidate.times().is_some_and(|it| self.cut_offs.may_affect(it.issued_at));
        let identity = may_be_hit.then(|| candidate.identity()).flatten();
        let effect = identity.map_or(CutOffEffect::None, |it| self.cut_off(it));
        match effect {
            // The session ended here before, and keeps that milder verdict: the browser may have signed in again.
            _ if candidate.verdict == Verdict::SignedOut => {}
            CutOffEffect::Ended => {
                candidate.verdict = Verdict::Revoked;
                candidate.session = None;
            }
            CutOffEffect::None | CutOffEffect::MayHaveChanged | CutOffEffect::Changed => {
                candidate.cut_off = effect;
            }
        }
    }

    /// The effect of revocations on a token.
    pub(crate) fn cut_off(&self, identity: TokenIdentity<'_>) -> CutOffEffect {
        self.cut_offs.effect_on(identity)
    }

    /// The effect of revocations on a customer's API key.
    pub(crate) fn cut_off_of_api_key(&self, key: &VerifiedApiKey) -> CutOffEffect {
        let asked_at = key.validated_second();
        self.cut_offs.effect_on_api_key(key.id(), key.owner_identity(), asked_at)
    }

    /// Whether a session was signed out here.
    pub(crate) fn has_ended(&self, session_id: &str) -> bool {
        let hash = SessionIdHash::of(session_id);
        let Some(mut tables) = self.state.lock_for(None, Some(hash)) else { return false };
        let now = self.settings.clock().monotonic();
        match tables.lineages.returned(None, Some(session_id), now) {
            LineageStatus::Ended => true,
            LineageStatus::Known(_) | LineageStatus::Unknown => false,
        }
    }

    /// Ends a session: here at once, then on the other replicas and at WorkOS. Ending it again does nothing.
    pub(crate) fn end(&self, token: Option<TokenHash>, session_id: Option<&str>) -> Ended {
        let now = self.settings.clock().monotonic();
        let ended = self.state.lock().lineages.end(token, session_id, now);
        match (ended, session_id) {
            (Ended::Now, Some(id)) => self.end_elsewhere(id),
            (Ended::Now, None) | (Ended::Before, _) => {}
        }
        ended
    }

    /// Tells the other replicas that a session has ended, and revokes it at WorkOS, in the background.
    ///
    /// A browser that is sent to the logout URL ends the session there too; this call does so even if the browser is
    /// not.
    pub(crate) fn end_elsewhere(&self, session_id: &str) {
        if Handle::try_current().is_err() {
            return;
        }
        let revoke = Revoke {
            session_id: session_id.to_owned(),
            log_id: self.settings.log_ids.of(session_id),
            client: self.client.clone(),
            pending_revokes: Arc::clone(&self.pending_revokes),
            _task: self.tasks.start(),
        };
        let publisher = Arc::clone(&self.publisher);
        let session_id = session_id.to_owned();
        tokio::spawn(async move {
            tokio::join!(revoke.run(), publisher.publish_sign_out(&session_id));
        });
    }

    /// Revokes at WorkOS a session that has ended here, if that failed before; called when a request brings such a
    /// session.
    pub(crate) fn retry_revoke(&self, session_id: &str) {
        if self.pending_revokes.take(session_id) {
            self.end_elsewhere(session_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        Reason,
        end::revocation::Revocation,
        testing::{Endpoint, OwnerParts, Reply, Service},
        token::RefreshToken,
    };

    fn identity(session: &str) -> TokenIdentity<'_> {
        TokenIdentity { subject: None, session: Some(session), organization: None, issued_at: 1 }
    }

    #[test]
    fn a_session_that_ended_here_has_ended_by_its_id_and_by_its_token() {
        let parts = OwnerParts::new(|config| config);
        let ender = parts.ender();
        let token = RefreshToken::new("token").hash();
        assert!(!ender.has_ended("session_1"));
        assert_eq!(ender.end(Some(token), Some("session_1")), Ended::Now);
        assert_eq!(ender.end(Some(token), Some("session_1")), Ended::Before);
        assert!(ender.has_ended("session_1"));
        assert!(!ender.has_ended("session_2"));
        let mut tables = parts.state.lock();
        let pair = crate::token::PairId { token, issued_at: 0 };
        let status = tables.lineages.returned(Some(pair), None, Duration::ZERO);
        assert_eq!(status, LineageStatus::Ended);
    }

    /// C2 of docs/cases.md.
    #[tokio::test(start_paused = true)]
    async fn c2_a_session_that_is_signed_out_again_and_again_is_revoked_once() {
        let parts = OwnerParts::new(|config| config);
        let ender = parts.ender();
        let token = RefreshToken::new("token").hash();
        for _ in 0..200 {
            ender.end(Some(token), Some("session_1"));
        }
        assert!(parts.tasks.drain(Duration::from_secs(5)).await);
        assert_eq!(parts.workos.calls(Endpoint::Revoke), 1);
    }

    /// D1 of docs/cases.md: WorkOS fails once, three times, and always.
    #[tokio::test(start_paused = true)]
    async fn d1_a_revoke_is_tried_again_until_workos_has_taken_it() {
        for failures in [1, 3] {
            let parts = OwnerParts::new(|config| config);
            for _ in 0..failures {
                parts.workos.will(Endpoint::Revoke, unavailable());
            }
            parts.ender().end(None, Some("session_1"));
            assert!(parts.tasks.drain(Duration::from_secs(60)).await, "a shutdown waits for it");
            assert_eq!(parts.workos.calls(Endpoint::Revoke), failures + 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn d1_a_revoke_that_was_given_up_is_tried_again_when_the_session_is_seen() {
        let parts = OwnerParts::new(|config| config);
        parts.workos.usually(Endpoint::Revoke, unavailable());
        let ender = parts.ender();
        ender.end(None, Some("session_1"));
        assert!(parts.tasks.drain(Duration::from_secs(300)).await, "given up after a while");
        let tried = parts.workos.calls(Endpoint::Revoke);
        assert!((5..20).contains(&tried), "{tried}");
        let took = parts.clock.monotonic().as_secs();
        assert!((60..180).contains(&took), "for about two minutes: {took} s");

        parts.workos.usually(Endpoint::Revoke, Reply::Usual(Duration::ZERO));
        ender.retry_revoke("session_2");
        ender.retry_revoke("session_1");
        ender.retry_revoke("session_1");
        assert!(parts.tasks.drain(Duration::from_secs(5)).await);
        assert_eq!(parts.workos.calls(Endpoint::Revoke), tried + 1, "once, and for that one");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_with_the_old_cookie_has_a_revoke_tried_again_that_was_given_up() {
        let service = Service::new();
        let mut browser = service.sign_in("user_a").await;
        service.workos.usually(Endpoint::Revoke, unavailable());
        service.authenticator.sign_out(&browser.headers());
        assert!(service.authenticator.drain(Duration::from_secs(300)).await, "given up");
        let tried = service.workos.calls(Endpoint::Revoke);

        service.workos.usually(Endpoint::Revoke, Reply::Usual(Duration::ZERO));
        for _ in 0..2 {
            assert_eq!(service.get(&mut browser.clone()).await.refusal().0, Reason::SignedOut);
            assert!(service.authenticator.drain(Duration::from_secs(5)).await);
        }
        assert_eq!(service.workos.calls(Endpoint::Revoke), tried + 1, "once");
        service.get(&mut browser).await.refusal();
    }

    fn unavailable() -> Reply {
        Reply::Instead(503, Vec::new(), String::new())
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_is_revoked_at_workos_by_a_task_that_a_shutdown_waits_for() {
        let parts = OwnerParts::new(|config| config);
        parts.ender().end_elsewhere("session_1");
        assert!(parts.tasks.drain(Duration::from_secs(5)).await);
        assert_eq!(parts.workos.calls(Endpoint::Revoke), 1);
    }

    #[tokio::test]
    async fn a_revocation_cuts_off_the_tokens_of_its_session() {
        let parts = OwnerParts::new(|config| config);
        let publisher = parts.publisher();
        let ender = parts.ender_with(Arc::clone(&publisher));
        let now = parts.clock.wall();
        publisher.revoke(&Revocation::session("session_1", now)).await.unwrap();
        assert_eq!(ender.cut_off(identity("session_1")), CutOffEffect::Ended);
        assert_eq!(ender.cut_off(identity("session_2")), CutOffEffect::None);
    }
}
