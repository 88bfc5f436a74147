//! Revocations on their way from one replica to the others: sealed, so that who carries them learns nothing.

use std::{
    fmt,
    sync::{Arc, Weak},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use crate::{
    core::Core,
    cut_offs::KEPT,
    revocations::{Revocation, Subject},
    seal::Purpose,
};

/// A revocation, sealed for the replicas of one service.
#[derive(Clone, Debug)]
pub struct Notice {
    group: Box<str>,
    sealed: String,
    until: SystemTime,
}

impl Notice {
    /// Names the service whose replicas it is for, in hexadecimal; the same as their [`Inbox::group`].
    pub fn group(&self) -> &str {
        &self.group
    }

    /// The sealed form, in characters of URL-safe base64.
    pub fn sealed(&self) -> &str {
        &self.sealed
    }

    /// When it is over: every token that it could hit has expired by then.
    pub fn until(&self) -> SystemTime {
        self.until
    }
}

/// Where a [`Revocations`](crate::Revocations) delivers to.
#[derive(Clone)]
pub struct Inbox {
    group: Box<str>,
    core: Weak<Core>,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "a deliverer has to know every case")]
pub enum Delivery {
    /// It holds from now on.
    Taken,
    /// It was not sealed by a replica of this service: forged, damaged, or under a password that is not known here.
    Unreadable,
    /// Nobody is there any more; there is no use in delivering more.
    Closed,
}

impl Inbox {
    pub(crate) fn of(core: &Arc<Core>) -> Self {
        Self { group: core.group(), core: Arc::downgrade(core) }
    }

    /// Names the service, in hexadecimal: only notices of the same [`Notice::group`] can be read.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// Puts a notice into effect. The same one any number of times does no harm.
    pub fn deliver(&self, sealed: &str) -> Delivery {
        let Some(core) = self.core.upgrade() else { return Delivery::Closed };
        match core.read_notice(sealed) {
            Some(revocation) => {
                core.cut_off(&revocation);
                Delivery::Taken
            }
            None => Delivery::Unreadable,
        }
    }

    /// Whether nobody is there any more.
    pub fn is_closed(&self) -> bool {
        self.core.strong_count() == 0
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("closed", &self.is_closed()).finish()
    }
}

impl Core {
    /// Seals a revocation. `None` without randomness, or for a time beyond every clock.
    pub(crate) fn notice(&self, revocation: &Revocation) -> Option<Notice> {
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
    use std::sync::Mutex;

    use super::*;
    use crate::{
        authenticator::Authenticator,
        config::Config,
        cookie_password::CookiePassword,
        cut_offs::{Hit, Made},
        revocations::{Publishing, Revocations},
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
        let inbox = Inbox::of(&here.core);
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
