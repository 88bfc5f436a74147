//! What a [`RefreshCoordinator`] or a [`Revocations`] has to do, as functions that its tests call. Feature `conformance`.
//!
//! Each function checks every rule of its trait and panics with the rule that is broken. It uses names of its own, so a
//! store that other tests use too does not disturb it. Run it on a tokio runtime.
//!
//! | function | holds for |
//! |---|---|
//! | [`refresh_coordinator`] | every coordinator, [`InProcess`](crate::InProcess) too |
//! | [`shared_refresh_coordinator`] | two coordinators, as two processes have them, on one store |
//! | [`unavailable_refresh_coordinator`] | a coordinator whose store is gone |
//! | [`shared_revocations`] | two carriers of revocations, as two processes have them, on one store |
//! | [`unavailable_revocations`] | a carrier of revocations whose store is gone |
//!
//! What these functions do not check: that an exchange is forgotten after 60 seconds, and a notice when it is over.
//!
//! # Examples
//!
//! ```
//! use authkit_session::{InProcess, conformance};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! conformance::refresh_coordinator(&InProcess::default()).await;
//! # }
//! ```

mod receiver;

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::time;

pub use self::receiver::TestReceiver;
use crate::{Claim, Delivery, Notice, RefreshCoordinator, Revocations, random};

/// Checks what every coordinator does, alone in its process or not.
///
/// 1. The first claim of an exchange is [`Claim::Alone`], and so is a look at an exchange that nobody began.
/// 2. A process does not contest what it began itself.
/// 3. Where it tells of an outcome, it is the one that was published.
/// 4. A claim and a publication take 2 seconds at most, a look 500 ms.
///
/// # Panics
///
/// If a rule is broken.
pub async fn refresh_coordinator(coordinator: &dyn RefreshCoordinator) {
    let exchange = &name("exchange");
    assert_eq!(look(coordinator, exchange).await, Claim::Alone, "nobody began this exchange");
    assert_eq!(claim(coordinator, exchange).await, Claim::Alone, "the first claim is alone");
    for again in [claim(coordinator, exchange).await, look(coordinator, exchange).await] {
        assert_eq!(again, Claim::Alone, "a process does not contest what it began itself");
    }
    let outcome = Bytes::from_static(b"outcome");
    publish(coordinator, exchange, &outcome).await;
    for told in [claim(coordinator, exchange).await, look(coordinator, exchange).await] {
        assert!(
            told == Claim::Alone || told == Claim::Published(outcome.clone()),
            "what is told of an exchange is what was published: {told:?}"
        );
    }
}

/// Checks what the coordinators of two processes do, which share one store. Includes [`refresh_coordinator`].
///
/// 1. Of two claims at once, one is [`Claim::Alone`].
/// 2. A later claim waits for the outcome, 1.5 seconds at most, and is [`Claim::Contested`] where there is none.
/// 3. A look neither waits nor begins an exchange.
/// 4. An outcome is told to both processes as it was published, whatever its bytes and up to 384 KiB; published by a
///    process that claimed nothing, too.
/// 5. A later outcome replaces an earlier one, whichever process published it.
/// 6. Exchanges whose names resemble each other are not confused.
///
/// # Panics
///
/// If a rule is broken.
pub async fn shared_refresh_coordinator(
    here: &dyn RefreshCoordinator,
    there: &dyn RefreshCoordinator,
) {
    refresh_coordinator(here).await;
    refresh_coordinator(there).await;

    let exchange = &name("contested");
    assert_eq!(look(here, exchange).await, Claim::Alone, "nobody began this exchange");
    let claims = tokio::join!(claim(here, exchange), claim(there, exchange));
    let (winner, loser) = match claims {
        (Claim::Alone, Claim::Contested) => (here, there),
        (Claim::Contested, Claim::Alone) => (there, here),
        other => panic!("of two claims at once, one is alone and one contested: {other:?}"),
    };
    assert_eq!(look(loser, exchange).await, Claim::Contested, "a look sees that it was begun");
    assert_eq!(look(winner, exchange).await, Claim::Alone, "a process does not contest its own");

    let waiting = claim(loser, exchange);
    let telling = async {
        time::sleep(Duration::from_millis(300)).await;
        publish(winner, exchange, &Bytes::from_static(b"while waited for")).await;
    };
    let (told, ()) = tokio::join!(waiting, telling);
    let published = Claim::Published(Bytes::from_static(b"while waited for"));
    assert_eq!(told, published, "a claim waits for the outcome");

    for (author, outcome) in [(winner, "a later one"), (loser, "of the other"), (winner, "again")] {
        let outcome = Bytes::from(outcome);
        publish(author, exchange, &outcome).await;
        assert_told(here, there, exchange, &outcome, "a later outcome replaces an earlier").await;
    }

    let unbegun = &name("unbegun");
    for coordinator in [here, there] {
        assert_eq!(look(coordinator, unbegun).await, Claim::Alone, "a look begins no exchange");
    }
    assert_eq!(claim(there, unbegun).await, Claim::Alone, "a look begins no exchange");

    let every_byte: Bytes = (0..=u8::MAX).collect();
    let longest = Bytes::from(vec![b'x'; 384 * 1024]);
    for outcome in [Bytes::new(), Bytes::from_static(b"?"), every_byte, longest] {
        let exchange = &name("bytes");
        publish(here, exchange, &outcome).await;
        assert_told(here, there, exchange, &outcome, "an outcome is told as published").await;
    }

    let stem = name("resembling");
    let names = ["", "-", "_", "A", "a", "aa"].map(|end| format!("{stem}{end}"));
    for exchange in &names {
        assert_eq!(claim(here, exchange).await, Claim::Alone, "exchanges are not confused");
        publish(here, exchange, &Bytes::from(exchange.clone())).await;
    }
    for exchange in &names {
        let outcome = Bytes::from(exchange.clone());
        assert_told(here, there, exchange, &outcome, "exchanges are not confused").await;
    }
}

/// Checks a coordinator whose store is gone: every process is [`Claim::Alone`], in the times of [`refresh_coordinator`].
///
/// # Panics
///
/// If a rule is broken.
pub async fn unavailable_refresh_coordinator(coordinator: &dyn RefreshCoordinator) {
    let exchange = &name("unavailable");
    for _ in 0..2 {
        assert_eq!(claim(coordinator, exchange).await, Claim::Alone, "without a store, alone");
        publish(coordinator, exchange, &Bytes::from_static(b"outcome")).await;
        assert_eq!(look(coordinator, exchange).await, Claim::Alone, "without a store, alone");
    }
}

/// Checks what two carriers of revocations do, as two processes have them, which share one store.
///
/// 1. Subscribing does not wait; publishing takes 2 seconds at most.
/// 2. An inbox gets what either process publishes after it subscribed, within 5 seconds, sealed as it was.
/// 3. It gets what was published before too, unless that is over.
/// 4. It gets the notices of its own group alone.
/// 5. The same notice may be published again, by either process.
/// 6. An inbox that could not read a notice gets the next one; one that is closed gets no more.
///
/// # Panics
///
/// If a rule is broken.
pub async fn shared_revocations(here: &dyn Revocations, there: &dyn Revocations) {
    let (group, other) = (name("group"), name("group"));
    let carriers = [here, there];
    let receivers = carriers.map(|carrier| TestReceiver::subscribed(carrier, &group));
    let apart = TestReceiver::subscribed(there, &other);
    for receiver in &receivers {
        receiver.answer("unreadable", Delivery::Unreadable);
    }

    for text in ["first", "unreadable", "A-_09az", "last"] {
        for carrier in carriers {
            // The second time it is the same notice, from the other process.
            announce(carrier, &group, text).await;
        }
        for receiver in &receivers {
            receiver.until_received(text).await;
        }
    }

    for carrier in carriers {
        let late = TestReceiver::subscribed(carrier, &group);
        for text in ["first", "A-_09az", "last"] {
            late.until_received(text).await;
        }
    }

    announce(here, &other, "of the other group").await;
    apart.until_received("of the other group").await;
    assert_eq!(apart.received(), ["of the other group"], "an inbox gets its own group's notices");
    for receiver in &receivers {
        let received = receiver.received();
        assert!(!received.contains(&"of the other group".to_owned()), "groups are kept apart");
    }

    let [closed, open] = &receivers;
    closed.close();
    for text in ["after it was closed", "and after that", "and once more"] {
        announce(there, &group, text).await;
        open.until_received(text).await;
    }
    // Another inbox of the same process has got all three, so that the closed one would have, too.
    let beside = TestReceiver::subscribed(here, &group);
    beside.until_received("and once more").await;
    assert!(closed.deliveries_after_closing() <= 1, "a closed inbox is dropped");
}

/// Checks a carrier of revocations whose store is gone: a publication fails with
/// [`NotPublished`](crate::NotPublished), within 2 seconds, and subscribing does not wait.
///
/// # Panics
///
/// If a rule is broken.
pub async fn unavailable_revocations(carrier: &dyn Revocations) {
    let group = name("unavailable");
    let receiver = TestReceiver::subscribed(carrier, &group);
    let published = carrier.publish(notice(&group, "lost", in_an_hour()));
    let published = in_time("publishing", TWO_SECONDS, published).await;
    assert!(published.is_err(), "what nobody can have heard is not published");
    drop(receiver);
}

/// A notice for the tests of a [`Revocations`]; `sealed` is what a [`TestReceiver`] gets. No
/// [`Authenticator`](crate::Authenticator) can read it.
pub fn notice(group: &str, sealed: &str, until: SystemTime) -> Notice {
    Notice { group: group.into(), sealed: sealed.into(), until }
}

async fn claim(coordinator: &dyn RefreshCoordinator, exchange: &str) -> Claim {
    in_time("a claim", TWO_SECONDS, coordinator.claim(exchange)).await
}

async fn look(coordinator: &dyn RefreshCoordinator, exchange: &str) -> Claim {
    in_time("a look", Duration::from_millis(500), coordinator.look(exchange)).await
}

async fn publish(coordinator: &dyn RefreshCoordinator, exchange: &str, outcome: &Bytes) {
    let publishing = coordinator.publish(exchange, outcome.clone());
    in_time("publishing", TWO_SECONDS, publishing).await;
}

async fn announce(carrier: &dyn Revocations, group: &str, text: &str) {
    let published = carrier.publish(notice(group, text, in_an_hour()));
    let published = in_time("publishing", TWO_SECONDS, published).await;
    assert_eq!(published, Ok(()), "a notice is published: {text:?}");
}

/// Both processes tell of this outcome, to claims and to looks.
async fn assert_told(
    here: &dyn RefreshCoordinator,
    there: &dyn RefreshCoordinator,
    exchange: &str,
    outcome: &Bytes,
    rule: &str,
) {
    for coordinator in [here, there] {
        for told in [look(coordinator, exchange).await, claim(coordinator, exchange).await] {
            assert!(told == Claim::Published(outcome.clone()), "{rule}");
        }
    }
}

async fn in_time<T>(what: &str, limit: Duration, answer: impl Future<Output = T>) -> T {
    match time::timeout(limit, answer).await {
        Ok(answer) => answer,
        Err(_) => panic!("{what} takes {limit:?} at most"),
    }
}

/// A name that no other run has used, in the characters of the names that an authenticator gives.
fn name(stem: &str) -> String {
    let unique = u128::from_be_bytes(random::bytes());
    format!("{stem}-{unique:032x}")
}

fn in_an_hour() -> SystemTime {
    SystemTime::now() + Duration::from_secs(60 * 60)
}

const TWO_SECONDS: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
