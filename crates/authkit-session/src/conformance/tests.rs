use std::{
    collections::HashMap,
    fmt,
    future::{pending, ready},
    sync::{Arc, Mutex},
};

use super::*;
use crate::{Claim, InProcess, Inbox, NotPublished, testing::Together};

/// A coordinator in memory, as one of two processes sees it, with one flaw or none.
#[derive(Clone, Debug)]
struct InMemory {
    process: usize,
    flaw: CoordinatorFlaw,
    exchanges: Arc<Mutex<Exchanges>>,
}

/// Who began an exchange, and its outcome, by its name.
type Exchanges = HashMap<String, (usize, Option<Bytes>)>;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum CoordinatorFlaw {
    None,
    /// Everybody is alone.
    SharesNothing,
    /// It contests what the process began itself.
    ContestsItself,
    LookBegins,
    LookWaits,
    ClaimDoesNotWait,
    /// It waits longer than may be.
    ClaimWaits,
    PublishWaits,
    Hangs,
    LosesOutcomes,
    /// The first outcome stays.
    KeepsTheFirst,
    /// The last character of a name counts for nothing.
    ConfusesNames,
    /// What is no text is changed.
    WantsText,
    /// Long outcomes are dropped.
    WantsShortOnes,
    /// Outcomes of a process that has claimed nothing are dropped.
    WantsAClaim,
}

impl InMemory {
    fn pair(flaw: CoordinatorFlaw) -> [Self; 2] {
        let exchanges = Arc::default();
        [0, 1].map(|process| Self { process, flaw, exchanges: Arc::clone(&exchanges) })
    }

    fn is(&self, flaw: CoordinatorFlaw) -> bool {
        self.flaw == flaw
    }

    fn key(&self, exchange: &str) -> String {
        let shorter = exchange.len() - usize::from(self.is(CoordinatorFlaw::ConfusesNames));
        exchange[..shorter].to_owned()
    }

    fn known(&self, exchange: &str) -> Claim {
        match self.exchanges.lock().unwrap().get(&self.key(exchange)) {
            Some((_, Some(outcome))) => Claim::Published(outcome.clone()),
            Some((process, None)) if *process != self.process => Claim::Contested,
            Some(_) if self.is(CoordinatorFlaw::ContestsItself) => Claim::Contested,
            Some(_) | None => Claim::Alone,
        }
    }

    fn begin(&self, exchange: &str) {
        let mut exchanges = self.exchanges.lock().unwrap();
        exchanges.entry(self.key(exchange)).or_insert((self.process, None));
    }

    async fn pause(&self, flaw: CoordinatorFlaw) {
        if self.is(CoordinatorFlaw::Hangs) {
            pending::<()>().await;
        }
        if self.is(flaw) {
            time::sleep(Duration::from_secs(3)).await;
        }
    }
}

impl RefreshCoordinator for InMemory {
    fn claim<'a>(&'a self, exchange: &'a str) -> crate::Coordinating<'a, Claim> {
        Box::pin(async move {
            self.pause(CoordinatorFlaw::ClaimWaits).await;
            for _ in 0..75 {
                match self.known(exchange) {
                    Claim::Alone => {
                        if !self.is(CoordinatorFlaw::SharesNothing) {
                            self.begin(exchange);
                        }
                        return Claim::Alone;
                    }
                    Claim::Published(outcome) => return Claim::Published(outcome),
                    Claim::Contested if self.is(CoordinatorFlaw::ClaimDoesNotWait) => break,
                    Claim::Contested => time::sleep(Duration::from_millis(20)).await,
                }
            }
            Claim::Contested
        })
    }

    fn look<'a>(&'a self, exchange: &'a str) -> crate::Coordinating<'a, Claim> {
        Box::pin(async move {
            self.pause(CoordinatorFlaw::LookWaits).await;
            let known = self.known(exchange);
            if self.is(CoordinatorFlaw::LookBegins) {
                self.begin(exchange);
            }
            known
        })
    }

    fn publish<'a>(&'a self, exchange: &'a str, outcome: Bytes) -> crate::Coordinating<'a, ()> {
        Box::pin(async move {
            self.pause(CoordinatorFlaw::PublishWaits).await;
            let outcome = if self.is(CoordinatorFlaw::WantsText) {
                String::from_utf8_lossy(&outcome).into_owned().into()
            } else {
                outcome
            };
            let mut exchanges = self.exchanges.lock().unwrap();
            let known = exchanges.get(&self.key(exchange)).cloned();
            let is_dropped = [
                (CoordinatorFlaw::LosesOutcomes, true),
                (CoordinatorFlaw::SharesNothing, true),
                (CoordinatorFlaw::KeepsTheFirst, matches!(known, Some((_, Some(_))))),
                (CoordinatorFlaw::WantsShortOnes, outcome.len() > 64 * 1024),
                (CoordinatorFlaw::WantsAClaim, known.is_none()),
            ];
            if !is_dropped.contains(&(self.flaw, true)) {
                exchanges.insert(self.key(exchange), (self.process, Some(outcome)));
            }
        })
    }
}

/// The rule that a check found broken.
async fn broken(check: impl Future<Output = ()> + Send + 'static) -> Option<String> {
    let panic = tokio::spawn(check).await.err()?.into_panic();
    match panic.downcast::<String>() {
        Ok(text) => Some(*text),
        Err(panic) => panic.downcast::<&str>().ok().map(|text| (*text).to_owned()),
    }
}

#[track_caller]
fn assert_found(flaw: &impl fmt::Debug, broken: Option<&str>, rule: &str) {
    assert!(broken.is_some_and(|text| text.contains(rule)), "{flaw:?}: {broken:?}");
}

#[tokio::test]
async fn the_coordinator_of_one_process_conforms() {
    refresh_coordinator(&InProcess::default()).await;
    unavailable_refresh_coordinator(&InProcess::default()).await;
}

#[tokio::test(start_paused = true)]
async fn the_coordinators_that_tests_use_conform() {
    let [here, there] = Together::of(&crate::testing::clock());
    shared_refresh_coordinator(&here, &there).await;
    let [here, there] = InMemory::pair(CoordinatorFlaw::None);
    shared_refresh_coordinator(&here, &there).await;
}

#[tokio::test(start_paused = true)]
async fn each_flaw_of_a_coordinator_is_found() {
    let flaws = [
        (CoordinatorFlaw::SharesNothing, "one is alone and one contested"),
        (CoordinatorFlaw::ContestsItself, "does not contest what it began itself"),
        (CoordinatorFlaw::LookBegins, "a look begins no exchange"),
        (CoordinatorFlaw::LookWaits, "a look takes 500ms at most"),
        (CoordinatorFlaw::ClaimDoesNotWait, "a claim waits for the outcome"),
        (CoordinatorFlaw::ClaimWaits, "a claim takes 2s at most"),
        (CoordinatorFlaw::PublishWaits, "publishing takes 2s at most"),
        (CoordinatorFlaw::Hangs, "a look takes 500ms at most"),
        (CoordinatorFlaw::LosesOutcomes, "a claim waits for the outcome"),
        (CoordinatorFlaw::KeepsTheFirst, "a later outcome replaces an earlier"),
        (CoordinatorFlaw::ConfusesNames, "exchanges are not confused"),
        (CoordinatorFlaw::WantsText, "an outcome is told as published"),
        (CoordinatorFlaw::WantsShortOnes, "an outcome is told as published"),
        (CoordinatorFlaw::WantsAClaim, "an outcome is told as published"),
    ];
    for (flaw, rule) in flaws {
        let [here, there] = InMemory::pair(flaw);
        let check = async move { shared_refresh_coordinator(&here, &there).await };
        assert_found(&flaw, broken(check).await.as_deref(), rule);
    }
    let [here, _] = InMemory::pair(CoordinatorFlaw::None);
    let check = async move { unavailable_refresh_coordinator(&here).await };
    assert_found(
        &"a store that is there",
        broken(check).await.as_deref(),
        "without a store, alone",
    );
}

/// Carries revocations in memory, for both processes, with one flaw or none.
#[derive(Debug)]
struct Carrier {
    flaw: CarrierFlaw,
    inboxes: Mutex<Vec<Inbox>>,
    published: Mutex<Vec<Notice>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum CarrierFlaw {
    None,
    Gone,
    Hangs,
    TellsNobody,
    /// Who comes late hears nothing of what was.
    Forgets,
    ConfusesGroups,
    ChangesText,
    KeepsTheClosed,
    DropsWhoCannotRead,
    /// A notice goes out once.
    RefusesRepetition,
}

impl Carrier {
    fn with(flaw: CarrierFlaw) -> Self {
        Self { flaw, inboxes: Mutex::default(), published: Mutex::default() }
    }

    fn deliver(&self, inbox: &Inbox, notice: &Notice) -> bool {
        if inbox.group() != notice.group() && self.flaw != CarrierFlaw::ConfusesGroups {
            return true;
        }
        let text = notice.sealed();
        let is_changed = self.flaw == CarrierFlaw::ChangesText;
        let text = if is_changed { text.to_uppercase() } else { text.to_owned() };
        match inbox.deliver(&text) {
            Delivery::Taken => true,
            Delivery::Unreadable => self.flaw != CarrierFlaw::DropsWhoCannotRead,
            Delivery::Closed => self.flaw == CarrierFlaw::KeepsTheClosed,
        }
    }
}

impl Revocations for Carrier {
    fn subscribe(&self, inbox: Inbox) {
        if self.flaw != CarrierFlaw::Forgets {
            for notice in self.published.lock().unwrap().iter() {
                self.deliver(&inbox, notice);
            }
        }
        self.inboxes.lock().unwrap().push(inbox);
    }

    fn publish(&self, notice: Notice) -> crate::Publishing<'_> {
        if self.flaw == CarrierFlaw::Hangs {
            return Box::pin(pending());
        }
        if self.flaw == CarrierFlaw::Gone {
            return Box::pin(ready(Err(NotPublished::new())));
        }
        if self.flaw == CarrierFlaw::TellsNobody {
            return Box::pin(ready(Ok(())));
        }
        let mut published = self.published.lock().unwrap();
        let is_known = published.iter().any(|known| known.sealed() == notice.sealed());
        if is_known && self.flaw == CarrierFlaw::RefusesRepetition {
            return Box::pin(ready(Err(NotPublished::new())));
        }
        self.inboxes.lock().unwrap().retain(|inbox| self.deliver(inbox, &notice));
        published.push(notice);
        Box::pin(ready(Ok(())))
    }
}

#[tokio::test(start_paused = true)]
async fn a_carrier_of_revocations_in_memory_conforms() {
    let carrier = Carrier::with(CarrierFlaw::None);
    shared_revocations(&carrier, &carrier).await;
    unavailable_revocations(&Carrier::with(CarrierFlaw::Gone)).await;
}

#[tokio::test(start_paused = true)]
async fn each_flaw_of_a_carrier_of_revocations_is_found() {
    let flaws = [
        (CarrierFlaw::Gone, "a notice is published"),
        (CarrierFlaw::Hangs, "publishing takes 2s at most"),
        (CarrierFlaw::TellsNobody, "a notice arrives"),
        (CarrierFlaw::Forgets, "a notice arrives"),
        (CarrierFlaw::ConfusesGroups, "an inbox gets its own group's notices"),
        (CarrierFlaw::ChangesText, "a notice arrives"),
        (CarrierFlaw::KeepsTheClosed, "a closed inbox is dropped"),
        (CarrierFlaw::DropsWhoCannotRead, "a notice arrives"),
        (CarrierFlaw::RefusesRepetition, "a notice is published"),
    ];
    for (flaw, rule) in flaws {
        let carrier = Carrier::with(flaw);
        let check = async move { shared_revocations(&carrier, &carrier).await };
        assert_found(&flaw, broken(check).await.as_deref(), rule);
    }
    let flaws = [
        (CarrierFlaw::None, "what nobody can have heard is not published"),
        (CarrierFlaw::TellsNobody, "what nobody can have heard is not published"),
        (CarrierFlaw::Hangs, "publishing takes 2s at most"),
    ];
    for (flaw, rule) in flaws {
        let carrier = Carrier::with(flaw);
        let check = async move { unavailable_revocations(&carrier).await };
        assert_found(&flaw, broken(check).await.as_deref(), rule);
    }
}
