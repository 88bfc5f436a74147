//! Puts revocations into effect, here and on the other replicas: sealed on their way, so that who carries them learns
//! nothing.

use std::{
    fmt,
    sync::{Arc, Weak},
    time::{Duration, UNIX_EPOCH},
};

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use crate::{
    config::settings::Settings,
    end::{
        cut_offs::{CutOffs, KEPT},
        revocation::{
            Delivery, Inbox, NotPublished, Notice, Receiver, Revocation, Revocations, Subject,
        },
    },
    seal::{Purpose, Sealer},
};

/// Seals revocations for the other replicas, and opens theirs.
pub(crate) struct RevocationPublisher {
    settings: Arc<Settings>,
    sealer: Arc<Sealer>,
    cut_offs: Arc<CutOffs>,
    /// The way to the other replicas.
    revocations: Option<Arc<dyn Revocations>>,
}

impl RevocationPublisher {
    /// Begins to listen to the other replicas, where there is a way to them.
    pub(crate) fn subscribed(
        settings: Arc<Settings>,
        sealer: Arc<Sealer>,
        cut_offs: Arc<CutOffs>,
        revocations: Option<Arc<dyn Revocations>>,
    ) -> Arc<Self> {
        let publisher = Arc::new(Self { settings, sealer, cut_offs, revocations });
        if let Some(revocations) = &publisher.revocations {
            revocations.subscribe(publisher.inbox());
        }
        publisher
    }

    pub(crate) fn cut_offs(&self) -> &Arc<CutOffs> {
        &self.cut_offs
    }

    /// Puts a revocation into effect here, at once, and then on the other replicas.
    ///
    /// # Errors
    ///
    /// [`NotPublished`] where the other replicas may not have heard of it.
    pub(crate) async fn revoke(&self, revocation: &Revocation) -> Result<(), NotPublished> {
        let subject = self.settings.log_ids.of(revocation.subject.id());
        tracing::info!(?revocation, subject, "revoked");
        self.apply(revocation);
        self.publish(revocation).await
    }

    /// Tells the other replicas that a session was signed out here, without waiting until WorkOS does.
    ///
    /// The cut-off lies ahead, so that it hits what another replica may be obtaining now: a session's id is used once.
    pub(crate) async fn publish_sign_out(&self, session_id: &str) {
        let at = self.settings.clock().wall() + SIGN_OUT_LEAD;
        if self.publish(&Revocation::session(session_id, at)).await.is_err() {
            tracing::warn!(
                session = self.settings.log_ids.of(session_id),
                "other replicas may not have heard of a sign-out"
            );
        }
    }

    /// Where the other replicas' notices are delivered to.
    fn inbox(self: &Arc<Self>) -> Inbox {
        let receiver: Weak<Self> = Arc::downgrade(self);
        Inbox::new(self.group(), receiver)
    }

    fn apply(&self, revocation: &Revocation) {
        self.cut_offs.add(revocation, self.settings.clock().unix());
    }

    async fn publish(&self, revocation: &Revocation) -> Result<(), NotPublished> {
        let Some(revocations) = &self.revocations else { return Ok(()) };
        let notice = self.seal(revocation).ok_or(NotPublished)?;
        revocations.publish(notice).await
    }

    /// Seals a revocation. `None` without randomness, or for a time beyond every clock.
    fn seal(&self, revocation: &Revocation) -> Option<Notice> {
        let content = NoticeContent { subject: (*revocation.subject).clone(), at: revocation.at };
        let content = serde_json::to_vec(&content).ok()?;
        let sealed = self.sealer.seal_for(Purpose::Replica, NOTICE, &content).ok()?;
        let until =
            UNIX_EPOCH.checked_add(Duration::from_secs(revocation.at.saturating_add(KEPT)))?;
        Some(Notice { group: self.group(), sealed, until })
    }

    /// Opens what a replica has sealed.
    fn open(&self, sealed: &str) -> Option<Revocation> {
        let content = self.sealer.open_for(Purpose::Replica, NOTICE, sealed)?;
        let NoticeContent { subject, at } = serde_json::from_slice(&content).ok()?;
        Some(Revocation { subject: Arc::new(subject), at })
    }

    /// A name for everything with our client id, to keep services apart that share a store.
    fn group(&self) -> Box<str> {
        let digest = digest::digest(&digest::SHA256, &self.sealer.context(NOTICE));
        digest.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
    }
}

impl Receiver for RevocationPublisher {
    fn receive(&self, sealed: &str) -> Delivery {
        match self.open(sealed) {
            Some(revocation) => {
                self.apply(&revocation);
                Delivery::Taken
            }
            None => Delivery::Unreadable,
        }
    }
}

impl fmt::Debug for RevocationPublisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationPublisher")
            .field("revocations", &self.revocations)
            .finish_non_exhaustive()
    }
}

/// What a notice says.
#[derive(Deserialize, Serialize)]
struct NoticeContent {
    #[serde(flatten)]
    subject: Subject,
    at: u64,
}

/// What notices are bound to, beside our client id.
const NOTICE: &[u8] = b"revocation";
/// How far ahead the cut-off of a sign-out lies.
const SIGN_OUT_LEAD: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::{sync::Mutex, time::SystemTime};

    use super::*;
    use crate::{
        config::Config,
        cookie_password::CookiePassword,
        decide::CutOffEffect,
        end::revocation::{Publishing, Revocations},
        testing::OwnerParts,
        token::TokenIdentity,
    };

    const OLD: &str = "an-old-cookie-password-of-32-bytes-or-more";
    const NEW: &str = "a-new-cookie-password-of-32-bytes-or-more";

    /// Hands every notice to every subscriber, and keeps it.
    #[derive(Debug, Default)]
    struct Loopback {
        inboxes: Mutex<Vec<Inbox>>,
        published: Mutex<Vec<Notice>>,
    }

    impl Revocations for Loopback {
        fn subscribe(&self, inbox: Inbox) {
            self.inboxes.lock().unwrap().push(inbox);
        }

        fn publish(&self, notice: Notice) -> Publishing<'_> {
            for inbox in self.inboxes.lock().unwrap().iter() {
                inbox.deliver(notice.sealed());
            }
            self.published.lock().unwrap().push(notice);
            Box::pin(std::future::ready(Ok(())))
        }
    }

    fn publisher(
        client_id: &str,
        passwords: [&str; 2],
        loopback: &Arc<Loopback>,
    ) -> Arc<RevocationPublisher> {
        let [current, other] = passwords.map(|password| CookiePassword::new(password).unwrap());
        let config = Config::new(client_id, "sk_1", "https://app.example.com/callback", current)
            .with_other_passwords([other])
            .with_revocations(Arc::clone(loopback) as Arc<dyn Revocations>);
        OwnerParts::new(|_| config).publisher()
    }

    fn effect(publisher: &RevocationPublisher, at: u64) -> CutOffEffect {
        publisher.cut_offs().effect_on(TokenIdentity {
            session: Some("session_1"),
            subject: Some("user_1"),
            organization: None,
            issued_at: at,
        })
    }

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(unix())
    }

    fn unix() -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
    }

    #[tokio::test]
    async fn replicas_of_one_service_hear_of_it_whichever_password_seals() {
        let loopback = Arc::new(Loopback::default());
        let here = publisher("client_1", [NEW, OLD], &loopback);
        let there = publisher("client_1", [OLD, NEW], &loopback);
        let stranger = publisher("client_2", [NEW, OLD], &loopback);

        here.revoke(&Revocation::session("session_1", now())).await.unwrap();

        assert_eq!(effect(&here, unix() - 1), CutOffEffect::Ended);
        assert_eq!(effect(&there, unix() - 1), CutOffEffect::Ended);
        assert_eq!(effect(&stranger, unix() - 1), CutOffEffect::None, "another service at WorkOS");
        let inboxes = loopback.inboxes.lock().unwrap();
        assert_eq!(inboxes[0].group(), inboxes[1].group());
        assert_ne!(inboxes[0].group(), inboxes[2].group());
    }

    #[tokio::test]
    async fn a_notice_tells_a_stranger_nothing_and_cannot_be_changed() {
        let loopback = Arc::new(Loopback::default());
        let here = publisher("client_1", [NEW, OLD], &loopback);
        here.revoke(&Revocation::session("session_other", now())).await.unwrap();
        let inbox = here.inbox();
        let notice = loopback.published.lock().unwrap()[0].clone();
        let not_a_notice =
            here.sealer.seal_for(Purpose::Replica, b"something else", b"{}").unwrap();

        assert_eq!(notice.until(), now() + Duration::from_secs(KEPT));
        assert!(!notice.sealed().contains("session_other"));
        assert!(
            notice
                .sealed()
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        );
        let forged = [
            String::new(),
            "AAAA".to_owned(),
            not_a_notice,
            notice.sealed().replace('A', "B") + "A",
        ];
        for forged in forged {
            assert_eq!(inbox.deliver(&forged), Delivery::Unreadable, "{forged}");
        }
        for _ in 0..2 {
            assert_eq!(inbox.deliver(notice.sealed()), Delivery::Taken);
        }
        drop(here);
        assert!(inbox.is_closed());
        assert_eq!(inbox.deliver(notice.sealed()), Delivery::Closed);
    }

    #[test]
    fn debug_output_names_nobody() {
        let revocation = Revocation::membership("user_1", "org_1", now());
        let shown = format!("{revocation:?}");
        assert!(
            shown.contains("membership") && !shown.contains("user_1") && !shown.contains("org_1"),
            "{shown}"
        );
    }
}
