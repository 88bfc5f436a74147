//! What WorkOS ends or changes, every replica knows within a second of the webhook.

use std::time::Duration;

use authkit_emulator::Emulator;
use http::StatusCode;
use support::{PASSWORD, Replica, Wire};
use tokio::time::{Instant, sleep};

use crate::replicas::{Answer, Cluster, WEBHOOK_SECRET, ask, replica};

const SECOND: Duration = Duration::from_secs(1);
const ACME: &str = "org_01ACME0000000000000000000";

/// Three processes, the first of which gets the webhooks, and the wire between the last and Redis.
async fn cluster() -> (Cluster, Wire) {
    let mut cluster = Cluster::start(Emulator::builder()).await;
    let wire = Wire::to(cluster.redis.port()).await;
    let redis = format!("redis://127.0.0.1:{}", wire.port());
    cluster.replicas[2] = replica(&cluster.emulator, &redis, &[]);
    cluster.emulator.add_webhook(&cluster.replicas[0].url("/webhooks/workos"), WEBHOOK_SECRET);
    (cluster, wire)
}

/// Asks until the answer is as it should be, and says when that was.
async fn until(replica: &Replica, cookie: &str, wanted: impl Fn(&Answer) -> bool) -> Instant {
    let began = Instant::now();
    loop {
        let answer = ask(replica, cookie).await;
        if wanted(&answer) {
            return Instant::now();
        }
        assert!(began.elapsed() < 10 * SECOND, "after 10 seconds still: {answer:?}");
        sleep(Duration::from_millis(10)).await;
    }
}

async fn until_refused(replica: &Replica, cookie: &str) -> Instant {
    until(replica, cookie, |answer| answer.status == StatusCode::UNAUTHORIZED).await
}

#[tokio::test]
async fn lo_04_a_revoked_session_is_refused_by_every_process_within_a_second() {
    let (cluster, mut wire) = cluster().await;
    let session = |email| {
        let session = cluster.emulator.session(email);
        (session.session_id().to_owned(), session.cookie(PASSWORD))
    };
    let (other, others_cookie) = session("bob@acme.test");

    let (id, cookie) = session("alice@acme.test");
    for replica in &cluster.replicas {
        assert_eq!(ask(replica, &cookie).await.status, StatusCode::OK);
    }
    cluster.emulator.revoke(&id);
    let told = until_refused(&cluster.replicas[0], &cookie).await;
    for replica in &cluster.replicas[1..] {
        assert!(until_refused(replica, &cookie).await - told < SECOND);
    }

    // One that is cut off from Redis hears of it when it is back.
    let (id, cookie) = session("alice@acme.test");
    wire.cut();
    cluster.emulator.revoke(&id);
    until_refused(&cluster.replicas[1], &cookie).await;
    assert_eq!(ask(&cluster.replicas[2], &cookie).await.status, StatusCode::OK, "it cannot know");
    wire.mend();
    let connected = wire.reconnected().await;
    assert!(until_refused(&cluster.replicas[2], &cookie).await - connected < SECOND);

    // So does one that was cut off while Redis lost all that it had: the others put it back.
    let (id, cookie) = session("alice@acme.test");
    wire.cut();
    cluster.emulator.revoke(&id);
    until_refused(&cluster.replicas[1], &cookie).await;
    let mut cluster = cluster;
    cluster.redis.restart().await;
    sleep(SECOND).await;
    wire.mend();
    let connected = wire.reconnected().await;
    assert!(until_refused(&cluster.replicas[2], &cookie).await - connected < SECOND);

    // And one that was not there when it happened.
    let late = replica(&cluster.emulator, &cluster.redis.url(), &[]);
    let started = Instant::now();
    assert!(until_refused(&late, &cookie).await - started < SECOND);

    assert!(cluster.emulator.is_active(&other));
    for replica in &cluster.replicas {
        assert_eq!(ask(replica, &others_cookie).await.status, StatusCode::OK, "nobody else");
    }
}

#[tokio::test]
async fn a_changed_role_is_seen_at_the_next_request() {
    let (cluster, _wire) = cluster().await;
    let cookie = cluster.emulator.session("alice@acme.test").cookie(PASSWORD);
    let has_role = |role: &'static str| {
        let role = format!("\"role\":\"{role}\"");
        move |answer: &Answer| answer.status == StatusCode::OK && answer.body.contains(&role)
    };
    for replica in &cluster.replicas {
        assert!(has_role("admin")(&ask(replica, &cookie).await));
    }

    cluster.emulator.set_role("alice@acme.test", ACME, "member");

    let told = until(&cluster.replicas[0], &cookie, has_role("member")).await;
    for replica in &cluster.replicas[1..] {
        assert!(until(replica, &cookie, has_role("member")).await - told < SECOND);
    }
    // The same for the session that the refresh brought: what was just obtained may be overtaken too.
    let session = ask(&cluster.replicas[0], &cookie).await.session.unwrap();
    sleep(SECOND).await;
    cluster.emulator.set_role("alice@acme.test", ACME, "admin");
    let told = until(&cluster.replicas[0], &session, has_role("admin")).await;
    for replica in &cluster.replicas[1..] {
        assert!(until(replica, &session, has_role("admin")).await - told < SECOND);
    }
}

#[tokio::test]
async fn lo_04_a_session_signed_out_of_one_process_is_refused_by_the_others() {
    // No webhook tells them.
    let cluster = Cluster::start(Emulator::builder()).await;
    let cookie = cluster.emulator.session("alice@acme.test").cookie(PASSWORD);
    assert_eq!(ask(&cluster.replicas[1], &cookie).await.status, StatusCode::OK);

    let signed_out = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
        .post(cluster.replicas[1].url("/logout"))
        .header("origin", "http://localhost")
        .header("accept", "text/html")
        .header("cookie", format!("wos_session={cookie}"))
        .send();
    assert!(signed_out.await.unwrap().status().is_redirection());
    let told = Instant::now();
    for replica in [&cluster.replicas[0], &cluster.replicas[2]] {
        assert!(until_refused(replica, &cookie).await - told < SECOND);
    }
}
