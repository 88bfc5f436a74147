//! Finds the session in a request's `Cookie` fields, whole or in parts.

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue, header};

/// What a request brought under the session cookie's name.
#[derive(Debug, Default)]
pub(crate) struct Found<'h> {
    /// The values, as they may be sealed sessions: unquoted and joined. At most [`MAX_CANDIDATES`].
    pub(crate) candidates: Vec<Cow<'h, [u8]>>,
    /// Which cookies the browser holds, so that those not needed any more are deleted with the next write.
    pub(crate) seen: Seen,
}

/// The cookies of the session that a browser sent: the whole one, and parts by number.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Seen(u16);

impl Seen {
    const WHOLE: u16 = 1 << 15;

    pub(crate) fn whole(self) -> bool {
        self.0 & Self::WHOLE != 0
    }

    pub(crate) fn part(self, n: usize) -> bool {
        n < MAX_PARTS && self.0 & (1 << n) != 0
    }

    fn add(&mut self, piece: Piece) {
        self.0 |= match piece {
            Piece::Whole => Self::WHOLE,
            Piece::Part(n) => 1 << n,
        };
    }
}

#[derive(Clone, Copy)]
enum Piece {
    Whole,
    Part(usize),
}

/// Collects the session's cookies from every `Cookie` field (RFC 9113 section 8.2.3 splits it).
///
/// More than [`MAX_BYTES`] in all is looked at no further: the browser's sessions are never as large.
pub(crate) fn find<'h>(headers: &'h HeaderMap, name: &str) -> Found<'h> {
    let mut found = Found::default();
    let mut parts: [Option<&'h [u8]>; MAX_PARTS] = [None; MAX_PARTS];
    let mut bytes = 0;
    for (piece, value) in
        headers.get_all(header::COOKIE).iter().flat_map(|field| pieces(field, name.as_bytes()))
    {
        found.seen.add(piece);
        bytes += value.len();
        if bytes > MAX_BYTES {
            return Found { candidates: vec![Cow::Borrowed(TOO_LARGE)], seen: found.seen };
        }
        match piece {
            Piece::Whole if found.candidates.len() < MAX_CANDIDATES => {
                found.candidates.push(Cow::Borrowed(unquoted(value)))
            }
            Piece::Whole => {}
            // Browsers send the cookie of the longest path first.
            Piece::Part(n) => parts[n] = parts[n].or(Some(unquoted(value))),
        }
    }
    if found.candidates.len() < MAX_CANDIDATES {
        found.candidates.extend(joined(&parts));
    }
    found
}

/// The cookies of one field that carry `name`, with or without a part number.
fn pieces<'h>(field: &'h HeaderValue, name: &[u8]) -> impl Iterator<Item = (Piece, &'h [u8])> {
    field.as_bytes().split(|byte| *byte == b';').filter_map(move |pair| {
        let rest = pair.trim_ascii().strip_prefix(name)?;
        match rest.split_first()? {
            (b'=', value) => Some((Piece::Whole, value)),
            (b'.', rest) => {
                let at = rest.iter().position(|byte| *byte == b'=')?;
                let n: usize = std::str::from_utf8(&rest[..at]).ok()?.parse().ok()?;
                (n < MAX_PARTS && (at == 1 || rest[0] != b'0'))
                    .then_some((Piece::Part(n), &rest[at + 1..]))
            }
            _ => None,
        }
    })
}

/// The value that parts make together: the first one says how many there are. Missing parts make none.
fn joined<'h>(parts: &[Option<&'h [u8]>; MAX_PARTS]) -> Option<Cow<'h, [u8]>> {
    let first = parts[0]?;
    let dot = first.iter().position(|byte| *byte == b'.')?;
    let count: usize = std::str::from_utf8(&first[..dot]).ok()?.parse().ok()?;
    let mut whole = first[dot + 1..].to_vec();
    for part in parts.get(1..count)? {
        whole.extend_from_slice((*part)?);
    }
    Some(Cow::Owned(whole))
}

fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value)
}

/// How many values are tried at most.
pub(crate) const MAX_CANDIDATES: usize = 4;
/// How many parts a session may be in.
pub(crate) const MAX_PARTS: usize = 10;
/// How many bytes of values are looked at in all: 16 KiB.
const MAX_BYTES: usize = 16 * 1024;
/// What stands for values that are not looked at: opens under no password.
const TOO_LARGE: &[u8] = b"";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_the_cookie_is_found() {
        let cases: [(&str, &[&str], &[&str]); 12] = [
            ("one", &["wos_session=abc"], &["abc"]),
            ("among others", &["a=b; wos_session=abc; c=d"], &["abc"]),
            ("second field (HTTP/2)", &["a=b", "c=d; wos_session=abc"], &["abc"]),
            ("odd spaces", &["  a=b ;   wos_session=abc  ;c=d"], &["abc"]),
            ("quoted", &["wos_session=\"abc\""], &["abc"]),
            ("escapes are the sealing's", &["wos_session=a%2Bb+%zz"], &["a%2Bb+%zz"]),
            ("twice, both in order", &["wos_session=old; wos_session=new"], &["old", "new"]),
            (
                "at most four",
                &["wos_session=1; wos_session=2; wos_session=3; wos_session=4; wos_session=5"],
                &["1", "2", "3", "4"],
            ),
            ("other names", &["wos_sessionx=1; xwos_session=2; wos-session=3; =v;; ;"], &[]),
            ("parts in any order", &["wos_session.1=def; wos_session.0=2.abc"], &["abcdef"]),
            ("a part is missing", &["wos_session.0=3.abc; wos_session.2=ghi"], &[]),
            (
                "a surplus part is ignored",
                &["wos_session.0=1.abc; wos_session.1=old; wos_session.01=x"],
                &["abc"],
            ),
        ];
        for (name, fields, expected) in cases {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append(header::COOKIE, HeaderValue::from_str(field).unwrap());
            }
            let found = find(&headers, "wos_session");
            let expected: Vec<_> =
                expected.iter().map(|value| Cow::Borrowed(value.as_bytes())).collect();
            assert_eq!(found.candidates, expected, "{name}");
        }
    }

    #[test]
    fn what_the_browser_holds_is_remembered() {
        let mut headers = HeaderMap::new();
        headers.append(
            header::COOKIE,
            HeaderValue::from_static("wos_session=x; wos_session.0=1.a; wos_session.3=b"),
        );
        let seen = find(&headers, "wos_session").seen;
        assert!(seen.whole());
        assert_eq!([0, 1, 2, 3, 99].map(|n| seen.part(n)), [true, false, false, true, false]);
    }

    #[test]
    fn more_than_16_kib_is_not_looked_at() {
        let mut headers = HeaderMap::new();
        for _ in 0..2 {
            let value = format!("wos_session={}", "a".repeat(9_000));
            headers.append(header::COOKIE, HeaderValue::from_str(&value).unwrap());
        }
        let found = find(&headers, "wos_session");
        assert_eq!(found.candidates, [Cow::Borrowed(b"")]);
    }

    #[test]
    fn no_bytes_make_it_panic() {
        for bytes in [
            &b"\x80\xff=\xfe; wos_session=\xff%\xff"[..],
            b"wos_session.=1",
            b"wos_session.0=.",
            b"wos_session.0=99.a",
        ] {
            let mut headers = HeaderMap::new();
            headers.append(header::COOKIE, HeaderValue::from_bytes(bytes).unwrap());
            let _ = find(&headers, "wos_session");
        }
    }
}
