//! Processes restore the revocations that Redis loses while their connections stay open.

use std::time::{Duration, SystemTime};

use authkit_emulator::Emulator;
use authkit_redis::RedisReplicas;
use authkit_session::{
    Revocations,
    conformance::{TestReceiver, notice},
};
use authkit_tower::{AuthKit, Revocation};
use futures_util::future::join_all;
use http::StatusCode;
use support::{Harness, PASSWORD, RedisCluster, RedisServer, SentinelRedis};
use tokio::time::{sleep, timeout};

use crate::{
    replicas::{ask, replica},
    replicas_redis::{PATIENCE, until},
};

const GROUP: &str = "0123456789abcdef";
const LIST: &str = "authkit:revocations:0123456789abcdef";

fn in_an_hour() -> SystemTime {
    SystemTime::now() + Duration::from_secs(3_600)
}

async fn connected(redis: &RedisServer) -> RedisReplicas {
    connected_to(&redis.url()).await
}

async fn connected_to(url: &str) -> RedisReplicas {
    let replicas = RedisReplicas::connect(url).unwrap();
    until(&replicas, "Up").await;
    replicas
}

async fn publish(replicas: &RedisReplicas, text: &str, until: SystemTime) {
    Revocations::publish(replicas, notice(GROUP, text, until)).await.unwrap();
}

/// Waits until the list holds these notices.
async fn until_listed(redis: &RedisServer, texts: &[&str], case: &str) {
    until_listed_in(LIST, redis, texts, case).await;
}

async fn until_listed_in(name: &str, redis: &RedisServer, texts: &[&str], case: &str) {
    let mut list = String::new();
    let is_so = async {
        loop {
            list = redis.ask(&format!("ZRANGE {name} 0 -1")).await;
            if texts.iter().all(|text| list.contains(text)) {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, is_so).await.unwrap_or_else(|_| panic!("{case}: {list}"));
}

/// Waits until the connected process has looked at the list, which it does once a second.
async fn until_looked_at(redis: &RedisServer) {
    let before = redis.calls_of("zrevrangebyscore").await;
    support::until("the process has looked at the list", async || {
        redis.calls_of("zrevrangebyscore").await >= before + 2
    })
    .await;
}

#[tokio::test]
async fn f1_what_redis_loses_while_connected_is_put_back() {
    let losses = [
        ("flushed", "FLUSHALL"),
        ("deleted", "DEL authkit:revocations:0123456789abcdef"),
        ("expired", "PEXPIRE authkit:revocations:0123456789abcdef 1"),
        ("renamed", "RENAME authkit:revocations:0123456789abcdef elsewhere"),
        ("another database's data", "SWAPDB 0 1"),
        ("all but the oldest, as a replica that lags", "ZREMRANGEBYRANK LIST 1 -1"),
        ("the newest", "ZREM LIST newest"),
        // Another process begins a new list before this one looks: there is a list, but a different one.
        ("begun anew by another process", "FLUSHALL\r\nZADD LIST 9999999999 other"),
        ("begun anew with the newest", "FLUSHALL\r\nZADD LIST NEWEST newest"),
    ];
    join_all(losses.map(|(case, loss)| f1_put_back(case, loss))).await;
}

async fn f1_put_back(case: &str, loss: &str) {
    let newest = in_an_hour();
    let score = newest.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs().to_string();
    let redis = RedisServer::start().await;
    let replicas = connected(&redis).await;
    let receiver = TestReceiver::new(GROUP);
    replicas.subscribe(receiver.inbox());
    publish(&replicas, "older", newest - Duration::from_secs(60)).await;
    publish(&replicas, "newest", newest).await;
    until_looked_at(&redis).await;

    redis.ask(&loss.replace("LIST", LIST).replace("NEWEST", &score)).await;

    until_listed(&redis, &["older", "newest"], case).await;
    let late = connected(&redis).await;
    let receiver = TestReceiver::new(GROUP);
    late.subscribe(receiver.inbox());
    receiver.until_received("older").await;
    receiver.until_received("newest").await;
}

#[tokio::test]
async fn f1_what_a_promoted_replica_lacks_is_put_back() {
    let (redis, empty) = tokio::join!(RedisServer::start(), RedisServer::start());
    let replicas = connected(&redis).await;
    publish(&replicas, "older", in_an_hour()).await;
    until_looked_at(&redis).await;

    redis.ask(&format!("REPLICAOF 127.0.0.1 {}", empty.port())).await;
    support::until("it has the data of the empty server", async || {
        redis.says("INFO replication", "master_link_status:up").await
    })
    .await;
    redis.ask("REPLICAOF NO ONE").await;

    until_listed(&redis, &["older"], "promoted").await;
}

#[tokio::test]
async fn f1_what_a_replica_lacked_when_the_sentinels_promoted_it_is_put_back() {
    let mut redis = SentinelRedis::start().await;
    let replicas = connected_to(&redis.url()).await;
    let receiver = TestReceiver::new(GROUP);
    replicas.subscribe(receiver.inbox());
    publish(&replicas, "older", in_an_hour()).await;
    until_listed(&redis.servers[1], &["older"], "replicated").await;
    redis.servers[1].pause();
    publish(&replicas, "newest", in_an_hour()).await;
    redis.servers[0].kill();
    redis.servers[1].resume();

    redis.until_failed_over().await;
    until_listed(&redis.servers[1], &["older", "newest"], "promoted").await;
    redis.servers[1].ask("FLUSHALL").await;
    until_listed(&redis.servers[1], &["older", "newest"], "flushed").await;
}

#[tokio::test]
async fn f1_what_a_replica_lacked_when_a_cluster_promoted_it_is_put_back() {
    const LIST: &str = "{authkit}:revocations:0123456789abcdef";
    let mut redis = RedisCluster::start_with(None, &[]).await;
    let owner = redis.owner("{authkit}").await;
    let replicas = connected_to(&redis.url()).await;
    let receiver = TestReceiver::new(GROUP);
    replicas.subscribe(receiver.inbox());
    publish(&replicas, "older", in_an_hour()).await;
    redis.nodes[owner + 3].pause();
    publish(&replicas, "newest", in_an_hour()).await;
    redis.nodes[owner].kill();
    redis.nodes[owner + 3].resume();

    redis.until_promoted(owner + 3).await;
    let promoted = &redis.nodes[owner + 3];
    until_listed_in(LIST, promoted, &["older", "newest"], "promoted").await;
    promoted.ask("FLUSHALL").await;
    until_listed_in(LIST, promoted, &["older", "newest"], "flushed").await;
}

#[tokio::test]
async fn f1_who_missed_what_was_put_back_hears_of_it() {
    // The late process connects between the loss and the repair, and knows a newer notice by then.
    let redis = RedisServer::start().await;
    let replicas = connected(&redis).await;
    publish(&replicas, "older", in_an_hour() - Duration::from_secs(60)).await;
    until_looked_at(&redis).await;

    redis.ask("FLUSHALL").await;
    let late = connected(&redis).await;
    let receiver = TestReceiver::new(GROUP);
    late.subscribe(receiver.inbox());
    publish(&late, "newest", in_an_hour()).await;

    receiver.until_received("older").await;
}

#[tokio::test]
async fn f1_a_revoked_session_is_refused_by_a_new_process_whatever_redis_lost() {
    let (emulator, redis) = tokio::join!(Emulator::start(), RedisServer::start());
    let evicting = RedisServer::start_with(&[
        "--maxmemory",
        "3mb",
        "--maxmemory-policy",
        "allkeys-lru",
        "--maxmemory-samples",
        "64",
    ]);
    let evicting = evicting.await;
    for (case, redis) in [("flushed", &redis), ("evicted", &evicting)] {
        let replicas = RedisReplicas::connect(&redis.url()).unwrap();
        let config = Harness::config(&emulator, "http://localhost/callback");
        let authkit = AuthKit::new(replicas.share(config)).unwrap();
        until(&replicas, "Up").await;
        let session = emulator.session("alice@acme.test");
        let revoked = Revocation::session(session.session_id(), emulator.now());
        authkit.revoke(revoked).await.unwrap();

        let list = redis.keys("authkit:revocations:*").await.pop().unwrap();
        match case {
            "flushed" => drop(redis.ask("FLUSHALL").await),
            _ => {
                let others: Vec<_> =
                    (0..6_000).map(|n| format!("SET other:{n} {}", "x".repeat(1_000))).collect();
                let pushed = async {
                    while !redis.ask(&format!("EXISTS {list}")).await.starts_with(":0") {
                        redis.ask(&others.join("\r\n")).await;
                    }
                };
                timeout(PATIENCE, pushed).await.expect("the list is evicted");
            }
        }

        let exists = format!("EXISTS {list}");
        support::until(&format!("{case}: the list is back"), async || {
            redis.says(&exists, ":1").await
        })
        .await;
        let late = replica(&emulator, &redis.url(), &[]);
        let cookie = session.cookie(PASSWORD);
        support::until(&format!("{case}: the new process refuses"), async || {
            ask(&late, &cookie).await.status == StatusCode::UNAUTHORIZED
        })
        .await;
        let another = emulator.session("alice@acme.test").cookie(PASSWORD);
        assert_eq!(ask(&late, &another).await.status, StatusCode::OK, "{case}: it goes on");
    }
}
