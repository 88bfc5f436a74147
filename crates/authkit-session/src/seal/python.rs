//! Python SDK 5 to 10: a Fernet token.
//!
//! ```text
//! base64url( 0x80 · seconds 8, big endian · iv 16 · ciphertext · hmac 32 )      padded; always starts with gAAAA
//! ```
//!
//! AES-128-CBC with PKCS #7 padding, HMAC-SHA256 over everything before it, snake_case JSON. The password is 32 bytes
//! in padded base64, of either alphabet: the first 16 sign, the last 16 encrypt. The time is written and never checked.
//!
//! Sources: workos-python 10.2.0 `src/workos/session.py`, the Fernet specification.

use aes::{
    Aes128,
    cipher::{BlockModeDecrypt, BlockModeEncrypt, InnerIvInit, KeyInit, block_padding::Pkcs7},
};
use base64::{
    Engine as _, alphabet,
    engine::{GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

use crate::{
    codec,
    crypto::hmac,
    seal::{SealError, armor},
};

pub(super) const IV_LEN: usize = 16;
/// What every token starts with: the version, and a time before the year 36812.
pub(super) const PREFIX: &[u8] = b"gAAAA";

const VERSION: u8 = 0x80;
const HEAD_LEN: usize = 1 + 8 + IV_LEN;
const MAC_LEN: usize = 32;
const BLOCK_LEN: usize = 16;

/// Python's decoder drops the bits that no byte uses, and so may a password's last character have any.
static PASSWORD: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

pub(super) struct FernetKey {
    signing: hmac::Key,
    cipher: Aes128,
}

impl FernetKey {
    /// Splits the 32 bytes that `password` spells; `None` if it does not spell 32 bytes.
    pub(super) fn new(password: &str) -> Option<Self> {
        let standard = Zeroizing::new(password.replace('-', "+").replace('_', "/"));
        let bytes = Zeroizing::new(PASSWORD.decode(standard.as_str()).ok()?);
        let bytes: &[u8; 32] = bytes.as_slice().try_into().ok()?;
        let (signing, cipher) = bytes.split_at(16);
        let cipher = Aes128::new_from_slice(cipher).ok()?;
        Some(Self { signing: hmac::Key::new(hmac::HMAC_SHA256, signing), cipher })
    }
}

/// Decodes `value`, which starts with [`PREFIX`], if it has the shape of a token.
pub(super) fn decode(value: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let token = Zeroizing::new(armor::decode(&codec::URL_SAFE, value)?);
    let text_len = token.len().checked_sub(HEAD_LEN + MAC_LEN).ok_or(SealError::Malformed)?;
    if text_len == 0 || text_len % BLOCK_LEN != 0 {
        return Err(SealError::Malformed);
    }
    Ok(token)
}

/// Makes plaintext of a [decoded](decode) token, or leaves it as it was. Nothing is decrypted before the MAC is right.
pub(super) fn open(key: &FernetKey, token: &mut Vec<u8>) -> Result<(), SealError> {
    let (signed, mac) = token.split_at(token.len() - MAC_LEN);
    hmac::verify(&key.signing, signed, mac).map_err(|_| SealError::Tampered)?;
    let iv: [u8; IV_LEN] =
        signed[HEAD_LEN - IV_LEN..HEAD_LEN].try_into().expect("the head ends in the IV");
    let text_end = token.len() - MAC_LEN;
    let text_len = cbc::Decryptor::inner_iv_init(&key.cipher, &iv.into())
        .decrypt_padded::<Pkcs7>(&mut token[HEAD_LEN..text_end])
        .map_err(|_| SealError::Malformed)?
        .len();
    token.truncate(HEAD_LEN + text_len);
    token.drain(..HEAD_LEN);
    Ok(())
}

pub(super) fn seal(key: &FernetKey, seconds: u64, iv: [u8; IV_LEN], plaintext: &[u8]) -> String {
    let mut token = Vec::with_capacity(HEAD_LEN + plaintext.len() + BLOCK_LEN + MAC_LEN);
    token.push(VERSION);
    token.extend_from_slice(&seconds.to_be_bytes());
    token.extend_from_slice(&iv);
    token.extend_from_slice(plaintext);
    token.resize(HEAD_LEN + plaintext.len() + BLOCK_LEN, 0);
    let text_len = cbc::Encryptor::inner_iv_init(&key.cipher, &iv.into())
        .encrypt_padded::<Pkcs7>(&mut token[HEAD_LEN..], plaintext.len())
        .expect("there is room for one more block")
        .len();
    token.truncate(HEAD_LEN + text_len);
    let mac = hmac::sign(&key.signing, &token);
    token.extend_from_slice(mac.as_ref());
    codec::URL_SAFE.encode(&token)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    const PLAINTEXT: &str = r#"{"access_token": "at_1", "refresh_token": "rt_1", "user": {"id": "user_1", "email": "a@example.com"}}"#;

    #[test]
    fn seals_what_the_python_sdk_seals() {
        let key = FernetKey::new(PASSWORD).unwrap();
        let iv = std::array::from_fn(|n| n as u8);
        let sealed = seal(&key, 1_700_000_000, iv, PLAINTEXT.as_bytes());
        assert_eq!(
            sealed,
            "gAAAAABlU_EAAAECAwQFBgcICQoLDA0OD7McJ60iMDOElnt9aILWi85D9SH0jVZpEeYAnkVaBnWOHeXTtyfYDTVZ_gM7rR0zpVpxQoug\
             BdXEqPMmtPm5FVTdORgAGKQxe8jkIvYksqNGGRBAeil-R8j_cqgA3Qp2E8AOVo4Kj7DrSFmSEalfvMAiZ_JdjoBOzm1bHjnLd7kGr-Z3\
             C9sqo3PaQuDbkWpY7g=="
        );
    }

    #[test]
    fn a_token_has_at_least_one_block_and_no_part_of_one() {
        for (text, is_shaped) in [(0, false), (1, false), (15, false), (16, true), (17, false)] {
            let value = codec::URL_SAFE.encode(vec![VERSION; HEAD_LEN + text + MAC_LEN]);
            assert_eq!(decode(value.as_bytes()).is_ok(), is_shaped, "{text} bytes");
        }
    }

    #[test]
    fn key_is_32_bytes_in_padded_base64() {
        let cases = [
            ("standard alphabet", "ddW7ld9IZBd1DoR+/EWsU+394lgsZAbNdCiupTTK7Dc=", true),
            ("URL alphabet", "ddW7ld9IZBd1DoR-_EWsU-394lgsZAbNdCiupTTK7Dc=", true),
            ("unused bits set", "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFH=", true),
            ("no padding", "ddW7ld9IZBd1DoR+/EWsU+394lgsZAbNdCiupTTK7Dc", false),
            ("33 bytes", "ddW7ld9IZBd1DoR+/EWsU+394lgsZAbNdCiupTTK7DcA", false),
            ("31 bytes", "ddW7ld9IZBd1DoR+/EWsU+394lgsZAbNdCiupTTK7A==", false),
            (
                "hexadecimal",
                "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
                false,
            ),
        ];

        for (name, password, accepted) in cases {
            assert_eq!(FernetKey::new(password).is_some(), accepted, "{name}");
        }
    }
}
