/// What a credential looks like, before WorkOS is asked about it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum KeyShape {
    /// It may be an API key.
    Plausible,
    /// The credential is not an API key.
    Malformed,
}

impl KeyShape {
    /// WorkOS documents no grammar of API keys. All that it shows begin with `sk_`, followed by letters, digits and
    /// `_`; this check accepts a few more characters.
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
/// The least length after the prefix, so that short guesses cause no call.
const MIN: usize = 6;
/// The greatest length after the prefix.
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
