use std::{fmt, sync::Arc, time::Duration};

use http::HeaderValue;

use crate::{
    candidate::cookies::Seen,
    core::Core,
    decide::reason::{CookieFate, Reason, RefusalKind},
    session::VerifiedSession,
    token::TokenHash,
};

/// A request that goes on, with its session.
#[derive(Clone, Debug)]
pub struct Admission {
    session: Arc<VerifiedSession>,
    head: Head,
}

impl Admission {
    pub(crate) fn new(session: Arc<VerifiedSession>, head: Head) -> Self {
        Self { session, head }
    }

    /// The session.
    pub fn session(&self) -> &Arc<VerifiedSession> {
        &self.session
    }

    /// Whether it is remembered that WorkOS refused to refresh the session, so that it will not last.
    pub fn is_refresh_refused(&self) -> bool {
        let is_refused = |token| self.head.core.table().lineages.is_refused(token);
        self.head.lineage.is_some_and(is_refused)
    }

    /// The `Set-Cookie` values for the response head that leaves now; usually none.
    ///
    /// To be asked at the last moment: what a slow response would have set may be older than what the browser has.
    pub fn head_cookies(&self) -> Vec<HeaderValue> {
        self.head.cookies()
    }
}

/// A request that is answered without the inner service.
#[derive(Clone, Debug)]
pub struct Refusal {
    reason: Reason,
    organization: Option<Box<str>>,
    retry_after: Duration,
    /// `None` for a request whose cookies were not looked at.
    head: Option<Head>,
}

/// The request whose answer leaves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "either it is one or not")]
pub enum Asker {
    /// A document's GET, by a browser's navigation.
    Document,
    /// Anything else.
    Other,
}

impl Refusal {
    pub(crate) fn new(reason: Reason, head: Head) -> Self {
        Self { head: Some(head), ..Self::without_cookies(reason) }
    }

    /// Of a request whose cookies were not looked at, so that none are set or deleted either.
    pub(crate) fn without_cookies(reason: Reason) -> Self {
        let retry_after = Duration::from_secs(reason.retry_after());
        Self { reason, organization: None, retry_after, head: None }
    }

    /// The organization to sign in at.
    pub(crate) fn at_organization(mut self, organization: Option<&str>) -> Self {
        self.organization = organization.map(Into::into);
        self
    }

    pub(crate) fn retry_after_at_least(mut self, wait: Option<Duration>) -> Self {
        let wait = wait.unwrap_or_default().min(LONGEST_WAIT);
        let rest = u64::from(wait.subsec_nanos() > 0);
        self.retry_after = self.retry_after.max(Duration::from_secs(wait.as_secs() + rest));
        self
    }

    /// What it means to the client.
    pub fn kind(&self) -> RefusalKind {
        self.reason.kind()
    }

    /// Why.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The organization that the user has to sign in at, where WorkOS asked for that.
    pub fn organization(&self) -> Option<&str> {
        self.organization.as_deref()
    }

    /// How long the client should wait where the refusal is no challenge: whole seconds, at least 1.
    pub fn retry_after(&self) -> Duration {
        self.retry_after
    }

    /// The `Set-Cookie` values for the answer that leaves now.
    pub fn head_cookies(&self, asker: Asker) -> Vec<HeaderValue> {
        let Some(head) = &self.head else { return Vec::new() };
        match (self.reason.cookie(), asker) {
            (CookieFate::DeletedByDocument, Asker::Document) => {
                head.core.settings.cookies.delete_session(head.seen)
            }
            (CookieFate::DeletedByDocument, Asker::Other) | (CookieFate::Kept, _) => head.cookies(),
        }
    }
}

/// What is needed to choose the cookies of a response head when it leaves.
#[derive(Clone)]
pub(crate) struct Head {
    pub(crate) core: Arc<Core>,
    /// The refresh token that the request brought: whatever comes of it before the head leaves belongs to the browser.
    pub(crate) lineage: Option<TokenHash>,
    pub(crate) seen: Seen,
}

impl Head {
    /// The newest cookie of the request's lineage, unless the browser has it.
    fn cookies(&self) -> Vec<HeaderValue> {
        let Some(lineage) = self.lineage else { return Vec::new() };
        let Some(mut table) = self.core.table_if_any() else { return Vec::new() };
        let now = self.core.settings.clock().monotonic();
        let Some(pair) = table.lineages.head(lineage, now) else { return Vec::new() };
        drop(table);
        // One that is too large is not handed out.
        let cookies = &self.core.settings.cookies;
        cookies.session(&pair.sealed, pair.lifetime, self.seen).unwrap_or_default()
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head")
            .field("lineage", &self.lineage)
            .field("seen", &self.seen)
            .finish_non_exhaustive()
    }
}

/// Nobody waits longer than this for a page.
const LONGEST_WAIT: Duration = Duration::from_secs(120);
