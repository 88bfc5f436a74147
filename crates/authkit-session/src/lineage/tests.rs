use std::{sync::Arc, time::Duration};

use super::{Ask, Carriage, Life, Limits, Lineages, PairId, Standing, Successor};
use crate::token::{RefreshToken, TokenHash};

/// A pair in tests.
#[derive(Debug, Eq, PartialEq)]
struct Pair {
    id: PairId,
    session: &'static str,
    organization: Option<&'static str>,
    carriage: Carriage,
}

impl Successor for Pair {
    fn id(&self) -> PairId {
        self.id
    }

    fn session_id(&self) -> Option<&str> {
        Some(self.session)
    }

    fn organization(&self) -> Option<&str> {
        self.organization
    }

    fn carriage(&self) -> Carriage {
        self.carriage
    }

    fn bytes(&self) -> usize {
        100
    }
}

type Table = Lineages<(), Pair>;

fn token(name: &str) -> TokenHash {
    RefreshToken::new(name).hash()
}

fn id(name: &str, made: u64) -> PairId {
    PairId { token: token(name), made }
}

fn pair(name: &str, made: u64) -> Arc<Pair> {
    Arc::new(Pair {
        id: id(name, made),
        session: "session_a",
        organization: None,
        carriage: Carriage::ByCookie,
    })
}

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn ask(table: &mut Table, pair: PairId, now: Duration) -> Ask<(), Pair> {
    table.ask(pair, None, now, || Ok(()))
}

#[test]
fn a_refresh_token_that_stays_the_same_has_successors_too() {
    let mut table = Table::new(Limits::default());
    assert!(matches!(ask(&mut table, id("same", 100), s(0)), Ask::Start(())));
    assert_eq!(table.renewed(token("same"), pair("same", 400), s(0)), Life::Live);

    assert_eq!(table.presented(Some(id("same", 100)), None, s(1)), Standing::Known(None));
    assert!(matches!(ask(&mut table, id("same", 100), s(1)), Ask::Successor(..)));
    assert!(table.head(token("same"), s(1)).is_some());
    assert_eq!(table.presented(Some(id("same", 400)), None, s(2)), Standing::Known(Some(s(2))));
    assert!(table.head(token("same"), s(2)).is_none());
    assert!(matches!(ask(&mut table, id("same", 400), s(3)), Ask::Start(())));
}
