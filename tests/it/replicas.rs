//! Replicas share refreshes on Redis, and each works alone while Redis is slow, gone or hostile.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use authkit_emulator::{Emulator, EmulatorBuilder, Endpoint, Fault, Rotation};
use http::{StatusCode, header};
use serde_json::Value;
use support::{PASSWORD, RedisServer, Replica, Wire, until};
use tokio::task::JoinSet;

/// Three processes of one service, and what they share.
pub(crate) struct Cluster {
    pub(crate) emulator: Emulator,
    pub(crate) redis: RedisServer,
    pub(crate) replicas: Vec<Replica>,
}

impl Cluster {
    pub(crate) async fn start(emulator: EmulatorBuilder) -> Self {
        let (emulator, redis) = tokio::join!(emulator.start(), RedisServer::start());
        let emulator = emulator.unwrap();
        let replicas = (0..3).map(|_| replica(&emulator, &redis.url(), &[])).collect();
        let cluster = Self { emulator, redis, replicas };
        // Each connects to Redis and fetches WorkOS's keys before the test begins.
        cluster.redis.until_connected(cluster.replicas.len()).await;
        let cookie = cluster.emulator.session("bob@acme.test").cookie(PASSWORD);
        for replica in &cluster.replicas {
            assert_eq!(ask(replica, &cookie).await.status, StatusCode::OK);
        }
        cluster.emulator.reset_calls();
        cluster
    }

    /// Sends `requests` requests with one cookie at once, to all replicas in turn.
    fn storm(&self, requests: usize, cookie: &str) -> JoinSet<Answer> {
        let mut storm = JoinSet::new();
        for number in 0..requests {
            let url = self.replicas[number % self.replicas.len()].url("/api/me");
            let cookie = cookie.to_owned();
            storm.spawn(async move { fetch(&url, &cookie).await });
        }
        storm
    }

    /// Begins 300 requests with an expired session. WorkOS has exchanged it when this returns, and answers later.
    async fn storm_under_way(&self) -> JoinSet<Answer> {
        self.emulator.clear_faults();
        self.emulator.reset_calls();
        self.emulator.fault(Fault::late_reply(Duration::from_millis(400)).times(3));
        let storm = self.storm(300, &self.expired());
        self.until_exchanges(1).await;
        storm
    }

    /// Asserts that every answer is a success, and that every replica admits every session that the answers set.
    async fn assert_nobody_signed_out(&self, case: &str, answers: &[Answer]) {
        let slowest = answers.iter().map(|answer| answer.took).max().unwrap();
        assert!(
            answers.iter().all(|answer| answer.status == StatusCode::OK),
            "{case}: {answers:?}"
        );
        assert!(answers.iter().all(is_of_alice), "{case}: {answers:?}");
        // A request waits 5 seconds at most, and the machine may be busy.
        assert!(slowest < Duration::from_secs(10), "{case}: the slowest took {slowest:?}");
        let mut sessions: Vec<_> =
            answers.iter().map(|answer| answer.session.clone().unwrap()).collect();
        sessions.sort_unstable();
        sessions.dedup();
        for session in &sessions {
            for replica in &self.replicas {
                let answer = ask(replica, session).await;
                assert!(is_of_alice(&answer), "{case}: {answer:?}");
            }
        }
    }

    fn expired(&self) -> String {
        self.emulator.session("alice@acme.test").expired().cookie(PASSWORD)
    }

    async fn until_exchanges(&self, exchanges: u64) {
        let is_made = async || self.emulator.exchanges() >= exchanges;
        until("an exchange is made", is_made).await;
    }
}

/// Starts another replica.
pub(crate) fn replica(emulator: &Emulator, redis: &str, more: &[(&str, &str)]) -> Replica {
    let variables = [&[("REDIS_URL", redis), ("WEBHOOK_SECRET", WEBHOOK_SECRET)], more].concat();
    Replica::start(env!("CARGO_BIN_EXE_replica"), emulator, &variables)
}

/// The answer to one request.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// The session that the answer set; empty if it deleted the cookie.
    pub(crate) session: Option<String>,
    pub(crate) body: String,
    took: Duration,
}

pub(crate) async fn ask(replica: &Replica, cookie: &str) -> Answer {
    fetch(&replica.url("/api/me"), cookie).await
}

pub(crate) async fn fetch(url: &str, cookie: &str) -> Answer {
    static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| {
        // Each test has a runtime, and a connection lives on the runtime that opened it.
        let client = reqwest::Client::builder().pool_max_idle_per_host(0);
        client.redirect(reqwest::redirect::Policy::none()).build().unwrap()
    });
    let began = Instant::now();
    let request = CLIENT.get(url).header(header::COOKIE, format!("wos_session={cookie}"));
    let response = request.send().await.unwrap();
    let set = response.headers().get_all(header::SET_COOKIE).iter();
    let session = set.filter_map(|value| value.to_str().ok()?.strip_prefix("wos_session="));
    Answer {
        status: response.status(),
        session: session.map(|value| value.split(';').next().unwrap().to_owned()).next(),
        body: response.text().await.unwrap(),
        took: began.elapsed(),
    }
}

/// Whether an answer shows the user whose sessions [`Cluster::expired`] makes.
fn is_of_alice(answer: &Answer) -> bool {
    let shown: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    answer.status == StatusCode::OK && shown["user_id"] == "user_01ALICE000000000000000000"
}

async fn all(storm: JoinSet<Answer>) -> Vec<Answer> {
    storm.join_all().await
}

#[tokio::test]
async fn mr_02_three_hundred_requests_to_three_processes_make_one_exchange() {
    let cluster = Cluster::start(Emulator::builder().rotation(Rotation::Strict)).await;
    // On a busy machine Redis may answer too late, and then each process refreshes alone: the best of three tries counts.
    for tries_left in (0..3).rev() {
        let cookie = cluster.expired();
        cluster.emulator.reset_calls();
        cluster.emulator.fault(Fault::late_reply(Duration::from_millis(300)));

        let answers = all(cluster.storm(300, &cookie)).await;

        assert_eq!(answers.len(), 300);
        assert_eq!(cluster.emulator.exchanges(), 1);
        let calls = cluster.emulator.calls(Endpoint::Authenticate);
        if calls > 1 && tries_left > 0 {
            cluster.emulator.clear_faults();
            continue;
        }
        assert_eq!(calls, 1);
        cluster.assert_nobody_signed_out("one exchange", &answers).await;

        // A request with the old cookie causes no further exchange while the outcome is known.
        let straggler = ask(&cluster.replicas[2], &cookie).await;
        assert!(is_of_alice(&straggler), "{straggler:?}");
        assert_eq!(cluster.emulator.calls(Endpoint::Authenticate), 1);
        break;
    }
}

#[tokio::test]
async fn mr_02_redis_that_goes_away_in_the_middle_signs_nobody_out() {
    let mut cluster = Cluster::start(Emulator::builder()).await;

    let storm = cluster.storm_under_way().await;
    cluster.redis.pause();
    cluster.assert_nobody_signed_out("paused", &all(storm).await).await;
    cluster.redis.resume();

    let storm = cluster.storm_under_way().await;
    cluster.redis.restart().await;
    cluster.assert_nobody_signed_out("restarted", &all(storm).await).await;

    let storm = cluster.storm_under_way().await;
    cluster.redis.kill();
    cluster.assert_nobody_signed_out("killed", &all(storm).await).await;

    let gone = all(cluster.storm(30, &cluster.expired())).await;
    cluster.assert_nobody_signed_out("gone", &gone).await;
}

#[tokio::test]
async fn a_process_killed_between_the_exchange_and_its_outcome_costs_nobody_the_session() {
    let mut cluster = Cluster::start(Emulator::builder()).await;
    let cookie = cluster.expired();
    cluster.emulator.fault(Fault::late_reply(Duration::from_secs(5)));

    let asked = cluster.storm(1, &cookie);
    cluster.until_exchanges(1).await;
    drop(asked);
    cluster.replicas[0].kill();

    let answer = ask(&cluster.replicas[1], &cookie).await;
    assert!(is_of_alice(&answer), "{answer:?}");
    assert_eq!(cluster.emulator.exchanges(), 1, "WorkOS repeated its answer");
    let session = answer.session.unwrap();
    for cookie in [&session, &cookie] {
        let answer = ask(&cluster.replicas[2], cookie).await;
        assert!(is_of_alice(&answer), "{answer:?}");
    }
}

#[tokio::test]
async fn a_process_that_stood_still_for_31_seconds_signs_nobody_out() {
    let (emulator, redis) = tokio::join!(Emulator::builder().start(), RedisServer::start());
    let emulator = emulator.unwrap();
    let mut wire = Wire::to(port_of(emulator.url())).await;
    let base = format!("http://127.0.0.1:{}", wire.port());
    let slow = replica(&emulator, &redis.url(), &[("WORKOS_BASE_URL", &base)]);
    let quick = replica(&emulator, &redis.url(), &[]);
    redis.until_connected(2).await;
    let other = emulator.session("bob@acme.test").cookie(PASSWORD);
    for replica in [&slow, &quick] {
        assert_eq!(ask(replica, &other).await.status, StatusCode::OK);
    }
    let cookie = emulator.session("alice@acme.test").expired().cookie(PASSWORD);
    emulator.reset_calls();
    emulator.fault(Fault::late_reply(Duration::from_secs(5)));

    // The slow process asks WorkOS and never gets the answer. When it asks again, WorkOS no longer repeats its answer.
    let url = slow.url("/api/me");
    let asked = tokio::spawn({
        let cookie = cookie.clone();
        async move { fetch(&url, &cookie).await }
    });
    until("the slow process asks WorkOS", async || emulator.exchanges() > 0).await;
    slow.pause();
    wire.cut();
    let meanwhile = ask(&quick, &cookie).await;
    assert!(is_of_alice(&meanwhile), "{meanwhile:?}");
    emulator.advance(Duration::from_secs(31));
    wire.mend();
    slow.resume();

    let late = asked.await.unwrap();
    assert!(is_of_alice(&late), "{late:?}");
    assert!(
        emulator.calls(Endpoint::Authenticate) >= 3,
        "the slow process asked again and was refused"
    );
    for session in [meanwhile.session.unwrap(), late.session.unwrap()] {
        for replica in [&slow, &quick] {
            let answer = ask(replica, &session).await;
            assert!(is_of_alice(&answer), "{answer:?}");
        }
    }
}

fn port_of(url: &str) -> u16 {
    url::Url::parse(url).unwrap().port().unwrap()
}

#[tokio::test]
async fn what_redis_holds_names_nobody_and_what_it_forges_is_not_believed() {
    let cluster = Cluster::start(Emulator::builder()).await;
    let session = cluster.emulator.session("alice@acme.test").expired();
    let cookie = session.cookie(PASSWORD);
    cluster.emulator.fault(Fault::late_reply(Duration::from_millis(600)).times(3));
    let storm = cluster.storm(30, &cookie);
    cluster.until_exchanges(1).await;
    let begun = cluster.redis.keys("authkit:exchange:*").await;
    assert_eq!(begun.len(), 1, "{begun:?}");
    cluster.redis.ask(&format!("SET {} =forged PX 60000", begun[0])).await;
    cluster.assert_nobody_signed_out("a forged outcome", &all(storm).await).await;

    cluster.emulator.add_webhook(&cluster.replicas[0].url("/webhooks/workos"), WEBHOOK_SECRET);
    cluster.emulator.revoke(session.session_id());
    let list = async || cluster.redis.keys("authkit:revocations:*").await;
    until("Redis has the revocation", async || !list().await.is_empty()).await;
    let mut held = cluster.redis.ask(&format!("ZRANGE {} 0 -1", list().await[0])).await;
    for key in cluster.redis.keys("*").await {
        held += &key;
    }
    for key in cluster.redis.keys("authkit:exchange:*").await {
        held += &cluster.redis.ask(&format!("GET {key}")).await;
    }
    let claims = session.claims();
    let secrets = [
        session.session_id(),
        session.refresh_token(),
        session.access_token(),
        claims["sub"].as_str().unwrap(),
        "alice@acme.test",
    ];
    assert!(held.len() > 500, "Redis holds something: {held}");
    for secret in secrets {
        assert!(!held.contains(secret), "{secret} in {held}");
    }
}

pub(crate) const WEBHOOK_SECRET: &str = "whsec_of_three_replicas";
