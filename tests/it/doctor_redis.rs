//! `authkit doctor` checks Redis. It names each fault, and what to do about it.

use std::process::Command;

use support::{RedisServer, served::free_port};

use crate::AUTHKIT;

/// Runs `authkit doctor` with this `REDIS_URL`, and returns its lines about Redis.
async fn doctor(redis_url: &str) -> Vec<String> {
    let mut command = Command::new(AUTHKIT);
    command.arg("doctor").env_clear().envs([
        ("WORKOS_CLIENT_ID", "client_1"),
        ("WORKOS_API_KEY", "sk_test_1"),
        ("WORKOS_REDIRECT_URI", "http://localhost:3000/callback"),
        ("WORKOS_COOKIE_PASSWORD", "v0RAnCHm6QTHGrCBBeqiJxWURBoavNMLO0ZUTmNlX8g="),
        // Nothing listens there.
        ("WORKOS_BASE_URL", "http://127.0.0.1:1"),
        ("REDIS_URL", redis_url),
    ]);
    let said = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let (text, told) =
        (String::from_utf8(said.stdout).unwrap(), String::from_utf8(said.stderr).unwrap());
    assert!(told.is_empty() && !text.contains("hunter2"), "{text}{told}");
    text.lines().filter(|line| line.contains(" redis ")).map(str::to_owned).collect()
}

/// Asserts that one of the lines has this level and all these words.
fn says(name: &str, lines: &[String], level: &str, words: &[&str]) {
    let is_said =
        |line: &String| line.starts_with(level) && words.iter().all(|word| line.contains(word));
    assert!(lines.iter().any(is_said), "{name}: {lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_as_it_should_be_has_nothing_to_correct() {
    let redis = RedisServer::start().await;
    for url in [
        redis.url(),
        redis
            .user(
                "~authkit:* &authkit:* -@all +hello +set +get +pttl +publish +subscribe +zadd \
        +zremrangebyscore +zremrangebyrank +zrevrangebyscore +expire",
            )
            .await,
    ] {
        let lines = doctor(&url).await;
        assert_eq!(lines.len(), 1, "{lines:?}");
        says("good", &lines, "ok ", &["it takes what replicas share"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_in_which_redis_cannot_be_used_is_named_with_what_to_do() {
    let redis = RedisServer::start().await;
    let closed = format!("redis://127.0.0.1:{}", free_port());
    let wrong = redis.user("allkeys allchannels allcommands").await.replace("hunter2", "hunter22");
    let locked = RedisServer::start_with(&["--requirepass", "hunter2"]).await;
    let replica = RedisServer::start_with(&["--replicaof", "127.0.0.1 1"]).await;
    let cases = [
        ("nothing listens", closed, ["refused", "start Redis, or correct the host and the port"]),
        ("a wrong password", wrong, ["WRONGPASS", "correct the user and the password"]),
        ("no password", locked.url(), ["NOAUTH", "write the password too"]),
        ("a replica", replica.url(), ["READONLY", "write the URL of the primary"]),
        (
            "quotes",
            format!("'{}'", redis.url()),
            ["REDIS_URL cannot be used", "write one such as `redis://"],
        ),
        (
            "no host",
            "redis://".to_owned(),
            ["REDIS_URL cannot be used", "write one such as `redis://"],
        ),
    ];
    for (name, url, words) in cases {
        says(name, &doctor(&url).await, "problem ", &words);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_the_permissions_is_reported_with_where_they_are_listed() {
    let redis = RedisServer::start().await;
    let url = redis.user("~authkit:* &authkit:* +@all -set").await;
    says("no exchange", &doctor(&url).await, "problem ", &["NOPERM", "docs/replicas.md"]);
    let url = redis.user("~authkit:* &authkit:* +@all -zadd -zrevrangebyscore").await;
    says("no list", &doctor(&url).await, "warning ", &["NOPERM", "docs/replicas.md"]);
}
