//! Values that are not sessions, sealed under keys of their own, so that none opens as another or as a session.
//!
//! ```text
//! base64url( nonce 12 · ciphertext · tag 16 )      without padding
//! ```
//!
//! AES-256-GCM, key = HKDF-SHA256(password, label of the purpose), associated data = the caller's context.

use base64::Engine as _;
use zeroize::Zeroizing;

use crate::{
    codec,
    seal::{SealError, armor, go, purpose::Purpose, ring::KeyRing, target::random},
};

/// Seals `plaintext` with the current password, for `purpose` and the `context` that has to be named to open it.
///
/// # Errors
///
/// [`SealError::NoRandomness`].
pub(super) fn seal(
    ring: &KeyRing,
    purpose: Purpose,
    context: &[u8],
    plaintext: &[u8],
) -> Result<String, SealError> {
    let key = ring.current().purposes.get(purpose);
    Ok(codec::BARE_URL_SAFE.encode(go::seal_bytes(key, random()?, context, plaintext)))
}

/// Opens what [`seal`] sealed for the same purpose and context, with any password of the ring.
pub(super) fn open(
    ring: &KeyRing,
    purpose: Purpose,
    context: &[u8],
    value: &str,
) -> Option<Zeroizing<Vec<u8>>> {
    let mut sealed = armor::decode(&codec::BARE_URL_SAFE, value.as_bytes()).ok()?;
    ring.passwords()
        .any(|keys| go::open(keys.purposes.get(purpose), context, &mut sealed).is_ok())
        .then(|| Zeroizing::new(sealed))
}
