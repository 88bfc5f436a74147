//! The text encoding of sealed bytes: base64 in the SDKs' spellings, and the escapes that cookies add.

use std::{borrow::Cow, iter};

use base64::Engine as _;
use memchr::{memchr, memchr_iter, memchr3};
use percent_encoding::percent_decode;

use crate::{codec::Base64, seal::SealError};

/// Decodes into the buffer in which the value is then opened. An opened buffer must be wiped.
pub(super) fn decode(engine: &Base64, text: &[u8]) -> Result<Vec<u8>, SealError> {
    engine.decode(text).map_err(|_| SealError::Malformed)
}

/// Undoes the changes that frameworks and proxies make to a value: `%XX` and white space, which no format contains. A
/// `+` stays a `+`.
///
/// It finds the escapes with `memchr` and copies the text between two of them at once: a cookie is long and has few. To
/// decode all of it with `percent-encoding`, byte by byte, would make opening a cookie cost a sixth more instructions.
pub(super) fn unescaped(value: &[u8]) -> Cow<'_, [u8]> {
    let mut spaced = memchr3(b' ', b'\t', b'\n', value).is_some();
    if !spaced && memchr(b'%', value).is_none() {
        return Cow::Borrowed(value);
    }
    let mut plain = Vec::with_capacity(value.len());
    let mut copied = 0;
    for at in memchr_iter(b'%', value) {
        plain.extend_from_slice(&value[copied..at]);
        copied = at;
        if let Some(byte) = unescape(&value[at..]) {
            plain.push(byte);
            copied += 3;
            spaced |= byte.is_ascii_whitespace();
        }
    }
    plain.extend_from_slice(&value[copied..]);
    if spaced {
        plain.retain(|byte| !byte.is_ascii_whitespace());
    }
    Cow::Owned(plain)
}

/// Whether `value` is one of the few spellings of `plain` that frameworks write: each of `+`, `/` and `=` escaped
/// either wherever it occurs, in capitals, or nowhere.
pub(super) fn is_canonical(value: &[u8], plain: &[u8]) -> bool {
    const ESCAPES: [(u8, &[u8]); 3] = [(b'+', b"%2B"), (b'/', b"%2F"), (b'=', b"%3D")];

    let mut escaped = [0; ESCAPES.len()];
    for at in memchr_iter(b'%', value) {
        match ESCAPES.iter().position(|(_, escape)| value[at..].starts_with(escape)) {
            Some(which) => escaped[which] += 1,
            None => return false,
        }
    }
    let nothing_else = value.len() == plain.len() + 2 * escaped.iter().sum::<usize>();
    let consistent = iter::zip(ESCAPES, escaped)
        .all(|((byte, _), escaped)| escaped == 0 || memchr(byte, value).is_none());
    nothing_else && consistent
}

/// The byte that the escape at the start of `text` stands for: `%XX` decodes to one byte, any other three bytes to three.
fn unescape(text: &[u8]) -> Option<u8> {
    let mut decoded = percent_decode(text.get(..3)?);
    match (decoded.next(), decoded.next()) {
        (Some(byte), None) => Some(byte),
        (Some(_), Some(_)) | (None, _) => None,
    }
}

/// Escapes what Rack would read as a space. Every other character of base64 reaches it as it is.
pub(super) fn for_rack(text: &str) -> String {
    text.replace('+', "%2B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_once() {
        let cases = [
            ("untouched", "AQ+/==~2*._-", "AQ+/==~2*._-"),
            ("Rack", "AQ%2B%2F%3D%0A", "AQ+/="),
            ("lower case", "%2b%2f", "+/"),
            ("white space", "AQ \tAQ\r\nAQ%0D%0A", "AQAQAQ"),
            ("once", "%252B", "%2B"),
            ("cut off", "AQ%2", "AQ%2"),
            ("at the end", "AQ%", "AQ%"),
            ("no digits", "%zz%+1", "%zz%+1"),
            ("escape after a lone sign", "%%2B", "%+"),
        ];

        for (name, value, expected) in cases {
            assert_eq!(unescaped(value.as_bytes()), expected.as_bytes(), "{name}");
        }
    }

    #[test]
    fn few_spellings_are_canonical() {
        let cases = [
            ("nothing escaped", "ab+/+/==", true),
            ("for Rack", "ab%2B/%2B/==", true),
            ("all of them", "ab%2B%2F%2B%2F%3D%3D", true),
            ("some of one kind", "ab%2B/+/==", false),
            ("small letters", "ab%2b/%2b/==", false),
            ("a letter", "%61b+/+/==", false),
            ("white space", "ab+/ +/==", false),
            ("escaped white space", "ab+/+/==%0A", false),
            ("cut off", "ab+/+/==%2", false),
        ];

        for (name, value, canonical) in cases {
            let plain = unescaped(value.as_bytes());
            assert_eq!(is_canonical(value.as_bytes(), &plain), canonical, "{name}");
        }
    }
}
