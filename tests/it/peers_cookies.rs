//! Changed cookies: whatever an official SDK opens we open too, and the other way round, but for what
//! `docs/proof.md` explains.

use support::peers::{Peer, cookies};

const PROOF: &str = include_str!("../../docs/proof.md");

/// 300 cookies for each SDK. `AUTHKIT_COOKIES` sets another number, `PROPTEST_RNG_SEED` chooses other ones.
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
