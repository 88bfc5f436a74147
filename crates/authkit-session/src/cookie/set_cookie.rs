//! Writes cookies. Every attribute of every cookie comes from [`CookieRules::cookie`].

use std::{fmt::Write, time::Duration};

use http::HeaderValue;

use crate::{
    cookie::received::{MAX_PARTS, ReceivedCookies},
    token::jwt::Unverified,
};

/// How the cookies of a service are written: `Path=/` (or the base path), `HttpOnly`, `SameSite=Lax`, and `Secure` where
/// the service is on https.
#[derive(Debug)]
pub struct CookieRules {
    name: Box<str>,
    domain: Option<Box<str>>,
    lifetime: CookieLifetime,
    same_site: SameSite,
    secure: bool,
    path: Box<str>,
}

/// Which hosts a cookie goes to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Scope {
    /// This host alone, and all its paths, as `__Host-` names require.
    Helper,
    /// The paths of the session cookie, on this host alone.
    Host,
    /// The configured scope of the session cookie.
    Session,
}

/// The session is larger than [`MAX_TOTAL`], so no browser would keep it.
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
        base_path: &str,
    ) -> Self {
        Self {
            path: if base_path.is_empty() { "/".into() } else { base_path.into() },
            name: match prefix {
                CookiePrefix::Plain => name.into(),
                CookiePrefix::Host => format!("__Host-{name}").into(),
            },
            domain: domain.map(|domain| domain.trim_start_matches('.').into()),
            lifetime,
            same_site,
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

    /// A cookie of this host alone that expires after `age`, such as the one of a sign-in under way.
    ///
    /// `None` where name or value have bytes that no cookie can carry.
    pub fn short_lived(&self, name: &str, value: &str, age: Duration) -> Option<HeaderValue> {
        self.cookie(name, value, CookieLifetime::MaxAge(age), Scope::Helper)
    }

    /// Deletes a cookie that [`short_lived`](Self::short_lived) wrote.
    pub fn delete_short_lived(&self, name: &str) -> Option<HeaderValue> {
        self.cookie(name, "", GONE, Scope::Helper)
    }

    /// The session cookie, in parts if it is too large for one, and the deletion of the cookies that it replaces.
    pub(crate) fn session(
        &self,
        sealed: &str,
        lifetime: SessionLifetime,
        received: ReceivedCookies,
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
                (0..MAX_PARTS)
                    .filter(|n| received.part(*n))
                    .filter_map(|n| self.delete(&self.part(n))),
            );
            return Ok(cookies);
        }
        if !self.fits(sealed) {
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
            (count..MAX_PARTS)
                .filter(|n| received.part(*n))
                .filter_map(|n| self.delete(&self.part(n))),
        );
        cookies.extend(received.whole().then(|| self.delete(&self.name)).flatten());
        Ok(cookies)
    }

    /// Whether browsers keep this value, in parts if necessary.
    pub(crate) fn fits(&self, sealed: &str) -> bool {
        sealed.len() <= MAX_TOTAL
    }

    /// Whether browsers keep this value in one cookie.
    pub(crate) fn fits_one(&self, sealed: &str) -> bool {
        self.name.len() + sealed.len() <= MAX_COOKIE
    }

    /// Deletes the session cookie and the parts that the browser holds.
    pub(crate) fn delete_session(&self, received: ReceivedCookies) -> Vec<HeaderValue> {
        let parts = (0..MAX_PARTS).filter(|n| received.part(*n)).map(|n| self.part(n));
        let names = parts.chain(received.whole().then(|| self.name.to_string()));
        names.filter_map(|name| self.delete(&name)).collect()
    }

    /// Deletes the same cookies as they were set for this host alone, if a `Domain` is configured.
    ///
    /// Browsers keep and send both; after a sign-in one remains, after a sign-out none.
    pub(crate) fn delete_other_scope(&self, received: ReceivedCookies) -> Vec<HeaderValue> {
        if self.domain.is_none() {
            return Vec::new();
        }
        let parts = (0..MAX_PARTS).filter(|n| received.part(*n)).map(|n| self.part(n));
        let names = parts.chain(received.whole().then(|| self.name.to_string()));
        names.filter_map(|name| self.cookie(&name, "", GONE, Scope::Host)).collect()
    }

    /// Deletes a cookie of another name, in both scopes if there are two.
    pub(crate) fn delete_named(&self, name: &str) -> impl Iterator<Item = HeaderValue> {
        let for_host = self.domain.is_some().then(|| self.cookie(name, "", GONE, Scope::Host));
        self.delete(name).into_iter().chain(for_host.flatten())
    }

    fn delete(&self, name: &str) -> Option<HeaderValue> {
        self.cookie(name, "", GONE, Scope::Session)
    }

    fn part(&self, n: usize) -> String {
        format!("{}.{n}", self.name)
    }

    /// The one place where attributes are written; a deletion repeats them (RFC 6265bis section 5.7). `None` where name or
    /// value are none of a cookie, so that neither can end early and bring attributes of its own.
    fn cookie(
        &self,
        name: &str,
        value: &str,
        lifetime: CookieLifetime,
        scope: Scope,
    ) -> Option<HeaderValue> {
        if !is_name(name) || !value.bytes().all(is_value_byte) {
            return None;
        }
        let path = match scope {
            Scope::Helper => "/",
            Scope::Host | Scope::Session => &self.path,
        };
        let same_site = match (self.same_site, scope) {
            // A sign-in in a frame comes back in the frame and needs these cookies there.
            (SameSite::Partitioned, _) => "None; Partitioned",
            (SameSite::None, Scope::Session) => "None",
            (SameSite::None, Scope::Helper | Scope::Host) | (SameSite::Lax, _) => "Lax",
        };
        let secure = if self.secure { "; Secure" } else { "" };
        let mut field =
            format!("{name}={value}; HttpOnly; SameSite={same_site}{secure}; Path={path}");
        if let (Scope::Session, Some(domain)) = (scope, &self.domain) {
            write!(field, "; Domain={domain}").ok()?;
        }
        if let CookieLifetime::MaxAge(age) = lifetime {
            write!(field, "; Max-Age={}", age.as_secs()).ok()?;
        }
        let mut field = HeaderValue::try_from(field).ok()?;
        // Hides the value in `Debug` output, and keeps it out of the tables of HPACK and QPACK (RFC 7541 section
        // 7.1.3).
        field.set_sensitive(true);
        Some(field)
    }
}

/// Whether it is a token (RFC 9110 section 5.6.2).
fn is_name(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_token)
}

/// Whether a cookie's value may have it: `cookie-octet` of RFC 6265 section 4.1.1.
fn is_value_byte(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e)
}

/// With which requests of other sites the browser sends the session cookie.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SameSite {
    /// With links from other sites, but not with their forms, frames or scripts.
    Lax,
    /// With every request. Needs https.
    None,
    /// With every request, in frames of other sites too, and one session for each site that embeds the service
    /// (`SameSite=None; Partitioned`, <https://developer.mozilla.org/docs/Web/Privacy/Guides/Privacy_sandbox/Partitioned_cookies>).
    /// Needs https.
    ///
    /// For an application that others embed in a frame: browsers that block third-party cookies keep these. The cookies
    /// of a sign-in under way have the same attributes.
    Partitioned,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CookieLifetime {
    MaxAge(Duration),
    Browser,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CookiePrefix {
    Plain,
    Host,
}

/// How long the browser keeps a session's cookie.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SessionLifetime {
    /// As configured.
    Configured,
    /// Until the browser closes: an impersonated session.
    Browser,
}

impl SessionLifetime {
    pub(crate) fn of(token: &Unverified) -> Self {
        if token.act.is_some() { Self::Browser } else { Self::Configured }
    }
}

/// 400 days: RFC 6265bis section 5.5.
pub(crate) const MAX_COOKIE_AGE: Duration = Duration::from_secs(400 * 24 * 60 * 60);
/// A `Max-Age` of zero deletes.
const GONE: CookieLifetime = CookieLifetime::MaxAge(Duration::ZERO);
/// Browsers drop a cookie whose name and value are longer (RFC 6265bis section 5.6).
const MAX_COOKIE: usize = 4096;
/// The longest value of a part; leaves room for the name, the count and a proxy's limits.
const MAX_PART: usize = 3_790;
/// The longest session in all: nginx reads 8 KiB in one header line, and other cookies want room.
const MAX_TOTAL: usize = 7 * 1024;

#[cfg(test)]
mod tests {
    use http::{HeaderMap, header};

    use super::*;
    use crate::cookie::received;

    fn rules(domain: Option<&str>, prefix: CookiePrefix, secure: bool) -> CookieRules {
        CookieRules::new(
            "wos_session",
            domain,
            CookieLifetime::MaxAge(Duration::from_secs(34_560_000)),
            SameSite::Lax,
            prefix,
            secure,
            "",
        )
    }

    fn plain() -> CookieRules {
        rules(None, CookiePrefix::Plain, true)
    }

    fn text(cookies: &[HeaderValue]) -> Vec<&str> {
        cookies.iter().map(|cookie| cookie.to_str().unwrap()).collect()
    }

    /// What a browser that keeps cookies by name sends after these.
    fn sent_back(jar: &mut Vec<(String, String)>, cookies: &[HeaderValue]) -> HeaderMap {
        for cookie in text(cookies) {
            let (pair, attributes) = cookie.split_once("; ").unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            assert!(
                pair.len() - 1 <= 4096,
                "browsers drop a name and value of {} bytes",
                pair.len() - 1
            );
            jar.retain(|(known, _)| known != name);
            if !attributes.contains("Max-Age=0") {
                jar.push((name.to_owned(), value.to_owned()));
            }
        }
        let field = jar
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join("; ");
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_str(&field).unwrap());
        headers
    }

    #[test]
    fn every_attribute_is_written_and_repeated_by_the_deletion() {
        let cases = [
            (
                "https",
                plain(),
                "wos_session=v; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=34560000",
            ),
            (
                "http",
                rules(None, CookiePrefix::Plain, false),
                "wos_session=v; HttpOnly; SameSite=Lax; Path=/; Max-Age=34560000",
            ),
            (
                "a domain",
                rules(Some(".example.com"), CookiePrefix::Plain, true),
                "wos_session=v; HttpOnly; SameSite=Lax; Secure; Path=/; Domain=example.com; Max-Age=34560000",
            ),
            (
                "a prefix",
                rules(None, CookiePrefix::Host, true),
                "__Host-wos_session=v; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=34560000",
            ),
        ];
        let embedded = [(
            "in a frame, below a path",
            CookieRules {
                same_site: SameSite::Partitioned,
                path: "/app".into(),
                ..rules(None, CookiePrefix::Plain, true)
            },
            "wos_session=v; HttpOnly; SameSite=None; Partitioned; Secure; Path=/app; Max-Age=34560000",
        )];
        let mut headers = HeaderMap::new();
        for (name, rules, expected) in cases.into_iter().chain(embedded) {
            let written = rules
                .session("v", SessionLifetime::Configured, ReceivedCookies::default())
                .unwrap();
            assert_eq!(text(&written), [expected], "{name}");
            assert_eq!(rules.is_secure(), expected.contains("Secure"), "{name}");

            headers.insert(
                header::COOKIE,
                HeaderValue::from_str(&format!("{}=v", rules.name())).unwrap(),
            );
            let deleted =
                rules.delete_session(received::session_cookies(&headers, rules.name()).received);
            let deletion = expected.replace("=v;", "=;").replace("Max-Age=34560000", "Max-Age=0");
            assert_eq!(text(&deleted), [deletion], "{name}, deleted");
            assert!(written.iter().chain(&deleted).all(HeaderValue::is_sensitive), "{name}");
        }
    }

    /// `__Host-` names want the whole host, and a frame's sign-in comes back in the frame.
    #[test]
    fn helper_cookies_are_for_the_whole_host_and_for_frames_where_the_session_is() {
        let age = Duration::from_secs(600);
        for (same_site, expected) in [
            (SameSite::Lax, "SameSite=Lax; Secure"),
            (SameSite::None, "SameSite=Lax; Secure"),
            (SameSite::Partitioned, "SameSite=None; Partitioned; Secure"),
        ] {
            let rules = CookieRules { same_site, path: "/app".into(), ..plain() };
            let written = [
                rules.short_lived("__Host-x", "v", age).unwrap(),
                rules.delete_short_lived("__Host-x").unwrap(),
            ];
            let expected = [
                format!("__Host-x=v; HttpOnly; {expected}; Path=/; Max-Age=600"),
                format!("__Host-x=; HttpOnly; {expected}; Path=/; Max-Age=0"),
            ];
            assert_eq!(text(&written), expected, "{same_site:?}");
        }
    }

    #[test]
    fn no_name_or_value_brings_attributes_of_its_own() {
        let age = Duration::from_secs(600);
        let cases = [
            ("x", "v", true),
            ("__Host-x.1", "", true),
            ("x", "a.b-c_d~e%2F+/=", true),
            ("x", "v; Domain=evil.example", false),
            ("x", "a,b", false),
            ("x", "a b", false),
            ("x", "\"v\"", false),
            ("x", "a\\b", false),
            ("x", "a\r\nSet-Cookie: y=1", false),
            ("x", "\u{e9}", false),
            ("x", "\u{7f}", false),
            ("x=y", "v", false),
            ("x;", "v", false),
            ("x y", "v", false),
            ("", "v", false),
        ];
        for (name, value, is_written) in cases {
            let written = plain().short_lived(name, value, age);
            assert_eq!(written.is_some(), is_written, "{name:?} {value:?}");
        }
    }

    #[test]
    fn an_impersonated_session_ends_with_the_browser() {
        let written =
            plain().session("v", SessionLifetime::Browser, ReceivedCookies::default()).unwrap();
        assert_eq!(text(&written), ["wos_session=v; HttpOnly; SameSite=Lax; Secure; Path=/"]);
    }

    #[test]
    fn a_session_is_split_joined_shrunk_and_grown() {
        let rules = plain();
        let mut jar = Vec::new();
        let mut received = ReceivedCookies::default();
        for len in [1_000, 6_000, 4_086, 7_000, 100, 5_000, 4_085] {
            let sealed: String = ('a'..='z').cycle().take(len).collect();
            let cookies = rules.session(&sealed, SessionLifetime::Configured, received).unwrap();
            let headers = sent_back(&mut jar, &cookies);
            let found = received::session_cookies(&headers, rules.name());
            let values: Vec<_> = found.values().map(|value| value.whole()).collect();
            assert_eq!(values, [sealed.as_bytes()], "{len} bytes");
            received = found.received;
        }
        assert_eq!(jar.len(), 1, "no part is left over");
    }

    #[test]
    fn a_session_that_no_browser_would_keep_is_an_error() {
        assert_eq!(
            plain().session(
                &"a".repeat(20_000),
                SessionLifetime::Configured,
                ReceivedCookies::default()
            ),
            Err(TooLarge)
        );
    }

    #[test]
    fn the_other_scope_is_deleted_beside_a_domain_only() {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_static("wos_session=a; wos_session.1=b"));
        let received = received::session_cookies(&headers, "wos_session").received;
        assert!(plain().delete_other_scope(received).is_empty());
        let rules = rules(Some("example.com"), CookiePrefix::Plain, true);
        assert_eq!(
            text(&rules.delete_other_scope(received)),
            [
                "wos_session.1=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0",
                "wos_session=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0",
            ]
        );
    }
}
