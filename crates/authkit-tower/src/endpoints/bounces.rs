//! Stops a browser that is sent to sign in again as soon as it has signed in.
//!
//! A cookie of ten seconds counts: each time that `/login` is asked for after a sign-in that worked. Several sign-ins
//! at once, as of tabs, count once.

use std::time::Duration;

use authkit_session::{Decision, Policy, Reason};
use http::{HeaderMap, HeaderValue, header::REFERER};

use super::SignInFailure;
use crate::{authkit::AuthKit, client::text, cookie, denial::Caller};

/// What the cookie says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Bounces {
    count: u8,
    place: Place,
    /// Unix seconds.
    since: u64,
    /// How large the cookies of the last session were, in bytes.
    size: usize,
}

/// Where the browser was sent last.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    SignIn,
    Back,
}

impl Bounces {
    /// What is known of a browser that asks for `/login`, counted.
    pub(super) fn count(authkit: &AuthKit, headers: &HeaderMap) -> Option<Self> {
        let bounces = Self::read(authkit, headers)?;
        Some(match bounces.place {
            Place::Back => Self { count: bounces.count + 1, place: Place::SignIn, ..bounces },
            Place::SignIn => bounces,
        })
    }

    /// The browser goes back to where it was, with a session of this size; `known` is what was known of it before.
    pub(super) fn back(authkit: &AuthKit, known: Option<Self>, size: usize) -> Self {
        let (count, since) =
            known.map_or((0, authkit.clock().unix()), |known| (known.count, known.since));
        Self { count, place: Place::Back, since, size }
    }

    /// Whether nothing is wrong yet: who has just signed in may follow a link to `/login`, or have it open in a tab.
    pub(super) fn may_be_chance(self) -> bool {
        self.count <= CHANCE
    }

    pub(super) fn is_too_many(self) -> bool {
        self.count >= MAX_BOUNCES
    }

    /// Why the browser is not signed in, as far as can be told.
    pub(super) fn cause(self, authkit: &AuthKit, caller: Caller<'_>) -> SignInFailure {
        let name = &authkit.site().cookie_name;
        let brings = |(found, _): (&[u8], &[u8])| cookie::is_session(found, name);
        if !cookie::pairs(caller.headers).any(brings) {
            return if self.size > ONE_COOKIE {
                SignInFailure::TooLarge
            } else {
                without_cookies(authkit, caller)
            };
        }
        match authkit.authenticator().authenticate(caller.headers, &Policy::default()) {
            Decision::Refuse(refusal) => match refusal.reason() {
                Reason::UnreadableCookie | Reason::NotASession => SignInFailure::UnreadableSession,
                Reason::Clock | Reason::Expired => SignInFailure::Clock,
                _ => SignInFailure::Looping,
            },
            Decision::Wait(_) | Decision::Admit(_) => SignInFailure::Looping,
        }
    }

    pub(super) fn write(self, authkit: &AuthKit) -> Option<HeaderValue> {
        let place = match self.place {
            Place::SignIn => "s",
            Place::Back => "b",
        };
        let value = format!("{}.{place}.{}.{}", self.count, self.since, self.size);
        authkit.settings().cookies().short_lived(name(authkit), &value, LIFETIME)
    }

    /// It is not sealed: a browser that lies in it stops itself.
    pub(super) fn read(authkit: &AuthKit, headers: &HeaderMap) -> Option<Self> {
        let (_, value) =
            cookie::pairs(headers).find(|(found, _)| *found == name(authkit).as_bytes())?;
        let mut parts = std::str::from_utf8(value).ok()?.split('.');
        let count = parts.next()?.parse::<u8>().ok()?.min(MAX_BOUNCES);
        let place = match parts.next()? {
            "s" => Place::SignIn,
            "b" => Place::Back,
            _ => return None,
        };
        let bounces = Self {
            count,
            place,
            since: parts.next()?.parse().ok()?,
            size: parts.next()?.parse().ok()?,
        };
        let age = authkit.clock().unix().checked_sub(bounces.since)?;
        (age <= LIFETIME.as_secs()).then_some(bounces)
    }
}

/// Deletes the cookie, if the browser has one.
pub(super) fn delete(authkit: &AuthKit, headers: &HeaderMap) -> Option<HeaderValue> {
    let name = name(authkit);
    let is_there = cookie::pairs(headers).any(|(found, _)| found == name.as_bytes());
    is_there.then(|| authkit.settings().cookies().delete_short_lived(name)).flatten()
}

/// Why a browser brings none of our cookies back.
pub(super) fn without_cookies(authkit: &AuthKit, caller: Caller<'_>) -> SignInFailure {
    let authority = authkit.site().origin.strip_prefix("https://");
    // Anybody can write these, and all that changes is which words they read.
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

fn name(authkit: &AuthKit) -> &'static str {
    if authkit.settings().cookies().is_secure() { "__Host-wos_bounces" } else { "wos_bounces" }
}

/// How long is remembered that a sign-in worked.
const LIFETIME: Duration = Duration::from_secs(10);
/// How often a browser may come back to `/login` before its session is no reason any more to send it back.
const CHANCE: u8 = 1;
/// How often a browser may be sent to sign in as soon as it has.
const MAX_BOUNCES: u8 = 3;
/// A session of this size or less is in one cookie, which browsers keep.
const ONE_COOKIE: usize = 4096;
