//! Finds the session in a request's `Cookie` fields, whole or in parts, without copying it.

use std::{borrow::Cow, slice};

use http::{HeaderMap, header};
use memchr::memchr;

/// The cookies of a request under the session cookie's name.
#[derive(Debug, Default)]
pub(crate) struct SessionCookies<'h> {
    wholes: [&'h [u8]; MAX_CANDIDATES],
    /// How many of those there are.
    count: usize,
    /// What parts make, which only few sessions come in: the first ones of their number, then the last ones.
    joined: Vec<ValueParts<'h>>,
    /// Which cookies the browser holds, so that those not needed any more are deleted with the next write.
    pub(crate) received: ReceivedCookies,
}

/// Parts of one value, one of each number.
#[derive(Clone, Debug, Default)]
struct ValueParts<'h> {
    all: [&'h [u8]; MAX_PARTS],
    /// How many of them make the value; 0 until that is known.
    count: usize,
}

/// A possible sealed session: unquoted, in the pieces that it came in.
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
        (self.count + self.joined.len()).min(MAX_CANDIDATES)
    }

    /// The one of this number, which is below [`MAX_CANDIDATES`].
    #[inline]
    pub(crate) fn value(&self, n: usize) -> Option<CookieValue<'_>> {
        match self.wholes[..self.count].get(n) {
            Some(whole) => Some(CookieValue(slice::from_ref(whole))),
            None => {
                self.joined.get(n - self.count).map(|parts| CookieValue(&parts.all[..parts.count]))
            }
        }
    }

    /// At most [`MAX_CANDIDATES`].
    pub(crate) fn values(&self) -> impl Iterator<Item = CookieValue<'_>> {
        (0..MAX_CANDIDATES).map_while(|n| self.value(n))
    }

    /// Collects the session's cookies from every `Cookie` field (RFC 9113 section 8.2.3 splits it). `known` may know how
    /// long the first value is, which is given with all that follows it in the field; then the value's end, a semicolon or
    /// the field's, is not looked for.
    ///
    /// More than [`MAX_BYTES`] in all is looked at no further: the browser's sessions are never as large.
    #[inline]
    pub(crate) fn collect(
        &mut self,
        headers: &'h HeaderMap,
        name: &str,
        known: impl FnOnce(&'h [u8]) -> Option<usize>,
    ) {
        let mut known = Some(known);
        let mut left = MAX_BYTES;
        for field in headers.get_all(header::COOKIE) {
            let mut rest = field.as_bytes();
            while !rest.is_empty() {
                let Some((piece, value)) = session_piece(rest, name.as_bytes()) else {
                    rest = after_semicolon(rest);
                    continue;
                };
                let known = known.take_if(|_| piece == Piece::Whole).and_then(|it| it(value));
                // The end is not looked for where the value would be too long anyway.
                let find =
                    || memchr(b';', &value[..value.len().min(left + 1)]).unwrap_or(value.len());
                let end = known.unwrap_or_else(find);
                if end > left {
                    // In place of the values one that is empty: it opens under no password.
                    self.wholes[0] = &[];
                    self.count = 1;
                    self.joined.clear();
                    self.received.add(piece);
                    return;
                }
                left -= end;
                // One that is known is spelt as it was when it was opened.
                let text = &value[..end];
                let text = if known.is_some() { text } else { unquoted(text.trim_ascii_end()) };
                match piece {
                    Piece::Whole => self.add_whole(text),
                    Piece::Part(n) => self.add_part(n, text),
                }
                self.received.add(piece);
                rest = value.get(end + 1..).unwrap_or_default();
            }
        }
        self.joined.retain_mut(|parts| parts.join(self.received));
    }

    fn add_whole(&mut self, value: &'h [u8]) {
        if self.count < MAX_CANDIDATES {
            self.wholes[self.count] = value;
            self.count += 1;
        }
    }

    /// Browsers send the cookies of the longest path first, and those of one path part by part. Where there are several of
    /// a number, of another path or domain, by us or by a neighbour, the first ones may make a value, and so may the last.
    fn add_part(&mut self, n: usize, value: &'h [u8]) {
        let is_there = self.received.part(n);
        match (&mut self.joined[..], is_there) {
            ([], _) => self.joined.push(ValueParts::default()),
            ([first], true) => {
                let last = first.clone();
                self.joined.push(last);
            }
            (_, _) => {}
        }
        let from = usize::from(is_there);
        for parts in &mut self.joined[from..] {
            parts.all[n] = value;
        }
    }
}

impl ValueParts<'_> {
    /// Whether they make a value, as the first one says; takes the count off it.
    fn join(&mut self, received: ReceivedCookies) -> bool {
        let first = self.all[0];
        let count = memchr(b'.', first).and_then(|dot| {
            self.all[0] = &first[dot + 1..];
            str::from_utf8(&first[..dot]).ok()?.parse().ok()
        });
        self.count = count.unwrap_or(0);
        (1..=MAX_PARTS).contains(&self.count) && (0..self.count).all(|n| received.part(n))
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
pub(crate) fn session_cookies<'h>(headers: &'h HeaderMap, name: &str) -> SessionCookies<'h> {
    let mut found = SessionCookies::default();
    found.collect(headers, name, |_| None);
    found
}

fn after_semicolon(field: &[u8]) -> &[u8] {
    memchr(b';', field).map_or(&[], |at| &field[at + 1..])
}

/// Where a cookie named `name` starts, with or without a part number: its value, and what follows.
fn session_piece<'h>(field: &'h [u8], name: &[u8]) -> Option<(Piece, &'h [u8])> {
    let field = field.trim_ascii_start();
    // The first byte tells most other cookies.
    if field.first() != name.first() {
        return None;
    }
    match field.strip_prefix(name)? {
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

/// The greatest number of values that are tried.
pub(crate) const MAX_CANDIDATES: usize = 4;
/// The greatest number of parts of a session: part numbers have one digit.
pub(crate) const MAX_PARTS: usize = 10;
/// The greatest size of all values together: 16 KiB.
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
        let cases: [(&str, &[&str], &[&str]); 20] = [
            ("one", &["wos_session=abc"], &["abc"]),
            ("among others", &["a=b; wos_session=abc; c=d"], &["abc"]),
            ("second field (HTTP/2)", &["a=b", "c=d; wos_session=abc"], &["abc"]),
            ("odd spaces", &["  a=b ;   wos_session=abc  ;c=d"], &["abc"]),
            ("quoted", &["wos_session=\"abc\""], &["abc"]),
            ("behind an empty one", &["wos_session=;wos_session=abc"], &["", "abc"]),
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
                "a set of another path in front",
                &["wos_session.0=2.a; wos_session.1=b; wos_session.0=2.c; wos_session.1=d"],
                &["ab", "cd"],
            ),
            (
                "two sets, part by part",
                &["wos_session.0=2.a; wos_session.0=2.c", "wos_session.1=b; wos_session.1=d"],
                &["ab", "cd"],
            ),
            (
                "garbage in front of one part",
                &["wos_session.0=x; wos_session.0=2.c; wos_session.1=d"],
                &["cd"],
            ),
            (
                "garbage behind one part",
                &["wos_session.0=2.a; wos_session.0=2.x; wos_session.1=b"],
                &["ab", "xb"],
            ),
            (
                "a longer set behind a shorter one",
                &["wos_session.0=1.a; wos_session.0=2.c; wos_session.1=d"],
                &["a", "cd"],
            ),
            (
                "three sets",
                &["wos_session.0=1.a; wos_session.0=1.b; wos_session.0=1.c"],
                &["a", "c"],
            ),
            (
                "beside whole ones, four in all",
                &[
                    "wos_session=1; wos_session.0=1.a; wos_session.0=1.b; wos_session=2; wos_session=3",
                ],
                &["1", "2", "3", "a"],
            ),
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
            assert_eq!(found.count(), expected.len(), "{name}");
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
        assert!(!session_cookies(&HeaderMap::new(), "wos_session").received.whole());
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
    fn what_is_looked_at_is_counted_to_the_byte() {
        let most = "a".repeat(16_384);
        let cases: [(&str, String, &[usize]); 6] = [
            ("as much as there may be", format!("wos_session={most}"), &[16_384]),
            ("and another one", format!("wos_session={most}; a=b"), &[16_384]),
            ("and an empty one", format!("wos_session={most}; wos_session="), &[16_384, 0]),
            ("a byte more", format!("wos_session={most}a"), &[0]),
            ("a byte more, and another one", format!("wos_session={most}a; a=b"), &[0]),
            ("a byte more in two", format!("wos_session={most}; wos_session=a"), &[0]),
        ];
        for (name, field, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.append(header::COOKIE, HeaderValue::from_str(&field).unwrap());
            let found = session_cookies(&headers, "wos_session");
            let lengths: Vec<_> = found.values().map(CookieValue::len).collect();
            assert_eq!(lengths, expected, "{name}");
        }
    }

    /// A part that starts like a known session is not that session.
    #[test]
    fn a_known_value_is_looked_for_where_the_first_whole_one_starts() {
        let mut headers = HeaderMap::new();
        let field = "wos_session.0=1.part; wos_session=whole; wos_session=other";
        headers.append(header::COOKIE, HeaderValue::from_static(field));
        let (mut asked, mut found) = (Vec::new(), SessionCookies::default());
        found.collect(&headers, "wos_session", |value| {
            asked.push(value);
            Some(b"whole".len())
        });
        assert_eq!(asked, [b"whole; wos_session=other"]);
        assert_eq!(values(&found), [b"whole".as_slice(), b"other", b"part"]);
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
