//! A command that Redis refuses switches off the function that needs it, and not the connection or the other function.

use std::{
    thread,
    time::{Duration, SystemTime},
};

use authkit_redis::RedisReplicas;
use authkit_session::{
    Claim, RefreshCoordinator, Revocations,
    conformance::{self, TestReceiver, notice},
};
use bytes::Bytes;
use support::{Events, RedisCluster, RedisServer};
use tokio::time::{sleep, timeout};

use crate::{
    replicas_conformance::DOCUMENTED,
    replicas_redis::{told_once, until},
};

const GROUP: &str = "0123456789abcdef";
fn in_an_hour() -> SystemTime {
    SystemTime::now() + Duration::from_secs(3_600)
}

/// Whether a line is about something else than the unreadable notices that the conformance suite publishes on purpose.
fn is_trouble(line: &&String) -> bool {
    !line.contains("cannot be read")
}

/// Whether two processes share an exchange.
async fn shares_exchanges(here: &RedisReplicas, there: &RedisReplicas, name: &str) -> bool {
    here.claim(name).await;
    RefreshCoordinator::publish(here, name, Bytes::from_static(b"outcome")).await;
    there.look(name).await == Claim::Published(Bytes::from_static(b"outcome"))
}

/// Whether one process receives within five seconds what the other publishes.
async fn shares_revocations(here: &RedisReplicas, there: &RedisReplicas, text: &str) -> bool {
    let receiver = TestReceiver::new(GROUP);
    there.subscribe(receiver.inbox());
    let published = Revocations::publish(here, notice(GROUP, text, in_an_hour())).await;
    published.is_ok()
        && timeout(Duration::from_secs(5), receiver.until_received(text)).await.is_ok()
}

/// A restriction of a Redis, and the functions that work despite it.
struct Case {
    name: &'static str,
    rules: &'static str,
    command: &'static str,
    exchanges: bool,
    revocations: bool,
}

impl Case {
    async fn check(&self, redis: &RedisServer) {
        let events = Events::listen();
        let url = redis.user(self.rules).await;
        redis.ask(self.command).await;
        let [here, there] = [0, 1].map(|_| RedisReplicas::connect(&url).unwrap());
        let receiver = TestReceiver::new(GROUP);
        for replicas in [&here, &there] {
            replicas.subscribe(receiver.inbox());
            until(replicas, "Up").await;
        }
        // The processes find out now which functions do not work.
        shares_exchanges(&here, &there, "first").await;
        shares_revocations(&here, &there, "first").await;
        shares_revocations(&there, &here, "second").await;
        let taken = redis.connections_taken().await;
        sleep(Duration::from_secs(3)).await;
        let taken = redis.connections_taken().await - taken;

        let name = self.name;
        assert!(taken <= 6, "{name}: {taken} connections in 3 seconds");
        assert_eq!(shares_exchanges(&here, &there, "then").await, self.exchanges, "{name}");
        assert_eq!(shares_revocations(&here, &there, "then").await, self.revocations, "{name}");
        for replicas in [&here, &there] {
            assert!(format!("{replicas:?}").contains("Up"), "{name}: it stays connected");
        }
        let told = events.take();
        let warnings = told.iter().filter(|line| line.starts_with("WARN")).count();
        let functions = usize::from(!self.exchanges) + usize::from(!self.revocations);
        assert!(
            warnings <= 2 * functions.max(1),
            "{name}: one line of each process and function: {told:?}"
        );
        assert!(functions == 0 || warnings > 0, "{name}: a line tells of the refusal: {told:?}");
        assert!(!told.join(" ").contains("hunter2"), "{name}: {told:?}");
    }
}

#[test]
fn f2_an_error_reply_switches_off_one_function_and_keeps_the_connection() {
    let cases = [
        ("no SET", "~* &* +@all -set", "", false, true),
        ("no GET", "~* &* +@all -get", "", false, true),
        ("no PTTL", "~* &* +@all -pttl", "", false, true),
        ("no ZADD", "~* &* +@all -zadd", "", true, false),
        ("no ZREVRANGEBYSCORE", "~* &* +@all -zrevrangebyscore", "", true, false),
        ("no ZREMRANGEBYRANK", "~* &* +@all -zremrangebyrank", "", true, false),
        ("no EXPIRE", "~* &* +@all -expire", "", true, false),
        ("no keys of exchanges", "~authkit:revocations:* &* +@all", "", false, true),
        (
            "no keys of revocations",
            "~authkit:exchange:* ~authkit:probe:* &* +@all",
            "",
            true,
            false,
        ),
        (
            "a list of the wrong type",
            "~* &* +@all",
            "SET authkit:revocations:0123456789abcdef x",
            true,
            false,
        ),
        ("no PUBLISH", "~* &* +@all -publish", "", true, true),
        ("no SUBSCRIBE", "~* &* +@all -subscribe", "", true, true),
        ("no hints to the client", "~* &* +@all -client", "", true, true),
    ];
    thread::scope(|scope| {
        for (name, rules, command, exchanges, revocations) in cases {
            // A thread for each case, since `Events` collects all events of its thread.
            scope.spawn(move || {
                let case = Case { name, rules, command, exchanges, revocations };
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.unwrap().block_on(async { case.check(&RedisServer::start().await).await });
            });
        }
    });
}

#[tokio::test]
async fn f2_a_command_that_was_renamed_is_refused_and_its_arguments_are_not_logged() {
    let redis = RedisServer::start_with(&["--rename-command", "ZADD", ""]).await;
    let events = Events::listen();
    let replicas = RedisReplicas::connect(&redis.url()).unwrap();
    until(&replicas, "Up").await;
    let published = notice(GROUP, "sealed-in-secret", in_an_hour());
    assert!(Revocations::publish(&replicas, published).await.is_err());
    let told = events.take();
    assert!(told.len() == 1 && told[0].contains("unknown command"), "{told:?}");
    assert!(!told[0].contains("sealed-in"), "{told:?}");

    // A server that does not know HELLO repeats what it was sent, the password too.
    let redis = RedisServer::start_with(&["--rename-command", "HELLO", ""]).await;
    let url = redis.user("~* &* +@all").await;
    let replicas = RedisReplicas::connect(&url).unwrap();
    until(&replicas, "Down").await;
    let told = events.take();
    assert!(!told.is_empty() && !told.join(" ").contains("hunter2"), "{told:?}");
}

#[tokio::test]
async fn f2_a_listener_that_redis_throws_out_costs_neither_the_list_nor_the_exchange() {
    let limits = "pubsub 64kb 64kb 0 normal 64kb 64kb 0";
    let redis = RedisServer::start_with(&["--client-output-buffer-limit", limits]).await;
    let first = RedisReplicas::connect(&redis.url()).unwrap();
    until(&first, "Up").await;
    for number in 0..3_000 {
        let text = format!("{number}-{}", "x".repeat(200));
        Revocations::publish(&first, notice(GROUP, &text, in_an_hour())).await.unwrap();
    }
    let case = Case {
        name: "64 kB for listeners, and 3,000 entries",
        rules: "~* &* +@all",
        command: "",
        exchanges: true,
        revocations: true,
    };
    case.check(&redis).await;
}

#[tokio::test]
async fn f2_a_node_of_a_cluster_keeps_its_connection() {
    let cluster = RedisCluster::start_with(None, &[]).await;
    let one = &cluster.nodes[0];
    let events = Events::listen();
    let replicas = RedisReplicas::connect(&one.url()).unwrap();
    let receiver = TestReceiver::new(GROUP);
    replicas.subscribe(receiver.inbox());
    until(&replicas, "Up").await;
    for number in 0..20 {
        replicas.claim(&format!("exchange{number}")).await;
        let published = notice(&format!("{number:016x}"), "text", in_an_hour());
        let _ = Revocations::publish(&replicas, published).await;
    }
    let taken = one.connections_taken().await;
    sleep(Duration::from_secs(3)).await;
    let taken = one.connections_taken().await - taken;
    assert!(taken <= 6, "{taken} connections in 3 seconds");
    assert!(format!("{replicas:?}").contains("Up"));
    let told = events.take();
    let warnings: Vec<_> = told.iter().filter(|line| line.starts_with("WARN")).collect();
    assert!((1..=2).contains(&warnings.len()), "one line for each function: {told:?}");
    let hint = |line: &&String| line.contains("MOVED") && line.contains("redis+cluster://");
    assert!(warnings.iter().all(hint), "{told:?}");
}

#[tokio::test]
async fn f2_a_server_that_takes_no_writes_counts_as_gone() {
    let redis = RedisServer::start().await;
    let other = RedisServer::start().await;
    let replicaof = format!("REPLICAOF 127.0.0.1 {}", other.port());
    let cases = [
        ("READONLY", replicaof.as_str(), "REPLICAOF NO ONE"),
        ("OOM", "CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
        ("NOREPLICAS", "CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0"),
        (
            "MASTERDOWN",
            "CONFIG SET replica-serve-stale-data no\r\nCONFIG SET replica-read-only no\r\nREPLICAOF 127.0.0.1 1",
            "REPLICAOF NO ONE\r\nCONFIG SET replica-read-only yes",
        ),
    ];
    let events = Events::listen();
    let replicas = RedisReplicas::connect(&redis.url()).unwrap();
    until(&replicas, "Up").await;
    for (code, trouble, end) in cases {
        redis.ask(trouble).await;
        until(&replicas, "Down").await;
        let told = events.take();
        assert!(told.len() == 1 && told[0].contains(code), "{code}: {told:?}");
        redis.ask(end).await;
        until(&replicas, "Up").await;
        let told = events.take();
        assert!(told.len() == 1 && told[0].starts_with("INFO"), "{code}: {told:?}");
    }
}

#[tokio::test]
async fn f2_exactly_the_documented_commands_suffice() {
    let redis = RedisServer::start().await;
    let events = Events::listen();
    let url = redis.user(DOCUMENTED).await;
    let [here, there] = [0, 1].map(|_| RedisReplicas::connect(&url).unwrap());
    for replicas in [&here, &there] {
        until(replicas, "Up").await;
    }

    conformance::shared_refresh_coordinator(&here, &there).await;
    conformance::shared_revocations(&here, &there).await;
    redis.ask("FLUSHALL").await;
    support::until("a process puts the lost list back", async || {
        !redis.keys("authkit:revocations:*").await.is_empty()
    })
    .await;

    let told = events.take();
    assert_eq!(told.iter().filter(is_trouble).collect::<Vec<_>>(), Vec::<&String>::new());
    let refused = redis.ask("ACL LOG").await;
    assert!(refused.starts_with("*0"), "Redis refused no command: {refused}");

    let url = redis.user(&format!("{DOCUMENTED} +select")).await;
    let elsewhere = RedisReplicas::connect(&format!("{url}/1")).unwrap();
    until(&elsewhere, "Up").await;
    assert_eq!(events.take(), Vec::<String>::new());
}

#[tokio::test]
async fn f3_without_channels_the_exchange_works_and_the_list_tells_of_revocations() {
    let redis = RedisServer::start().await;
    let events = Events::listen();
    let url = redis.user(&DOCUMENTED.replace("&authkit:*", "resetchannels")).await;
    let [here, there] = [0, 1].map(|_| RedisReplicas::connect(&url).unwrap());
    let receiver = TestReceiver::new(GROUP);
    for replicas in [&here, &there] {
        replicas.subscribe(receiver.inbox());
        until(replicas, "Up").await;
    }

    conformance::shared_refresh_coordinator(&here, &there).await;
    conformance::shared_revocations(&here, &there).await;
    let told = told_once(&events, |told| told.iter().filter(is_trouble).count() >= 2).await;
    let told: Vec<_> = told.iter().filter(is_trouble).collect();
    assert_eq!(told.len(), 2, "one line of each process: {told:?}");
    assert!(
        told.iter().all(|line| line.contains("SUBSCRIBE") || line.contains("PUBLISH")),
        "{told:?}"
    );
}
