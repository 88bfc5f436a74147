//! Base64 in the alphabets of sealed values and tokens, by vector instructions where the machine has them.

use std::sync::LazyLock;

use base64::engine::{
    DecodePaddingMode, GeneralPurposeConfig,
    general_purpose::{NO_PAD, PAD},
};

pub(crate) use self::engine::Base64;

/// Writes padding; reads values with and without padding.
pub(crate) static STANDARD: LazyLock<Base64> = LazyLock::new(|| engine::standard(INDIFFERENT));
/// The same in the URL-safe alphabet.
pub(crate) static URL_SAFE: LazyLock<Base64> = LazyLock::new(|| engine::url_safe(INDIFFERENT));
/// The URL-safe alphabet, never padded.
pub(crate) static BARE_URL_SAFE: LazyLock<Base64> = LazyLock::new(|| engine::url_safe(NO_PAD));

/// Unused trailing bits must still be zero, so that a value has few spellings.
const INDIFFERENT: GeneralPurposeConfig =
    PAD.with_decode_padding_mode(DecodePaddingMode::Indifferent);

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod engine {
    use base64::engine::GeneralPurposeConfig;
    pub(crate) use base64::engine::Simd as Base64;

    pub(super) fn standard(config: GeneralPurposeConfig) -> Base64 {
        Base64::standard(config)
    }

    pub(super) fn url_safe(config: GeneralPurposeConfig) -> Base64 {
        Base64::url_safe(config)
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod engine {
    pub(crate) use base64::engine::GeneralPurpose as Base64;
    use base64::{alphabet, engine::GeneralPurposeConfig};

    pub(super) fn standard(config: GeneralPurposeConfig) -> Base64 {
        Base64::new(&alphabet::STANDARD, config)
    }

    pub(super) fn url_safe(config: GeneralPurposeConfig) -> Base64 {
        Base64::new(&alphabet::URL_SAFE, config)
    }
}
