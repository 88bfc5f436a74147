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

/// Drops the line breaks of Ruby 5 and 6, and what proxies make of them.
pub(super) fn without_whitespace(value: &[u8]) -> Cow<'_, [u8]> {
    if value.iter().any(u8::is_ascii_whitespace) {
        Cow::Owned(value.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect())
    } else {
        Cow::Borrowed(value)
    }
}

/// Escapes what Rack would read as a space. Every other character of base64 reaches it as it is.
pub(super) fn for_rack(text: &str) -> String {
    text.replace('+', "%2B")
}
