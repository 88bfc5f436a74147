//! The cryptography backend: `aws-lc-rs` (the default) or `ring`, chosen here and nowhere else.
//!
//! 1. Both have one interface, so that the rest of the crate does not depend on the choice. With both features on, the
//!    backend is `aws-lc-rs`, since a feature that one crate turns on must not change what another crate gets.
//! 2. AES-GCM comes from another crate: see `docs/decisions/0002-aes-gcm-beside-aws-lc.md`.
//! 3. TLS uses the provider that the application has installed for the process, and otherwise this backend.

use std::{fmt, sync::Arc};

#[cfg(feature = "aws-lc-rs")]
use aws_lc_rs as backend;
#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
use ring as backend;
use rustls::crypto::CryptoProvider;
use subtle::ConstantTimeEq;

#[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
compile_error!("authkit-session needs one of its features `aws-lc-rs` (the default) and `ring`");

pub(crate) use backend::{digest, hkdf, hmac, pbkdf2};

/// A key that RS256 signatures are checked with (RFC 7518 section 3.3), prepared as far as the crate lets us.
pub(crate) struct RsaPublicKey {
    #[cfg(feature = "aws-lc-rs")]
    key: backend::signature::ParsedPublicKey,
    #[cfg(not(feature = "aws-lc-rs"))]
    key: backend::signature::RsaPublicKeyComponents<Vec<u8>>,
}

impl RsaPublicKey {
    /// Makes a key of its modulus and exponent, big endian; `None` if they are not a key of 2,048 to 8,192 bits.
    #[cfg(feature = "aws-lc-rs")]
    pub(crate) fn new(n: Vec<u8>, e: Vec<u8>) -> Option<Self> {
        use backend::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};

        let components = RsaPublicKeyComponents { n, e };
        components.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).ok().map(|key| Self { key })
    }

    /// Makes a key of its modulus and exponent, big endian. `ring` checks them when it verifies.
    #[cfg(not(feature = "aws-lc-rs"))]
    pub(crate) fn new(n: Vec<u8>, e: Vec<u8>) -> Option<Self> {
        Some(Self { key: backend::signature::RsaPublicKeyComponents { n, e } })
    }

    /// Whether `signature` is this key's signature of `message`.
    pub(crate) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        #[cfg(feature = "aws-lc-rs")]
        let verified = self.key.verify_sig(message, signature);
        #[cfg(not(feature = "aws-lc-rs"))]
        let verified =
            self.key.verify(&backend::signature::RSA_PKCS1_2048_8192_SHA256, message, signature);
        verified.is_ok()
    }
}

/// A secret for HMAC-SHA-256 tags (RFC 2104) of messages that come piece by piece.
#[derive(Clone)]
pub struct MacKey(hmac::Key);

/// A message whose tag is being computed.
pub struct MacContext(hmac::Context);

impl MacKey {
    /// Prepares a secret.
    pub fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// Begins a message.
    pub fn begin(&self) -> MacContext {
        MacContext(hmac::Context::with_key(&self.0))
    }
}

impl MacContext {
    /// Adds the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// Whether `tag` is the tag of the whole message. Compares in constant time.
    pub fn is_tagged(self, tag: &[u8; 32]) -> bool {
        self.0.sign().as_ref().ct_eq(tag).into()
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey(<redacted>)")
    }
}

impl fmt::Debug for MacContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacContext(<redacted>)")
    }
}

/// The cryptography of TLS connections to WorkOS.
pub(crate) fn tls_provider() -> Arc<CryptoProvider> {
    #[cfg(feature = "aws-lc-rs")]
    use rustls::crypto::aws_lc_rs::default_provider;
    #[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
    use rustls::crypto::ring::default_provider;

    CryptoProvider::get_default().map_or_else(|| Arc::new(default_provider()), Arc::clone)
}

#[cfg(test)]
mod tests;
