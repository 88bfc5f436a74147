use http::HeaderValue;
use subtle::ConstantTimeEq as _;

use crate::secret::{Secret, zeroized};

/// The WorkOS API key of this service, and the header that carries it.
pub(super) struct OwnApiKey {
    pub(super) secret: Secret,
    pub(super) authorization: HeaderValue,
}

impl OwnApiKey {
    pub(super) fn new(secret: Secret) -> Self {
        let bearer = zeroized(format!("Bearer {}", secret.expose()));
        let mut authorization = HeaderValue::from_maybe_shared(bearer)
            .expect("the key was checked to be visible ASCII");
        authorization.set_sensitive(true);
        Self { secret, authorization }
    }

    /// Whether `presented` is this key. Compares in constant time for texts of the same length.
    pub(super) fn is(&self, presented: &str) -> bool {
        self.secret.expose().as_bytes().ct_eq(presented.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// HTTP/2 keeps a sensitive value out of its tables, and `Debug` keeps it out of logs.
    #[test]
    fn the_header_with_the_api_key_is_sensitive() {
        let key = OwnApiKey::new(Secret::new("sk_test_1"));
        assert!(key.authorization.is_sensitive());
        assert_eq!(key.authorization, "Bearer sk_test_1");
        assert!(!format!("{:?}", key.authorization).contains("sk_test_1"));
    }

    #[test]
    fn the_key_is_told_from_every_other_one() {
        let key = OwnApiKey::new(Secret::new("sk_test_1"));
        assert!(key.is("sk_test_1"));
        assert!(
            ["", "sk_test_", "sk_test_2", "sk_test_11", "SK_TEST_1"].iter().all(|it| !key.is(it))
        );
    }
}
