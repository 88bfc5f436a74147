//! The costs of sharing in Redis are those in `docs/replicas.md`.

use std::time::Duration;

use authkit_emulator::Emulator;
use authkit_redis::RedisReplicas;
use authkit_session::{Claim, RefreshCoordinator};
use authkit_tower::{AuthKit, Revocation};
use bytes::Bytes;
use http::StatusCode;
use support::{Harness, PASSWORD, RedisServer};
use tokio::time::sleep;

use crate::{
    replicas::{ask, replica},
    replicas_redis::until,
};

/// The number in the page's row for `what`.
pub(crate) fn documented(what: &str) -> f64 {
    let page = include_str!("../../docs/replicas.md");
    let row = page.lines().find(|line| line.starts_with(&format!("| {what} |"))).expect(what);
    let cell = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
    let number = cell.split(' ').next().unwrap().replace(',', "");
    number.parse().unwrap_or_else(|_| panic!("{row} has no number"))
}

async fn memory(redis: &RedisServer, key: &str) -> f64 {
    let answer = redis.ask(&format!("MEMORY USAGE {key} SAMPLES 0")).await;
    answer.lines().next().unwrap()[1..].parse().unwrap()
}

#[tokio::test]
async fn an_exchange_takes_two_commands_and_further_processes_ask_for_its_outcome() {
    let redis = RedisServer::start().await;
    let [here, there] = [0, 1].map(|_| RedisReplicas::connect(&redis.url()).unwrap());
    for replicas in [&here, &there] {
        until(replicas, "Up").await;
    }
    let before = redis.calls_of("set").await;

    assert_eq!(here.claim("exchange").await, Claim::Alone);
    let (outcome, ()) = tokio::join!(there.claim("exchange"), async {
        sleep(Duration::from_millis(200)).await;
        RefreshCoordinator::publish(&here, "exchange", Bytes::from_static(b"outcome")).await;
    });

    assert_eq!(outcome, Claim::Published(Bytes::from_static(b"outcome")));
    // Two of the exchange, one of the other process, and one or two by which each process shows that it is connected.
    let sets = redis.calls_of("set").await - before;
    assert!((3..=7).contains(&sets), "{sets}");
    assert_eq!(documented("Redis commands for a refresh that one replica makes"), 2.0);
    let looks = redis.calls_of("get").await;
    assert_eq!(looks, redis.calls_of("pttl").await);
    assert!((3..=6).contains(&looks), "{looks}");
}

#[tokio::test]
async fn what_stays_in_redis_is_as_large_as_documented() {
    let (emulator, redis) = tokio::join!(Emulator::start(), RedisServer::start());
    let refreshing = replica(&emulator, &redis.url(), &[]);
    redis.until_connected(1).await;
    let cookie = emulator.session("alice@acme.test").expired().cookie(PASSWORD);
    assert_eq!(ask(&refreshing, &cookie).await.status, StatusCode::OK);
    let keys = redis.keys("authkit:exchange:*").await;
    // The replica publishes the outcome, which begins with `=`, after its answer to the request.
    let read = format!("GET {}", keys[0]);
    support::until("the outcome is published", async || redis.says(&read, "\r\n=").await).await;
    let outcome = memory(&redis, &keys[0]).await;
    let said = documented("what an exchange leaves in Redis, for 60 seconds");
    assert!(
        (0.75 * said..1.25 * said).contains(&outcome),
        "{outcome} bytes, and {said} in the documentation"
    );

    let replicas = RedisReplicas::connect(&redis.url()).unwrap();
    let config = Harness::config(&emulator, "http://localhost/callback");
    let authkit = AuthKit::new(replicas.share(config)).unwrap();
    until(&replicas, "Up").await;
    for number in 0..500 {
        let id = format!("session_01{number:024}");
        authkit.revoke(Revocation::session(id, emulator.now())).await.unwrap();
    }
    let list = redis.keys("authkit:revocations:*").await;
    let notice = memory(&redis, &list[0]).await / 500.0;
    let said = documented("in Redis, for a day, of the latest 100,000");
    assert!(
        (0.75 * said..1.25 * said).contains(&notice),
        "{notice} bytes, and {said} in the documentation"
    );
}
