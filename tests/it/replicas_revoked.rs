//! Every replica knows of a revocation or a change within a second of the webhook.

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

/// Repeats a request until the answer is as wanted, and returns the time at which it was.
async fn until(replica: &Replica, cookie: &str, wanted: impl Fn(&Answer) -> bool) -> Instant {
    let began = Instant::now();
    loop {
        let answer = ask(replica, cookie).await;
        if wanted(&answer) {
            return Instant::now();
        }
        assert!(began.elapsed() < 30 * SECOND, "after 30 seconds still: {answer:?}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Panics unless one of three tries takes less than a second. A busy machine is late now and then; a process that learns of
/// revocations by another way than the channel is late each time.
async fn within_a_second(mut measure: impl AsyncFnMut() -> Duration) {
    let mut took = Vec::new();
    while took.len() < 3 {
        took.push(measure().await);
        if took.last().is_some_and(|last| *last < SECOND) {
            return;
        }
    }
    panic!("it took {took:?}");
}

/// The id of a new session, and its cookie.
fn session(emulator: &Emulator, email: &str) -> (String, String) {
    let session = emulator.session(email);
    (session.session_id().to_owned(), session.cookie(PASSWORD))
}

async fn until_refused(replica: &Replica, cookie: &str) -> Instant {
    until(replica, cookie, |answer| answer.status == StatusCode::UNAUTHORIZED).await
}

#[tokio::test]
async fn lo_04_a_revoked_session_is_refused_by_every_process_within_a_second() {
    let (mut cluster, mut wire) = cluster().await;
    let (other, others_cookie) = session(&cluster.emulator, "bob@acme.test");

    within_a_second(async || {
        let (id, cookie) = session(&cluster.emulator, "alice@acme.test");
        for replica in &cluster.replicas {
            assert_eq!(ask(replica, &cookie).await.status, StatusCode::OK);
        }
        cluster.emulator.revoke(&id);
        let told = until_refused(&cluster.replicas[0], &cookie).await;
        for replica in &cluster.replicas[1..] {
            until_refused(replica, &cookie).await;
        }
        told.elapsed()
    })
    .await;

    // A process that is cut off from Redis learns of it when it is connected again.
    within_a_second(async || {
        let (id, cookie) = session(&cluster.emulator, "alice@acme.test");
        wire.cut();
        cluster.emulator.revoke(&id);
        until_refused(&cluster.replicas[1], &cookie).await;
        let answer = ask(&cluster.replicas[2], &cookie).await;
        assert_eq!(answer.status, StatusCode::OK, "the process cannot know");
        wire.mend();
        let connected = wire.reconnected().await;
        until_refused(&cluster.replicas[2], &cookie).await - connected
    })
    .await;

    // So does a process that was cut off while Redis lost all its data: the others put the notice back.
    let mut lost = String::new();
    within_a_second(async || {
        let (id, cookie) = session(&cluster.emulator, "alice@acme.test");
        lost.clone_from(&cookie);
        wire.cut();
        cluster.emulator.revoke(&id);
        until_refused(&cluster.replicas[1], &cookie).await;
        cluster.redis.restart().await;
        support::until("the others have put the notice back", async || {
            !cluster.redis.keys("authkit:revocations:*").await.is_empty()
        })
        .await;
        wire.mend();
        let connected = wire.reconnected().await;
        until_refused(&cluster.replicas[2], &cookie).await - connected
    })
    .await;

    // So does a process that starts later.
    within_a_second(async || {
        let late = replica(&cluster.emulator, &cluster.redis.url(), &[]);
        let started = Instant::now();
        until_refused(&late, &lost).await - started
    })
    .await;

    assert!(cluster.emulator.is_active(&other));
    for replica in &cluster.replicas {
        assert_eq!(
            ask(replica, &others_cookie).await.status,
            StatusCode::OK,
            "the other user's session goes on"
        );
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
    let mut roles = ["member", "admin"].into_iter().cycle();
    let mut change = async |cookie: &str| {
        let role = roles.next().unwrap();
        cluster.emulator.set_role("alice@acme.test", ACME, role);
        let told = until(&cluster.replicas[0], cookie, has_role(role)).await;
        for replica in &cluster.replicas[1..] {
            until(replica, cookie, has_role(role)).await;
        }
        let took = told.elapsed();
        // Tokens and changes are dated in whole seconds: the next change has to be in a later one than the new token.
        sleep(SECOND).await;
        took
    };

    within_a_second(async || change(&cookie).await).await;
    // The next change refreshes the session that the refresh has just brought.
    let session = ask(&cluster.replicas[0], &cookie).await.session.unwrap();
    within_a_second(async || change(&session).await).await;
}

#[tokio::test]
async fn lo_04_a_session_signed_out_of_one_process_is_refused_by_the_others() {
    // No webhook: the replicas learn of the sign-out from the one that it was sent to.
    let cluster = Cluster::start(Emulator::builder()).await;
    within_a_second(async || {
        let (id, cookie) = session(&cluster.emulator, "alice@acme.test");
        let (another, anothers_cookie) = session(&cluster.emulator, "alice@acme.test");
        for replica in &cluster.replicas {
            assert_eq!(ask(replica, &cookie).await.status, StatusCode::OK);
        }

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
            until_refused(replica, &cookie).await;
        }
        let took = told.elapsed();
        let is_told = async || !cluster.emulator.is_active(&id);
        support::until("WorkOS is told", is_told).await;
        assert!(cluster.emulator.is_active(&another));
        for replica in &cluster.replicas {
            let goes_on = ask(replica, &anothers_cookie).await;
            assert_eq!(goes_on.status, StatusCode::OK, "the user's other session: {goes_on:?}");
        }
        took
    })
    .await;
}
