//! Sessions that our service and one with an official SDK share: each opens what the other sealed.

use support::peers::{Peer, kinds, sharing};

#[tokio::test]
async fn what_we_seal_opens_in_each_sdk() {
    for peer in Peer::INSTALLED {
        sharing::ours_opens_there(peer).await;
    }
}

#[tokio::test]
async fn what_each_sdk_seals_is_a_session_here() {
    for peer in Peer::INSTALLED {
        sharing::theirs_opens_here(peer).await;
    }
}

#[tokio::test]
async fn a_refresh_keeps_the_cookie_in_the_format_it_came_in() {
    for peer in Peer::INSTALLED {
        sharing::theirs_stays_theirs(peer).await;
    }
}

#[tokio::test]
async fn se_01_whatever_session_we_seal_is_good_in_each_sdk() {
    for peer in Peer::JUDGES {
        kinds::ours_is_good_there(peer).await;
    }
}

#[tokio::test]
async fn se_08_whatever_session_each_sdk_seals_keeps_all_but_its_tokens_in_a_refresh() {
    for peer in Peer::INSTALLED {
        kinds::theirs_survives_here(peer).await;
    }
}
