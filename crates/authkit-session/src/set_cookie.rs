//! Writes cookies. Every attribute of every cookie comes from [`CookieRules::cookie`].

use std::time::Duration;

use cookie::{Cookie, Expiration};
use http::HeaderValue;

use crate::{
    config::{CookieLifetime, CookiePrefix, SameSite},
    jar::{MAX_PARTS, Seen},
    jwt::Unverified,
};

/// How the cookies of a service are written: `Path=/; HttpOnly; SameSite=Lax`, `Secure` where the service is on https.
#[derive(Debug)]
pub struct CookieRules {
    name: Box<str>,
    domain: Option<Box<str>>,
    lifetime: CookieLifetime,
    same_site: cookie::SameSite,
    secure: bool,
}

/// Which hosts a cookie goes to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Scope {
    /// This host alone.
    Host,
    /// As the session cookie is configured.
    Session,
}

/// A session that no browser would keep: larger than [`MAX_TOTAL`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct TooLarge;

impl CookieRules {
    pub(crate) fn new(
        name: &str,
        domain: Option<&str>,
        lifetime: CookieLifetime,
        same_site: SameSite,
        prefix: CookiePrefix,
        secure: bool,
    ) -> Self {
        Self {
            name: match prefix {
                CookiePrefix::Plain => name.into(),
                CookiePrefix::Host => format!("__Host-{name}").into(),
            },
            domain: domain.map(|domain| domain.trim_start_matches('.').into()),
            lifetime,
            same_site: match same_site {
                SameSite::Lax => cookie::SameSite::Lax,
                SameSite::None => cookie::SameSite::None,
            },
            secure,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether cookies are written for https only, so that `__Host-` names work.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// A cookie of this host alone that ends after `age`, such as the one of a sign-in under way.
    ///
    /// `None` where name or value have bytes that a header cannot carry.
    pub fn short_lived(&self, name: &str, value: &str, age: Duration) -> Option<HeaderValue> {
        self.cookie(name, value, CookieLifetime::MaxAge(age), Scope::Host)
    }

    /// Deletes a cookie that [`short_lived`](Self::short_lived) wrote.
    pub fn delete_short_lived(&self, name: &str) -> Option<HeaderValue> {
        self.cookie(name, "", GONE, Scope::Host)
    }

    /// The session cookie, in parts where one is too large, and the deletion of those that it replaces.
    pub(crate) fn session(
        &self,
        sealed: &str,
        lifetime: SessionLifetime,
        seen: Seen,
    ) -> Result<Vec<HeaderValue>, TooLarge> {
        let lifetime = match lifetime {
            SessionLifetime::Configured => self.lifetime,
            SessionLifetime::Browser => CookieLifetime::Browser,
        };
        let write = |name: &str, value: &str| {
            self.cookie(name, value, lifetime, Scope::Session).ok_or(TooLarge)
        };
        if self.fits_one(sealed) {
            let mut cookies = vec![write(&self.name, sealed)?];
            cookies.extend(
                (0..MAX_PARTS).filter(|n| seen.part(*n)).filter_map(|n| self.delete(&self.part(n))),
            );
            return Ok(cookies);
        }
        if sealed.len() > MAX_TOTAL {
            return Err(TooLarge);
        }
        let count = sealed.len().div_ceil(MAX_PART);
        let mut cookies = Vec::with_capacity(count);
        for (n, part) in sealed.as_bytes().chunks(MAX_PART).enumerate() {
            let part = std::str::from_utf8(part).map_err(|_| TooLarge)?;
            let part = if n == 0 { format!("{count}.{part}") } else { part.to_owned() };
            cookies.push(write(&self.part(n), &part)?);
        }
        cookies.extend(
            (count..MAX_PARTS).filter(|n| seen.part(*n)).filter_map(|n| self.delete(&self.part(n))),
        );
        cookies.extend(seen.whole().then(|| self.delete(&self.name)).flatten());
        Ok(cookies)
    }

    /// Whether a browser keeps this value in one cookie.
    pub(crate) fn fits_one(&self, sealed: &str) -> bool {
        self.name.len() + sealed.len() <= MAX_COOKIE
    }

    /// Deletes the session cookie and the parts that the browser holds.
    pub(crate) fn delete_session(&self, seen: Seen) -> Vec<HeaderValue> {
        let parts = (0..MAX_PARTS).filter(|n| seen.part(*n)).map(|n| self.part(n));
        let names = parts.chain(seen.whole().then(|| self.name.to_string()));
        names.filter_map(|name| self.delete(&name)).collect()
    }

    /// Deletes the same cookies where they were set for this host alone, beside a configured `Domain`.
    ///
    /// Browsers keep both and send both; sign-in and sign-out leave one or none.
    pub(crate) fn delete_other_scope(&self, seen: Seen) -> Vec<HeaderValue> {
        if self.domain.is_none() {
            return Vec::new();
        }
        let parts = (0..MAX_PARTS).filter(|n| seen.part(*n)).map(|n| self.part(n));
        let names = parts.chain(seen.whole().then(|| self.name.to_string()));
        names.filter_map(|name| self.cookie(&name, "", GONE, Scope::Host)).collect()
    }

    fn delete(&self, name: &str) -> Option<HeaderValue> {
        self.cookie(name, "", GONE, Scope::Session)
    }

    fn part(&self, n: usize) -> String {
        format!("{}.{n}", self.name)
    }

    /// The one place where attributes are written; a deletion repeats them (RFC 6265bis section 5.7).
    fn cookie(
        &self,
        name: &str,
        value: &str,
        lifetime: CookieLifetime,
        scope: Scope,
    ) -> Option<HeaderValue> {
        let mut cookie = Cookie::build((name, value)).path("/").http_only(true).secure(self.secure);
        cookie = match lifetime {
            CookieLifetime::MaxAge(age) => cookie.max_age(age.try_into().ok()?),
            CookieLifetime::Browser => cookie.expires(Expiration::Session),
        };
        cookie = match scope {
            Scope::Session => cookie.same_site(self.same_site),
            Scope::Host => cookie.same_site(cookie::SameSite::Lax),
        };
        if let (Scope::Session, Some(domain)) = (scope, &self.domain) {
            cookie = cookie.domain(domain.as_ref());
        }
        HeaderValue::from_str(&cookie.build().to_string()).ok()
    }
}

/// How long the browser keeps a session's cookie.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SessionLifetime {
    /// As configured.
    Configured,
    /// Until it closes: an impersonated session.
    Browser,
}

impl SessionLifetime {
    pub(crate) fn of(token: &Unverified) -> Self {
        if token.act.is_some() { Self::Browser } else { Self::Configured }
    }
}

/// A `Max-Age` of zero deletes.
const GONE: CookieLifetime = CookieLifetime::MaxAge(Duration::ZERO);
/// Browsers drop a cookie whose name and value are longer (RFC 6265bis section 5.6).
const MAX_COOKIE: usize = 4096;
/// The longest part's value, with room for its name, its count and a proxy's limits.
const MAX_PART: usize = 3_790;
/// The longest session in all: nginx reads 8 KiB in one header line, and other cookies want room.
const MAX_TOTAL: usize = 7 * 1024;
