use std::sync::OnceLock;

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_SHA256},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// A key that signs tokens.
pub(crate) struct Key {
    pub(crate) kid: String,
    pair: KeyPair,
}

/// The `n`th key of this run of the tests: RSA, 2048 bits. Made once, since that takes a while.
pub(crate) fn key(n: usize) -> &'static Key {
    static KEYS: [OnceLock<Key>; 3] = [const { OnceLock::new() }; 3];
    KEYS[n].get_or_init(|| Key {
        kid: format!("sso_oidc_key_pair_{n}"),
        pair: KeyPair::generate(KeySize::Rsa2048).unwrap(),
    })
}

impl Key {
    /// A token with these claims, as WorkOS signs it.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.token_of(&json!({ "alg": "RS256", "typ": "JWT", "kid": self.kid }), claims)
    }

    pub(crate) fn token_of(&self, header: &Value, claims: &Value) -> String {
        self.sign(&header.to_string(), &claims.to_string())
    }

    /// A token of these two parts, whatever they say.
    pub(crate) fn sign(&self, header: &str, payload: &str) -> String {
        let signed =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The modulus, as a JWK has it.
    pub(crate) fn n(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.pair.public_key().modulus().big_endian_without_leading_zero())
    }

    /// The exponent, as a JWK has it.
    pub(crate) fn e(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.pair.public_key().exponent().big_endian_without_leading_zero())
    }

    /// The public key, in DER.
    pub(crate) fn public_key(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    pub(crate) fn jwk(&self) -> Value {
        json!({
            "kty": "RSA", "alg": "RS256", "use": "sig", "kid": self.kid, "n": self.n(), "e": self.e(),
        })
    }
}
