//! Reads cookies by name, as bytes: a `Cookie` field need not be text.

use std::iter;

use http::{HeaderMap, HeaderValue, header::COOKIE};

/// The cookies of all `Cookie` fields, as pairs of name and value (RFC 9113 section 8.2.3 lets HTTP/2 split the field).
pub(crate) fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    headers
        .get_all(COOKIE)
        .into_iter()
        .flat_map(|field| field.as_bytes().split(|byte| *byte == b';'))
        .map(split)
}

/// A copy of a request's `Cookie` fields. Usually there is one.
pub(crate) struct CookieFields {
    first: Option<HeaderValue>,
    others: Vec<HeaderValue>,
}

impl CookieFields {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut fields = headers.get_all(COOKIE).into_iter();
        let first = fields.next().cloned();
        let others = match fields.next() {
            None => Vec::new(),
            Some(second) => iter::once(second).chain(fields).cloned().collect(),
        };
        Self { first, others }
    }

    pub(crate) fn to_headers(&self) -> HeaderMap {
        self.first.iter().chain(&self.others).map(|field| (COOKIE, field.clone())).collect()
    }
}

/// Whether `name` is the session cookie's name, or that of a part (`session.0`, `session.1`, …) of a large session.
pub(crate) fn is_session(name: &[u8], session: &str) -> bool {
    match name.strip_prefix(session.as_bytes()) {
        Some([]) => true,
        Some([b'.', part @ ..]) => !part.is_empty() && part.iter().all(u8::is_ascii_digit),
        Some(_) | None => false,
    }
}

/// The name in a `Set-Cookie` field.
pub(crate) fn set_name(field: &HeaderValue) -> &[u8] {
    split(field.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default()).0
}

fn split(pair: &[u8]) -> (&[u8], &[u8]) {
    match pair.iter().position(|byte| *byte == b'=') {
        Some(at) => (pair[..at].trim_ascii(), pair[at + 1..].trim_ascii()),
        None => (b"", pair.trim_ascii()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_found_in_every_field() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static(" a=1 ;; b = 2;c; =d"));
        headers.append(COOKIE, HeaderValue::from_bytes(b"\xffe=\xff; a=3=4").unwrap());

        let found: Vec<_> = pairs(&headers).collect();
        let expected: [(&[u8], &[u8]); 7] = [
            (b"a", b"1"),
            (b"", b""),
            (b"b", b"2"),
            (b"", b"c"),
            (b"", b"d"),
            (b"\xffe", b"\xff"),
            (b"a", b"3=4"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_session_is_known_by_its_name() {
        for (name, expected) in [
            ("wos_session", true),
            ("wos_session.0", true),
            ("wos_session.12", true),
            ("wos_session.", false),
            ("wos_session.a", false),
            ("wos_session2", false),
            ("wos_sessio", false),
            ("WOS_SESSION", false),
            ("", false),
        ] {
            assert_eq!(is_session(name.as_bytes(), "wos_session"), expected, "{name}");
        }
        assert_eq!(
            set_name(&HeaderValue::from_static(" wos_session =x=y; Path=/")),
            b"wos_session"
        );
        assert_eq!(set_name(&HeaderValue::from_static("nothing; Path=/")), b"");
    }
}
