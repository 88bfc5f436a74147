//! What ended or changed at WorkOS, and how the replicas of a service hear of it.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use crate::{
    authenticator::Authenticator,
    core::Core,
    cut_offs::{Hit, Made},
    decide::Verdict,
    notice::{Inbox, Notice},
    presented::Presented,
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
    /// The session or the user.
    fn id(&self) -> &str {
        match self {
            Self::Session(id) | Self::User(id) | Self::Membership { user: id, .. } => id,
        }
    }

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

impl Core {
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
}

#[cfg(test)]
mod tests;
