//! The text around sealed bytes: base64 in the spellings that the SDKs write, and what cookies do to them.

use std::borrow::Cow;

use base64::{
    Engine as _, alphabet,
    engine::{
        DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::URL_SAFE_NO_PAD,
    },
};
use zeroize::Zeroizing;

use crate::seal::SealError;

/// Reads with or without padding, writes with; bits that no byte uses have to be zero, so that a value has few spellings.
const INDIFFERENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
pub(super) static STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, INDIFFERENT);
pub(super) static URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, INDIFFERENT);
pub(super) static BARE_URL_SAFE: GeneralPurpose = URL_SAFE_NO_PAD;

/// Decodes into the one buffer that a value is then opened in.
pub(super) fn decode(
    engine: &GeneralPurpose,
    text: &[u8],
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    engine.decode(text).map(Zeroizing::new).map_err(|_| SealError::Malformed)
}

/// Undoes what frameworks and proxies do to a value on its way: `%XX` and white space, neither of which is part of
/// any format. A `+` stays one.
pub(super) fn unescaped(value: &[u8]) -> Cow<'_, [u8]> {
    if !value.iter().any(|byte| *byte == b'%' || byte.is_ascii_whitespace()) {
        return Cow::Borrowed(value);
    }
    let mut plain = Vec::with_capacity(value.len());
    let mut rest = value;
    while let [first, after @ ..] = rest {
        let escaped = match after {
            [high, low, ..] if *first == b'%' => nibble(*high).zip(nibble(*low)),
            _ => None,
        };
        let byte = escaped.map_or(*first, |(high, low)| high << 4 | low);
        if !byte.is_ascii_whitespace() {
            plain.push(byte);
        }
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    Cow::Owned(plain)
}

/// Escapes what Rack would read as a space. Every other character of base64 reaches it as it is.
pub(super) fn for_rack(text: &str) -> String {
    text.replace('+', "%2B")
}

/// The value of a hexadecimal digit.
pub(super) fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
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
            ("line breaks", "AQ\r\nAQ\n", "AQAQ"),
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
}
