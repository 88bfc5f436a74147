//! How the connection to Redis is kept up, and what is logged about it.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use authkit_emulator::Emulator;
use authkit_redis::{RedisCredentials, RedisReplicas};
use authkit_session::{
    Claim, RefreshCoordinator, Revocations,
    conformance::{TestReceiver, notice},
};
use authkit_tower::{AuthKit, Config, CookiePassword, Revocation};
use bytes::Bytes;
use support::{Events, RedisServer};
use tokio::time::sleep;

use crate::replicas_redis::{told_once, until};

#[tokio::test]
async fn f4_each_new_kind_of_trouble_is_told_once() {
    let events = Events::listen();
    let redis = RedisServer::start().await;
    let url = redis.user("~* &* +@all").await;
    let replicas = RedisReplicas::connect(&url).unwrap();
    until(&replicas, "Up").await;
    assert_eq!(events.take(), Vec::<String>::new());

    redis.ask("ACL SETUSER app resetpass >changed\r\nCLIENT KILL TYPE normal SKIPME yes").await;
    let is_refused = |line: &String| line.contains("WRONGPASS");
    let told = told_once(&events, |told| told.iter().any(is_refused)).await;
    assert!(told.iter().any(is_refused), "{told:?}");
    assert!(told.len() <= 2, "once each: {told:?}");
    assert!(!told.join(" ").contains("hunter2"), "{told:?}");
}

#[tokio::test]
async fn f4_credentials_are_asked_for_at_each_connection() {
    let events = Events::listen();
    let redis = RedisServer::start().await;
    redis.user("~* &* +@all").await;
    let password = Arc::new(Mutex::new("hunter2".to_owned()));
    let provider = {
        let password = Arc::clone(&password);
        move || {
            let password = password.lock().unwrap().clone();
            async { Ok(RedisCredentials::new("app", password)) }
        }
    };
    let builder = RedisReplicas::builder(&redis.url()).with_credentials_provider(provider);
    let replicas = builder.connect().unwrap();
    until(&replicas, "Up").await;

    redis.ask("ACL SETUSER app resetpass >changed\r\nCLIENT KILL TYPE normal SKIPME yes").await;
    until(&replicas, "Down").await;
    sleep(Duration::from_millis(300)).await;
    "changed".clone_into(&mut password.lock().unwrap());
    until(&replicas, "Up").await;

    let told = events.take();
    assert!(told.last().is_some_and(|line| line.starts_with("INFO")), "{told:?}");
    let told = told.join(" ");
    assert!(!told.contains("hunter2") && !told.contains("changed"), "{told}");
}

#[tokio::test]
async fn f4_a_credentials_provider_that_fails_or_panics_is_asked_again() {
    let redis = RedisServer::start().await;
    redis.user("~* &* +@all").await;
    for panics in [false, true] {
        let events = Events::listen();
        let asked = AtomicUsize::new(0);
        let provider = move || {
            let is_first = asked.fetch_add(1, Ordering::Relaxed) == 0;
            async move {
                assert!(!(is_first && panics), "the provider panics");
                match is_first {
                    true => Err("the vault is sealed".into()),
                    false => Ok(RedisCredentials::new("app", "hunter2")),
                }
            }
        };
        let builder = RedisReplicas::builder(&redis.url()).with_credentials_provider(provider);
        let replicas = builder.connect().unwrap();
        until(&replicas, "Up").await;
        let told = events.take();
        let reason = if panics { "panicked" } else { "the vault is sealed" };
        assert!(told[0].contains(reason), "{told:?}");
    }
}

#[tokio::test]
async fn f7_notices_that_cannot_be_read_are_told_once_a_minute() {
    let (emulator, redis) = tokio::join!(Emulator::start(), RedisServer::start());
    let events = Events::listen();
    let application = |password: &str| {
        let replicas = RedisReplicas::connect(&redis.url()).unwrap();
        let (id, key) = (emulator.client_id(), emulator.api_key());
        let password = CookiePassword::new(password).unwrap();
        let config = Config::new(id, key, "http://localhost/callback", password);
        (AuthKit::new(replicas.share(config)).unwrap(), replicas)
    };
    let [one, other] = [
        "oatw2JzfvpD4OOBNGLE5n9dUStWXcGGQP81AnPADP6w=",
        "ddW7ld9IZBd1DoR+/EWsU+394lgsZAbNdCiupTTK7Dc=",
    ]
    .map(application);
    for (_, replicas) in [&one, &other] {
        until(replicas, "Up").await;
    }
    for number in 0..20 {
        for (authkit, _) in [&one, &other] {
            let revoked = Revocation::session(format!("session_{number}"), emulator.now());
            authkit.revoke(revoked).await.unwrap();
        }
    }
    let is_warning = |line: &&String| line.starts_with("WARN");
    let told = told_once(&events, |told| told.iter().filter(is_warning).count() >= 2).await;
    let warnings: Vec<_> = told.iter().filter(is_warning).collect();
    assert_eq!(warnings.len(), 2, "one of each process: {warnings:?}");
}

#[test]
fn f8_the_connection_outlives_the_runtime_that_it_was_made_on() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    let (redis, replicas) = first.block_on(async {
        let redis = RedisServer::start().await;
        let replicas = RedisReplicas::connect(&redis.url()).unwrap();
        until(&replicas, "Up").await;
        (redis, replicas)
    });
    drop(first);

    runtime().block_on(async {
        let other = RedisReplicas::connect(&redis.url()).unwrap();
        until(&other, "Up").await;
        let receiver = TestReceiver::new("0123");
        replicas.subscribe(receiver.inbox());
        assert_eq!(replicas.claim("exchange").await, Claim::Alone);
        RefreshCoordinator::publish(&replicas, "exchange", Bytes::from_static(b"outcome")).await;
        let published = Claim::Published(Bytes::from_static(b"outcome"));
        assert_eq!(other.look("exchange").await, published);
        let in_an_hour = std::time::SystemTime::now() + Duration::from_secs(3_600);
        Revocations::publish(&other, notice("0123", "text", in_an_hour)).await.unwrap();
        receiver.until_received("text").await;
    });
}

#[tokio::test]
async fn f1_looking_at_the_list_costs_three_commands_a_second() {
    let redis = RedisServer::start().await;
    let replicas = RedisReplicas::connect(&redis.url()).unwrap();
    let receiver = TestReceiver::new("0123");
    replicas.subscribe(receiver.inbox());
    until(&replicas, "Up").await;
    let in_an_hour = std::time::SystemTime::now() + Duration::from_secs(3_600);
    for number in 0..2_000 {
        let published = notice("0123", &format!("notice{number}"), in_an_hour);
        Revocations::publish(&replicas, published).await.unwrap();
    }
    receiver.until_received("notice1999").await;
    sleep(Duration::from_millis(1_500)).await;

    let (before, began) = (redis.commands_done().await, Instant::now());
    sleep(Duration::from_secs(4)).await;
    let done = redis.commands_done().await - before;
    // A busy machine may look late, and never early. The four extra commands are the test's own.
    let most = began.elapsed().as_secs() * 3 + 4;
    assert!((3..=most).contains(&done), "{done} commands, not {most}");
}
