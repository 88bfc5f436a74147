//! The session whose refresh token is exchanged, and the session that results.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::{
    candidate::OpenedSession,
    cookie::{received::ReceivedCookies, set_cookie::SessionLifetime},
    decide::Verdict,
    payload::Payload,
    refresh::{
        Refresher,
        hook::{HookDecision, RefreshedSession},
        refresh_answer::RefreshAnswer,
        replicas::PublishedOutcome,
    },
    refresh_state::{
        lineage::CookieSize,
        successor::{Successor, VerifiedSuccessor},
    },
    seal::{Form, Seal, Unsealed},
    session::VerifiedSession,
    token::{PairId, RefreshToken, jwt::Unverified},
};

/// The session whose refresh token is exchanged.
pub(super) struct ExchangedSession {
    /// The user's id from the cookie, if it can be read.
    subject: Option<String>,
    /// The requested organization: the present one, or the one to switch to.
    organization: Option<String>,
    plaintext: Zeroizing<Vec<u8>>,
    seal: Seal,
}

impl ExchangedSession {
    pub(super) fn of(session: &OpenedSession, organization: Option<String>) -> Self {
        Self {
            subject: session.subject(),
            organization,
            plaintext: session.unsealed.plaintext.clone(),
            seal: session.unsealed.seal,
        }
    }

    pub(super) fn organization(&self) -> Option<&str> {
        self.organization.as_deref()
    }

    /// Whether an outcome that another process published belongs to this session: a valid seal alone does not prove
    /// that.
    pub(super) fn accepts(&self, outcome: &PublishedOutcome) -> bool {
        match outcome {
            PublishedOutcome::Refused(_) => true,
            PublishedOutcome::Refreshed(answer) => self.owns(&answer.claims),
        }
    }

    /// Whether an answer with these claims is about the same user and the requested organization.
    pub(super) fn owns(&self, claims: &Unverified) -> bool {
        let same = |asked: &Option<String>, got: &Option<String>| asked.is_none() || asked == got;
        same(&self.subject, &claims.sub) && same(&self.organization, &claims.org_id)
    }

    /// The new session, verified, and sealed as the old one was.
    pub(super) fn seal(
        &self,
        refresher: &Refresher,
        RefreshAnswer { answer, claims, .. }: &RefreshAnswer,
    ) -> Option<VerifiedSuccessor> {
        let Refresher { sealer, settings, reader, .. } = refresher;
        let ring = sealer.ring();
        let target = ring.target(Some(self.seal));
        if let Form::Replaced(format) = target.form
            && let Some(left_out) = settings.log.due("another format")
        {
            tracing::warn!(%format, left_out, "the cookie's format cannot be sealed with this password; another one was written");
        }
        let plaintext = Payload::refreshed(&self.plaintext, answer, target.key_style()).ok()?;
        let sealed = sealer.seal(&plaintext, &target).ok()?;
        let cookie_size = if settings.cookies.fits(&sealed) {
            CookieSize::Fits
        } else {
            if let Some(left_out) = settings.log.due("a refreshed session is too large") {
                tracing::error!(
                    bytes = sealed.len(),
                    left_out,
                    "a refreshed session is too large for cookies: only this process knows it"
                );
            }
            CookieSize::TooLarge
        };
        let unsealed = Unsealed::of_sealed(plaintext, &target);
        let verified = Arc::new(reader.read_unsealed(unsealed, ReceivedCookies::default()));
        let successor = Arc::new(Successor {
            sealed,
            lifetime: SessionLifetime::of(claims),
            cookie_size,
            id: PairId {
                token: RefreshToken::new(answer.refresh_token.as_ref()).hash(),
                issued_at: claims.iat.unwrap_or(0),
            },
            session_id: claims.sid.as_deref().map(Into::into),
            organization: self.organization().map(Into::into),
        });
        Some(VerifiedSuccessor { successor, verified })
    }

    /// Asks the application about a new session. If the session cannot be verified yet, the application is asked later;
    /// no request is admitted with it before that.
    pub(super) async fn ask_hook(
        &self,
        refresher: &Refresher,
        refreshed: &VerifiedSuccessor,
    ) -> HookDecision {
        let Refresher { hooks, settings, .. } = refresher;
        let Some(hook) = &hooks.refresh else { return HookDecision::Keep };
        let successor = &refreshed.successor;
        let session_id = successor.session_id.as_deref().unwrap_or_default();
        let remember = |decision| {
            let now = settings.clock().monotonic();
            hooks.remember(session_id, successor.id.issued_at, decision, now);
        };
        let candidate = refresher.refreshed(refreshed).await;
        if let (Verdict::Good | Verdict::Expiring, Some(session)) =
            (candidate.verdict, candidate.session)
        {
            let decision = hook
                .ask(
                    RefreshedSession { session, previous: self.previous(refresher) },
                    &settings.log,
                )
                .await;
            remember(decision);
            decision
        } else {
            remember(HookDecision::Undecided);
            HookDecision::Keep
        }
    }

    /// The session before the exchange, if it still verifies.
    fn previous(&self, refresher: &Refresher) -> Option<Arc<VerifiedSession>> {
        let mut payload = Payload::parse(&self.plaintext).ok()?;
        refresher.reader.verify(&mut payload).1.map(Arc::new)
    }
}
