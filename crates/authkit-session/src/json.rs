//! JSON read one level at a time: an object's members in order, with each value as it is spelt.
//!
//! A member that no parser can read (a huge number, half of a surrogate pair, 10,000 nested lists) then only affects
//! itself and not the whole object.
//!
//! One pass checks the syntax and finds the members. It is what `serde_json` does for a map of raw values, three times as
//! fast, since every request of a session that is not known reads two such objects; a test holds the two against each
//! other. What is nested deeply is left to `serde_json`, which needs no stack for it.

use std::borrow::Cow;

use bytes::Bytes;
use memchr::{memchr, memchr2};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The name of a member, as it is spelt: in quotes, with its escapes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct JsonName<'a> {
    spelt: &'a str,
    spelling: Spelling,
}

/// Whether the text of a string is what stands between its quotes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Spelling {
    Plain,
    Escaped,
}

impl<'a> JsonName<'a> {
    /// The name itself. A name that is not Unicode stays as it is spelt, and then equals no name of ours.
    pub(crate) fn text(self) -> Cow<'a, str> {
        match self.spelling {
            Spelling::Plain => Cow::Borrowed(&self.spelt[1..self.spelt.len() - 1]),
            Spelling::Escaped => text(self.spelt).unwrap_or(Cow::Borrowed(self.spelt)),
        }
    }

    /// The name in quotes, with its escapes.
    pub(crate) fn spelt(self) -> &'a str {
        self.spelt
    }
}

/// Calls `each` with every member of an object, in order: its name and its value.
///
/// `None` if `json` is not exactly one object; `each` may have been called before that shows.
pub(crate) fn members<'a>(json: &'a str, each: impl FnMut(JsonName<'a>, &'a str)) -> Option<()> {
    let mut scanner = Scanner { json, at: 0 };
    scanner.skip_space();
    scanner.object(0, each)?;
    scanner.skip_space();
    (scanner.at == json.len()).then_some(())
}

/// The text of a string; `None` for any other value, and for a string that is not Unicode.
pub(crate) fn text(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if !has_escape(inner.as_bytes()) {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str(json).ok().map(Cow::Owned)
}

/// A body that came over the network, as JSON is read here: without a byte order mark in front, and with U+FFFD in place of
/// bytes that are no text, so that they spoil the member alone that has them.
pub(crate) fn readable(body: Bytes) -> Bytes {
    let body = match body.strip_prefix(BYTE_ORDER_MARK) {
        Some(rest) => body.slice_ref(rest),
        None => body,
    };
    match String::from_utf8_lossy(&body) {
        Cow::Borrowed(_) => body,
        Cow::Owned(text) => text.into(),
    }
}

/// Reads a JSON object (RFC 8259 section 4) into a struct whose `Deserialize` is derived; `None` for any other value, and for
/// an object that is no `T`. What is derived takes a list of the members' values too, which no object is.
///
/// ```
/// use authkit_session::integration::json_object;
///
/// #[derive(serde::Deserialize)]
/// struct Named {
///     id: String,
/// }
/// let named: Named = json_object(br#"{"id":"session_1"}"#).unwrap();
/// assert_eq!(named.id, "session_1");
/// assert!(json_object::<Named>(br#"["session_1"]"#).is_none());
/// ```
pub fn object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Option<T> {
    let is_object = json.trim_ascii_start().starts_with(b"{");
    is_object.then(|| serde_json::from_slice(json).ok()).flatten()
}

/// Whether a value is an object.
pub(crate) fn is_object(json: &str) -> bool {
    json.starts_with('{')
}

/// Reads JSON from left to right. A method returns `None` at text that is not JSON.
struct Scanner<'a> {
    json: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    /// Passes an object at this depth of nesting, and calls `each` with its members.
    fn object(&mut self, depth: usize, mut each: impl FnMut(JsonName<'a>, &'a str)) -> Option<()> {
        self.expect(b'{')?;
        self.skip_space();
        if self.eat(b'}') {
            return Some(());
        }
        loop {
            let (spelling, spelt) = self.passed(Self::string)?;
            self.skip_space();
            self.expect(b':')?;
            self.skip_space();
            let ((), value) = self.passed(|it| it.value(depth + 1))?;
            each(JsonName { spelt, spelling }, value);
            self.skip_space();
            if self.eat(b'}') {
                return Some(());
            }
            self.expect(b',')?;
            self.skip_space();
        }
    }

    fn array(&mut self, depth: usize) -> Option<()> {
        self.expect(b'[')?;
        self.skip_space();
        if self.eat(b']') {
            return Some(());
        }
        loop {
            self.value(depth + 1)?;
            self.skip_space();
            if self.eat(b']') {
                return Some(());
            }
            self.expect(b',')?;
            self.skip_space();
        }
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(|_| ()),
            b'{' | b'[' if depth > DEEP => self.deep(),
            b'{' => self.object(depth, |_, _| {}),
            b'[' => self.array(depth),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => None,
        }
    }

    fn string(&mut self) -> Option<Spelling> {
        self.expect(b'"')?;
        let mut spelling = Spelling::Plain;
        loop {
            self.skip_plain()?;
            match self.next()? {
                b'"' => return Some(spelling),
                b'\\' => self.escape()?,
                _ => return None,
            }
            spelling = Spelling::Escaped;
        }
    }

    /// Passes the characters of a string that stand for themselves.
    ///
    /// Nearly all strings are short, so that a search set up for long ones takes most of its time to begin. The first
    /// characters are looked at eight at a time.
    fn skip_plain(&mut self) -> Option<()> {
        let rest = self.json.as_bytes().get(self.at..)?;
        let (eights, _) = rest.as_chunks::<8>();
        for (at, eight) in eights.iter().take(SHORT / 8).enumerate() {
            if let Some(within) = first_special(*eight) {
                self.at += 8 * at + within;
                return Some(());
            }
        }
        let looked_at = rest.len().min(SHORT) / 8 * 8;
        let rest = &rest[looked_at..];
        let len = memchr2(b'"', b'\\', rest)?;
        // Folding over every byte, without an early exit, compiles to vector instructions.
        if rest[..len].iter().fold(false, |found, byte| found | (*byte < b' ')) {
            return None;
        }
        self.at += looked_at + len;
        Some(())
    }

    /// Passes an escape behind its backslash. Does not check that surrogates come in pairs.
    fn escape(&mut self) -> Option<()> {
        match self.next()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => {
                (0..4).all(|_| self.next().is_some_and(|it| it.is_ascii_hexdigit())).then_some(())
            }
            _ => None,
        }
    }

    fn number(&mut self) -> Option<()> {
        self.eat(b'-');
        match self.next()? {
            b'0' => {}
            b'1'..=b'9' => self.skip_digits(),
            _ => return None,
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _ = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        Some(())
    }

    /// At least one digit.
    fn digits(&mut self) -> Option<()> {
        self.next()?.is_ascii_digit().then(|| self.skip_digits())
    }

    fn skip_digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn word(&mut self, word: &str) -> Option<()> {
        self.json
            .as_bytes()
            .get(self.at..)?
            .starts_with(word.as_bytes())
            .then(|| self.at += word.len())
    }

    /// Passes an object or a list that is too deep for recursion.
    fn deep(&mut self) -> Option<()> {
        let rest = serde_json::Deserializer::from_str(self.json.get(self.at..)?);
        let value = rest.into_iter::<&RawValue>().next()?.ok()?;
        self.at += value.get().len();
        Some(())
    }

    /// What `pass` returns, and the text that it consumes.
    fn passed<T>(&mut self, pass: impl FnOnce(&mut Self) -> Option<T>) -> Option<(T, &'a str)> {
        let start = self.at;
        let passed = pass(self)?;
        Some((passed, self.json.get(start..self.at)?))
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.eat(byte).then_some(())
    }

    fn eat(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn peek(&self) -> Option<u8> {
        self.json.as_bytes().get(self.at).copied()
    }
}

/// The place of the first quote, backslash or control character in eight bytes.
///
/// Subtracting sets the highest bit of each byte that is looked for, and may set that of bytes behind it by a borrow; so
/// the first one is right.
fn first_special(eight: [u8; 8]) -> Option<usize> {
    let bytes = u64::from_le_bytes(eight);
    let less = |bytes: u64, limit: u8| bytes.wrapping_sub(EVERY * u64::from(limit)) & !bytes;
    let equal = |byte: u8| less(bytes ^ (EVERY * u64::from(byte)), 1);
    let found = (less(bytes, b' ') | equal(b'"') | equal(b'\\')) & (EVERY * 0x80);
    (found != 0).then(|| found.trailing_zeros() as usize / 8)
}

/// Whether the inside of a string has an escape.
fn has_escape(inner: &[u8]) -> bool {
    if inner.len() > SHORT {
        return memchr(b'\\', inner).is_some();
    }
    inner.iter().fold(false, |found, byte| found | (*byte == b'\\'))
}

/// 1 in each byte.
const EVERY: u64 = u64::MAX / 0xff;
/// The bytes of a string up to which looking at it costs less than beginning a search.
const SHORT: usize = 32;
/// Some servers write it in front of a text.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The depth up to which the scanner recurses.
const DEEP: usize = 32;

#[cfg(test)]
mod tests {
    use std::{cmp::Ordering, fmt};

    use serde::{
        Deserializer as _,
        de::{MapAccess, Visitor},
    };

    use super::*;

    /// The same result from `serde_json`.
    fn reference(json: &str) -> Option<Vec<(String, &str)>> {
        struct All;

        impl<'de> Visitor<'de> for All {
            type Value = Vec<(String, &'de str)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
                    let name = text(name.get()).unwrap_or(Cow::Borrowed(name.get()));
                    all.push((name.into_owned(), value.get()));
                }
                Ok(all)
            }
        }

        let mut deserializer = serde_json::Deserializer::from_str(json);
        let all = deserializer.deserialize_map(All).ok()?;
        deserializer.end().ok()?;
        Some(all)
    }

    fn read(json: &str) -> Option<Vec<(String, &str)>> {
        let mut all = Vec::new();
        members(json, |name, value| all.push((name.text().into_owned(), value)))?;
        Some(all)
    }

    #[test]
    fn members_come_in_order_with_their_values_as_they_are_spelt() {
        let json =
            r#" { "a" : 1.0e+400 ,"\u0062":"\ud800", "a":[ null ],"\ud800":{"x": 1} , "" : -0 }  "#;
        let expected = [
            ("a", "1.0e+400"),
            ("b", r#""\ud800""#),
            ("a", "[ null ]"),
            (r#""\ud800""#, r#"{"x": 1}"#),
            ("", "-0"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value));
        assert_eq!(read(json).unwrap(), expected);
        let deep = "[".repeat(10_000) + &"]".repeat(10_000);
        assert_eq!(read(&format!(r#"{{"deep":{deep}}}"#)).unwrap()[0].1, deep);
    }

    #[test]
    fn only_one_whole_object_has_members() {
        for json in
            ["", "null", "[]", r#"[["a",1]]"#, r#""a""#, "1", "{", r#"{"a":1"#, "{}x", "{}{}"]
        {
            assert_eq!(read(json), None, "{json}");
        }
        for json in
            [r#"{"a"}"#, r#"{"a":}"#, r#"{a:1}"#, r#"{"a":01}"#, r#"{"a":NaN}"#, r#"{"a":1,}"#]
        {
            assert_eq!(read(json), None, "{json}");
        }
        assert_eq!(read("{}").unwrap(), []);
    }

    #[test]
    fn the_first_special_byte_of_eight_is_found_wherever_it_is() {
        let is_special = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
        let others = [b'a', b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xa0, 0xff];
        for byte in 0..=u8::MAX {
            for at in 0..8 {
                for before in others {
                    for behind in [b'a', b'"', b'\\', 0, 0x1f, 0xff] {
                        let eight: [u8; 8] = std::array::from_fn(|place| match place.cmp(&at) {
                            Ordering::Less => before,
                            Ordering::Equal => byte,
                            Ordering::Greater => behind,
                        });
                        let expected = eight.iter().position(|byte| is_special(*byte));
                        assert_eq!(first_special(eight), expected, "{eight:02x?}");
                    }
                }
            }
        }
    }

    /// Every text that differs from one of these by a byte, or ends earlier.
    #[test]
    fn what_is_an_object_and_what_is_in_it_is_what_serde_json_says() {
        let deep = format!(r#"{{"a":{}{}}}"#, "[{\"b\":".repeat(40), "1}]".repeat(40));
        let texts = [
            r#"{"a":"b\u00e4\n\"\\\/","ä😀":-0.50e+10,"c":[],"d":[ 1 , {"e" : null}],"f":{"g":true}}"#,
            " {\n\t\"a\" : [false, 10, 0 , -1E5, \"\"] ,\r\n \"b\":{ } } ",
            r#"{"a":"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"}"#,
            r#"{"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ
":"\"}"#,
            &deep,
        ];
        let bytes = b"\0\x08\t \n\x1f\x7f\"\\/,:{}[]0123456789+-.eEtrufalsn\xff";
        let mut both = [0, 0];
        for text in texts {
            for at in 0..text.len() {
                let changed = bytes.iter().map(|byte| {
                    let mut changed = text.as_bytes().to_vec();
                    changed[at] = *byte;
                    changed
                });
                let shorter = [text.as_bytes()[..at].to_vec()];
                let longer = bytes.iter().map(|byte| {
                    [&text.as_bytes()[..at], &[*byte], &text.as_bytes()[at..]].concat()
                });
                for json in changed.chain(shorter).chain(longer) {
                    let Ok(json) = str::from_utf8(&json) else { continue };
                    let expected = reference(json);
                    assert_eq!(read(json), expected, "{json}");
                    both[usize::from(expected.is_some())] += 1;
                }
            }
        }
        assert!(both.iter().all(|count| *count > 1_000), "{both:?}");
    }

    #[test]
    fn b4_what_is_no_text_is_replaced_and_what_is_stays_as_it_came() {
        let cases: [(&[u8], &str); 7] = [
            (b"", ""),
            (b"{}", "{}"),
            ("{\"a\":\"ä😀\"}".as_bytes(), "{\"a\":\"ä😀\"}"),
            (b"\xef\xbb\xbf{}", "{}"),
            (b"{\"a\":\"\xe4\",\"b\":1}", "{\"a\":\"\u{fffd}\",\"b\":1}"),
            (b"\xef\xbb\xbf{\"a\":\"\xf0\x9f\"}", "{\"a\":\"\u{fffd}\"}"),
            (b"\xef\xbb{}", "\u{fffd}{}"),
        ];
        for (body, expected) in cases {
            assert_eq!(readable(Bytes::from_static(body)), expected, "{body:?}");
        }
    }

    #[test]
    fn a_text_is_a_string_of_unicode() {
        let cases = [
            (r#""""#, Some("")),
            (r#""plain""#, Some("plain")),
            (r#""\"\\\u00e4\ud83d\ude00""#, Some("\"\\ä😀")),
            (r#""\ud83d""#, None),
            ("1", None),
            ("null", None),
            (r#"["a"]"#, None),
            (r#"{"a":"b"}"#, None),
        ];
        for (json, expected) in cases {
            assert_eq!(text(json).as_deref(), expected, "{json}");
        }
    }
}
