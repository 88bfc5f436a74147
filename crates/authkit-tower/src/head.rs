//! Writes cookies and cache headers onto the head of a response as it leaves.

use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, ETAG, Entry, LAST_MODIFIED, SET_COOKIE, VARY},
};

use crate::{cookie, denial::DenialLog, site::Site};

/// Which caches may store a response on which the layer sets no cookie.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Caching {
    /// The response is for one user: no shared cache and no browser, unless the service's own headers allow it.
    Private,
    /// The response is for one user: that user's browser, which has to ask before each use, unless the service's own headers
    /// say otherwise.
    Revalidated,
    /// The response is for a request without a session: any, for requests with the same cookies.
    ByCookie,
    /// As the service's own headers say, even if it sets none.
    AsTheServiceSays,
}

/// [`Caching::Revalidated`], if a browser that has stored the response can ask whether it is still the same.
///
/// A `304` often has no validator of its own; its headers replace those of the stored response.
pub(crate) fn revalidated<B>(response: &Response<B>) -> Caching {
    let headers = response.headers();
    let has_validator = headers.contains_key(ETAG) || headers.contains_key(LAST_MODIFIED);
    if has_validator || response.status() == StatusCode::NOT_MODIFIED {
        Caching::Revalidated
    } else {
        Caching::Private
    }
}

/// The request headers that the response depends on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Varies {
    ByCookie,
    ByCookieAndAuthorization,
}

impl Varies {
    /// `Vary` of a response that depends on nothing else.
    fn alone(self) -> HeaderValue {
        match self {
            Self::ByCookie => BY_COOKIE,
            Self::ByCookieAndAuthorization => HeaderValue::from_static("Cookie, Authorization"),
        }
    }
}

/// Adds our cookies, unless the service has set or deleted the session cookie itself, and the cache headers.
///
/// No cache may store a response that sets a session cookie, whatever the service's headers say: `Set-Cookie` alone does
/// not prevent it (RFC 9111 section 7.3).
pub(crate) fn write(
    headers: &mut HeaderMap,
    cookies: Vec<HeaderValue>,
    site: &Site,
    caching: Caching,
    varies: Varies,
) {
    let own = ServiceFields::of(headers);
    if !own.cookies && cookies.is_empty() {
        return write_caching(headers, &own, caching, varies);
    }
    match add_cookies(headers, cookies, site.cookie_name()) {
        SessionCookie::Set => make_private(headers, varies),
        SessionCookie::NotSet => write_caching(headers, &own, caching, varies),
    }
    warn_if_large(headers, site.denial_log());
}

/// The service's own header fields that matter here.
///
/// Found in one pass: there are few fields, and iterating is quicker than hashing names.
#[derive(Default)]
struct ServiceFields {
    cookies: bool,
    caching: bool,
    varies: bool,
}

impl ServiceFields {
    fn of(headers: &HeaderMap) -> Self {
        let mut own = Self::default();
        for name in headers.keys() {
            own.cookies |= name == SET_COOKIE;
            own.caching |=
                overrides(name) || name == CACHE_CONTROL && has_storage_directive(headers);
            own.varies |= name == VARY;
        }
        own
    }
}

/// Whether a `Cache-Control` has a directive about storing. With an empty field or other directives alone, such as
/// `no-transform`, a shared cache decides as without a field (RFC 9111 section 4.2.2).
fn has_storage_directive(headers: &HeaderMap) -> bool {
    const DIRECTIVES: [&str; 6] =
        ["no-store", "no-cache", "private", "public", "max-age", "s-maxage"];

    let fields = headers.get_all(CACHE_CONTROL).into_iter();
    fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b',')).any(|directive| {
        let name = directive.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
        DIRECTIVES.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
    })
}

/// Whether a response sets or deletes the session cookie.
enum SessionCookie {
    Set,
    NotSet,
}

/// Adds `cookies`, unless the service has set or deleted the session cookie itself.
fn add_cookies(
    headers: &mut HeaderMap,
    cookies: Vec<HeaderValue>,
    session_name: &str,
) -> SessionCookie {
    let is_session =
        |field: &HeaderValue| cookie::is_session(cookie::set_name(field), session_name);
    if headers.get_all(SET_COOKIE).iter().any(is_session) {
        return SessionCookie::Set;
    }
    let session =
        if cookies.iter().any(is_session) { SessionCookie::Set } else { SessionCookie::NotSet };
    for cookie in cookies {
        headers.append(SET_COOKIE, cookie);
    }
    session
}

/// Lets no cache store the response, whatever the service's headers say.
fn make_private(headers: &mut HeaderMap, varies: Varies) {
    let overriding: Vec<_> = headers.keys().filter(|name| overrides(name)).cloned().collect();
    for name in overriding {
        headers.remove(name);
    }
    headers.insert(CACHE_CONTROL, PRIVATE);
    vary(headers, varies);
}

/// Adds the cache headers of the policy, unless the service has set its own.
fn write_caching(headers: &mut HeaderMap, own: &ServiceFields, caching: Caching, varies: Varies) {
    let default = match caching {
        Caching::Private => Some(PRIVATE),
        Caching::Revalidated => Some(REVALIDATED),
        Caching::ByCookie => None,
        Caching::AsTheServiceSays => return,
    };
    if let Some(default) = default.filter(|_| !own.caching) {
        // In addition to directives of the service that are not about storing.
        headers.append(CACHE_CONTROL, default);
    }
    if own.varies {
        vary(headers, varies);
    } else {
        headers.insert(VARY, varies.alone());
    }
}

/// Warns about a head that sets cookies and is larger than nginx accepts by default.
pub(crate) fn warn_if_large(headers: &HeaderMap, log: &DenialLog) {
    if headers.contains_key(SET_COOKIE) {
        let bytes = size(headers);
        if bytes > SMALL {
            log.head_is_large(bytes);
        }
    }
}

/// Makes the browser drop the pages of this site that it loaded in advance while the user was signed in.
pub(crate) fn clear_site_data(headers: &mut HeaderMap) {
    headers
        .entry(HeaderName::from_static("clear-site-data"))
        .or_insert(HeaderValue::from_static(r#""prefetchCache", "prerenderCache""#));
}

/// The approximate size of an HTTP/1.1 head with these fields, in bytes.
fn size(headers: &HeaderMap) -> usize {
    const STATUS_LINE: usize = "HTTP/1.1 200 OK\r\n\r\n".len();
    let field = |(name, value): (&HeaderName, &HeaderValue)| {
        name.as_str().len() + ": ".len() + value.len() + "\r\n".len()
    };
    STATUS_LINE + headers.iter().map(field).sum::<usize>()
}

/// The largest head that nginx accepts from a service by default (`proxy_buffer_size`, a page of memory).
const SMALL: usize = 4096;

/// Adds the headers that the response depends on to `Vary`.
pub(crate) fn vary(headers: &mut HeaderMap, varies: Varies) {
    vary_by(headers, BY_COOKIE);
    match varies {
        Varies::ByCookie => {}
        Varies::ByCookieAndAuthorization => vary_by(headers, BY_AUTHORIZATION),
    }
}

/// Adds `name` to `Vary`, unless it is there; `Vary` becomes one field.
fn vary_by(headers: &mut HeaderMap, name: HeaderValue) {
    let varies = |field: &HeaderValue| {
        let members = field.to_str().unwrap_or_default().split(',').map(str::trim);
        members
            .into_iter()
            .any(|member| member == "*" || name.as_bytes().eq_ignore_ascii_case(member.as_bytes()))
    };
    let mut existing = match headers.entry(VARY) {
        Entry::Vacant(none) => {
            none.insert(name);
            return;
        }
        Entry::Occupied(existing) => existing,
    };
    if existing.iter().any(varies) {
        return;
    }
    let members: Vec<_> = existing.iter().chain([&name]).map(HeaderValue::as_bytes).collect();
    if let Ok(field) = HeaderValue::from_bytes(&members.join(b", ".as_slice())) {
        existing.insert(field);
    }
}

const BY_COOKIE: HeaderValue = HeaderValue::from_static("Cookie");
const BY_AUTHORIZATION: HeaderValue = HeaderValue::from_static("Authorization");
const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-store");
const REVALIDATED: HeaderValue = HeaderValue::from_static("private, no-cache");

/// Whether some caches obey this header before, or instead of, `Cache-Control`: `Expires` (RFC 9111), targeted headers
/// (RFC 9213: `CDN-Cache-Control`, `Vercel-CDN-Cache-Control`), and those of nginx and other products.
fn overrides(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.ends_with("-cache-control")
        || matches!(name, "expires" | "edge-control" | "surrogate-control" | "x-accel-expires")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{Fields, authkit, headers};

    const OURS: &str = "wos_session=new; Path=/";

    fn written(
        fields: Fields<'_>,
        cookies: &[&'static str],
        caching: Caching,
        varies: Varies,
    ) -> Vec<(String, String)> {
        let mut headers = headers(fields);
        let cookies = cookies.iter().map(|one| HeaderValue::from_static(one)).collect();
        write(&mut headers, cookies, authkit().0.site(), caching, varies);
        let mut fields: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        fields.sort();
        fields
    }

    /// E15 of docs/cases.md.
    #[test]
    fn e15_only_what_has_a_validator_can_be_revalidated() {
        let cases: &[(&str, u16, Fields<'_>, Caching)] = &[
            ("ETag", 200, &[("etag", "\"1\"")], Caching::Revalidated),
            (
                "Last-Modified",
                200,
                &[("last-modified", "Fri, 27 Nov 2026 12:00:00 GMT")],
                Caching::Revalidated,
            ),
            ("a 304 without either", 304, &[], Caching::Revalidated),
            ("neither", 200, &[("content-type", "text/html")], Caching::Private),
            ("an error page", 404, &[], Caching::Private),
        ];
        for (name, status, fields, expected) in cases {
            let status = StatusCode::from_u16(*status).unwrap();
            let mut response = Response::new(());
            *response.status_mut() = status;
            *response.headers_mut() = headers(fields);
            assert_eq!(revalidated(&response), *expected, "{name}");
        }
    }

    #[test]
    fn one_session_cookie_leaves_and_no_cache_keeps_it() {
        use Caching::*;

        let private = ("cache-control", "private, no-store");
        let cases: &[(&str, Fields<'_>, &[&'static str], Caching, Fields<'_>)] = &[
            ("nothing said", &[], &[], Private, &[private, ("vary", "Cookie")]),
            ("nobody, nothing said", &[], &[], ByCookie, &[("vary", "Cookie")]),
            (
                "nobody, a cookie",
                &[],
                &[OURS],
                ByCookie,
                &[private, ("set-cookie", OURS), ("vary", "Cookie")],
            ),
            ("nothing said, sharing", &[], &[], AsTheServiceSays, &[]),
            (
                "revalidated",
                &[("etag", "1")],
                &[],
                Revalidated,
                &[("cache-control", "private, no-cache"), ("etag", "1"), ("vary", "Cookie")],
            ),
            (
                "revalidated, the service caches",
                &[("cache-control", "max-age=60")],
                &[],
                Revalidated,
                &[("cache-control", "max-age=60"), ("vary", "Cookie")],
            ),
            (
                "revalidated, a cookie wins",
                &[],
                &[OURS],
                Revalidated,
                &[private, ("set-cookie", OURS), ("vary", "Cookie")],
            ),
            (
                "the service caches",
                &[("cache-control", "public, max-age=60")],
                &[],
                Private,
                &[("cache-control", "public, max-age=60"), ("vary", "Cookie")],
            ),
            (
                "the service says nothing of caches",
                &[("cache-control", "")],
                &[],
                Private,
                &[("cache-control", ""), private, ("vary", "Cookie")],
            ),
            (
                "the service says something else of caches",
                &[("cache-control", "no-transform, must-revalidate")],
                &[],
                Private,
                &[("cache-control", "no-transform, must-revalidate"), private, ("vary", "Cookie")],
            ),
            (
                "the service says something else, and a validator is there",
                &[("cache-control", "no-transform"), ("etag", "1")],
                &[],
                Revalidated,
                &[
                    ("cache-control", "no-transform"),
                    ("cache-control", "private, no-cache"),
                    ("etag", "1"),
                    ("vary", "Cookie"),
                ],
            ),
            (
                "the service caches, in capitals and with room",
                &[("cache-control", "no-transform , Max-Age = 60")],
                &[],
                Private,
                &[("cache-control", "no-transform , Max-Age = 60"), ("vary", "Cookie")],
            ),
            (
                "nobody, something else",
                &[("cache-control", "no-transform")],
                &[],
                ByCookie,
                &[("cache-control", "no-transform"), ("vary", "Cookie")],
            ),
            (
                "the service caches at the edge",
                &[("cdn-cache-control", "max-age=60")],
                &[],
                Private,
                &[("cdn-cache-control", "max-age=60"), ("vary", "Cookie")],
            ),
            (
                "a cookie wins",
                &[
                    ("cache-control", "s-maxage=31536000"),
                    ("expires", "Thu, 01 Jan 2099 00:00:00 GMT"),
                ],
                &[OURS],
                Private,
                &[private, ("set-cookie", OURS), ("vary", "Cookie")],
            ),
            (
                "a cookie wins over one vendor's cache",
                &[
                    ("vercel-cdn-cache-control", "max-age=60"),
                    ("cloudflare-cdn-cache-control", "max-age=60"),
                    ("edge-control", "max-age=60"),
                    ("x-cache-control-of-mine", "kept"),
                ],
                &[OURS],
                Private,
                &[
                    private,
                    ("set-cookie", OURS),
                    ("vary", "Cookie"),
                    ("x-cache-control-of-mine", "kept"),
                ],
            ),
            (
                "a cookie wins over sharing",
                &[("x-accel-expires", "60"), ("surrogate-control", "max-age=9")],
                &[OURS],
                AsTheServiceSays,
                &[private, ("set-cookie", OURS), ("vary", "Cookie")],
            ),
            (
                "the service sets the session",
                &[("set-cookie", "wos_session=its; Path=/")],
                &[OURS],
                Private,
                &[private, ("set-cookie", "wos_session=its; Path=/"), ("vary", "Cookie")],
            ),
            (
                "the service clears a part",
                &[("set-cookie", "wos_session.0=; Max-Age=0")],
                &[OURS],
                Private,
                &[private, ("set-cookie", "wos_session.0=; Max-Age=0"), ("vary", "Cookie")],
            ),
            (
                "the service alone sets the session",
                &[("set-cookie", "wos_session=its"), ("cache-control", "max-age=1")],
                &[],
                Private,
                &[private, ("set-cookie", "wos_session=its"), ("vary", "Cookie")],
            ),
            (
                "the service alone sets the session, sharing",
                &[("set-cookie", "wos_session=its")],
                &[],
                AsTheServiceSays,
                &[private, ("set-cookie", "wos_session=its"), ("vary", "Cookie")],
            ),
            (
                "another cookie of the service",
                &[("set-cookie", "theme=dark"), ("cache-control", "max-age=1")],
                &[OURS],
                Private,
                &[private, ("set-cookie", "theme=dark"), ("set-cookie", OURS), ("vary", "Cookie")],
            ),
            (
                "another cookie alone",
                &[("set-cookie", "theme=dark"), ("cache-control", "max-age=1")],
                &[],
                Private,
                &[("cache-control", "max-age=1"), ("set-cookie", "theme=dark"), ("vary", "Cookie")],
            ),
            (
                "varies already",
                &[("vary", "Accept, cookie")],
                &[],
                Private,
                &[private, ("vary", "Accept, cookie")],
            ),
            ("varies by all", &[("vary", "*")], &[], Private, &[private, ("vary", "*")]),
            (
                "varies by more",
                &[("vary", "Origin"), ("vary", "Accept")],
                &[],
                Private,
                &[private, ("vary", "Origin, Accept, Cookie")],
            ),
        ];

        for (name, fields, cookies, caching, expected) in cases {
            let expected: Vec<_> = expected
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect();
            let written = written(fields, cookies, *caching, Varies::ByCookie);
            assert_eq!(written, expected, "{name}");
        }
    }

    #[test]
    fn a_layer_that_reads_credentials_says_that_it_does() {
        let cases: &[(&str, Fields<'_>, &[&'static str], &[&str])] = &[
            ("nothing said", &[], &[], &["Cookie, Authorization"]),
            ("a cookie is set", &[], &[OURS], &["Cookie, Authorization"]),
            ("varies already", &[("vary", "authorization")], &[], &["authorization, Cookie"]),
            ("varies by all", &[("vary", "*")], &[], &["*"]),
            (
                "varies by more",
                &[("vary", "Origin"), ("vary", "Accept")],
                &[],
                &["Origin, Accept, Cookie, Authorization"],
            ),
        ];
        for (name, fields, cookies, expected) in cases {
            let varies = Varies::ByCookieAndAuthorization;
            let written = written(fields, cookies, Caching::Private, varies);
            let varies = written.iter().filter(|(name, _)| name == "vary");
            let varies: Vec<_> = varies.map(|(_, value)| value).collect();
            assert_eq!(varies, *expected, "{name}");
        }
    }
}
