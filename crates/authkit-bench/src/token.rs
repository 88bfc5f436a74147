use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, jwk::JwkSet};
use serde::Deserialize;

use crate::Sample;

/// Verifies the token alone with `jsonwebtoken` and a prepared key, without a cookie and a user.
pub struct Token {
    token: String,
    key: DecodingKey,
    validation: Validation,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    sid: String,
    org_id: Option<String>,
    role: Option<String>,
    permissions: Vec<String>,
}

impl Token {
    pub fn of(sample: &Sample) -> Self {
        let keys: JwkSet = serde_json::from_str(sample.jwks.get()).expect("a JWK set");
        let mut validation = Validation::new(Algorithm::RS256);
        validation.validate_aud = false;
        Self {
            token: sample.access_token(),
            key: DecodingKey::from_jwk(&keys.keys[0]).expect("an RSA key"),
            validation,
        }
    }

    pub fn verify(&self) {
        let token = decode::<Claims>(&self.token, &self.key, &self.validation);
        let claims = token.expect("the sample verifies").claims;
        assert!(claims.sub.starts_with("user_") && claims.sid.starts_with("session_"));
        assert!(claims.org_id.is_some() && claims.role.is_some() && !claims.permissions.is_empty());
    }
}
