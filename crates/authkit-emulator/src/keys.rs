use std::{
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use aws_lc_rs::{
    encoding::AsDer,
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

use crate::{error::KeyError, ids};

/// An RSA key that signs access tokens, and the id under which its JWK is published.
///
/// # Examples
///
/// ```
/// use authkit_emulator::SigningKey;
///
/// let key = SigningKey::generate("key_2026");
/// assert_eq!(key.id(), "key_2026");
/// ```
pub struct SigningKey {
    id: String,
    pair: Arc<KeyPair>,
}

impl SigningKey {
    /// Generates a key of 2048 bits.
    pub fn generate(id: impl Into<String>) -> Self {
        Self { id: id.into(), pair: Arc::new(generate()) }
    }

    /// The first key of all emulators of this process, under an id of one of them. The process generates it once, since
    /// that takes longer than the rest of a start.
    pub(crate) fn of_process(id: impl Into<String>) -> Self {
        static PAIR: OnceLock<Arc<KeyPair>> = OnceLock::new();

        Self { id: id.into(), pair: Arc::clone(PAIR.get_or_init(|| Arc::new(generate()))) }
    }

    /// Reads a private key: PEM or DER, PKCS#8 or PKCS#1.
    ///
    /// If the key stays the same over restarts, the key sets that other processes have cached stay valid.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if `key` is in none of these formats, or is not an RSA key of 2048 to 8192 bits.
    pub fn from_private_key(id: impl Into<String>, key: &[u8]) -> Result<Self, KeyError> {
        let der = match str::from_utf8(key) {
            Ok(text) if text.contains("-----BEGIN") => pem_body(text).ok_or(KeyError)?,
            Ok(_) | Err(_) => key.to_vec(),
        };
        let pair =
            KeyPair::from_pkcs8(&der).or_else(|_| KeyPair::from_der(&der)).map_err(|_| KeyError)?;
        Ok(Self { id: id.into(), pair: Arc::new(pair) })
    }

    /// The key id, `kid` in the tokens that it signs.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Signs any claims under any header, always by RS256.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let mut token = format!("{}.{}", encode_json(header), encode_json(claims));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), token.as_bytes(), &mut signature)
            .expect("an RSA key of this size signs a SHA-256 digest");
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(signature));
        token
    }

    /// The claims of a token, if this key signed it.
    pub(crate) fn open(&self, token: &str) -> Option<Value> {
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, self.public_der())
            .verify(signed.as_bytes(), &signature)
            .ok()?;
        let payload = URL_SAFE_NO_PAD.decode(signed.split('.').nth(1)?).ok()?;
        serde_json::from_slice(&payload).ok()
    }

    pub(crate) fn header(&self) -> Value {
        json!({ "alg": "RS256", "typ": "JWT", "kid": self.id })
    }

    fn jwk(&self) -> Value {
        let public = self.pair.public_key();
        json!({
            "alg": "RS256",
            "kty": "RSA",
            "use": "sig",
            "kid": self.id,
            "n": URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero()),
            "e": URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero()),
        })
    }

    fn public_der(&self) -> Vec<u8> {
        let der = self.pair.public_key().as_der().expect("a public key has a DER form");
        der.as_ref().to_vec()
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The published keys and the signing key, which need not be published.
#[derive(Debug)]
pub(crate) struct KeyRing {
    published: Vec<Arc<SigningKey>>,
    signing: Arc<SigningKey>,
}

impl KeyRing {
    pub(crate) fn new(key: SigningKey) -> Self {
        let key = Arc::new(key);
        Self { published: vec![Arc::clone(&key)], signing: key }
    }

    pub(crate) fn signing(&self) -> &Arc<SigningKey> {
        &self.signing
    }

    pub(crate) fn published_ids(&self) -> Vec<String> {
        self.published.iter().map(|key| key.id.clone()).collect()
    }

    pub(crate) fn jwks(&self) -> Value {
        json!({ "keys": self.published.iter().map(|key| key.jwk()).collect::<Vec<_>>() })
    }

    /// The public key as `SubjectPublicKeyInfo`, for tests that misuse it as an HMAC secret.
    pub(crate) fn public_der(&self) -> Vec<u8> {
        self.signing.public_der()
    }

    /// Publishes `key`; it signs nothing until [`Self::sign_with`].
    pub(crate) fn publish(&mut self, key: SigningKey) {
        self.published.retain(|published| published.id != key.id);
        self.published.push(Arc::new(key));
    }

    pub(crate) fn sign_with(&mut self, id: &str) -> bool {
        let found = self.published.iter().find(|key| key.id == id).cloned();
        if let Some(key) = &found {
            self.signing = Arc::clone(key);
        }
        found.is_some()
    }

    /// Removes a key from the published set. If it is the signing key, it goes on signing.
    pub(crate) fn retire(&mut self, id: &str) -> bool {
        let before = self.published.len();
        self.published.retain(|key| key.id != id);
        self.published.len() < before
    }
}

/// An id in the format of production's key pairs.
pub(crate) fn new_key_id(now: SystemTime) -> String {
    ids::object_id("sso_oidc_key_pair", now)
}

fn generate() -> KeyPair {
    KeyPair::generate(KeySize::Rsa2048).expect("a 2048-bit key can always be generated")
}

fn encode_json(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn pem_body(text: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let base64: String = body.split_ascii_whitespace().collect();
    STANDARD.decode(base64).ok()
}
