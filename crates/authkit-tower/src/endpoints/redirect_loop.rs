//! Detects a browser that is sent to sign in again as soon as it has signed in.
//!
//! A cookie that lives ten seconds after a sign-in counts how often the browser comes back to `/login`. Several requests
//! to `/login` before the next sign-in, as of several tabs, count once. The cookie is sealed: only a browser that signed in
//! here, and was sent back, is told why its session does not count.

use std::time::Duration;

use authkit_session::{Decision, Policy, integration::SignInCause};
use http::{HeaderMap, HeaderValue, header::REFERER};

use super::{SignInFailure, helper_cookie};
use crate::{authkit::AuthKit, client_kind::text, cookie, denial::Caller};

/// The content of the cookie.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct RedirectLoopGuard {
    count: u8,
    last_redirect: LastRedirect,
    /// When the first of these sign-ins ended, in Unix seconds.
    since: u64,
    /// The size of the last session's cookies, in bytes.
    session_size: usize,
}

/// Where the browser was last redirected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum LastRedirect {
    /// To AuthKit, to sign in.
    SignIn,
    /// Back into the service.
    Service,
}

impl LastRedirect {
    fn as_str(self) -> &'static str {
        match self {
            Self::SignIn => "s",
            Self::Service => "b",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::SignIn, Self::Service].into_iter().find(|redirect| redirect.as_str() == text)
    }
}

impl RedirectLoopGuard {
    /// Reads the cookie of a browser that requests `/login`, and counts the request.
    pub(super) fn count_login(authkit: &AuthKit, headers: &HeaderMap) -> Option<Self> {
        let guard = Self::read(authkit, headers)?;
        Some(match guard.last_redirect {
            LastRedirect::Service => {
                Self { count: guard.count + 1, last_redirect: LastRedirect::SignIn, ..guard }
            }
            LastRedirect::SignIn => guard,
        })
    }

    /// The guard for a browser that is sent back into the service. `previous` is its cookie's content before,
    /// `session_size` the size of its new session cookies.
    pub(super) fn back_to_service(
        authkit: &AuthKit,
        previous: Option<Self>,
        session_size: usize,
    ) -> Self {
        let (count, since) = previous
            .map_or((0, authkit.clock().unix()), |previous| (previous.count, previous.since));
        Self { count, last_redirect: LastRedirect::Service, since, session_size }
    }

    /// Whether the session may still be a reason to send the browser back into the service. A user who has just signed
    /// in may follow a link to `/login` once, or have it open in a tab.
    pub(super) fn may_redirect_back(self) -> bool {
        self.count <= CHANCE
    }

    pub(super) fn is_looping(self) -> bool {
        self.count >= MAX_BOUNCES
    }

    /// Finds out why the service does not accept the session of this browser.
    pub(super) fn cause(self, authkit: &AuthKit, caller: Caller<'_>) -> SignInFailure {
        let name = authkit.site().cookie_name();
        let has_session =
            cookie::pairs(caller.headers).any(|(found, _)| cookie::is_session(found, name));
        if !has_session {
            return if self.session_size > ONE_COOKIE {
                SignInFailure::TooLarge
            } else {
                without_cookies(authkit, caller)
            };
        }
        match authkit.authenticator().authenticate(caller.headers, &Policy::default()) {
            Decision::Refuse(refusal) => match refusal.reason().sign_in_cause() {
                SignInCause::UnreadableSession => SignInFailure::UnreadableSession,
                SignInCause::Clock => SignInFailure::Clock,
                SignInCause::Other => SignInFailure::Looping,
            },
            Decision::Wait(_) | Decision::Admit(_) => SignInFailure::Looping,
        }
    }

    pub(super) fn write(self, authkit: &AuthKit) -> Option<HeaderValue> {
        let Self { count, last_redirect, since, session_size } = self;
        let value = format!("{count}.{}.{since}.{session_size}", last_redirect.as_str());
        let name = name(authkit);
        let sealed = helper_cookie::seal(authkit, &name, &value)?;
        authkit.settings().cookies().short_lived(&name, &sealed, LIFETIME)
    }

    /// Reads the cookie. A value that we did not seal is ignored.
    pub(super) fn read(authkit: &AuthKit, headers: &HeaderMap) -> Option<Self> {
        let name = name(authkit);
        let value = cookie::pairs(headers)
            .filter(|(found, _)| *found == name.as_bytes())
            .take(MAX_OPENED)
            .find_map(|(_, sealed)| helper_cookie::open(authkit, &name, sealed))?;
        let mut parts = value.split('.');
        let count = parts.next()?.parse::<u8>().ok()?.min(MAX_BOUNCES);
        let last_redirect = LastRedirect::parse(parts.next()?)?;
        let guard = Self {
            count,
            last_redirect,
            since: parts.next()?.parse().ok()?,
            session_size: parts.next()?.parse().ok()?,
        };
        let age = authkit.clock().unix().checked_sub(guard.since)?;
        (age <= LIFETIME.as_secs()).then_some(guard)
    }
}

/// Deletes the cookie, if the browser has one.
pub(super) fn delete(authkit: &AuthKit, headers: &HeaderMap) -> Option<HeaderValue> {
    let name = name(authkit);
    let is_there = cookie::pairs(headers).any(|(found, _)| found == name.as_bytes());
    is_there.then(|| authkit.settings().cookies().delete_short_lived(&name)).flatten()
}

/// Why a browser sends none of our cookies back.
pub(super) fn without_cookies(authkit: &AuthKit, caller: Caller<'_>) -> SignInFailure {
    let authority = authkit.site().origin().strip_prefix("https://");
    // Anybody can forge these headers, but they only choose the text of a page.
    let says_http = text(caller.headers, "x-forwarded-proto")
        .is_some_and(|scheme| scheme.split(',').next() == Some("http"));
    let came_by_http = |authority: &str| {
        let referer = text(caller.headers, REFERER.as_str()).unwrap_or_default();
        let ours = referer.strip_prefix("http://").and_then(|rest| rest.strip_prefix(authority));
        ours.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if authority.is_some_and(|authority| says_http || came_by_http(authority)) {
        SignInFailure::WrongScheme
    } else {
        SignInFailure::NoCookies
    }
}

fn name(authkit: &AuthKit) -> String {
    helper_cookie::name(authkit, "bounces")
}

/// How long after a sign-in the browser's requests to `/login` are counted.
const LIFETIME: Duration = Duration::from_secs(10);
/// How often a browser may come back to `/login` and still be sent back because it has a session.
const CHANCE: u8 = 1;
/// How often a browser may come back to `/login` before it gets a page instead of a redirect.
const MAX_BOUNCES: u8 = 3;
/// A session of this size or less is in one cookie, which every browser keeps.
const ONE_COOKIE: usize = 4096;
/// The most cookies of this name that are opened for one request.
const MAX_OPENED: usize = 4;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        Clock, Revocation,
        tests::{authkit, request},
    };

    fn guard(count: u8, session_size: usize) -> RedirectLoopGuard {
        RedirectLoopGuard { count, last_redirect: LastRedirect::Service, since: 0, session_size }
    }

    #[tokio::test]
    async fn rd_12_a_session_that_came_back_names_the_cause() {
        let (authkit, workos) = authkit();
        let now = workos.clock().wall();
        let cookie = workos.cookie(&authkit, json!({ "nbf": workos.clock().unix() })).await;
        let behind = Clock::simulated(now - Duration::from_secs(3_600));
        let behind = workos.authkit_of(|config| config.with_clock(behind));
        let headers = crate::tests::headers(&[("cookie", &cookie)]);
        if let Decision::Wait(keys) =
            behind.authenticator().authenticate(&headers, &Policy::default())
        {
            assert!(keys.await.is_err());
        }
        let guard = guard(MAX_BOUNCES, 1_000);
        let cause = |authkit: &AuthKit, cookie: &str| {
            let request = request("GET", "/login", &[("cookie", cookie)]);
            guard.cause(authkit, Caller::of(&request))
        };

        assert_eq!(cause(&authkit, &cookie), SignInFailure::Looping, "the page's own fault");
        assert_eq!(cause(&behind, &cookie), SignInFailure::Clock);
        let garbled = "wos_session=garbled";
        assert_eq!(cause(&authkit, garbled), SignInFailure::UnreadableSession);
        authkit.revoke(Revocation::user("user_1", now)).await.unwrap();
        assert_eq!(cause(&authkit, &cookie), SignInFailure::Looping, "revoked");
    }

    #[test]
    fn whoever_comes_back_once_is_sent_back_and_whoever_comes_three_times_gets_a_page() {
        let counts = [0, 1, 2, 3];
        let is_sent_back = counts.map(|count| guard(count, 0).may_redirect_back());
        assert_eq!(is_sent_back, [true, true, false, false]);
        let is_looping = counts.map(|count| guard(count, 0).is_looping());
        assert_eq!(is_looping, [false, false, false, true]);
    }

    #[test]
    fn of_many_cookies_of_its_name_four_are_opened() {
        let (authkit, _) = authkit();
        let kept = RedirectLoopGuard::back_to_service(&authkit, None, 0);
        let field = kept.write(&authkit).unwrap();
        let own = field.to_str().unwrap().split(';').next().unwrap();
        for (others, is_read) in [(0, true), (3, true), (4, false), (4_500, false)] {
            let others = format!("{}=junk; ", name(&authkit)).repeat(others);
            let headers = crate::tests::headers(&[("cookie", &format!("{others}{own}"))]);
            assert_eq!(RedirectLoopGuard::read(&authkit, &headers).is_some(), is_read, "{others}");
        }
    }

    #[test]
    fn a_session_that_is_lost_was_too_large_if_one_cookie_could_not_hold_it() {
        let (authkit, _) = authkit();
        let request = request("GET", "/login", &[]);
        for (size, expected) in [
            (0, SignInFailure::NoCookies),
            (4_096, SignInFailure::NoCookies),
            (4_097, SignInFailure::TooLarge),
        ] {
            let cause = guard(3, size).cause(&authkit, Caller::of(&request));
            assert_eq!(cause, expected, "{size}");
        }
    }
}
