use super::{
    calls::{CREDENTIALS, SIGN_INS, SIGN_OUTS},
    *,
};

const fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const ANYBODY: RefreshOwner<'_> = RefreshOwner { session: None, user: None };

/// Starts a refresh that never ends.
fn start(budget: &Budget, now: Duration) -> Result<(), Throttled> {
    budget.start_refresh(ANYBODY, now).map(std::mem::forget)
}

#[test]
fn five_failures_in_a_row_open_it_and_one_answer_closes_it() {
    let budget = Budget::new(RefreshLimits::default(), Meter::new());
    for _ in 0..4 {
        budget.failed(at(0));
    }
    assert_eq!(start(&budget, at(0)), Ok(()));
    assert!(matches!(budget.calls().circuit(), CircuitState::Closed));
    budget.failed(at(0));
    assert!(matches!(budget.calls().circuit(), CircuitState::Open));
    assert_eq!(start(&budget, at(1_999)), Err(Throttled::CircuitOpen));
    assert_eq!(budget.attempt(at(1_999)), Err(at(1)));
    assert_eq!(start(&budget, at(2_000)), Ok(()), "one probe");
    assert_eq!(start(&budget, at(3_999)), Err(Throttled::CircuitOpen), "and no second one");
    assert_eq!(budget.attempt(at(4_000)), Ok(()), "but of an exchange that was started");
    budget.answered();
    assert_eq!(start(&budget, at(4_000)), Ok(()));
}

#[test]
fn workos_is_left_alone_for_two_seconds_from_the_failure_that_opens_the_circuit() {
    let budget = Budget::new(RefreshLimits::default(), Meter::new());
    for second in 0..5 {
        budget.failed(at(second * 10_000));
    }
    assert_eq!(start(&budget, at(41_999)), Err(Throttled::CircuitOpen));
    assert_eq!(start(&budget, at(42_000)), Ok(()), "one probe");
    budget.failed(at(43_500));
    assert_eq!(start(&budget, at(43_999)), Err(Throttled::CircuitOpen));
    assert_eq!(
        start(&budget, at(44_000)),
        Ok(()),
        "two seconds after the last one, not its failure"
    );
}

#[test]
fn exchanges_are_capped_at_once_and_a_second() {
    let budget = Budget::new(RefreshLimits::default(), Meter::new());
    let permits: Vec<_> =
        (0..32).map(|_| budget.start_refresh(ANYBODY, at(0)).ok().unwrap()).collect();
    assert_eq!(start(&budget, at(0)), Err(Throttled::Busy));
    drop(permits);
    for _ in 0..8 {
        assert_eq!(start(&budget, at(999)), Ok(()));
    }
    assert_eq!(start(&budget, at(999)), Err(Throttled::Busy), "40 within a second");
    assert_eq!(start(&budget, at(1_000)), Ok(()));
}

#[test]
fn a_short_pause_that_workos_asks_for_is_waited_out_and_a_long_one_holds_exchanges() {
    let budget = Budget::new(RefreshLimits::default(), Meter::new());
    budget.honour_retry_after(at(2_000), at(0));
    assert_eq!(start(&budget, at(0)), Ok(()));
    assert_eq!(budget.retry_after(at(500)), at(1_500));
    assert_eq!(budget.attempt(at(500)), Err(at(1_500)));
    assert_eq!(budget.attempt(at(2_000)), Ok(()));

    budget.honour_retry_after(at(3_600_000), at(2_000));
    let minute = Err(Throttled::RetryAfter(at(60_000)));
    assert_eq!(start(&budget, at(2_000)), minute, "believed for a minute");
    budget.honour_retry_after(at(1_000), at(2_000));
    let longest = Err(Throttled::RetryAfter(at(3_001)));
    assert_eq!(start(&budget, at(58_999)), longest, "the longest counts");
    assert_eq!(start(&budget, at(59_000)), Ok(()));
}

/// C1 and C2 of docs/cases.md: no class takes another's share.
#[test]
fn c1_each_class_has_a_share_of_its_own() {
    for flooding in [CallClass::SignIn, CallClass::SignOut, CallClass::Credential] {
        let budget = Budget::new(RefreshLimits::default(), Meter::new());
        let started = (0..1_000).filter(|_| budget.calls().start(flooding, at(0)).is_ok()).count();
        let limit = match flooding {
            CallClass::SignIn => SIGN_INS.per_second,
            CallClass::SignOut => SIGN_OUTS.at_once,
            CallClass::Credential => CREDENTIALS.at_once,
            CallClass::Refresh => unreachable!("not in the list"),
        };
        assert_eq!(started, limit, "{flooding:?}");
        for _ in 0..30 {
            assert_eq!(start(&budget, at(0)), Ok(()), "{flooding:?}");
        }
    }
}

#[test]
fn all_classes_together_stay_below_what_workos_allows_but_for_the_first_moment() {
    let total = 30 + SIGN_INS.per_second + SIGN_OUTS.per_second;
    assert_eq!(total, 50, "500 writes in 10 seconds, with 30 a second left for refreshes");
}

/// C3 of docs/cases.md: one session, and one user with many, leave the others their share.
#[test]
fn c3_a_session_and_a_user_have_shares() {
    let budget = Budget::new(RefreshLimits::default(), Meter::new());
    let refresh = |session: &str, user: &str, now| {
        let owner = RefreshOwner { session: Some(session), user: Some(user) };
        budget.start_refresh(owner, now).ok()
    };
    let of_session: Vec<_> =
        (0..100).filter_map(|_| refresh("session_1", "user_1", at(0))).collect();
    assert_eq!(of_session.len(), 4);
    let of_user: Vec<_> =
        (0..100).filter_map(|n| refresh(&format!("session_{n}"), "user_1", at(0))).collect();
    assert_eq!(of_user.len(), 8 - 4);
    let others: Vec<_> = (2..26)
        .filter_map(|n| refresh(&format!("other_{n}"), &format!("user_{n}"), at(0)))
        .collect();
    assert_eq!(others.len(), 24, "the others have the rest of the 32 at once");
    drop(others);

    assert!(refresh("session_1", "user_1", at(1_000)).is_none(), "they are under way");
    drop((of_session, of_user));
    assert!(refresh("session_1", "user_1", at(1_000)).is_some());
    assert!(refresh("another", "user_1", at(2_000)).is_some());
    assert_eq!(budget.calls().shares.len(), 2, "what is over is forgotten");

    for _ in 0..4 {
        assert!(refresh("session_3", "user_3", at(3_000)).is_some(), "each is over at once");
    }
    assert!(refresh("session_3", "user_3", at(3_999)).is_none(), "a fifth one within a second");
    assert!(refresh("session_3", "user_3", at(4_000)).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_room_as_long_as_it_may() {
    let clock = crate::testing::clock();
    let budget = Budget::new(RefreshLimits::default(), Meter::new());
    let mut permits = Vec::new();
    for _ in 0..SIGN_OUTS.at_once {
        permits.push(budget.permit(CallClass::SignOut, &clock, at(0)).await.ok().unwrap());
    }
    let refused = budget.permit(CallClass::SignOut, &clock, at(500)).await;
    assert_eq!(refused.err(), Some(Throttled::Busy));
    let waiting = budget.permit(CallClass::SignOut, &clock, at(5_000));
    let free = async {
        time::sleep(at(1_000)).await;
        permits.clear();
    };
    let (granted, ()) = tokio::join!(waiting, free);
    assert!(granted.is_ok());
    budget.honour_retry_after(at(30_000), clock.monotonic());
    let asked = clock.monotonic();
    let refused = budget.permit(CallClass::SignIn, &clock, at(2_000)).await;
    assert_eq!(refused.err(), Some(Throttled::RetryAfter(at(30_000))));
    assert_eq!(clock.monotonic(), asked, "there is no use in waiting");
    let granted = budget.permit(CallClass::SignIn, &clock, at(30_000)).await;
    assert!(granted.is_ok(), "the pause is over when the patience is");
    assert_eq!(clock.monotonic(), asked + at(30_000));
}

#[test]
fn whoever_is_held_learns_when_to_try_again() {
    let cases = [
        (Throttled::Busy, at(1_000)),
        (Throttled::CircuitOpen, at(2_000)),
        (Throttled::RetryAfter(at(7_000)), at(7_000)),
    ];
    for (throttled, expected) in cases {
        assert_eq!(throttled.wait(), expected, "{throttled:?}");
    }
}
