//! The connection to Redis: how it is configured, and what is logged when it is lost and restored.

use std::time::{Duration, Instant};

use authkit_emulator::Emulator;
use authkit_redis::RedisReplicas;
use authkit_tower::{AuthKit, Revocation};
use http::{Method, StatusCode};
use support::{Browser, Events, Harness, PASSWORD, Program, RedisServer};
use tokio::time::{sleep, timeout};

use crate::{
    AXUM_APP,
    replicas::{ask, replica},
};

/// Waits until the connection is in this state, `Up` or `Down`.
pub(crate) async fn until(replicas: &RedisReplicas, state: &str) {
    support::until(state, async || format!("{replicas:?}").contains(state)).await;
}

/// Collects log lines until there are enough of them, and for another second, which shows lines that should not come.
pub(crate) async fn told_once(
    events: &Events,
    is_enough: impl Fn(&[String]) -> bool,
) -> Vec<String> {
    let mut told = events.take();
    let enough = async {
        while !is_enough(&told) {
            sleep(Duration::from_millis(20)).await;
            told.extend(events.take());
        }
    };
    // If the time is up, the assertions of the caller show which lines there are.
    let _ = timeout(PATIENCE, enough).await;
    sleep(Duration::from_secs(1)).await;
    told.extend(events.take());
    told
}

/// A time-out for what an idle machine does at once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The fastest of three starts counts, since a busy machine may be slow.
#[tokio::test]
async fn starting_without_redis_takes_no_time_and_costs_nobody_a_request() {
    let emulator = Emulator::start().await;
    let mut fastest = Duration::MAX;
    for _ in 0..3 {
        let began = Instant::now();
        // Nobody listens on port 1.
        let replica = replica(&emulator, "redis://127.0.0.1:1", &[]);
        let cookie = emulator.session("alice@acme.test").expired().cookie(PASSWORD);
        assert_eq!(ask(&replica, &cookie).await.status, StatusCode::OK);
        fastest = fastest.min(began.elapsed());
    }
    assert!(fastest < Duration::from_secs(2), "{fastest:?}");
}

#[tokio::test]
async fn the_example_takes_the_url_of_redis() {
    let (emulator, redis) = tokio::join!(Emulator::start(), RedisServer::start());
    let program = Program::start_where(AXUM_APP, |port| {
        let mut variables = emulator.env();
        variables.extend([
            ("WORKOS_REDIRECT_URI", format!("http://localhost:{port}/callback")),
            ("WORKOS_COOKIE_PASSWORD", PASSWORD.to_owned()),
            ("REDIS_URL", redis.url()),
        ]);
        variables
    });
    let browser = Browser::new();
    let cookie = emulator.session("alice@acme.test").expired().cookie(PASSWORD);
    browser.keep(&program.url("/"), "wos_session", &cookie);

    redis.until_connected(1).await;
    let me = browser.fetch(Method::GET, &program.url("/api/me"), "").await;

    assert_eq!(me.status, StatusCode::OK, "{}", me.text());
    assert_eq!(redis.keys("authkit:exchange:*").await.len(), 1, "the program shares its refreshes");
}

#[tokio::test]
async fn a_list_of_several_pages_is_read_to_its_end() {
    let (emulator, redis) = tokio::join!(Emulator::start(), RedisServer::start());
    let replicas = RedisReplicas::connect(&redis.url()).unwrap();
    let config = Harness::config(&emulator, "http://localhost/callback");
    let authkit = AuthKit::new(replicas.share(config)).unwrap();
    let session = emulator.session("alice@acme.test");
    until(&replicas, "Up").await;
    // Replicas read the list from the notice that ends last: the first one published is on the last page.
    for second in 0..2_500 {
        let id = match second {
            0 => session.session_id().to_owned(),
            _ => format!("session_{second}"),
        };
        let at = emulator.now() + Duration::from_secs(second);
        authkit.revoke(Revocation::session(id, at)).await.unwrap();
    }
    assert_eq!(redis.keys("authkit:revocations:*").await.len(), 1);

    let late = replica(&emulator, &redis.url(), &[]);
    redis.until_connected(2).await;
    let cookie = session.cookie(PASSWORD);
    let is_refused = async || ask(&late, &cookie).await.status == StatusCode::UNAUTHORIZED;
    support::until("the replica has read the last page", is_refused).await;
    let another = emulator.session("alice@acme.test").cookie(PASSWORD);
    assert_eq!(ask(&late, &another).await.status, StatusCode::OK, "it is in no notice");
}

#[tokio::test]
async fn each_change_of_state_is_logged_once() {
    let events = Events::listen();
    let mut redis = RedisServer::start().await;
    let replicas = RedisReplicas::connect(&redis.url()).unwrap();
    until(&replicas, "Up").await;
    assert_eq!(events.take(), Vec::<String>::new(), "a connection that works logs nothing");

    let gone_and_back = async |went: &str| {
        until(&replicas, "Up").await;
        let told = events.take();
        assert_eq!(told.len(), 2, "{went}: {told:?}");
        assert!(told[0].starts_with("WARN") && told[1].starts_with("INFO"), "{went}: {told:?}");
    };
    redis.kill();
    until(&replicas, "Down").await;
    sleep(Duration::from_millis(500)).await;
    redis.restart().await;
    gone_and_back("killed").await;

    redis.pause();
    until(&replicas, "Down").await;
    sleep(Duration::from_millis(1_500)).await;
    redis.resume();
    gone_and_back("paused").await;

    // As during a fail-over: the server answers, but takes no writes.
    redis.ask("REPLICAOF 127.0.0.1 1").await;
    until(&replicas, "Down").await;
    sleep(Duration::from_millis(300)).await;
    redis.ask("REPLICAOF NO ONE").await;
    gone_and_back("demoted").await;
}

#[tokio::test]
async fn a_password_is_sent_and_a_wrong_one_is_as_if_redis_were_gone() {
    let events = Events::listen();
    let redis = RedisServer::start_with(&["--requirepass", "hunter2"]).await;
    let url = |password: &str| redis.url().replace("redis://", &format!("redis://:{password}@"));

    let replicas = RedisReplicas::connect(&url("hunter2")).unwrap();
    until(&replicas, "Up").await;
    assert_eq!(events.take(), Vec::<String>::new());

    let replicas = RedisReplicas::connect(&url("hunter3")).unwrap();
    until(&replicas, "Down").await;
    let told = events.take();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("WRONGPASS") && !told[0].contains("hunter3"), "{told:?}");
}
