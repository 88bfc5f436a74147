//! Clients that leave, wherever their request waits.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

use serde_json::json;
use tokio::time;

use super::{ms, s};
use crate::testing::{Browser, Endpoint, Reply, Rotation, Service, key};

/// When a client leaves.
#[derive(Clone, Copy, Debug)]
enum Leaves {
    /// As its request begins to wait.
    AtOnce,
    /// As what the request waited for has come.
    AsItWakes,
}

/// Runs a request until it has begun to wait so often; `None` if that is where it was cut off.
async fn cut_off<F: Future>(request: F, waits: usize, leaves: Leaves) -> Option<F::Output> {
    let mut request = pin!(request);
    let mut begun = 0;
    poll_fn(|context| {
        if begun == waits {
            return Poll::Ready(None);
        }
        begun += 1;
        match (request.as_mut().poll(context), leaves) {
            (Poll::Ready(output), _) => Poll::Ready(Some(output)),
            (Poll::Pending, Leaves::AtOnce) if begun == waits => Poll::Ready(None),
            (Poll::Pending, Leaves::AtOnce | Leaves::AsItWakes) => Poll::Pending,
        }
    })
    .await
}

/// A service that has just started, and an expired session: it takes keys, two attempts at a refresh since WorkOS
/// fails once, and the key that has begun to sign meanwhile.
async fn all_that_can_be_waited_for() -> (Service, Browser) {
    let before = Service::new();
    before.workos.rotate(Rotation::Strict);
    let browser = before.sign_in("user_a").await;
    time::sleep(s(310)).await;
    let service = before.replica(|config| config);
    let old_key = json!({ "keys": [key(0).jwk()] }).to_string();
    service.workos.will(Endpoint::Jwks, Reply::Instead(200, Vec::new(), old_key));
    service.workos.usually(Endpoint::Jwks, Reply::Usual(ms(100)));
    service.workos.sign_with(1);
    service.workos.will(Endpoint::Authenticate, Reply::Instead(503, Vec::new(), String::new()));
    service.workos.usually(Endpoint::Authenticate, Reply::Usual(ms(200)));
    (service, browser)
}

/// A request as far as its head: it waits to be let in, and then for an inner service that takes its time.
async fn request(service: &Service, browser: &Browser) -> bool {
    let Ok(_admission) = service.open(browser).await else { return false };
    time::sleep(ms(50)).await;
    time::sleep(ms(50)).await;
    true
}

/// How often such a request waits.
async fn waits() -> usize {
    for waits in 1.. {
        let (service, browser) = all_that_can_be_waited_for().await;
        match cut_off(request(&service, &browser), waits, Leaves::AsItWakes).await {
            Some(admitted) => {
                assert!(admitted);
                return waits - 1;
            }
            None => assert!(waits < 100, "it never ends"),
        }
    }
    unreachable!("the loop has no end")
}

#[tokio::test(start_paused = true)]
async fn cc_04_a_client_may_leave_at_every_await_point() {
    let every = waits().await;
    assert!(every >= 5, "keys, the refresh, its key and the inner service twice: {every}");
    for later in [s(0), ms(250), s(61), s(3_600), s(23 * 3_600)] {
        for waits in 0..=every {
            for leaves in [Leaves::AtOnce, Leaves::AsItWakes] {
                let (service, mut browser) = all_that_can_be_waited_for().await;
                let cut = cut_off(request(&service, &browser), waits, leaves).await;
                assert!(cut.is_none(), "{waits} waits are not all");
                time::sleep(later).await;
                let session = service.get(&mut browser).await.session();
                assert_eq!(session.user_id(), "user_a");
                assert!(session.expires_at() > service.clock.wall());
                let again = service.get(&mut browser).await.session();
                assert_eq!(again.access_token().expose(), session.access_token().expose());
                let mut spent: Vec<_> =
                    service.workos.exchanges().into_iter().map(|exchange| exchange.token).collect();
                // The first attempt was answered by 503, and the second one is the same exchange.
                spent.remove(0);
                let exchanges = spent.len();
                spent.dedup();
                assert_eq!(spent.len(), exchanges, "{waits} waits, {leaves:?}, {later:?} later");
            }
        }
    }
}
