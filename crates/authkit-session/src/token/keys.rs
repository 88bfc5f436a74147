//! WorkOS's signing keys, prepared once.

mod roca;

use std::{collections::HashMap, fmt, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    crypto::{RsaPublicKey, digest},
    json,
    token::jwt::Jwt,
};

/// The keys of one client id, as WorkOS published them at one time.
pub(crate) struct KeySet {
    keys: HashMap<String, SigningKey>,
    /// When the keys were requested, by the wall clock in seconds: compared with a token's `iat`.
    pub(crate) fetched_unix: u64,
    /// When the keys were requested, by the monotonic clock: gives the age of the set.
    pub(crate) fetched_at: Duration,
}

struct SigningKey {
    key: RsaPublicKey,
    id: KeyId,
}

/// SHA-256 of a key and its name: the same in every set.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) struct KeyId([u8; 32]);

/// The result of verifying a token's signature with a key set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Signature {
    Good,
    Bad,
    UnknownKey,
}

impl KeySet {
    /// Reads a JWK set (RFC 7517 section 5); `None` if it has no usable key.
    ///
    /// Ignores keys that are not for RS256 signatures, and keys that share a `kid`.
    pub(crate) fn parse(body: &[u8], fetched_unix: u64, fetched_at: Duration) -> Option<Self> {
        let set: JwkSet<'_> = json::object(body)?;
        let mut keys: HashMap<String, Option<SigningKey>> = HashMap::new();
        for jwk in set.keys {
            let Some(jwk) = json::object::<Jwk>(jwk.get().as_bytes()) else { continue };
            let key = jwk.prepare();
            let Some(kid) = jwk.kid else { continue };
            keys.entry(kid).and_modify(|twin| *twin = None).or_insert(key);
        }
        let keys: HashMap<_, _> =
            keys.into_iter().filter_map(|(kid, key)| Some((kid, key?))).collect();
        (!keys.is_empty()).then_some(Self { keys, fetched_unix, fetched_at })
    }

    pub(crate) fn age(&self, now: Duration) -> Duration {
        now.saturating_sub(self.fetched_at)
    }

    pub(crate) fn has(&self, kid: &str) -> bool {
        self.keys.contains_key(kid)
    }

    /// The id of the key called `kid`, equal across sets.
    pub(crate) fn id(&self, kid: &str) -> Option<KeyId> {
        self.keys.get(kid).map(|signing| signing.id)
    }

    pub(crate) fn has_id(&self, id: KeyId) -> bool {
        self.keys.values().any(|signing| signing.id == id)
    }

    pub(crate) fn verify(&self, jwt: &Jwt<'_>) -> Signature {
        match self.keys.get(&jwt.kid) {
            None => Signature::UnknownKey,
            Some(signing) if signing.key.has_signed(jwt.signed, &jwt.signature) => Signature::Good,
            Some(_) => Signature::Bad,
        }
    }
}

impl KeyId {
    fn of(parts: &[&[u8]]) -> Self {
        let mut digest = digest::Context::new(&digest::SHA256);
        for part in parts {
            digest.update(&part.len().to_le_bytes());
            digest.update(part);
        }
        Self(digest.finish().as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySet")
            .field("kids", &self.keys.keys())
            .field("fetched_unix", &self.fetched_unix)
            .finish()
    }
}

#[derive(Deserialize)]
struct JwkSet<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

/// RFC 7517 section 4 and RFC 7518 section 6.3.1.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl Jwk {
    fn prepare(&self) -> Option<SigningKey> {
        let for_us = self.kty == "RSA"
            && self.usage.as_deref().is_none_or(|usage| usage == "sig")
            && self.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"))
            && self.alg.as_deref().is_none_or(|alg| alg == "RS256");
        if !for_us {
            return None;
        }
        let mut n = URL_SAFE_NO_PAD.decode(self.n.as_ref()?).ok()?;
        let e = URL_SAFE_NO_PAD.decode(self.e.as_ref()?).ok()?;
        // RFC 7518 section 2 allows no leading zero; some issuers write one before a set first bit, as DER does.
        n.drain(..n.iter().take_while(|byte| **byte == 0).count());
        let bits = n.len() * 8;
        // An exponent of 1 makes every message its own signature; an even one belongs to no key.
        let is_exponent = match e.split_last() {
            Some((1, rest)) => rest.iter().any(|byte| *byte != 0),
            Some((last, _)) => last % 2 == 1,
            None => false,
        };
        if !(MIN_BITS..=MAX_BITS).contains(&bits) || !is_exponent || roca::is_vulnerable(&n) {
            return None;
        }
        let id = KeyId::of(&[self.kid.as_ref()?.as_bytes(), &n, &e]);
        Some(SigningKey { key: RsaPublicKey::new(n, e)?, id })
    }
}

/// RFC 7518 section 3.3: "A key of size 2048 bits or larger MUST be used".
const MIN_BITS: usize = 2048;
/// Larger keys cost too much per request.
const MAX_BITS: usize = 8192;

#[cfg(test)]
mod tests;
