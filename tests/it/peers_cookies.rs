//! Changed cookies: we open a cookie exactly if the official SDK opens it, except for the differences that `docs/proof.md`
//! explains.

use support::peers::{Peer, cookies};

/// `tests/vectors` has cookies that these SDKs sealed, since no registry that the tests install from has the SDKs.
#[test]
fn se_03_what_opens_of_a_changed_cookie_is_what_an_sdk_sealed() {
    let number = cookies::number();
    for producer in RECORDED {
        let opened = cookies::open_recorded(producer, number);
        assert!(number / 20 < opened && opened < number / 2, "{producer}: {opened}");
    }
}

const RECORDED: [&str; 4] = ["workos-ruby", "workos-ruby-7", "workos-ruby-6", "workos-go"];
const PROOF: &str = include_str!("../../docs/proof.md");

/// 300 cookies for each SDK. `AUTHKIT_COOKIES` sets another number, `PROPTEST_RNG_SEED` chooses other changes.
#[test]
fn se_01_every_disagreement_with_an_sdk_about_a_cookie_is_explained() {
    let number = cookies::number();
    for peer in Peer::INSTALLED {
        let tally = cookies::compare(peer, number);
        assert!(tally.both > number / 20, "{peer:?}: {tally}");
        assert!(tally.neither > number / 4, "{peer:?}: {tally}");
        assert!(!tally.explained.is_empty(), "{peer:?}: {tally}");
        for why in tally.explained.keys() {
            assert!(PROOF.contains(why), "docs/proof.md does not say: {why}");
        }
    }
}
