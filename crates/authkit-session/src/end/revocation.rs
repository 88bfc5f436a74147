//! Things that ended or changed at WorkOS, and how the replicas of a service learn of them.

use std::{
    fmt,
    sync::{Arc, Weak},
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use crate::boxed_future::BoxFuture;

/// A session, user or API key that ended, or a membership, organization or API key that changed, and when.
///
/// | revocation | hits | what becomes of the tokens |
/// |---|---|---|
/// | [`session`](Self::session), [`deleted_user`](Self::deleted_user) | every token: what ended does not come back | refused |
/// | [`user`](Self::user) | tokens made at or before the second | refused |
/// | [`membership`](Self::membership), [`organization`](Self::organization) | tokens made at or before the second | refreshed before the next request is let in |
/// | [`api_key`](Self::api_key) | a customer's API key | refused |
/// | [`changed_api_key`](Self::changed_api_key) | what was remembered of a customer's API key by the second | asked anew |
///
/// The times are those of WorkOS's clock, which also issues the tokens.
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
    pub(crate) reach: Reach,
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
    Organization(S),
    ApiKey(S),
}

/// Which tokens of its subject a revocation hits.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Reach {
    /// Tokens that were issued at or before its second.
    Earlier,
    /// All tokens, whatever issue time they claim.
    Every,
}

impl Revocation {
    /// A session that has ended. All its tokens are refused.
    pub fn session(id: impl Into<Box<str>>, at: SystemTime) -> Self {
        Self::of(Subject::Session(id.into()), at)
    }

    /// A user whose sessions have all ended, as after "sign out everywhere". Their tokens are refused; a session that
    /// starts after that second is admitted.
    pub fn user(id: impl Into<Box<str>>, at: SystemTime) -> Self {
        Self::of(Subject::User(id.into()), at)
    }

    /// A user who was deleted at WorkOS. All the user's tokens are refused.
    pub fn deleted_user(id: impl Into<Box<str>>, at: SystemTime) -> Self {
        Self { reach: Reach::Every, ..Self::user(id, at) }
    }

    /// A member of an organization whose role has changed or whose membership has ended. The member's tokens for that
    /// organization are refreshed, so that WorkOS decides again.
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

    /// An organization that was deleted, or whose roles have changed. All tokens for it are refreshed, so that WorkOS
    /// decides again.
    pub fn organization(id: impl Into<Box<str>>, at: SystemTime) -> Self {
        Self::of(Subject::Organization(id.into()), at)
    }

    /// A customer's API key that was deleted or has expired at WorkOS. It is refused from now on, even if it is
    /// remembered.
    pub fn api_key(id: impl Into<Box<str>>, at: SystemTime) -> Self {
        Self { reach: Reach::Every, ..Self::changed_api_key(id, at) }
    }

    /// A customer's API key whose permissions or expiry have changed. WorkOS is asked about it again before it is
    /// admitted.
    pub fn changed_api_key(id: impl Into<Box<str>>, at: SystemTime) -> Self {
        Self::of(Subject::ApiKey(id.into()), at)
    }

    fn of(subject: Subject, at: SystemTime) -> Self {
        let at = at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self { reach: subject.least_reach(), subject: Arc::new(subject), at }
    }
}

/// Shows no id: ids of sessions and users do not belong in logs.
impl fmt::Debug for Revocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match *self.subject {
            Subject::Session(_) => "session",
            Subject::User(_) => "user",
            Subject::Membership { .. } => "membership",
            Subject::Organization(_) => "organization",
            Subject::ApiKey(_) => "api_key",
        };
        f.debug_struct("Revocation")
            .field("of", &kind)
            .field("hits", &self.reach)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

impl Subject<&str> {
    pub(crate) fn to_owned(&self) -> Subject {
        match *self {
            Self::Session(id) => Subject::Session(id.into()),
            Self::User(id) => Subject::User(id.into()),
            Self::Membership { user, organization } => {
                Subject::Membership { user: user.into(), organization: organization.into() }
            }
            Self::Organization(id) => Subject::Organization(id.into()),
            Self::ApiKey(id) => Subject::ApiKey(id.into()),
        }
    }
}

impl Subject {
    /// The session, the user, the organization or the API key.
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Session(id)
            | Self::User(id)
            | Self::Membership { user: id, .. }
            | Self::Organization(id)
            | Self::ApiKey(id) => id,
        }
    }

    /// A session's id is never used again; the other subjects may come back.
    pub(crate) fn least_reach(&self) -> Reach {
        match self {
            Self::Session(_) => Reach::Every,
            Self::User(_) | Self::Membership { .. } | Self::Organization(_) | Self::ApiKey(_) => {
                Reach::Earlier
            }
        }
    }

    pub(crate) fn borrowed(&self) -> Subject<&str> {
        match self {
            Self::Session(id) => Subject::Session(id),
            Self::User(id) => Subject::User(id),
            Self::Membership { user, organization } => Subject::Membership { user, organization },
            Self::Organization(id) => Subject::Organization(id),
            Self::ApiKey(id) => Subject::ApiKey(id),
        }
    }
}

/// Carries revocations from one replica of a service to the others.
///
/// It carries sealed [`Notice`]s: it can withhold them, but neither read nor forge one. An implementation never blocks
/// a request; each process checks requests against its own memory, which [`Inbox::deliver`] updates.
///
/// `authkit-redis` has an implementation. Without one, a revocation only takes effect in the process that learnt of it.
/// The functions of the module `conformance` (feature `conformance`) check an implementation.
pub trait Revocations: fmt::Debug + Send + Sync + 'static {
    /// Starts to deliver to `inbox` what any replica publishes, and what was published before and has not expired.
    ///
    /// Called once for each [`Authenticator`](crate::Authenticator) that is made with it.
    fn subscribe(&self, inbox: Inbox);

    /// Sends a notice to the other replicas. It may also come back to this one. The same notice may be published again.
    ///
    /// If the store is slow or unavailable, it fails within 2 seconds.
    fn publish(&self, notice: Notice) -> Publishing<'_>;
}

/// What [`Revocations::publish`] returns.
pub type Publishing<'a> = BoxFuture<'a, Result<(), NotPublished>>;

/// The other replicas may not have received a revocation. This replica has applied it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct NotPublished;

impl NotPublished {
    /// The error that implementations of [`Revocations`] return.
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
    pub(crate) group: Box<str>,
    pub(crate) sealed: String,
    pub(crate) until: SystemTime,
}

impl Notice {
    /// The service whose replicas the notice is for, in hexadecimal; equal to their [`Inbox::group`].
    pub fn group(&self) -> &str {
        &self.group
    }

    /// The sealed form, in characters of URL-safe base64.
    pub fn sealed(&self) -> &str {
        &self.sealed
    }

    /// When the notice expires: every token that it could hit has expired by then.
    pub fn until(&self) -> SystemTime {
        self.until
    }
}

/// The destination to which a [`Revocations`] delivers notices.
#[derive(Clone)]
pub struct Inbox {
    group: Box<str>,
    receiver: Weak<dyn Receiver>,
}

/// The result of a delivery.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "a deliverer has to know every case")]
pub enum Delivery {
    /// The notice takes effect from now on.
    Taken,
    /// No replica of this service sealed the notice: it is forged, damaged, or sealed with a password that is not known
    /// here.
    Unreadable,
    /// The receiver is gone; stop delivering.
    Closed,
}

impl Inbox {
    pub(crate) fn new(group: Box<str>, receiver: Weak<dyn Receiver>) -> Self {
        Self { group, receiver }
    }

    /// The service, in hexadecimal: only notices with the same [`Notice::group`] can be read.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// Applies a notice. Delivering the same notice again does no harm.
    pub fn deliver(&self, sealed: &str) -> Delivery {
        self.receiver.upgrade().map_or(Delivery::Closed, |receiver| receiver.receive(sealed))
    }

    /// Whether the receiver is gone.
    pub fn is_closed(&self) -> bool {
        self.receiver.strong_count() == 0
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("closed", &self.is_closed()).finish()
    }
}

/// Opens notices and applies them.
pub(crate) trait Receiver: Send + Sync {
    fn receive(&self, sealed: &str) -> Delivery;
}

#[cfg(test)]
mod tests;
