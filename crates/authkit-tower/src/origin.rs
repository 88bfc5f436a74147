//! Refuses requests that change something and that another site had the browser send.
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
//! origin is the configured one, not that of the `Host` header, which a proxy may rewrite. And WebSocket handshakes
//! are checked although they are `GET`s, because the same-origin policy does not apply to them.

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

/// Applies the rules of this module.
pub(crate) fn check(
    method: &Method,
    headers: &HeaderMap,
    own_origin: &str,
    trusted_origins: &[String],
) -> Result<(), CrossOrigin> {
    let is_safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    if is_safe && !is_websocket(method, headers) {
        return Ok(());
    }
    let value = |name| headers.get(name).map_or(b"".as_slice(), |value| value.as_bytes());
    let origin = value(ORIGIN.as_str());
    // Every opaque origin is written `null`, so it cannot be trusted; an absent one neither.
    if !matches!(origin, b"null" | b"")
        && trusted_origins.iter().any(|trusted| trusted.as_bytes() == origin)
    {
        return Ok(());
    }
    match value("sec-fetch-site") {
        b"same-origin" | b"none" => Ok(()),
        b"" if origin.is_empty() || origin == own_origin.as_bytes() => Ok(()),
        b"" => Err(CrossOrigin::OtherOrigin),
        _ => Err(CrossOrigin::OtherSite),
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
        trusted: &[String],
    ) -> Result<(), CrossOrigin> {
        check(&method.parse().unwrap(), &headers(fields), own, trusted)
    }

    #[test]
    fn only_our_pages_and_trusted_origins_change_things() {
        let own = "https://app.example.com";
        let trusted = ["https://admin.example.com".to_owned(), "null".to_owned(), String::new()];
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
            assert_eq!(run(method, fields, own, &[]), *expected, "{name}");
        }
    }
}
