use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use bytes::Bytes;
use tokio::time;

use crate::{
    clock::Clock,
    refresh::coordinator::{Claim, Coordinating, RefreshCoordinator},
};

/// A coordinator in memory, as one process sees it.
#[derive(Clone, Debug)]
pub(crate) struct Together {
    process: usize,
    clock: Clock,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    exchanges: HashMap<String, Exchange>,
    trouble: Option<Trouble>,
}

#[derive(Debug)]
struct Exchange {
    process: usize,
    begun: Duration,
    published: Option<(Bytes, Duration)>,
}

/// What is wrong with the store.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Trouble {
    /// It does not answer.
    Hangs,
    /// It forgets what is published.
    Forgets,
    /// It gives everybody this.
    Says(Bytes),
}

impl Together {
    /// The coordinators of so many processes.
    pub(crate) fn of<const N: usize>(clock: &Clock) -> [Self; N] {
        let shared = Arc::default();
        std::array::from_fn(|process| Self {
            process,
            clock: clock.clone(),
            shared: Arc::clone(&shared),
        })
    }

    pub(crate) fn trouble(&self, trouble: Option<Trouble>) {
        self.shared().trouble = trouble;
    }

    /// Everything that the store holds.
    pub(crate) fn contents(&self) -> String {
        format!("{:?}", self.shared().exchanges)
    }

    /// The values that were published.
    pub(crate) fn published(&self) -> Vec<Bytes> {
        let values = |it: &Exchange| it.published.as_ref().map(|(value, _)| value.clone());
        self.shared().exchanges.values().filter_map(values).collect()
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap()
    }

    /// What can be said of an exchange at once.
    fn known(&self, name: &str) -> Claim {
        let now = self.clock.monotonic();
        let shared = self.shared();
        if let Some(Trouble::Says(value)) = &shared.trouble {
            return Claim::Published(value.clone());
        }
        let known = shared.exchanges.get(name);
        match known {
            Some(Exchange { published: Some((value, at)), .. }) if now < *at + REMEMBERED => {
                Claim::Published(value.clone())
            }
            Some(it) if it.process != self.process && now < it.begun + REMEMBERED => {
                Claim::Contested
            }
            _ => Claim::Alone,
        }
    }

    async fn trouble_taken(&self) {
        let hangs = self.shared().trouble == Some(Trouble::Hangs);
        if hangs {
            std::future::pending::<()>().await;
        }
    }
}

impl RefreshCoordinator for Together {
    fn claim<'a>(&'a self, name: &'a str) -> Coordinating<'a, Claim> {
        Box::pin(async move {
            self.trouble_taken().await;
            for _ in 0..75 {
                let known = self.known(name);
                let now = self.clock.monotonic();
                if known == Claim::Alone {
                    let begun = Exchange { process: self.process, begun: now, published: None };
                    self.shared().exchanges.insert(name.to_owned(), begun);
                }
                let begun = self.shared().exchanges.get(name).map_or(now, |it| it.begun);
                if known != Claim::Contested || now >= begun + Duration::from_secs(10) {
                    return known;
                }
                time::sleep(Duration::from_millis(20)).await;
            }
            Claim::Contested
        })
    }

    fn look<'a>(&'a self, name: &'a str) -> Coordinating<'a, Claim> {
        Box::pin(async move {
            self.trouble_taken().await;
            self.known(name)
        })
    }

    fn publish<'a>(&'a self, name: &'a str, outcome: Bytes) -> Coordinating<'a, ()> {
        Box::pin(async move {
            self.trouble_taken().await;
            let now = self.clock.monotonic();
            let mut shared = self.shared();
            if shared.trouble == Some(Trouble::Forgets) {
                return;
            }
            let process = self.process;
            let known = shared.exchanges.entry(name.to_owned());
            let known = known.or_insert(Exchange { process, begun: now, published: None });
            known.published = Some((outcome, now));
        })
    }
}

const REMEMBERED: Duration = Duration::from_secs(60);
