//! What is made of an exchange's outcome, whoever made the exchange.

use std::sync::Arc;

use crate::{
    candidate::jwks::FetchFor,
    core::Core,
    payload::{Answer, Payload},
    refresh::{
        exchange::{Flight, Settled},
        hook::Ruling,
        replicas::News,
    },
    refresh_state::{
        Landing, Pair,
        lineage::{Carriage, Life, PairId},
    },
    seal::Form,
    set_cookie::SessionLifetime,
    token::{RefreshToken, jwt::Unverified},
};

impl Flight {
    /// Whether news of another process is of this session: what it sealed for us is still not ours to believe.
    pub(super) fn may_take(&self, news: &News) -> bool {
        match news {
            News::Refused(_) => true,
            News::Renewed(body) => Answer::parse(body).is_ok_and(|answer| self.is_ours(&answer)),
        }
    }

    fn is_ours(&self, answer: &Answer<'_>) -> bool {
        let says = Unverified::of(&answer.access_token);
        let same = |asked: &Option<String>, got: &Option<String>| asked.is_none() || asked == got;
        same(&self.subject, &says.sub) && same(&self.organization, &says.org_id)
    }

    /// What WorkOS answered here, and what of it the others are to know.
    pub(super) async fn tell(&mut self, news: News) -> (Landing, Option<News>) {
        let landing = self.take(&news).await;
        let for_others =
            matches!(landing, Landing::Renewed(_) | Landing::Undecided | Landing::Refused { .. });
        (landing, for_others.then_some(news))
    }

    pub(super) async fn take(&mut self, news: &News) -> Landing {
        match news {
            News::Renewed(body) => self.renewed(body).await,
            News::Refused(why) => {
                let core = self.task.core();
                let now = core.settings.clock().monotonic();
                let since = core.table().lineages.refused(self.hash, *why, now);
                self.settled = Settled::Yes;
                since.map_or(Landing::SignedOut, |since| Landing::Refused {
                    why: *why,
                    since,
                    sign_in_at: None,
                })
            }
        }
    }

    /// Seals the new session and remembers it, whatever the application says of it: the old token is spent.
    async fn renewed(&mut self, body: &[u8]) -> Landing {
        let core = Arc::clone(self.task.core());
        let Ok(answer) = Answer::parse(body) else {
            return Landing::Transient { retry_after: None };
        };
        if !self.is_ours(&answer) {
            tracing::error!(
                "WorkOS answered a refresh with another user's or another organization's session"
            );
            return Landing::Foreign;
        }
        if core.jwks.lacks_key_of(&answer.access_token) {
            // Whoever verifies the new token waits for them.
            let _ = core.jwks.fetch(FetchFor::OwnAnswer);
        }
        let Some(pair) = self.seal(&core, &answer) else {
            return Landing::Transient { retry_after: None };
        };
        // Nothing that the hook does can end this task, and whoever comes meanwhile waits for it.
        let ruling = match &core.hooks.refresh {
            Some(hook) => self.ask_application(&core, hook, &pair).await,
            None => Ruling::Keep,
        };
        let now = core.settings.clock().monotonic();
        let life = core.table().lineages.renewed(self.hash, Arc::clone(&pair), now);
        self.settled = Settled::Yes;
        match (life, ruling) {
            (Life::Ended, _) => Landing::SignedOut,
            (Life::Live, Ruling::Keep) => Landing::Renewed(pair),
            (Life::Live, Ruling::Undecided) => Landing::Undecided,
            (Life::Live, Ruling::Refuse) => {
                core.end(Some(self.hash), pair.session_id.as_deref());
                if let Some(id) = &pair.session_id {
                    tracing::info!(
                        session = core.log_word(id),
                        "the application refused a session"
                    );
                    core.revoke_in_background(id.to_string());
                }
                Landing::Denied
            }
        }
    }

    fn seal(&self, core: &Core, answer: &Answer<'_>) -> Option<Arc<Pair>> {
        let ring = core.ring.load_full();
        let target = ring.target(Some(self.seal));
        if let Form::Replaced(format) = target.form {
            tracing::warn!(%format, "the cookie's format cannot be sealed with this password; another one was written");
        }
        let plaintext = Payload::renewed(&self.plaintext, answer, target.key_style()).ok()?;
        let sealed = core.seal(&plaintext, &target).ok()?;
        let carriage = if core.settings.cookies.fits(&sealed) {
            Carriage::ByCookie
        } else {
            tracing::error!(
                bytes = sealed.len(),
                "a refreshed session is too large for cookies: only this process knows it"
            );
            Carriage::None
        };
        let says = Unverified::of(&answer.access_token);
        Some(Arc::new(Pair {
            sealed,
            lifetime: SessionLifetime::of(&says),
            carriage,
            id: PairId {
                token: RefreshToken::new(answer.refresh_token.as_ref()).hash(),
                made: says.iat.unwrap_or(0),
            },
            session_id: says.sid.map(Into::into),
            organization: self.organization.as_deref().map(Into::into),
        }))
    }
}
