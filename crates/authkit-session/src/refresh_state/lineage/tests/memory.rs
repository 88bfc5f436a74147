//! What is remembered of one token, and until when.

use super::*;
use crate::refresh_state::lineage::{Ended, RefusalDelay};

#[test]
fn a_refusal_of_another_process_counts_unless_one_is_known_of_the_same_minute() {
    let mut table = table();
    assert!(table.counts_refusal(OLD.token(), s(0), s(0)), "nothing is known of the token");
    assert!(!table.is_refused(OLD.token()));
    assert!(matches!(ask(&mut table, OLD, s(0)), ExchangeStatus::Start(())));
    table.refused(OLD.token(), ApiRefusal::InvalidGrant, s(0));
    assert!(table.is_refused(OLD.token()));
    for (ago, now, expected) in [(0, 59, false), (0, 60, true), (1, 60, false), (40, 100, true)] {
        let counts = table.counts_refusal(OLD.token(), s(ago), s(now));
        assert_eq!(counts, expected, "{ago} seconds ago at {now}");
    }
}

#[test]
fn the_refusal_of_a_contested_token_is_delayed_once_in_ten_minutes() {
    let mut table = table();
    for (now, expected) in
        [(0, RefusalDelay::Granted), (0, RefusalDelay::Spent), (599, RefusalDelay::Spent)]
    {
        assert_eq!(table.delay_refusal(OLD.token(), s(now)), expected, "{now}");
    }
    assert_eq!(table.delay_refusal(NEW.token(), s(599)), RefusalDelay::Granted, "another token");
    for (now, expected) in
        [(600, RefusalDelay::Granted), (601, RefusalDelay::Spent), (1_199, RefusalDelay::Spent)]
    {
        assert_eq!(table.delay_refusal(OLD.token(), s(now)), expected, "{now}");
    }
}

/// An emulator of WorkOS gives a session a new id whenever it is refreshed.
#[test]
fn what_ended_under_one_of_its_ids_has_ended_under_the_other() {
    let renewed = || {
        let mut table = table();
        assert!(matches!(ask(&mut table, OLD, s(0)), ExchangeStatus::Start(())));
        let pair = Arc::new(Successor::new(NEW, Sids::Changing));
        table.refreshed(OLD.token(), pair, LineageState::Live, s(0));
        table
    };
    let (old, new) = (Sids::Changing.name(OLD), Sids::Changing.name(NEW));
    let mut table = renewed();
    assert_eq!(table.end(None, Some(new), s(1)), Ended::Now);
    assert!(matches!(ask(&mut table, OLD, s(2)), ExchangeStatus::Ended), "by the new id alone");
    assert!(table.pair_to_send(OLD.token(), s(2)).is_none());

    let mut table = renewed();
    assert_eq!(table.end(Some(OLD.token()), Some(old), s(1)), Ended::Now);
    assert_eq!(table.returned(None, Some(new), s(2)), LineageStatus::Ended, "by the old cookie");
}

/// As of a WorkOS that does not rotate refresh tokens: what was said of the token before is over.
#[test]
fn a_token_that_was_refused_and_then_refreshed_starts_afresh() {
    let mut table = table();
    assert!(matches!(ask(&mut table, OLD, s(0)), ExchangeStatus::Start(())));
    assert_eq!(table.delay_refusal(OLD.token(), s(0)), RefusalDelay::Granted);
    table.refused(OLD.token(), ApiRefusal::InvalidGrant, s(0));
    assert!(matches!(ask(&mut table, OLD, s(60)), ExchangeStatus::Start(())));
    let again = PairId { issued_at: OLD.id().issued_at + 300, ..OLD.id() };
    let pair = Arc::new(Successor { id: again, ..Successor::new(OLD, Sids::Kept) });
    table.refreshed(OLD.token(), pair, LineageState::Live, s(60));

    assert!(!table.is_refused(OLD.token()));
    let status = table.exchange(again, None, s(300), || Ok(()));
    assert!(matches!(status, ExchangeStatus::Start(())));
    assert_eq!(table.delay_refusal(OLD.token(), s(300)), RefusalDelay::Granted);
    let age = table.refused(OLD.token(), ApiRefusal::InvalidGrant, s(300));
    assert_eq!(age, Some(RefusalAge::JustNow), "the first one");
}

#[test]
fn a_session_without_an_id_ends_once_too() {
    let mut table = table();
    assert_eq!(table.end(None, None, s(0)), Ended::Before, "nothing says which");
    assert_eq!(table.end(Some(OLD.token()), None, s(0)), Ended::Now);
    assert_eq!(table.end(Some(OLD.token()), None, s(1)), Ended::Before);
    assert_eq!(table.returned(None, None, s(1)), LineageStatus::Unknown);
    assert_eq!(table.end(None, Some("session_1"), s(2)), Ended::Now);
    assert_eq!(table.returned(None, Some("session_1"), s(2)), LineageStatus::Ended);
    assert_eq!(table.returned(None, Some("session_2"), s(2)), LineageStatus::Unknown);
}

#[test]
fn an_end_and_a_pair_that_was_not_sent_outlive_an_exchange_without_an_answer() {
    let day = 24 * HOUR;
    for (has_ended, name) in [(true, "ended"), (false, "a pair that no head carried")] {
        let mut table = table();
        renew(&mut table, OLD, s(0));
        assert!(matches!(ask(&mut table, NEW, s(10)), ExchangeStatus::Start(())), "{name}");
        if has_ended {
            table.end(Some(OLD.token()), None, s(11));
        }
        table.lost(NEW.token(), s(20));
        let known = table.returned(Some(OLD.id()), None, day + s(19));
        let expected = if has_ended { LineageStatus::Ended } else { LineageStatus::Known(None) };
        assert_eq!(known, expected, "{name}");
        let known = table.returned(Some(OLD.id()), None, day + s(20));
        assert_eq!(known, LineageStatus::Unknown, "{name}");
    }
}

#[test]
fn a_handler_goes_on_from_the_newest_pair_of_its_session() {
    let mut table = table();
    assert!(table.newer(OLD.id(), s(0)).is_none(), "an unknown one");
    renew(&mut table, OLD, s(0));
    let (newer, age) = table.newer(OLD.id(), s(7)).unwrap();
    assert_eq!((newer.cookie, age), (NEW, s(7)));
    assert!(table.newer(NEW.id(), s(7)).is_none(), "it is the newest");
    table.end(None, Some(Sids::Kept.name(NEW)), s(8));
    assert!(table.newer(OLD.id(), s(8)).is_none(), "the session has ended");
}

#[test]
fn a_pair_that_the_browser_has_outlives_an_exchange_without_an_answer_by_a_minute() {
    let mut table = table();
    renew(&mut table, OLD, s(0));
    table.pair_to_send(OLD.token(), s(0)).unwrap();
    table.returned(Some(NEW.id()), None, s(10));
    assert!(matches!(ask(&mut table, NEW, s(20)), ExchangeStatus::Start(())));
    table.lost(NEW.token(), s(60));
    assert!(matches!(ask(&mut table, OLD, s(119)), ExchangeStatus::Successor(..)));
    assert!(matches!(ask(&mut table, OLD, s(120)), ExchangeStatus::Start(())));
}

#[test]
fn whatever_an_exchange_brings_its_session_is_forgotten_after_a_day() {
    let ends: [fn(&mut Table); 2] = [
        |table| table.lost(NEW.token(), s(20)),
        |table| {
            table.refused(NEW.token(), ApiRefusal::InvalidGrant, s(20));
        },
    ];
    for end in ends {
        let mut table = table();
        renew(&mut table, OLD, s(0));
        assert!(matches!(ask(&mut table, NEW, s(10)), ExchangeStatus::Start(())));
        end(&mut table);
        table.forget_old(24 * HOUR + s(20));
        assert!(table.is_empty() && table.index.sizes() == Sizes::default());
    }
}

/// Found by every order of nine events: the browser had brought the pair after it before the session was signed out.
#[test]
fn a_token_that_was_signed_out_is_remembered_for_a_day_whatever_its_exchanges_bring_later() {
    let mut table = table();
    renew(&mut table, OLD, s(0));
    table.returned(Some(NEW.id()), None, s(1));
    assert!(matches!(ask(&mut table, NEW, s(1)), ExchangeStatus::Start(())));
    table.end(Some(OLD.token()), None, s(2));
    let pair = Arc::new(Successor::new(NEWER, Sids::Kept));
    let state = table.refreshed(NEW.token(), pair, LineageState::Live, s(70));
    assert_eq!(state, LineageState::Ended);
    for cookie in [OLD, NEW, NEWER] {
        let status = table.returned(Some(cookie.id()), None, 24 * HOUR);
        assert_eq!(status, LineageStatus::Ended, "{cookie:?}");
    }
}

#[test]
fn a_pair_that_was_sent_outlives_an_exchange_without_an_answer_by_ten_minutes() {
    let mut table = table();
    renew(&mut table, OLD, s(0));
    table.pair_to_send(OLD.token(), s(0)).unwrap();
    assert!(matches!(ask(&mut table, NEW, s(10)), ExchangeStatus::Start(())));
    table.lost(NEW.token(), s(300));
    assert!(matches!(ask(&mut table, OLD, s(899)), ExchangeStatus::Successor(..)));
    assert!(matches!(ask(&mut table, OLD, s(900)), ExchangeStatus::Start(())));
}

#[test]
fn a_refusal_is_of_just_now_for_ten_seconds() {
    let mut table = table();
    assert!(matches!(ask(&mut table, OLD, s(0)), ExchangeStatus::Start(())));
    table.refused(OLD.token(), ApiRefusal::InvalidGrant, s(0));
    for (now, expected) in
        [(0, RefusalAge::JustNow), (9, RefusalAge::JustNow), (10, RefusalAge::Recent)]
    {
        let held = ask(&mut table, OLD, s(now));
        assert!(matches!(held, ExchangeStatus::Refused(_, age) if age == expected), "{now}");
    }
}

#[test]
fn only_a_refusal_about_the_organization_is_forgotten_for_another_organization() {
    for (refusal, is_forgotten) in
        [(ApiRefusal::OrganizationGone, true), (ApiRefusal::InvalidGrant, false)]
    {
        let mut table = table();
        assert!(matches!(ask(&mut table, OLD, s(0)), ExchangeStatus::Start(())));
        table.refused(OLD.token(), refusal, s(0));
        table.forget_refusal(NEW.id());
        assert!(table.is_refused(OLD.token()), "{refusal:?}: another token's is");
        table.forget_refusal(OLD.id());
        assert_eq!(table.is_refused(OLD.token()), !is_forgotten, "{refusal:?}");
    }
}

/// Another replica made `NEW` of `OLD` too, and the browser has brought that on.
#[test]
fn a_pair_that_was_exchanged_here_before_it_arrived_is_not_the_newest() {
    let mut table = table();
    assert!(matches!(ask(&mut table, OLD, s(0)), ExchangeStatus::Start(())));
    renew(&mut table, NEW, s(1));
    let late = Arc::new(Successor::new(NEW, Sids::Kept));
    table.refreshed(OLD.token(), late, LineageState::Live, s(2));
    for old in [OLD, NEW] {
        let newest = ask(&mut table, old, s(3));
        assert!(matches!(newest, ExchangeStatus::Successor(pair, _) if pair.cookie == NEWER));
    }
}

/// A newer token of the session went out, so that the browser has had ten minutes to take it.
#[test]
fn a_token_before_one_that_was_sent_is_forgotten_ten_minutes_later() {
    for (now, is_known) in [(599, true), (600, false)] {
        let mut table = table();
        renew(&mut table, OLD, s(0));
        table.pair_to_send(OLD.token(), s(0)).unwrap();
        assert!(matches!(ask(&mut table, NEW, s(10)), ExchangeStatus::Start(())));
        let newer = Arc::new(Successor::new(NEWER, Sids::Kept));
        table.refreshed(NEW.token(), newer, LineageState::Live, s(now));
        let known = matches!(ask(&mut table, OLD, s(now)), ExchangeStatus::Successor(..));
        assert_eq!(known, is_known, "{now}");
    }
}

#[test]
fn a_token_that_the_browser_has_had_for_ten_seconds_is_looked_up_no_more() {
    let mut table = table();
    renew(&mut table, OLD, s(0));
    table.pair_to_send(OLD.token(), s(0)).unwrap();
    for (now, is_looked_up) in [(9, true), (10, false)] {
        table.returned(Some(NEW.id()), None, s(now));
        assert_eq!(table.requires_lookup(NEW.token(), "another"), is_looked_up, "{now}");
        assert!(table.requires_lookup(OLD.token(), "another"), "{now}: the old one is");
    }
}

/// A pair of these tests counts 1,000 bytes, and each session has two tokens.
#[test]
fn as_much_is_kept_as_the_limits_allow_and_no_more() {
    let users = [0, 1, 2].map(|user| Cookie { user, n: 0 });
    for limits in [Limits { tokens: 100, bytes: 2_000 }, Limits { tokens: 4, bytes: 10_000 }] {
        let mut table = Table::new(limits, Arc::new(LookupFilter::new(64)));
        for (n, user) in users.into_iter().enumerate() {
            renew(&mut table, user, Duration::from_millis(n as u64));
            assert_eq!(table.bytes(), 1_000 * (n + 1).min(2), "{limits:?}");
        }
        let known = users.map(|user| table.newer(user.id(), s(1)).is_some());
        assert_eq!(known, [false, true, true], "{limits:?}");
        table.end(Some(users[1].token()), None, s(1));
        assert_eq!(table.bytes(), 1_000, "{limits:?}");
    }
}
