//! Refuses state-changing requests that another site made the browser send.
//!
//! The first rule that applies decides:
//!
//! 1. `GET`, `HEAD` and `OPTIONS` pass, unless they are a WebSocket handshake.
//! 2. A request whose `Origin` is one of the trusted origins passes.
//! 3. With `Sec-Fetch-Site`, the request passes if that is `same-origin` or `none`, and is refused otherwise.
//! 4. Without `Sec-Fetch-Site`, the request passes if it has no `Origin`, because no browser sent it, or if `Origin` is
//!    the service's own origin.
//! 5. Every other request is refused.
//!
//! These are the rules of `CrossOriginProtection` in Go 1.25 (<https://pkg.go.dev/net/http>), with two changes. Our own
//! origin comes from the configuration (of several origins, the one whose host the request names), not from the `Host`
//! header alone, which a proxy may rewrite. And WebSocket handshakes are checked although they are `GET`s, because the
//! same-origin policy does not apply to them.

use authkit_session::{ConfigError, Setting, integration::origin_problem};
use http::{HeaderMap, Method, header::ORIGIN};

use crate::client_kind::is_websocket;

/// Why a request is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CrossOrigin {
    /// `Sec-Fetch-Site` names another site or origin.
    OtherSite,
    /// There is no `Sec-Fetch-Site`, and `Origin` is not ours.
    OtherOrigin,
}

/// Applies the rules of this module. `is_own` is called only if the service's own origin decides.
pub(crate) fn check(
    method: &Method,
    headers: &HeaderMap,
    is_own: impl FnOnce(&[u8]) -> bool,
    trusted_origins: &[String],
) -> Result<(), CrossOrigin> {
    let is_safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    if is_safe && !is_websocket(method, headers) {
        return Ok(());
    }
    let value = |name| headers.get(name).map_or(b"".as_slice(), |value| value.as_bytes());
    let origin = value(ORIGIN.as_str());
    if trusted_origins.iter().any(|trusted| trusted.as_bytes() == origin) {
        return Ok(());
    }
    match value("sec-fetch-site") {
        b"same-origin" | b"none" => Ok(()),
        b"" if origin.is_empty() || is_own(origin) => Ok(()),
        b"" => Err(CrossOrigin::OtherOrigin),
        _ => Err(CrossOrigin::OtherSite),
    }
}

/// The origins that a layer trusts, each in the spelling of the `Origin` header.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrustedOrigins(Vec<String>);

impl TrustedOrigins {
    /// # Errors
    ///
    /// [`ConfigError`] that names every origin which no browser spells like that.
    pub(crate) fn new(origins: impl IntoIterator<Item = String>) -> Result<Self, ConfigError> {
        let origins: Vec<String> = origins.into_iter().collect();
        let problem = |origin: &String| origin_problem(Setting::TrustedOrigins, origin);
        let problems = origins.iter().filter_map(problem).collect();
        ConfigError::check(problems)?;
        Ok(Self(origins))
    }

    pub(crate) fn list(&self) -> &[String] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{Fields, headers};

    const TRUSTED: Result<(), CrossOrigin> = Ok(());
    const OTHER_SITE: Result<(), CrossOrigin> = Err(CrossOrigin::OtherSite);
    const OTHER_ORIGIN: Result<(), CrossOrigin> = Err(CrossOrigin::OtherOrigin);

    fn run(
        method: &str,
        fields: Fields<'_>,
        own: &str,
        trusted: &TrustedOrigins,
    ) -> Result<(), CrossOrigin> {
        let is_own = |origin: &[u8]| origin == own.as_bytes();
        check(&method.parse().unwrap(), &headers(fields), is_own, trusted.list())
    }

    #[test]
    fn only_our_pages_and_trusted_origins_change_things() {
        let own = "https://app.example.com";
        let trusted = TrustedOrigins::new(["https://admin.example.com".to_owned()]).unwrap();
        let cases: &[(&str, &str, Fields<'_>, Result<(), CrossOrigin>)] = &[
            ("safe, cross-site", "GET", &[("sec-fetch-site", "cross-site")], TRUSTED),
            ("HEAD", "HEAD", &[("sec-fetch-site", "cross-site")], TRUSTED),
            ("OPTIONS", "OPTIONS", &[("origin", "https://evil.example")], TRUSTED),
            ("TRACE is not excused", "TRACE", &[("sec-fetch-site", "cross-site")], OTHER_SITE),
            ("same origin", "POST", &[("sec-fetch-site", "same-origin"), ("origin", own)], TRUSTED),
            ("typed in", "POST", &[("sec-fetch-site", "none")], TRUSTED),
            (
                "cross-site",
                "POST",
                &[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")],
                OTHER_SITE,
            ),
            (
                "same-site",
                "POST",
                &[("sec-fetch-site", "same-site"), ("origin", "https://www.example.com")],
                OTHER_SITE,
            ),
            (
                "own origin does not outweigh cross-site",
                "POST",
                &[("sec-fetch-site", "cross-site"), ("origin", own)],
                OTHER_SITE,
            ),
            ("unknown word", "POST", &[("sec-fetch-site", "Same-Origin")], OTHER_SITE),
            ("no browser", "POST", &[], TRUSTED),
            ("no browser, DELETE", "DELETE", &[], TRUSTED),
            ("old browser, ours", "POST", &[("origin", own)], TRUSTED),
            ("old browser, other", "POST", &[("origin", "https://evil.example")], OTHER_ORIGIN),
            ("prefix of ours", "POST", &[("origin", "https://app.example.com.evil")], OTHER_ORIGIN),
            (
                "user info",
                "POST",
                &[("origin", "https://app.example.com@evil.example")],
                OTHER_ORIGIN,
            ),
            ("other scheme", "POST", &[("origin", "http://app.example.com")], OTHER_ORIGIN),
            ("other port", "POST", &[("origin", "https://app.example.com:8443")], OTHER_ORIGIN),
            ("other case", "POST", &[("origin", "https://APP.example.com")], OTHER_ORIGIN),
            ("opaque", "POST", &[("origin", "null")], OTHER_ORIGIN),
            (
                "opaque, cross-site",
                "POST",
                &[("origin", "null"), ("sec-fetch-site", "cross-site")],
                OTHER_SITE,
            ),
            (
                "Host is not asked",
                "POST",
                &[("origin", "https://evil.example"), ("host", "evil.example")],
                OTHER_ORIGIN,
            ),
            (
                "forwarded host is not asked",
                "POST",
                &[("origin", "https://evil.example"), ("x-forwarded-host", "evil.example")],
                OTHER_ORIGIN,
            ),
            (
                "trusted",
                "POST",
                &[("origin", "https://admin.example.com"), ("sec-fetch-site", "same-site")],
                TRUSTED,
            ),
            ("trusted, old browser", "PUT", &[("origin", "https://admin.example.com")], TRUSTED),
            (
                "trusted, longer",
                "PUT",
                &[("origin", "https://admin.example.com.evil")],
                OTHER_ORIGIN,
            ),
            ("no origin is not trusted", "POST", &[("sec-fetch-site", "cross-site")], OTHER_SITE),
        ];

        for (name, method, fields, expected) in cases {
            assert_eq!(run(method, fields, own, &trusted), *expected, "{name}");
        }
    }

    #[test]
    fn a_websocket_handshake_is_not_excused() {
        let own = "https://app.example.com";
        let cases: &[(&str, &str, Fields<'_>, Result<(), CrossOrigin>)] = &[
            ("ours", "GET", &[("upgrade", "websocket"), ("origin", own)], TRUSTED),
            (
                "other",
                "GET",
                &[("upgrade", "websocket"), ("origin", "https://evil.example")],
                OTHER_ORIGIN,
            ),
            (
                "cross-site",
                "GET",
                &[("upgrade", "websocket"), ("sec-fetch-site", "cross-site")],
                OTHER_SITE,
            ),
            ("HTTP/2", "CONNECT", &[("origin", "https://evil.example")], OTHER_ORIGIN),
            ("no browser", "GET", &[("upgrade", "websocket")], TRUSTED),
        ];

        for (name, method, fields, expected) in cases {
            assert_eq!(run(method, fields, own, &TrustedOrigins::default()), *expected, "{name}");
        }
    }

    #[test]
    fn a_trusted_origin_is_spelt_as_browsers_spell_it_or_refused_with_what_to_write() {
        let cases = [
            ("https://admin.example.com", None),
            ("https://admin.example.com:8443", None),
            ("http://localhost:5173", None),
            ("https://xn--bcher-kva.example", None),
            ("http://[::1]:3000", None),
            ("chrome-extension://abcdefghijklmnop", None),
            ("", Some("has an empty origin: write one such as `https://admin.example.com`")),
            ("null", Some("has `null`, which stands for every opaque origin")),
            ("*", Some("has `*`, which has a wildcard: write each origin")),
            ("https://*.example.com", Some("has `https://*.example.com`, which has a wildcard")),
            ("admin.example.com", Some("has no scheme: write `https://admin.example.com`")),
            ("localhost:5173", Some("has no scheme: write `https://localhost:5173`")),
            ("//admin.example.com", Some("has `//admin.example.com`, which has no scheme")),
            ("https://", Some("has `https://`, which is not a URL")),
            ("https://a b", Some("has `https://a b`, which is not a URL")),
            ("https://a.example/", Some("has a slash at the end: write `https://a.example`")),
            ("https://a.example/x", Some("has a path: write `https://a.example`")),
            ("https://a.example?x", Some("has a query: write `https://a.example`")),
            ("https://a.example#x", Some("has a fragment: write `https://a.example`")),
            (
                "https://u:p@a.example",
                Some("has an origin with a user name or password in it: write `https://a.example`"),
            ),
            (
                "https://A.example",
                Some("is spelt in another way than browsers do: write `https://a.example`"),
            ),
            (
                "https://a.example:443",
                Some("is spelt in another way than browsers do: write `https://a.example`"),
            ),
            ("https://bücher.example", Some("write `https://xn--bcher-kva.example`")),
            (
                " https://a.example",
                Some("is spelt in another way than browsers do: write `https://a.example`"),
            ),
        ];
        for (origin, expected) in cases {
            let found =
                TrustedOrigins::new([origin.to_owned()]).err().map(|error| error.to_string());
            match (found, expected) {
                (None, None) => {}
                (Some(found), Some(expected)) => assert!(found.contains(expected), "{found}"),
                (found, _) => panic!("{origin}: {found:?}"),
            }
        }
        let every = TrustedOrigins::new(["null".to_owned(), "a.example".to_owned()]).unwrap_err();
        let text = every.to_string();
        assert_eq!(every.problems().len(), 2, "{text}");
        assert!(text.contains("`null`") && text.contains("`a.example`"), "{text}");
    }
}
