use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{crypto::digest, random, secret::Secret};

/// The secret that binds an authorization code to the browser that started the sign-in (RFC 7636). Its [`Debug`] output is
/// redacted.
#[derive(Clone)]
pub struct PkceVerifier(Secret);

impl PkceVerifier {
    /// Generates a verifier of 43 characters from 32 random bytes (RFC 7636 section 4.1).
    ///
    /// # Examples
    ///
    /// ```
    /// use authkit_session::PkceVerifier;
    ///
    /// assert_eq!(PkceVerifier::generate().expose().len(), 43);
    /// ```
    pub fn generate() -> Self {
        Self(Secret::new(URL_SAFE_NO_PAD.encode(random::bytes::<32>())))
    }

    /// Restores a verifier that the caller has stored.
    pub fn from_secret(verifier: Secret) -> Self {
        Self(verifier)
    }

    /// The challenge that the browser carries to WorkOS: `S256` of the verifier (RFC 7636 section 4.2).
    ///
    /// # Examples
    ///
    /// The vector of RFC 7636 appendix B:
    ///
    /// ```
    /// use authkit_session::PkceVerifier;
    ///
    /// let verifier = PkceVerifier::from_secret("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".into());
    /// assert_eq!(verifier.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    /// ```
    pub fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, self.expose().as_bytes()))
    }

    /// The verifier itself.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for PkceVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PkceVerifier(<redacted>)")
    }
}
