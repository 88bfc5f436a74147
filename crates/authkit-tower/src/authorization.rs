//! Reads the bearer token in the `Authorization` field (RFC 6750 section 2.1).

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};

/// The bearer token of a request; `None` if the request has none.
///
/// A malformed token, or one of several `Authorization` fields, is returned as the empty string. That never verifies, but
/// the request did mean to authenticate with a token, so its cookies must not be used instead.
pub(crate) fn token(headers: &HeaderMap) -> Option<&str> {
    let fields = headers.get_all(AUTHORIZATION);
    let token = fields.iter().find_map(bearer)?;
    Some(if fields.iter().count() == 1 { token } else { "" })
}

/// The token in a field of the scheme `Bearer`, in any case (RFC 9110 section 11.1).
fn bearer(field: &HeaderValue) -> Option<&str> {
    let field = field.as_bytes();
    let scheme = field.split(|byte| matches!(byte, b' ' | b'\t')).next().unwrap_or_default();
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return None;
    }
    let token = std::str::from_utf8(field[scheme.len()..].trim_ascii()).unwrap_or_default();
    Some(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{Fields, headers};

    #[test]
    fn a_token_is_found_in_one_field_of_its_scheme() {
        let cases: &[(&str, Fields<'_>, Option<&str>)] = &[
            ("nothing", &[], None),
            ("a token", &[("authorization", "Bearer a.b.c")], Some("a.b.c")),
            ("another case", &[("authorization", "bEARER a.b.c")], Some("a.b.c")),
            ("more room", &[("authorization", "Bearer   a.b.c ")], Some("a.b.c")),
            ("a tab", &[("authorization", "Bearer\ta.b.c")], Some("a.b.c")),
            ("no token", &[("authorization", "Bearer")], Some("")),
            ("an empty token", &[("authorization", "Bearer ")], Some("")),
            ("another scheme", &[("authorization", "Basic YTpi")], None),
            ("a longer scheme", &[("authorization", "BearerX a.b.c")], None),
            ("a token alone", &[("authorization", "a.b.c")], None),
            ("twice", &[("authorization", "Bearer a"), ("authorization", "Bearer a")], Some("")),
            (
                "beside another",
                &[("authorization", "Basic x"), ("authorization", "Bearer a")],
                Some(""),
            ),
            ("two others", &[("authorization", "Basic x"), ("authorization", "Basic y")], None),
            (
                "elsewhere",
                &[("proxy-authorization", "Bearer a"), ("x-authorization", "Bearer a")],
                None,
            ),
        ];

        for (name, fields, expected) in cases {
            assert_eq!(token(&headers(fields)), *expected, "{name}");
        }
        let mut odd = HeaderMap::new();
        odd.insert(AUTHORIZATION, HeaderValue::from_bytes(b"Bearer \xff").unwrap());
        assert_eq!(token(&odd), Some(""), "bytes that are no text");
    }
}
