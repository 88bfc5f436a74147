//! The clock that the emulator and the service under test share.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use authkit_emulator::Emulator;
use serde_json::{Value, json};

use crate::support::Stage;

const YEAR_2027: Duration = Duration::from_secs(1_800_000_000);

#[tokio::test]
async fn f12_a_service_that_follows_the_clock_is_moved_with_the_emulator() {
    let emulator = Emulator::start().await;
    let clock = emulator.clock();
    let wall: Box<dyn Fn() -> SystemTime + Send + Sync> = {
        let clock = clock.clone();
        Box::new(move || clock.now())
    };
    let (before, monotonic) = (wall(), clock.monotonic());
    emulator.advance(Duration::from_secs(301));

    assert!(wall() >= before + Duration::from_secs(301));
    assert!(wall() < before + Duration::from_secs(331), "it runs with the machine's");
    assert!(clock.monotonic() >= monotonic + Duration::from_secs(301));
    assert_eq!(clock.advanced(), Duration::from_secs(301));
    assert!(emulator.now().duration_since(wall()).unwrap_or_default() < Duration::from_secs(30));

    // By that clock the token has expired, which the service's own would not say.
    let session = emulator.session("bob@acme.test").issued_ago(Duration::from_secs(299));
    let expires = UNIX_EPOCH + Duration::from_secs(session.claims()["exp"].as_u64().unwrap());
    assert!(expires > wall());
    emulator.advance(Duration::from_secs(2));
    assert!(expires <= wall());

    drop(emulator);
    assert!(clock.now() >= before + Duration::from_secs(303), "a clock outlives its emulator");
}

#[tokio::test]
async fn a_stopped_clock_moves_by_advances_alone() {
    let emulator = Emulator::builder().frozen_at(UNIX_EPOCH + YEAR_2027).start().await.unwrap();
    let clock = emulator.clock();
    assert_eq!((clock.now(), clock.monotonic()), (UNIX_EPOCH + YEAR_2027, Duration::ZERO));
    emulator.advance(Duration::from_millis(1_500));
    let by = Duration::from_millis(1_500);
    assert_eq!((clock.now(), clock.monotonic()), (UNIX_EPOCH + YEAR_2027 + by, by));
    assert!(clock.is_frozen());
}

#[tokio::test]
async fn f12_the_clock_is_read_and_moved_over_http() {
    let stage = Stage::with(Emulator::builder().frozen_at(UNIX_EPOCH + YEAR_2027)).await;
    let read: Value = stage.get("/_emulator/clock").await.json().await.unwrap();
    let expected = json!({
        "now": "2027-01-15T08:00:00.000Z",
        "unix_ms": 1_800_000_000_000_u64,
        "monotonic_ms": 0,
        "advanced_ms": 0,
        "frozen": true,
    });
    assert_eq!(read, expected);

    let moved = stage.post("/_emulator/clock", &json!({ "advance": 90.5 })).await.ok();
    let expected = json!({
        "now": "2027-01-15T08:01:30.500Z",
        "unix_ms": 1_800_000_090_500_u64,
        "monotonic_ms": 90_500,
        "advanced_ms": 90_500,
        "frozen": true,
    });
    assert_eq!(moved, expected);
    assert_eq!(stage.emulator.now(), UNIX_EPOCH + YEAR_2027 + Duration::from_millis(90_500));
    for wrong in
        [json!({ "advance": -1 }), json!({ "advance": "1" }), json!({}), json!({ "by": 1 })]
    {
        assert_eq!(stage.post("/_emulator/clock", &wrong).await.status, 422, "{wrong}");
    }
}

#[tokio::test]
async fn answers_are_dated_by_the_emulators_clock() {
    let stage = Stage::with(Emulator::builder().frozen_at(UNIX_EPOCH + YEAR_2027)).await;
    stage.emulator.advance(Duration::from_secs(1));
    for path in ["/sso/jwks/client_emulator", "/nowhere", "/_emulator/state"] {
        let dates: Vec<_> =
            stage.get(path).await.headers().get_all("date").iter().cloned().collect();
        assert_eq!(dates, ["Fri, 15 Jan 2027 08:00:01 GMT"], "{path}");
    }
}

#[tokio::test]
async fn no_advance_is_too_far() {
    let stage = Stage::new().await;
    for _ in 0..3 {
        stage.emulator.advance(Duration::MAX);
    }
    let end: Value = stage.get("/_emulator/clock").await.json().await.unwrap();
    assert!(end["now"].as_str().unwrap().starts_with("26"), "584 years on: {end}");
    let far = Stage::with(
        Emulator::builder().frozen_at(UNIX_EPOCH + Duration::from_secs(253_402_300_000)),
    )
    .await;
    far.emulator.advance(Duration::MAX);
    let end: Value = far.get("/_emulator/clock").await.json().await.unwrap();
    assert_eq!(end["now"], "9999-12-31T23:59:59.000Z");
}
