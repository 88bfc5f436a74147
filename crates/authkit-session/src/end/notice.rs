//! Applies revocations here and on the other replicas. They are sealed on the way, so that the carrier cannot read
//! them.

use std::{
    collections::HashMap,
    fmt,
    ops::Not,
    sync::{Arc, Weak},
    time::{Duration, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize, de::IgnoredAny};

use crate::{
    config::settings::Settings,
    crypto::digest,
    end::{
        cut_offs::{CutOffs, KEPT},
        revocation::{
            Delivery, Inbox, NotPublished, Notice, Reach, Receiver, Revocation, Revocations,
            Subject,
        },
    },
    meter::RevocationSource,
    seal::{Purpose, Sealer},
};

/// Seals revocations for the other replicas, and opens theirs.
pub(crate) struct RevocationPublisher {
    settings: Arc<Settings>,
    sealer: Arc<Sealer>,
    cut_offs: Arc<CutOffs>,
    /// The carrier to the other replicas.
    revocations: Option<Arc<dyn Revocations>>,
}

impl RevocationPublisher {
    /// Starts to listen to the other replicas, if a carrier is configured.
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

    /// Applies a revocation here at once, and then on the other replicas.
    ///
    /// # Errors
    ///
    /// [`NotPublished`] if the other replicas may not have received it.
    pub(crate) async fn revoke(&self, revocation: &Revocation) -> Result<(), NotPublished> {
        let subject = self.settings.log_ids.of(revocation.subject.id());
        tracing::info!(?revocation, subject, "revoked");
        self.settings.meter.revoked(&revocation.subject, RevocationSource::Here);
        self.apply(revocation);
        self.publish(revocation).await
    }

    /// Tells the other replicas that a session was signed out here, without waiting for WorkOS.
    ///
    /// The end of a session refuses every token of it, so it also hits a token that another replica is obtaining now.
    pub(crate) async fn publish_sign_out(&self, session_id: &str) {
        let at = self.settings.clock().wall();
        if self.publish(&Revocation::session(session_id, at)).await.is_err() {
            tracing::warn!(
                session = self.settings.log_ids.of(session_id),
                "other replicas may not have heard of a sign-out"
            );
        }
    }

    /// The inbox for the other replicas' notices.
    fn inbox(self: &Arc<Self>) -> Inbox {
        let receiver: Weak<Self> = Arc::downgrade(self);
        Inbox::new(self.group(), receiver)
    }

    fn apply(&self, revocation: &Revocation) {
        self.cut_offs.add(revocation, self.settings.clock().monotonic());
    }

    async fn publish(&self, revocation: &Revocation) -> Result<(), NotPublished> {
        let Some(revocations) = &self.revocations else { return Ok(()) };
        let notice = self.seal(revocation).ok_or(NotPublished)?;
        revocations.publish(notice).await
    }

    /// Seals a revocation. `None` without randomness, or for a time that the format cannot express.
    fn seal(&self, revocation: &Revocation) -> Option<Notice> {
        let content = serde_json::to_vec(&NoticeContent::of(revocation)).ok()?;
        let sealed = self.sealer.seal_for(Purpose::Replica, NOTICE, &content).ok()?;
        let until =
            UNIX_EPOCH.checked_add(Duration::from_secs(revocation.at.saturating_add(KEPT)))?;
        Some(Notice { group: self.group(), sealed, until })
    }

    /// Opens a notice that a replica has sealed.
    fn open(&self, sealed: &str) -> Option<Received> {
        let content = self.sealer.open_for(Purpose::Replica, NOTICE, sealed)?;
        NoticeContent::read(&content)
    }

    /// The name of all replicas with our client id, which keeps services apart that share a store.
    fn group(&self) -> Box<str> {
        let digest = digest::digest(&digest::SHA256, &self.sealer.context(NOTICE));
        digest.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
    }
}

impl Receiver for RevocationPublisher {
    fn receive(&self, sealed: &str) -> Delivery {
        match self.open(sealed) {
            Some(Received::Revocation(revocation)) => {
                self.settings.meter.revoked(&revocation.subject, RevocationSource::Replica);
                self.apply(&revocation);
                Delivery::Taken
            }
            Some(Received::Unknown) => {
                tracing::debug!("a newer replica published a revocation of an unknown kind");
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

/// The content of a notice between replicas, as JSON.
///
/// | revocation | notice |
/// |---|---|
/// | `session` | `{"session":"session_1","at":1800000000}` |
/// | `user` | `{"user":"user_1","at":1800000000}` |
/// | `deleted_user` | `{"user":"user_1","deleted":true,"at":1800000000}` |
/// | `membership` | `{"membership":{"user":"user_1","organization":"org_1"},"at":1800000000}` |
/// | `organization` | `{"organization":"org_1","at":1800000000}` |
/// | `api_key` | `{"api_key":"api_key_1","deleted":true,"at":1800000000}` |
/// | `changed_api_key` | `{"api_key":"api_key_1","at":1800000000}` |
///
/// During a rolling deploy replicas of two versions read each other's notices, so the format only grows. A replica
/// ignores a field that it does not know: one that does not know `deleted` compares the times. A notice of an unknown
/// kind is [taken](Delivery::Taken) and has no effect; the oldest replicas call it [unreadable](Delivery::Unreadable),
/// which has no effect either. They see the change at the next refresh.
#[derive(Deserialize, Serialize)]
struct NoticeContent {
    #[serde(flatten)]
    subject: Subject,
    #[serde(default, rename = "deleted", skip_serializing_if = "Not::not")]
    is_deleted: bool,
    at: u64,
}

/// The content that a replica has read.
enum Received {
    Revocation(Revocation),
    /// A kind of revocation that only a newer version knows.
    Unknown,
}

impl NoticeContent {
    fn of(Revocation { subject, reach, at }: &Revocation) -> Self {
        let is_deleted = match **subject {
            Subject::User(_) | Subject::ApiKey(_) => *reach == Reach::Every,
            Subject::Session(_) | Subject::Membership { .. } | Subject::Organization(_) => false,
        };
        Self { subject: (**subject).clone(), is_deleted, at: *at }
    }

    /// `None` if the text is not a notice.
    fn read(notice: &[u8]) -> Option<Received> {
        if let Ok(Self { subject, is_deleted, at }) = serde_json::from_slice(notice) {
            let reach = if is_deleted { Reach::Every } else { subject.least_reach() };
            return Some(Received::Revocation(Revocation {
                subject: Arc::new(subject),
                reach,
                at,
            }));
        }
        let fields: HashMap<String, IgnoredAny> = serde_json::from_slice(notice).ok()?;
        fields.contains_key("at").then_some(Received::Unknown)
    }
}

/// The context of sealed notices, beside our client id.
const NOTICE: &[u8] = b"revocation";

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
    async fn a_sign_out_ends_the_session_at_the_other_replicas() {
        let loopback = Arc::new(Loopback::default());
        let here = publisher("client_1", [NEW, OLD], &loopback);
        let there = publisher("client_1", [OLD, NEW], &loopback);
        here.publish_sign_out("session_2").await;
        assert_eq!(effect(&there, unix()), CutOffEffect::None, "another session");
        here.publish_sign_out("session_1").await;
        assert_eq!(effect(&there, unix() + 1), CutOffEffect::Ended);
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

        assert_eq!(notice.until(), now() + Duration::from_secs(86_460));
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
        assert!(!inbox.is_closed());
        drop(here);
        assert!(inbox.is_closed());
        assert_eq!(inbox.deliver(notice.sealed()), Delivery::Closed);
    }

    #[tokio::test]
    async fn what_only_a_newer_replica_knows_is_taken_and_changes_nothing() {
        let loopback = Arc::new(Loopback::default());
        let here = publisher("client_1", [NEW, OLD], &loopback);
        let content = format!(r#"{{"environment":"session_1","at":{}}}"#, unix());
        let sealed = here.sealer.seal_for(Purpose::Replica, NOTICE, content.as_bytes()).unwrap();
        assert_eq!(here.inbox().deliver(&sealed), Delivery::Taken, "nobody sends it again");
        assert_eq!(effect(&here, unix() - 1), CutOffEffect::None);
    }

    #[test]
    fn a_notice_says_what_every_version_reads() {
        let at = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let cases = [
            (Revocation::session("s", at), r#"{"session":"s","at":1800000000}"#),
            (Revocation::user("u", at), r#"{"user":"u","at":1800000000}"#),
            (Revocation::deleted_user("u", at), r#"{"user":"u","deleted":true,"at":1800000000}"#),
            (
                Revocation::membership("u", "o", at),
                r#"{"membership":{"user":"u","organization":"o"},"at":1800000000}"#,
            ),
            (Revocation::organization("o", at), r#"{"organization":"o","at":1800000000}"#),
            (Revocation::api_key("k", at), r#"{"api_key":"k","deleted":true,"at":1800000000}"#),
            (Revocation::changed_api_key("k", at), r#"{"api_key":"k","at":1800000000}"#),
        ];
        for (revocation, expected) in cases {
            let stated = serde_json::to_string(&NoticeContent::of(&revocation)).unwrap();
            assert_eq!(stated, expected);
            for stated in [stated.clone(), stated.replace("{\"", "{\"since_version_9\":[1],\"")] {
                let Some(Received::Revocation(read)) = NoticeContent::read(stated.as_bytes())
                else {
                    panic!("{stated}");
                };
                let parts = |r: &Revocation| (r.subject.clone(), r.reach, r.at);
                assert_eq!(parts(&read), parts(&revocation), "{stated}");
            }
        }
        let unknown = r#"{"environment":"e","at":1800000000}"#;
        assert!(matches!(NoticeContent::read(unknown.as_bytes()), Some(Received::Unknown)));
        for no_notice in ["", "[]", "{}", "7", r#"{"session":"s"}"#] {
            assert!(NoticeContent::read(no_notice.as_bytes()).is_none(), "{no_notice}");
        }
    }

    #[tokio::test]
    async fn an_api_key_that_ends_or_changes_at_one_replica_does_so_at_all() {
        let loopback = Arc::new(Loopback::default());
        let one = publisher("client_1", [NEW, OLD], &loopback);
        let other = publisher("client_1", [OLD, NEW], &loopback);
        let effect = |id, organization, asked_at| {
            let owner = TokenIdentity {
                subject: None,
                session: None,
                organization: Some(organization),
                issued_at: asked_at,
            };
            other.cut_offs().effect_on_api_key(id, owner, asked_at)
        };
        let at = unix();
        let now = UNIX_EPOCH + Duration::from_secs(at);
        one.revoke(&Revocation::api_key("key_ended", now)).await.unwrap();
        one.revoke(&Revocation::changed_api_key("key_changed", now)).await.unwrap();
        one.revoke(&Revocation::organization("org_gone", now)).await.unwrap();
        let (ended, changed, none) =
            (CutOffEffect::Ended, CutOffEffect::Changed, CutOffEffect::None);
        let cases = [
            ("key_ended", "org_1", [ended; 2]),
            ("key_changed", "org_1", [changed, none]),
            // WorkOS says what becomes of the keys of an organization.
            ("key_1", "org_gone", [changed, none]),
            ("key_1", "org_1", [none; 2]),
        ];
        for (id, organization, expected) in cases {
            let effects = [at - 1, at + 1].map(|asked_at| effect(id, organization, asked_at));
            assert_eq!(effects, expected, "{id} of {organization}");
        }
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
