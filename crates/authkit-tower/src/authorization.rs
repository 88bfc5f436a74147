//! Reads the credential in the `Authorization` field (RFC 6750 section 2.1).

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};

/// The content of a request's `Authorization` fields.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Authorization<'a> {
    Absent,
    /// A bearer credential. A malformed one is the empty string: that never verifies, but the request did mean to
    /// authenticate with it, so its cookies must not be used instead.
    Bearer(&'a str),
    /// A field of another scheme.
    OtherScheme,
    /// Several fields: `invalid_request` by RFC 6750 section 3.1, since programs that read different ones see different
    /// callers.
    Repeated,
}

impl<'a> Authorization<'a> {
    pub(crate) fn of(headers: &'a HeaderMap) -> Self {
        let mut fields = headers.get_all(AUTHORIZATION).iter();
        match (fields.next(), fields.next()) {
            (None, _) => Self::Absent,
            (Some(_), Some(_)) => Self::Repeated,
            (Some(field), None) => bearer(field).map_or(Self::OtherScheme, Self::Bearer),
        }
    }
}

/// The credential in a field of the scheme `Bearer`, in any case (RFC 9110 section 11.1).
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
    use super::{
        Authorization::{Absent, Bearer, OtherScheme, Repeated},
        *,
    };
    use crate::tests::{Fields, headers};

    #[test]
    fn a_credential_is_found_in_one_field_of_its_scheme() {
        let cases: &[(&str, Fields<'_>, Authorization<'_>)] = &[
            ("nothing", &[], Absent),
            ("a token", &[("authorization", "Bearer a.b.c")], Bearer("a.b.c")),
            ("another case", &[("authorization", "bEARER a.b.c")], Bearer("a.b.c")),
            ("more room", &[("authorization", "Bearer   a.b.c ")], Bearer("a.b.c")),
            ("a tab", &[("authorization", "Bearer\ta.b.c")], Bearer("a.b.c")),
            ("no token", &[("authorization", "Bearer")], Bearer("")),
            ("an empty token", &[("authorization", "Bearer ")], Bearer("")),
            ("another scheme", &[("authorization", "Basic YTpi")], OtherScheme),
            ("a longer scheme", &[("authorization", "BearerX a.b.c")], OtherScheme),
            ("a token alone", &[("authorization", "a.b.c")], OtherScheme),
            ("nothing in it", &[("authorization", "")], OtherScheme),
            ("twice", &[("authorization", "Bearer a"), ("authorization", "Bearer a")], Repeated),
            (
                "beside another",
                &[("authorization", "Basic x"), ("authorization", "Bearer a")],
                Repeated,
            ),
            ("two others", &[("authorization", "Basic x"), ("authorization", "Basic y")], Repeated),
            (
                "elsewhere",
                &[("proxy-authorization", "Bearer a"), ("x-authorization", "Bearer a")],
                Absent,
            ),
        ];

        for (name, fields, expected) in cases {
            assert_eq!(Authorization::of(&headers(fields)), *expected, "{name}");
        }
        let mut odd = HeaderMap::new();
        odd.insert(AUTHORIZATION, HeaderValue::from_bytes(b"Bearer \xff").unwrap());
        assert_eq!(Authorization::of(&odd), Bearer(""), "bytes that are no text");
    }
}
