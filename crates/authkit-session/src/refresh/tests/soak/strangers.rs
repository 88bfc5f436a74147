//! Strangers, who have no session: now and then they flood all that makes work.

use std::sync::{Arc, Mutex};

use http::HeaderMap;
use tokio::{task::JoinSet, time};

use super::{Luck, Tally, s};
use crate::{
    HookDecision, PkceVerifier, Replacing,
    refresh::tests::ms,
    testing::{Browser, Service},
};

/// Floods the service every few hours, for twenty seconds, with fifty requests a second.
pub(super) async fn flood(service: Service, mut luck: Luck, tally: Arc<Mutex<Tally>>) {
    // One of them has an old cookie, whose user has signed out long ago.
    let old = service.sign_in("another").await;
    service.authenticator.sign_out(&old.headers());
    let mut calls = JoinSet::new();
    loop {
        time::sleep(s(3_600 + luck.below(6 * 3_600))).await;
        for _ in 0..20 * 50 {
            time::sleep(ms(20)).await;
            tally.lock().unwrap().count("requests of strangers");
            while calls.try_join_next().is_some() {}
            match luck.below(4) {
                0 => {
                    let (service, code) = (service.clone(), format!("junk{}", luck.next()));
                    calls.spawn(async move {
                        let (verifier, nobody) = (PkceVerifier::generate(), HeaderMap::new());
                        let keep = async |_, _| HookDecision::Keep;
                        let begun = service.authenticator.exchange_code(
                            &code,
                            &verifier,
                            &nobody,
                            Replacing::AnyUser,
                            keep,
                        );
                        assert!(begun.await.is_err(), "a made-up code begins a session");
                    });
                }
                1 => {
                    let garbage = Browser::holding(&format!("{:064x}", luck.next()));
                    assert!(service.open(&garbage).await.is_err(), "garbage is let in");
                }
                2 => {
                    service.authenticator.sign_out(&old.headers());
                }
                _ => assert!(service.open(&old).await.is_err(), "what has ended is let in"),
            }
        }
    }
}
