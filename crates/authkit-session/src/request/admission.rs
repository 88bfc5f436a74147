use std::{fmt, sync::Arc, time::Duration};

use http::HeaderValue;

use crate::{
    cookie::received::ReceivedCookies,
    decide::{
        cookie_fate::CookieFate,
        reason::{Reason, RefusalKind},
    },
    refresh::Refresher,
    request::sharded_arc::ArcShard,
    session::VerifiedSession,
    token::TokenHash,
};

/// An admitted request and its session.
#[derive(Clone, Debug)]
pub struct Admission {
    session: Arc<VerifiedSession>,
    cookies: ResponseCookies,
}

impl Admission {
    pub(crate) fn new(session: Arc<VerifiedSession>, cookies: ResponseCookies) -> Self {
        Self { session, cookies }
    }

    /// The session.
    pub fn session(&self) -> &Arc<VerifiedSession> {
        &self.session
    }

    /// Whether WorkOS is known to have refused to refresh the session, so that it ends with its token.
    pub fn is_refresh_refused(&self) -> bool {
        let ResponseCookies { refresher, token, .. } = &self.cookies;
        token.is_some_and(|token| refresher.is_refused(token))
    }

    /// The `Set-Cookie` values for the response head that leaves now; usually none.
    ///
    /// Call it at the last moment: a slow response could otherwise set a cookie that is older than the browser's.
    pub fn set_cookie_headers(&self) -> Vec<HeaderValue> {
        self.cookies.to_send()
    }
}

/// A request that is answered without the inner service.
#[derive(Clone, Debug)]
pub struct Refusal {
    reason: Reason,
    organization: Option<Box<str>>,
    retry_after: Duration,
    /// `None` for a request whose cookies were not read.
    cookies: Option<ResponseCookies>,
}

/// What a browser does with a response (`Sec-Fetch-Dest`), as far as it matters for cookies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "either it is one or not")]
pub enum FetchDestination {
    /// It shows the response to a `GET` as a page.
    Document,
    /// Anything else, or the client is not a browser.
    Other,
}

impl Refusal {
    pub(crate) fn new(reason: Reason, cookies: ResponseCookies) -> Self {
        Self { cookies: Some(cookies), ..Self::without_cookies(reason) }
    }

    /// The refusal of a request whose cookies were not read, so that none are set or deleted.
    pub(crate) fn without_cookies(reason: Reason) -> Self {
        let retry_after = Duration::from_secs(reason.retry_after());
        Self { reason, organization: None, retry_after, cookies: None }
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

    /// What the refusal means to the client.
    pub fn kind(&self) -> RefusalKind {
        self.reason.kind()
    }

    /// The reason of the refusal.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The organization that the user has to sign in to, if WorkOS asked for that.
    pub fn organization(&self) -> Option<&str> {
        self.organization.as_deref()
    }

    /// How long the client should wait if the refusal is not a challenge: whole seconds, at least 1.
    pub fn retry_after(&self) -> Duration {
        self.retry_after
    }

    /// The `Set-Cookie` values for a response that leaves now.
    pub fn set_cookie_headers(&self, destination: FetchDestination) -> Vec<HeaderValue> {
        let Some(cookies) = &self.cookies else { return Vec::new() };
        match (self.reason.cookie_fate(), destination) {
            (CookieFate::DeletedByDocument, FetchDestination::Document) => cookies.to_delete(),
            (CookieFate::DeletedByDocument, FetchDestination::Other) | (CookieFate::Kept, _) => {
                cookies.to_send()
            }
        }
    }
}

/// What is needed to choose the cookies of a response head when it leaves.
#[derive(Clone)]
pub(crate) struct ResponseCookies {
    pub(crate) refresher: Arc<ArcShard<Refresher>>,
    /// The refresh token of the request: its successor, if obtained before the head leaves, belongs to the browser.
    pub(crate) token: Option<TokenHash>,
    pub(crate) received: ReceivedCookies,
}

impl ResponseCookies {
    /// The newest cookie of the request's lineage, unless the browser has it.
    fn to_send(&self) -> Vec<HeaderValue> {
        self.token
            .map(|token| self.refresher.cookies_to_send(token, self.received))
            .unwrap_or_default()
    }

    /// The deletion of the session cookie, in all its parts.
    fn to_delete(&self) -> Vec<HeaderValue> {
        self.refresher.cookies_to_delete(self.received)
    }
}

impl fmt::Debug for ResponseCookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseCookies")
            .field("token", &self.token)
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}

/// The longest wait that a client is told.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_in_whole_seconds_and_not_too_short() {
        let refusal = Refusal::without_cookies(Reason::Upstream);
        let least = refusal.retry_after();
        let s = Duration::from_secs;
        let cases = [
            (None, least),
            (Some(Duration::ZERO), least),
            (Some(least), least),
            (Some(s(9)), s(9)),
            (Some(s(9) + Duration::from_nanos(1)), s(10)),
            (Some(s(120)), s(120)),
            (Some(s(1_000_000)), s(120)),
        ];
        for (wait, expected) in cases {
            let told = refusal.clone().retry_after_at_least(wait).retry_after();
            assert_eq!(told, expected, "{wait:?}");
        }
    }
}
