//! What ended or changed at WorkOS, and how the replicas of a service hear of it.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Weak},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use crate::{
    authenticator::Authenticator,
    core::{Core, Presented},
    cut_offs::{Hit, KEPT, Made},
    decide::Verdict,
    seal::Purpose,
};

/// A session or user that ended, or a membership that changed, and when.
///
/// It hits the access tokens made at or before that whole second, by WorkOS's clock: those of a session or a user are
/// refused from then on, those of a member are refreshed before they are accepted again.
///
/// # Examples
///
/// ```
/// use std::time::SystemTime;
///
/// use authkit_session::Revocation;
///
/// let ended = Revocation::session("session_01H93ZY4F80QPBEZ1R5B2SHQG8", SystemTime::now());
/// let demoted = Revocation::membership("user_01", "org_01", SystemTime::now());
/// # let _ = (ended, demoted);
/// ```
#[derive(Clone)]
pub struct Revocation {
    pub(crate) subject: Arc<Subject>,
    /// Unix seconds.
    pub(crate) at: u64,
}

/// What a revocation is about.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Subject<S = Box<str>> {
    Session(S),
    User(S),
    Membership { user: S, organization: S },
}

impl Revocation {
    /// A session that has ended. Its tokens are refused.
    pub fn session(id: impl Into<Box<str>>, at: SystemTime) -> Self {
        Self::of(Subject::Session(id.into()), at)
    }

    /// A user all of whose sessions have ended. Their tokens are refused.
    pub fn user(id: impl Into<Box<str>>, at: SystemTime) -> Self {
        Self::of(Subject::User(id.into()), at)
    }

    /// A member of an organization who has another role now, or is none any more. Their tokens for that organization
    /// are refreshed; WorkOS then says what they may still do.
    pub fn membership(
        user_id: impl Into<Box<str>>,
        organization_id: impl Into<Box<str>>,
        at: SystemTime,
    ) -> Self {
        Self::of(
            Subject::Membership { user: user_id.into(), organization: organization_id.into() },
            at,
        )
    }

    fn of(subject: Subject, at: SystemTime) -> Self {
        let at = at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self { subject: Arc::new(subject), at }
    }
}

/// Names nobody: ids of sessions and users do not belong into logs.
impl fmt::Debug for Revocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match *self.subject {
            Subject::Session(_) => "session",
            Subject::User(_) => "user",
            Subject::Membership { .. } => "membership",
        };
        f.debug_struct("Revocation")
            .field("of", &kind)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

impl<'a> Subject<&'a str> {
    /// Whatever a token could be hit by.
    pub(crate) fn all_of(made: Made<'a>) -> impl Iterator<Item = Self> {
        let membership = made.user.zip(made.organization);
        [
            made.session.map(Self::Session),
            made.user.map(Self::User),
            membership.map(|(user, organization)| Self::Membership { user, organization }),
        ]
        .into_iter()
        .flatten()
    }

    pub(crate) fn to_owned(&self) -> Subject {
        match *self {
            Self::Session(id) => Subject::Session(id.into()),
            Self::User(id) => Subject::User(id.into()),
            Self::Membership { user, organization } => {
                Subject::Membership { user: user.into(), organization: organization.into() }
            }
        }
    }
}

impl Subject {
    pub(crate) fn borrowed(&self) -> Subject<&str> {
        match self {
            Self::Session(id) => Subject::Session(id),
            Self::User(id) => Subject::User(id),
            Self::Membership { user, organization } => Subject::Membership { user, organization },
        }
    }
}

/// Tells the replicas of a service about revocations that one of them has learnt of.
///
/// What it moves are sealed [`Notice`]s: it can withhold them, but neither read nor forge one. An implementation never
/// blocks; each process checks requests against its own memory, into which [`Inbox::deliver`] puts what arrived.
///
/// `authkit-redis` has one. Without any, a revocation holds in the process that learnt of it.
pub trait Revocations: fmt::Debug + Send + Sync + 'static {
    /// Begins to deliver to `inbox` what any replica publishes, and what was published before and is not over yet.
    ///
    /// Called once for each [`Authenticator`](crate::Authenticator) that is made with it.
    fn subscribe(&self, inbox: Inbox);

    /// Passes a notice on to the other replicas. It may come back to this one.
    fn publish(&self, notice: Notice) -> Publishing<'_>;
}

/// What [`Revocations::publish`] returns.
pub type Publishing<'a> = Pin<Box<dyn Future<Output = Result<(), NotPublished>> + Send + 'a>>;

/// The other replicas may not have heard of a revocation. This one has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct NotPublished;

impl NotPublished {
    /// For implementations of [`Revocations`].
    #[allow(clippy::new_without_default, reason = "an error is not a default")]
    pub fn new() -> Self {
        Self
    }
}

impl fmt::Display for NotPublished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the other replicas could not be told of a revocation")
    }
}

impl std::error::Error for NotPublished {}

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

/// Where a [`Revocations`] delivers to.
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
        self.core.cut_off(&revocation);
        self.core.publish(&revocation).await
    }
}

impl Core {
    /// Puts a revocation into effect in this process.
    fn cut_off(&self, revocation: &Revocation) {
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

    /// Applies the cut-offs to what a request presented.
    pub(crate) fn check_cut_offs(&self, presented: &mut Presented) {
        match presented.made().map_or(Hit::Nothing, |made| self.cut_offs.hit(made)) {
            // It ended here before, and that is answered more gently: the browser may have signed in again.
            _ if presented.verdict == Verdict::SignedOut => {}
            Hit::Ended => {
                presented.verdict = Verdict::Revoked;
                presented.session = None;
            }
            hit @ (Hit::Nothing | Hit::ChangedMeanwhile | Hit::ChangedSince) => presented.hit = hit,
        }
    }

    fn notice(&self, revocation: &Revocation) -> Option<Notice> {
        let stated = Stated { subject: (*revocation.subject).clone(), at: revocation.at };
        let stated = serde_json::to_vec(&stated).ok()?;
        let sealed =
            self.ring.load().seal_for(Purpose::Replica, &self.context(NOTICE), &stated).ok()?;
        let until =
            UNIX_EPOCH.checked_add(Duration::from_secs(revocation.at.saturating_add(KEPT)))?;
        Some(Notice { group: self.group(), sealed, until })
    }

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
    use crate::config::{Config, CookiePassword};

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
