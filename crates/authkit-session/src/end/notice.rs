//! Puts revocations into effect, here and on the other replicas: sealed on their way, so that who carries them learns
//! nothing.

use std::{
    sync::{Arc, Weak},
    time::{Duration, UNIX_EPOCH},
};

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use crate::{
    authenticator::Authenticator,
    core::Core,
    end::{
        cut_offs::KEPT,
        revocation::{Delivery, Inbox, NotPublished, Notice, Receiver, Revocation, Subject},
    },
    seal::Purpose,
};

impl Authenticator {
    /// Puts a revocation into effect here, at once, and on the other replicas, where [`Config::with_revocations`]
    /// says how to reach them.
    ///
    /// # Errors
    ///
    /// [`NotPublished`] where the other replicas may not have heard of it; trying again does no harm.
    ///
    /// [`Config::with_revocations`]: crate::Config::with_revocations
    pub async fn revoke(&self, revocation: Revocation) -> Result<(), NotPublished> {
        let subject = self.core.log_word(revocation.subject.id());
        tracing::info!(?revocation, subject, "revoked");
        self.core.cut_off(&revocation);
        self.core.publish(&revocation).await
    }
}

impl Receiver for Core {
    fn receive(&self, sealed: &str) -> Delivery {
        match self.read_notice(sealed) {
            Some(revocation) => {
                self.cut_off(&revocation);
                Delivery::Taken
            }
            None => Delivery::Unreadable,
        }
    }
}

impl Core {
    /// Where other replicas' notices are delivered to.
    pub(crate) fn inbox(self: &Arc<Self>) -> Inbox {
        let core: Weak<Self> = Arc::downgrade(self);
        Inbox::new(self.group(), core)
    }

    /// Puts a revocation into effect in this process.
    pub(crate) fn cut_off(&self, revocation: &Revocation) {
        self.cut_offs.add(revocation, self.settings.clock().unix());
    }

    async fn publish(&self, revocation: &Revocation) -> Result<(), NotPublished> {
        let Some(revocations) = &self.revocations else { return Ok(()) };
        let notice = self.notice(revocation).ok_or(NotPublished)?;
        revocations.publish(notice).await
    }

    /// Tells the other replicas that a session was signed out here, without waiting until WorkOS does.
    ///
    /// The cut-off lies ahead, so that it hits what another replica may be obtaining now: a session's id is used once.
    pub(crate) async fn publish_sign_out(&self, session_id: &str) {
        let at = self.settings.clock().wall() + Duration::from_secs(60);
        if self.publish(&Revocation::session(session_id, at)).await.is_err() {
            tracing::warn!(
                session = self.log_word(session_id),
                "other replicas may not have heard of a sign-out"
            );
        }
    }

    /// Seals a revocation. `None` without randomness, or for a time beyond every clock.
    fn notice(&self, revocation: &Revocation) -> Option<Notice> {
        let stated = Stated { subject: (*revocation.subject).clone(), at: revocation.at };
        let stated = serde_json::to_vec(&stated).ok()?;
        let sealed =
            self.ring.load().seal_for(Purpose::Replica, &self.context(NOTICE), &stated).ok()?;
        let until =
            UNIX_EPOCH.checked_add(Duration::from_secs(revocation.at.saturating_add(KEPT)))?;
        Some(Notice { group: self.group(), sealed, until })
    }

    /// Opens what a replica has sealed.
    fn read_notice(&self, sealed: &str) -> Option<Revocation> {
        let stated = self.ring.load().open_for(Purpose::Replica, &self.context(NOTICE), sealed)?;
        let Stated { subject, at } = serde_json::from_slice(&stated).ok()?;
        Some(Revocation { subject: Arc::new(subject), at })
    }

    /// A name for everything with our client id, to keep services apart that share a store.
    fn group(&self) -> Box<str> {
        let digest = digest::digest(&digest::SHA256, &self.context(NOTICE));
        digest.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
    }
}

/// What a notice says.
#[derive(Deserialize, Serialize)]
struct Stated {
    #[serde(flatten)]
    subject: Subject,
    at: u64,
}

/// What notices are bound to, beside our client id.
const NOTICE: &[u8] = b"revocation";

#[cfg(test)]
mod tests {
    use std::{sync::Mutex, time::SystemTime};

    use super::*;
    use crate::{
        config::Config,
        cookie_password::CookiePassword,
        end::{
            cut_offs::{Hit, Made},
            revocation::{Publishing, Revocations},
        },
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

    fn authenticator(
        client_id: &str,
        passwords: [&str; 2],
        loopback: &Arc<Loopback>,
    ) -> Authenticator {
        let [current, other] = passwords.map(|password| CookiePassword::new(password).unwrap());
        let config = Config::new(client_id, "sk_1", "https://app.example.com/callback", current)
            .with_other_passwords([other])
            .with_revocations(Arc::clone(loopback) as Arc<dyn Revocations>);
        Authenticator::new(config).unwrap()
    }

    fn hit(authenticator: &Authenticator, at: u64) -> Hit {
        let made =
            Made { session: Some("session_1"), user: Some("user_1"), organization: None, at };
        authenticator.core.cut_offs.hit(made)
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
        let here = authenticator("client_1", [NEW, OLD], &loopback);
        let there = authenticator("client_1", [OLD, NEW], &loopback);
        let stranger = authenticator("client_2", [NEW, OLD], &loopback);

        here.revoke(Revocation::session("session_1", now())).await.unwrap();

        assert_eq!(hit(&here, unix() - 1), Hit::Ended);
        assert_eq!(hit(&there, unix() - 1), Hit::Ended);
        assert_eq!(hit(&stranger, unix() - 1), Hit::Nothing, "another service at WorkOS");
        let inboxes = loopback.inboxes.lock().unwrap();
        assert_eq!(inboxes[0].group(), inboxes[1].group());
        assert_ne!(inboxes[0].group(), inboxes[2].group());
    }

    #[tokio::test]
    async fn a_notice_tells_a_stranger_nothing_and_cannot_be_changed() {
        let loopback = Arc::new(Loopback::default());
        let here = authenticator("client_1", [NEW, OLD], &loopback);
        here.revoke(Revocation::session("session_other", now())).await.unwrap();
        let inbox = here.core.inbox();
        let notice = loopback.published.lock().unwrap()[0].clone();
        let not_a_notice = here.seal_for(Purpose::Replica, b"something else", b"{}").unwrap();

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
