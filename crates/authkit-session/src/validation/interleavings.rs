//! Everybody who asks about one credential, in every interleaving.

use std::{future, task::Poll};

use super::*;
use crate::{
    sync::{Fate, block_on, explore, tasks_are, thread},
    testing::clock,
};

const GOOD: CredentialAnswer<u8> = CredentialAnswer::Accepted { value: 7, expires_at: None };

/// What is asked, and how often.
#[derive(Default)]
struct Asked(std::sync::atomic::AtomicUsize);

impl Asked {
    fn times(&self) -> usize {
        self.0.load(std::sync::atomic::Ordering::SeqCst)
    }

    /// WorkOS's answer, which takes a while.
    async fn workos(self: Arc<Self>, answer: CredentialAnswer<u8>) -> CredentialAnswer<u8> {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let mut has_waited = false;
        future::poll_fn(|cx| {
            if has_waited {
                return Poll::Ready(());
            }
            has_waited = true;
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        answer
    }
}

/// Two ask about one credential at once, and what they are told.
fn two_ask(
    validations: &Arc<Validations<u8>>,
    asked: &Arc<Asked>,
    answer: &CredentialAnswer<u8>,
) -> [Result<Option<u8>, Reason>; 2] {
    let ask = || {
        let (validations, asked) = (Arc::clone(validations), Arc::clone(asked));
        let answer = answer.clone();
        move || {
            let hash = CredentialHash::of("credential");
            block_on(validations.ask(hash, || asked.workos(answer)))
        }
    };
    let another = thread(ask());
    [ask()(), another.join().unwrap()]
}

fn validations() -> Arc<Validations<u8>> {
    Arc::new(Validations::new(clock(), Duration::from_secs(60)))
}

#[test]
fn whoever_asks_before_while_or_after_another_one_does_is_told_the_same_by_one_call() {
    for (name, answer, told) in [
        ("an accepted credential", GOOD, Ok(Some(7))),
        ("a refused credential", CredentialAnswer::Refused, Ok(None)),
        (
            "a credential without an answer",
            CredentialAnswer::Unanswered(Reason::Misconfigured),
            Err(Reason::Misconfigured),
        ),
        ("a fault", CredentialAnswer::Fault(Reason::Upstream), Err(Reason::Upstream)),
    ] {
        explore(&format!("two ask about {name}"), BOUND, move || {
            tasks_are([Fate::Runs]);
            let (validations, asked) = (validations(), Arc::default());
            assert_eq!(two_ask(&validations, &asked, &answer), [told; 2]);
            assert_eq!(asked.times(), 1);
        });
    }
}

/// A runtime that shuts down drops its tasks; nobody waits for ever, and whoever comes later asks again.
#[test]
fn when_the_one_who_asks_is_dropped_the_others_are_told_and_ask_again() {
    for fate in [Fate::NeverBegins, Fate::DroppedWaiting] {
        explore(&format!("the one who asks is dropped: {fate:?}"), BOUND, move || {
            tasks_are([fate, Fate::Runs]);
            let (validations, asked) = (validations(), Arc::default());
            for told in two_ask(&validations, &asked, &GOOD) {
                assert!([Ok(Some(7)), Err(Reason::Upstream)].contains(&told), "{told:?}");
            }
            tasks_are([Fate::Inline]);
            let hash = CredentialHash::of("credential");
            let question = Arc::clone(&asked).workos(GOOD);
            assert_eq!(block_on(validations.ask(hash, || question)), Ok(Some(7)));
        });
    }
}

/// How often a thread that could go on is interrupted.
const BOUND: Option<usize> = Some(2);
