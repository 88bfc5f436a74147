//! Finds the session in a request's `Cookie` fields, whole or in parts, without copying it.

use std::borrow::Cow;

use http::{HeaderMap, header};
use memchr::memchr;

/// What a request brought under the session cookie's name.
#[derive(Debug, Default)]
pub(crate) struct SessionCookies<'h> {
    whole: [&'h [u8]; MAX_CANDIDATES],
    wholes: usize,
    parts: [&'h [u8]; MAX_PARTS],
    /// How many parts make one value; 0 where there is none, or one is missing.
    joined: usize,
    /// Which cookies the browser holds, so that those not needed any more are deleted with the next write.
    pub(crate) received: ReceivedCookies,
}

/// A value as it may be a sealed session: unquoted, in the pieces that it came in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CookieValue<'a>(&'a [&'a [u8]]);

impl<'a> CookieValue<'a> {
    #[cfg(test)]
    pub(crate) fn of(pieces: &'a [&'a [u8]]) -> Self {
        Self(pieces)
    }

    pub(crate) fn pieces(self) -> &'a [&'a [u8]] {
        self.0
    }

    pub(crate) fn len(self) -> usize {
        self.0.iter().map(|piece| piece.len()).sum()
    }

    /// The value in one piece.
    pub(crate) fn whole(self) -> Cow<'a, [u8]> {
        match self.0 {
            [whole] => Cow::Borrowed(whole),
            pieces => Cow::Owned(pieces.concat()),
        }
    }
}

impl<'h> SessionCookies<'h> {
    /// How many [`values`](Self::values) there are.
    pub(crate) fn count(&self) -> usize {
        (self.wholes + usize::from(self.joined > 0)).min(MAX_CANDIDATES)
    }

    /// At most [`MAX_CANDIDATES`].
    pub(crate) fn values(&self) -> impl Iterator<Item = CookieValue<'_>> {
        (0..MAX_CANDIDATES).map_while(|n| match n.checked_sub(self.wholes) {
            None => Some(CookieValue(&self.whole[n..=n])),
            Some(0) if self.joined > 0 => Some(CookieValue(&self.parts[..self.joined])),
            Some(_) => None,
        })
    }

    fn add(&mut self, piece: Piece, value: &'h [u8]) {
        match piece {
            Piece::Whole if self.wholes < MAX_CANDIDATES => {
                self.whole[self.wholes] = value;
                self.wholes += 1;
            }
            // Browsers send the cookie of the longest path first.
            Piece::Part(n) if !self.received.part(n) => self.parts[n] = value,
            Piece::Whole | Piece::Part(_) => {}
        }
        self.received.add(piece);
    }

    /// Counts the parts that make one value together, as the first one says; takes the count off it.
    fn join(&mut self) {
        let first = self.parts[0];
        let Some(dot) = memchr(b'.', first) else { return };
        let count = str::from_utf8(&first[..dot]).ok().and_then(|count| count.parse().ok());
        let Some(count) = count.filter(|count| (1..=MAX_PARTS).contains(count)) else { return };
        if (0..count).all(|n| self.received.part(n)) {
            self.parts[0] = &first[dot + 1..];
            self.joined = count;
        }
    }
}

/// The cookies of the session that a browser sent: the whole one, and parts by number.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct ReceivedCookies(u16);

impl ReceivedCookies {
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

#[derive(Clone, Copy, Eq, PartialEq)]
enum Piece {
    Whole,
    Part(usize),
}

/// Collects the session's cookies from every `Cookie` field (RFC 9113 section 8.2.3 splits it).
///
/// More than [`MAX_BYTES`] in all is looked at no further: the browser's sessions are never as large.
pub(crate) fn session_cookies<'h>(headers: &'h HeaderMap, name: &str) -> SessionCookies<'h> {
    session_cookies_where_known(headers, name, |_| None)
}

/// The same. `known` may know how long the first value is, which is given with all that follows it in the field; then the
/// value's end, a semicolon or the field's, is not looked for.
pub(crate) fn session_cookies_where_known<'h>(
    headers: &'h HeaderMap,
    name: &str,
    known: impl FnOnce(&'h [u8]) -> Option<usize>,
) -> SessionCookies<'h> {
    let mut known = Some(known);
    let mut found = SessionCookies::default();
    let mut left = MAX_BYTES;
    for field in headers.get_all(header::COOKIE) {
        let mut rest = field.as_bytes();
        while !rest.is_empty() {
            let Some((piece, value)) = session_piece(rest, name.as_bytes()) else {
                rest = after_semicolon(rest);
                continue;
            };
            let known = known.take_if(|_| piece == Piece::Whole).and_then(|known| known(value));
            // The end is not looked for where the value would be too long anyway.
            let find = || memchr(b';', &value[..value.len().min(left + 1)]).unwrap_or(value.len());
            let end = known.unwrap_or_else(find);
            if end > left {
                found.received.add(piece);
                // In place of the values one that is empty: it opens under no password.
                return SessionCookies {
                    wholes: 1,
                    received: found.received,
                    ..SessionCookies::default()
                };
            }
            left -= end;
            found.add(piece, unquoted(value[..end].trim_ascii_end()));
            rest = value.get(end + 1..).unwrap_or_default();
        }
    }
    found.join();
    found
}

fn after_semicolon(field: &[u8]) -> &[u8] {
    memchr(b';', field).map_or(&[], |at| &field[at + 1..])
}

/// Where a cookie that carries `name` starts, with or without a part number: its value, and what follows.
fn session_piece<'h>(field: &'h [u8], name: &[u8]) -> Option<(Piece, &'h [u8])> {
    match field.trim_ascii_start().strip_prefix(name)? {
        [b'=', value @ ..] => Some((Piece::Whole, value)),
        [b'.', digit @ b'0'..=b'9', b'=', value @ ..] => {
            Some((Piece::Part(usize::from(digit - b'0')), value))
        }
        _ => None,
    }
}

fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value)
}

/// How many values are tried at most.
pub(crate) const MAX_CANDIDATES: usize = 4;
/// How many parts a session may be in: their numbers have one digit.
pub(crate) const MAX_PARTS: usize = 10;
/// How many bytes of values are looked at in all: 16 KiB.
const MAX_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn values<'f>(found: &'f SessionCookies<'_>) -> Vec<Cow<'f, [u8]>> {
        found.values().map(CookieValue::whole).collect()
    }

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
            let found = session_cookies(&headers, "wos_session");
            let expected: Vec<_> = expected.iter().map(|value| value.as_bytes()).collect();
            assert_eq!(values(&found), expected, "{name}");
        }
    }

    #[test]
    fn what_the_browser_holds_is_remembered() {
        let mut headers = HeaderMap::new();
        headers.append(
            header::COOKIE,
            HeaderValue::from_static("wos_session=x; wos_session.0=1.a; wos_session.3=b"),
        );
        let received = session_cookies(&headers, "wos_session").received;
        assert!(received.whole());
        assert_eq!([0, 1, 2, 3, 99].map(|n| received.part(n)), [true, false, false, true, false]);
    }

    #[test]
    fn more_than_16_kib_is_not_looked_at() {
        let mut headers = HeaderMap::new();
        for _ in 0..2 {
            let value = format!("wos_session={}", "a".repeat(9_000));
            headers.append(header::COOKIE, HeaderValue::from_str(&value).unwrap());
        }
        assert_eq!(values(&session_cookies(&headers, "wos_session")), [b"".as_slice()]);
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
            let _ = session_cookies(&headers, "wos_session");
        }
    }
}
