//! PHP SDK: libsodium's secretbox. Read, never written: that SDK cannot refresh a session.
//!
//! ```text
//! base64( nonce 24 · tag 16 · ciphertext )      standard alphabet, padded
//! ```
//!
//! XSalsa20 whose first 32 bytes are the key of a Poly1305 over the ciphertext, snake_case JSON. The password is 32
//! bytes in base64.
//!
//! Sources: workos-php `lib/SessionManager.php` at 34ee64f, the NaCl documentation of `crypto_secretbox`.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use poly1305::{Poly1305, universal_hash::KeyInit};
use salsa20::{
    XSalsa20,
    cipher::{KeyIvInit, StreamCipher},
};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::seal::SealError;

const KEY_LEN: usize = 32;
const NONCE_LEN: usize = 24;
const TAG_LEN: usize = 16;

/// As lenient as PHP's `base64_decode` with what follows the last byte.
static PASSWORD: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

pub(super) struct PhpKey(Zeroizing<[u8; KEY_LEN]>);

impl PhpKey {
    /// Decodes the 32 bytes that `password` spells; `None` if it does not spell 32 bytes.
    pub(super) fn new(password: &str) -> Option<Self> {
        let bytes = Zeroizing::new(PASSWORD.decode(password).ok()?);
        bytes.as_slice().try_into().ok().map(|key| Self(Zeroizing::new(key)))
    }
}

/// Makes plaintext of `sealed`, or leaves it as it was.
pub(super) fn open(key: &PhpKey, sealed: &mut Vec<u8>) -> Result<(), SealError> {
    let (nonce, boxed) = sealed.split_first_chunk_mut::<NONCE_LEN>().ok_or(SealError::Malformed)?;
    let (tag, text) = boxed.split_first_chunk_mut::<TAG_LEN>().ok_or(SealError::Malformed)?;
    let mut stream = XSalsa20::new((&*key.0).into(), (&*nonce).into());
    let mut mac_key = Zeroizing::new([0; KEY_LEN]);
    stream.apply_keystream(&mut *mac_key);
    let expected = Poly1305::new((&*mac_key).into()).compute_unpadded(text);
    if expected.as_slice().ct_eq(tag).into() {
        stream.apply_keystream(text);
        sealed.drain(..NONCE_LEN + TAG_LEN);
        Ok(())
    } else {
        Err(SealError::Tampered)
    }
}
