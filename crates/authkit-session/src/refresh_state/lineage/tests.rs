mod memory;
mod model;
mod orders;
mod threads;

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use super::{
    ApiRefusal, CookieSize, ExchangeStatus, Limits, LineageState, LineageStatus, Lineages, PairId,
    RefusalAge, TokenPair,
};
use crate::{
    refresh_state::lookup_filter::LookupFilter,
    token::{RefreshToken, TokenHash},
    upstream::budget::Throttled,
};

/// How many entries the tables have.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Sizes {
    pub(super) tokens: usize,
    pub(super) lineages: usize,
    pub(super) expiries: usize,
}

/// A pair in tests: the `n`th of a user's session.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
struct Cookie {
    user: u8,
    n: u8,
}

impl Cookie {
    fn next(self) -> Self {
        Self { n: self.n + 1, ..self }
    }

    fn before(self) -> Option<Self> {
        Some(Self { n: self.n.checked_sub(1)?, ..self })
    }

    fn token(self) -> TokenHash {
        static TOKENS: LazyLock<Vec<TokenHash>> = LazyLock::new(|| {
            (0..=255).map(|n| RefreshToken::new(format!("token {n}")).hash()).collect()
        });
        TOKENS[usize::from(self.user * 16 + self.n)]
    }

    fn id(self) -> PairId {
        PairId { token: self.token(), issued_at: u64::from(self.n) }
    }
}

/// Whether a refresh keeps the session's id, as WorkOS does, or gives a new one, as an emulator of it does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Sids {
    Kept,
    Changing,
}

impl Sids {
    fn of(self, cookie: Cookie) -> u8 {
        match self {
            Self::Kept => cookie.user * 16,
            Self::Changing => cookie.user * 16 + cookie.n,
        }
    }

    fn name(self, cookie: Cookie) -> &'static str {
        static NAMES: LazyLock<Vec<String>> =
            LazyLock::new(|| (0..=255).map(|n| format!("session_{n}")).collect());
        &NAMES[usize::from(self.of(cookie))]
    }
}

#[derive(Clone, Debug)]
struct Successor {
    cookie: Cookie,
    id: PairId,
    session_id: &'static str,
    organization: Option<&'static str>,
    cookie_size: CookieSize,
}

impl Successor {
    fn new(cookie: Cookie, sids: Sids) -> Self {
        Self {
            cookie,
            id: cookie.id(),
            session_id: sids.name(cookie),
            organization: None,
            cookie_size: CookieSize::Fits,
        }
    }
}

impl TokenPair for Successor {
    fn id(&self) -> PairId {
        self.id
    }

    fn session_id(&self) -> Option<&str> {
        Some(self.session_id)
    }

    fn organization(&self) -> Option<&str> {
        self.organization
    }

    fn cookie_size(&self) -> CookieSize {
        self.cookie_size
    }

    fn bytes(&self) -> usize {
        1_000
    }
}

type Table = Lineages<(), Successor>;

const OLD: Cookie = Cookie { user: 0, n: 0 };
const NEW: Cookie = Cookie { user: 0, n: 1 };
const NEWER: Cookie = Cookie { user: 0, n: 2 };
const HOUR: Duration = Duration::from_secs(60 * 60);

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn table() -> Table {
    Table::new(Limits::default(), Arc::new(LookupFilter::new(64)))
}

fn ask(table: &mut Table, cookie: Cookie, now: Duration) -> ExchangeStatus<(), Successor> {
    table.exchange(cookie.id(), None, now, || Ok(()))
}

fn renew(table: &mut Table, cookie: Cookie, now: Duration) -> LineageState {
    assert!(matches!(ask(table, cookie, now), ExchangeStatus::Start(())));
    table.refreshed(
        cookie.token(),
        Arc::new(Successor::new(cookie.next(), Sids::Kept)),
        LineageState::Live,
        now,
    )
}

#[test]
fn a_refresh_token_that_stays_the_same_has_successors_too() {
    let mut table = table();
    let old = OLD.id();
    let new = PairId { issued_at: old.issued_at + 300, ..old };
    assert!(matches!(table.exchange(old, None, s(0), || Ok(())), ExchangeStatus::Start(())));
    table.refreshed(
        old.token,
        Arc::new(Successor { id: new, ..Successor::new(OLD, Sids::Kept) }),
        LineageState::Live,
        s(0),
    );

    assert_eq!(table.returned(Some(old), None, s(1)), LineageStatus::Known(None));
    assert!(matches!(table.exchange(old, None, s(1), || Ok(())), ExchangeStatus::Successor(..)));
    assert!(table.pair_to_send(old.token, s(1)).is_some());
    assert_eq!(table.returned(Some(new), None, s(2)), LineageStatus::Known(Some(s(2))));
    assert!(table.pair_to_send(old.token, s(2)).is_none());
    assert!(matches!(table.exchange(new, None, s(3), || Ok(())), ExchangeStatus::Start(())));

    let newer = PairId { issued_at: new.issued_at + 300, ..old };
    let pair = Arc::new(Successor { id: newer, ..Successor::new(OLD, Sids::Kept) });
    table.refreshed(new.token, pair, LineageState::Live, s(4));
    for before in [old, new] {
        let newest = table.exchange(before, None, s(5), || Ok(()));
        assert!(matches!(newest, ExchangeStatus::Successor(pair, _) if pair.id == newer));
    }
}

#[test]
fn a_successor_is_handed_to_its_own_organization_only() {
    let mut table = table();
    assert!(matches!(
        table.exchange(OLD.id(), Some("org_a"), s(0), || Ok(())),
        ExchangeStatus::Start(())
    ));
    let pair = Successor { organization: Some("org_a"), ..Successor::new(NEW, Sids::Kept) };
    table.refreshed(OLD.token(), Arc::new(pair), LineageState::Live, s(0));

    let mut ask = |organization| table.exchange(OLD.id(), organization, s(1), || Ok(()));
    assert!(matches!(ask(Some("org_a")), ExchangeStatus::Successor(..)));
    assert!(matches!(ask(Some("org_b")), ExchangeStatus::OtherOrganization));
    assert!(matches!(ask(None), ExchangeStatus::OtherOrganization));
}

#[test]
fn a_pair_that_no_cookie_can_hold_stays_behind_the_old_cookie() {
    let mut table = table();
    assert!(matches!(ask(&mut table, OLD, s(0)), ExchangeStatus::Start(())));
    let pair = Successor { cookie_size: CookieSize::TooLarge, ..Successor::new(NEW, Sids::Kept) };
    table.refreshed(OLD.token(), Arc::new(pair), LineageState::Live, s(0));

    assert!(table.pair_to_send(OLD.token(), s(1)).is_none());
    assert!(matches!(ask(&mut table, OLD, 24 * HOUR - s(1)), ExchangeStatus::Successor(..)));
}

#[test]
fn only_the_refusal_of_a_grant_makes_a_second_one_final() {
    for (first, second, expected) in [
        (ApiRefusal::InvalidGrant, ApiRefusal::InvalidGrant, RefusalAge::Repeated),
        (ApiRefusal::InteractionNeeded, ApiRefusal::InvalidGrant, RefusalAge::JustNow),
        (ApiRefusal::InvalidGrant, ApiRefusal::OrganizationGone, RefusalAge::JustNow),
        (ApiRefusal::InteractionNeeded, ApiRefusal::InteractionNeeded, RefusalAge::JustNow),
    ] {
        let mut table = table();
        assert!(matches!(ask(&mut table, OLD, s(0)), ExchangeStatus::Start(())));
        assert_eq!(table.refused(OLD.token(), first, s(0)), Some(RefusalAge::JustNow));
        let held = ask(&mut table, OLD, s(59));
        assert!(matches!(held, ExchangeStatus::Refused(why, RefusalAge::Recent) if why == first));
        assert!(matches!(ask(&mut table, OLD, s(60)), ExchangeStatus::Start(())));
        let since = table.refused(OLD.token(), second, s(60));
        assert_eq!(since, Some(expected), "{first:?}, {second:?}");
    }
}

#[test]
fn a_held_exchange_leaves_nothing_behind() {
    let mut table = table();
    for n in 0..100 {
        let pair = PairId { token: RefreshToken::new(format!("{n}")).hash(), issued_at: 0 };
        let ask = table.exchange(pair, None, s(0), || Err(Throttled::Busy));
        assert!(matches!(ask, ExchangeStatus::Throttled(Throttled::Busy)));
    }
    table.forget_old(s(0));
    assert!(table.is_empty());
}

#[test]
fn dl_02_every_map_stays_within_its_limits() {
    let limits = Limits { tokens: 1_000, bytes: 300_000 };
    let lookup_filter = Arc::new(LookupFilter::new(64));
    let mut table = Table::new(limits, Arc::clone(&lookup_filter));
    let token = |n: u32| RefreshToken::new(format!("token {n}")).hash();
    for n in 0..20_000_u32 {
        let now = Duration::from_millis(u64::from(n));
        let old = PairId { token: token(2 * n), issued_at: 0 };
        let new = PairId { token: token(2 * n + 1), issued_at: 1 };
        let pair = Successor { id: new, ..Successor::new(Cookie { user: 1, n: 0 }, Sids::Kept) };
        match n % 4 {
            0 => {
                table.end(Some(old.token), Some(&format!("ended_{n}")), now);
            }
            1 => {
                assert!(matches!(
                    table.exchange(old, None, now, || Ok(())),
                    ExchangeStatus::Start(())
                ));
                table.refused(old.token, ApiRefusal::InvalidGrant, now);
            }
            2 => {
                assert!(matches!(
                    table.exchange(old, None, now, || Ok(())),
                    ExchangeStatus::Start(())
                ));
                table.lost(old.token, now);
            }
            _ => {
                assert!(matches!(
                    table.exchange(old, None, now, || Ok(())),
                    ExchangeStatus::Start(())
                ));
                table.refreshed(old.token, Arc::new(pair), LineageState::Live, now);
                let handed = table.exchange(old, None, now, || Ok(()));
                assert!(
                    matches!(handed, ExchangeStatus::Successor(..)),
                    "the latest is not what is forgotten"
                );
            }
        }
        assert!(table.index.sizes().tokens <= limits.tokens);
        assert!(table.index.sizes().lineages <= limits.tokens);
        assert!(table.index.sizes().expiries <= limits.tokens);
        assert!(table.ended_sessions.len() <= limits.tokens);
        assert!(table.bytes() <= limits.bytes);
    }
    table.forget_old(25 * HOUR);
    assert!(table.is_empty() && table.index.sizes() == Sizes::default());
    assert_eq!(table.bytes(), 0);
}

#[test]
fn a_session_that_is_refreshed_all_the_time_stays_small() {
    let mut table = table();
    let token = |n: u64| RefreshToken::new(format!("token {n}")).hash();
    for n in 0..10_000 {
        let now = s(2 * n);
        let old = PairId { token: token(n), issued_at: n };
        let pair = Successor {
            id: PairId { token: token(n + 1), issued_at: n + 1 },
            ..Successor::new(NEW, Sids::Kept)
        };
        table.returned(Some(old), None, now);
        assert!(matches!(table.exchange(old, None, now, || Ok(())), ExchangeStatus::Start(())));
        table.refreshed(old.token, Arc::new(pair), LineageState::Live, now);
        assert!(table.pair_to_send(old.token, now).is_some());
    }
    assert!(table.index.sizes().tokens < 40, "{}", table.index.sizes().tokens);
}

#[test]
fn dl_02_a_session_whose_new_cookies_never_leave_stays_small() {
    let mut table = table();
    let pair =
        |n: u64| PairId { token: RefreshToken::new(format!("token {n}")).hash(), issued_at: n };
    for n in 0..10_000 {
        let now = s(300 * n);
        assert!(matches!(table.exchange(pair(n), None, now, || Ok(())), ExchangeStatus::Start(())));
        let new = Successor { id: pair(n + 1), ..Successor::new(NEW, Sids::Kept) };
        table.refreshed(pair(n).token, Arc::new(new), LineageState::Live, now);
        for known in [0, n.saturating_sub(20)] {
            let found = table.exchange(pair(known), None, now, || Ok(()));
            assert!(
                matches!(found, ExchangeStatus::Successor(newest, _) if newest.id == pair(n + 1))
            );
        }
    }
    assert!(table.index.sizes().tokens < 40, "{}", table.index.sizes().tokens);
}

#[test]
fn what_another_replica_made_of_a_token_joins_its_lineage() {
    // The browser brought the other replica's cookie while the same exchange was under way here.
    let mut table = table();
    assert!(matches!(ask(&mut table, OLD, s(0)), ExchangeStatus::Start(())));
    assert!(matches!(ask(&mut table, NEW, s(1)), ExchangeStatus::Start(())));
    let pair = Arc::new(Successor::new(NEW, Sids::Kept));
    assert_eq!(table.refreshed(OLD.token(), pair, LineageState::Live, s(2)), LineageState::Live);
    assert!(
        matches!(ask(&mut table, NEW, s(2)), ExchangeStatus::UnderWay(())),
        "one exchange per token"
    );
    table.refreshed(
        NEW.token(),
        Arc::new(Successor::new(NEWER, Sids::Kept)),
        LineageState::Live,
        s(3),
    );
    for old in [OLD, NEW] {
        assert!(
            matches!(ask(&mut table, old, s(4)), ExchangeStatus::Successor(pair, _) if pair.cookie == NEWER)
        );
        assert_eq!(table.pair_to_send(old.token(), s(4)).unwrap().cookie, NEWER);
    }
    table.forget_old(s(605));
    assert!(table.is_empty() && table.index.sizes() == Sizes::default());
}

#[test]
fn a_sign_out_counts_for_what_another_replica_made_of_the_token() {
    for sids in [Sids::Kept, Sids::Changing] {
        let mut table = table();
        assert!(matches!(ask(&mut table, OLD, s(0)), ExchangeStatus::Start(())));
        table.end(Some(NEW.token()), Some(sids.name(NEW)), s(1));
        let pair = Arc::new(Successor::new(NEW, sids));
        assert_eq!(
            table.refreshed(OLD.token(), pair, LineageState::Live, s(2)),
            LineageState::Ended,
            "{sids:?}"
        );
        assert!(table.pair_to_send(OLD.token(), s(3)).is_none());
        assert!(matches!(ask(&mut table, OLD, s(3)), ExchangeStatus::Ended));
    }
}

#[test]
fn a_refusal_is_remembered_although_the_pair_before_it_reached_the_browser() {
    let mut table = table();
    renew(&mut table, OLD, s(0));
    assert!(matches!(ask(&mut table, NEW, s(20)), ExchangeStatus::Start(())));
    table.refused(NEW.token(), ApiRefusal::InvalidGrant, s(20));
    table.pair_to_send(OLD.token(), s(21));
    assert!(matches!(ask(&mut table, NEW, s(90)), ExchangeStatus::Start(())));
    let since = table.refused(NEW.token(), ApiRefusal::InvalidGrant, s(90));
    assert_eq!(since, Some(RefusalAge::Repeated));
}

/// D3 of docs/cases.md: the application's refusal is part of the event that brings the pair.
#[test]
fn d3_a_pair_that_the_application_refused_is_never_handed_out() {
    let mut table = table();
    assert!(matches!(ask(&mut table, OLD, s(0)), ExchangeStatus::Start(())));
    let pair = Arc::new(Successor::new(NEW, Sids::Kept));
    let state = table.refreshed(OLD.token(), pair, LineageState::Ended, s(1));
    assert_eq!(state, LineageState::Ended);
    for cookie in [OLD, NEW] {
        assert!(matches!(ask(&mut table, cookie, s(2)), ExchangeStatus::Ended), "{cookie:?}");
        assert!(table.pair_to_send(cookie.token(), s(2)).is_none(), "{cookie:?}");
        assert!(table.newer(cookie.id(), s(2)).is_none(), "{cookie:?}");
        let status = table.returned(Some(cookie.id()), Some(Sids::Kept.name(cookie)), s(2));
        assert_eq!(status, LineageStatus::Ended, "{cookie:?}");
    }
}

/// E7 of docs/cases.md: what a proxy makes a 502 of never reaches the browser, which keeps the old cookie.
#[test]
fn e7_a_successor_is_kept_while_the_browser_brings_the_old_cookie() {
    let mut table = table();
    renew(&mut table, OLD, s(0));
    // Each response is lost, and the browser comes every nine minutes.
    for n in 0..20 {
        let now = s(n * 540);
        assert!(matches!(ask(&mut table, OLD, now), ExchangeStatus::Successor(..)), "{now:?}");
        assert!(table.pair_to_send(OLD.token(), now).is_some(), "{now:?}");
    }
    let last = s(19 * 540);
    assert!(matches!(ask(&mut table, OLD, last + s(599)), ExchangeStatus::Successor(..)));
    assert!(matches!(ask(&mut table, OLD, last + s(600)), ExchangeStatus::Start(())));
}

#[test]
fn once_the_browser_has_the_successor_the_old_cookie_is_known_for_a_minute() {
    let mut table = table();
    renew(&mut table, OLD, s(0));
    assert!(table.pair_to_send(OLD.token(), s(0)).is_some());
    table.returned(Some(NEW.id()), None, s(10));
    assert!(matches!(ask(&mut table, OLD, s(69)), ExchangeStatus::Successor(..)));
    assert!(matches!(ask(&mut table, OLD, s(70)), ExchangeStatus::Start(())));
}
