/// What a credential looks like, before anybody is asked about it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum KeyShape {
    /// It may be an API key.
    Plausible,
    /// It is none.
    Malformed,
}

impl KeyShape {
    /// WorkOS documents no grammar of keys: all that it shows begin with `sk_`, and the rest is letters, digits and `_`.
    /// A little more is let through than that.
    pub(crate) fn of(credential: &str) -> Self {
        let is_key = credential.strip_prefix(PREFIX).is_some_and(|rest| {
            (MIN..=MAX).contains(&rest.len())
                && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.~".contains(&byte))
        });
        if is_key { Self::Plausible } else { Self::Malformed }
    }
}

/// What every key begins with.
pub(crate) const PREFIX: &str = "sk_";
/// How much has to follow, so that guesses are not asked about.
const MIN: usize = 6;
/// Longer ones than this are no keys.
const MAX: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_begins_as_workos_shows_them_and_is_of_bounded_length() {
        let long = |len| format!("sk_{}", "a".repeat(len));
        let cases = [
            ("sk_test_123", KeyShape::Plausible),
            ("sk_live_aB0-._~z", KeyShape::Plausible),
            (&long(512), KeyShape::Plausible),
            (&long(513), KeyShape::Malformed),
            ("sk_", KeyShape::Malformed),
            ("sk_short5", KeyShape::Plausible),
            ("sk_short", KeyShape::Malformed),
            ("SK_test_123456", KeyShape::Malformed),
            (" sk_test_123456", KeyShape::Malformed),
            ("pk_test_123456", KeyShape::Malformed),
            ("sk_test 123456", KeyShape::Malformed),
            ("sk_test_123456\n", KeyShape::Malformed),
            ("sk_test_\"}123456", KeyShape::Malformed),
            ("sk_test_ключ123456", KeyShape::Malformed),
            ("", KeyShape::Malformed),
            ("a.b.c", KeyShape::Malformed),
        ];
        for (credential, expected) in cases {
            assert_eq!(KeyShape::of(credential), expected, "{credential}");
        }
    }
}
