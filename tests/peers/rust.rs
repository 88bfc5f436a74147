//! The crate `workos` as a counterparty. It takes long to build, so that only `cargo xtask peers` runs this.

#![forbid(unsafe_code)]

use authkit_session::SealFormat;
use support::peers::{Peer, cookies, kinds, sharing};

#[tokio::test]
async fn what_we_seal_opens_in_the_official_crate() {
    sharing::ours_opens_there(Peer::Rust).await;
}

/// With a password of 64 hexadecimal characters, the Go SDK and the crate have one format (`docs/formats.md`).
#[tokio::test]
async fn what_we_seal_as_the_go_sdk_opens_in_the_official_crate() {
    sharing::ours_opens_there_as(Peer::Rust, SealFormat::Go).await;
}

#[tokio::test]
async fn what_the_official_crate_seals_is_a_session_here() {
    sharing::theirs_opens_here(Peer::Rust).await;
}

#[tokio::test]
async fn a_refresh_keeps_the_cookie_in_the_official_crates_format() {
    sharing::theirs_stays_theirs(Peer::Rust).await;
}

#[tokio::test]
async fn whatever_session_the_official_crate_seals_keeps_all_but_its_tokens_in_a_refresh() {
    kinds::theirs_survives_here(Peer::Rust).await;
}

/// `docs/proof.md` explains them. `AUTHKIT_COOKIES` sets the number of cookies (default 300).
#[test]
fn every_disagreement_with_the_official_crate_about_a_cookie_is_explained() {
    let number = cookies::number();
    let tally = cookies::compare(Peer::Rust, number);
    assert!(tally.both > number / 20 && tally.neither > number / 4, "{tally}");
    for why in tally.explained.keys() {
        assert!(
            include_str!("../../docs/proof.md").contains(why),
            "docs/proof.md does not say: {why}"
        );
    }
}
