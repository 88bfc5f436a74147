//! A Redis server fails, and another one takes over: nobody is signed out, and no ended session is accepted again.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use authkit_emulator::{Emulator, Endpoint, Fault, TestSession};
use http::StatusCode;
use serde_json::json;
use support::{PASSWORD, RedisCluster, RedisServer, Replica, SentinelRedis};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::replicas::{Answer, WEBHOOK_SECRET, ask, fetch, replica};

const SECOND: Duration = Duration::from_secs(1);

/// Three processes of one service on a Redis of several servers.
struct Service {
    emulator: Emulator,
    replicas: Vec<Replica>,
    users: AtomicUsize,
}

impl Service {
    /// Starts them, and waits until all have their connections to `primary` and WorkOS's keys.
    async fn start(url: &str, primary: &RedisServer) -> Self {
        let emulator = Emulator::start().await;
        let replicas: Vec<_> = (0..3).map(|_| replica(&emulator, url, &[])).collect();
        let service = Self { emulator, replicas, users: AtomicUsize::new(0) };
        let cookie = service.emulator.session("bob@acme.test").cookie(PASSWORD);
        for replica in &service.replicas {
            assert_eq!(ask(replica, &cookie).await.status, StatusCode::OK);
        }
        service.until_connected(primary).await;
        service.emulator.add_webhook(&service.replicas[0].url("/webhooks/workos"), WEBHOOK_SECRET);
        service
    }

    async fn until_connected(&self, primary: &RedisServer) {
        let connected = async {
            while primary.clients().await < self.replicas.len() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(10 * SECOND, connected).await.expect("all find the server that serves");
    }

    /// A user of their own for each session: one user has a share of the refreshes.
    fn session(&self) -> TestSession {
        let number = self.users.fetch_add(1, Ordering::Relaxed);
        let email = format!("user{number}@acme.test");
        self.emulator.people().add_user(json!({ "email": email }));
        self.emulator.session(&email)
    }

    /// Sends so many requests with each of so many expired sessions, over all replicas and at once.
    fn refresh(&self, sessions: usize, requests: usize) -> JoinSet<Answer> {
        let mut storm = JoinSet::new();
        for _ in 0..sessions {
            let cookie = self.session().expired().cookie(PASSWORD);
            for number in 0..requests {
                let url = self.replicas[number % self.replicas.len()].url("/api/me");
                let cookie = cookie.clone();
                storm.spawn(async move { fetch(&url, &cookie).await });
            }
        }
        storm
    }

    /// While a server serves, a session is exchanged once, however many processes have requests of it.
    async fn assert_shares(&self, case: &str) {
        let mut calls = 0;
        // A process waits 1.5 seconds for another's exchange, which takes longer on a machine without time now and then.
        for _ in 0..5 {
            self.emulator.reset_calls();
            assert_all_ok(case, self.refresh(20, 15)).await;
            calls = self.emulator.calls(Endpoint::Authenticate);
            assert!(calls < 40, "{case}: {calls} exchanges of 20 sessions by three processes");
            if calls == 20 {
                return;
            }
            sleep(SECOND).await;
        }
        panic!("{case}: {calls} exchanges of 20 sessions, and never 20");
    }

    /// Has 300 requests under way when `fail` is called, then goes on until `until_over` is. Returns how many sessions
    /// were refreshed.
    async fn refresh_meanwhile(&self, fail: impl FnOnce(), until_over: impl Future) -> usize {
        self.emulator.reset_calls();
        self.emulator.fault(Fault::late_reply(Duration::from_millis(400)).times(60));
        let under_way = self.refresh(20, 15);
        sleep(Duration::from_millis(150)).await;
        fail();
        assert_all_ok("under way", under_way).await;
        self.emulator.clear_faults();
        // What each process had to exchange alone counts among the 40 refreshes that it may begin in a second.
        sleep(SECOND).await;
        let mut sessions = 20;
        let going_on = async {
            loop {
                assert_all_ok("meanwhile", self.refresh(3, 6)).await;
                sessions += 3;
                sleep(Duration::from_millis(200)).await;
            }
        };
        tokio::select! {
            () = going_on => {}
            _ = until_over => {}
        }
        let calls = usize::try_from(self.emulator.calls(Endpoint::Authenticate)).unwrap();
        // One of each process, and those of the round that was interrupted.
        assert!(calls <= 3 * (sessions + 3), "{calls} exchanges of {sessions} sessions");
        sessions
    }

    /// Revokes a session, and says which cookie is refused from now on.
    async fn revoke(&self) -> String {
        let session = self.session();
        let cookie = session.cookie(PASSWORD);
        for replica in &self.replicas {
            assert_eq!(ask(replica, &cookie).await.status, StatusCode::OK);
        }
        self.emulator.revoke(session.session_id());
        self.until_refused(0, &cookie).await;
        cookie
    }

    async fn until_refused(&self, replica: usize, cookie: &str) -> Instant {
        let began = Instant::now();
        while ask(&self.replicas[replica], cookie).await.status != StatusCode::UNAUTHORIZED {
            assert!(began.elapsed() < 10 * SECOND, "replica {replica} still admits");
            sleep(Duration::from_millis(10)).await;
        }
        Instant::now()
    }

    /// Checks that all replicas refuse the sessions that were revoked before and during the outage, within a second after
    /// they have connected again.
    async fn assert_revoked(&self, primary: &RedisServer, cookies: &[String]) {
        self.until_connected(primary).await;
        let back = Instant::now();
        for cookie in cookies {
            for replica in 0..3 {
                let refused = self.until_refused(replica, cookie).await;
                assert!(refused - back < SECOND, "{replica}: {:?}", refused - back);
            }
        }
    }
}

async fn assert_all_ok(case: &str, storm: JoinSet<Answer>) {
    let answers = storm.join_all().await;
    let failed: Vec<_> =
        answers.iter().filter(|answer| answer.status != StatusCode::OK).take(3).collect();
    assert!(failed.is_empty(), "{case}: {failed:?}");
}

#[tokio::test]
async fn mr_02_when_the_sentinels_name_another_server_nobody_notices() {
    let mut redis = SentinelRedis::start().await;
    let service = Service::start(&redis.url(), &redis.servers[0]).await;
    service.assert_shares("before").await;
    let before = service.revoke().await;

    let [first, second] = &mut redis.servers;
    let over = async {
        while !second.says("INFO replication", "role:master").await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let (meanwhile, _) = tokio::join!(
        async {
            sleep(SECOND).await;
            service.revoke().await
        },
        service.refresh_meanwhile(|| first.kill(), over),
    );

    service.assert_revoked(&redis.servers[1], &[before, meanwhile]).await;
    service.assert_shares("after").await;
}

#[tokio::test]
async fn mr_02_a_server_that_comes_back_after_another_has_taken_over_misleads_nobody() {
    let redis = SentinelRedis::start().await;
    let service = Service::start(&redis.url(), &redis.servers[0]).await;
    service.refresh_meanwhile(|| redis.servers[0].pause(), redis.until_failed_over()).await;
    service.until_connected(&redis.servers[1]).await;

    redis.servers[0].resume();
    let revoked = service.revoke().await;

    service.assert_revoked(&redis.servers[1], &[revoked]).await;
    service.assert_shares("after").await;
}

#[tokio::test]
async fn mr_02_when_a_replica_takes_over_in_a_cluster_nobody_notices() {
    let mut redis = RedisCluster::start_with(None, &[]).await;
    let owner = redis.owner("{authkit}").await;
    let service = Service::start(&redis.url(), &redis.nodes[owner]).await;
    service.assert_shares("before").await;
    let before = service.revoke().await;

    let (first, others) = redis.nodes.split_at_mut(owner + 1);
    let replica = &others[2];
    let over = async {
        while !(replica.says("INFO replication", "role:master").await
            && replica.says("CLUSTER INFO", "cluster_state:ok").await)
        {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let (meanwhile, _) = tokio::join!(
        async {
            sleep(SECOND).await;
            service.revoke().await
        },
        service.refresh_meanwhile(|| first[owner].kill(), over),
    );

    service.assert_revoked(&redis.nodes[owner + 3], &[before, meanwhile]).await;
    service.assert_shares("after").await;
}

#[tokio::test]
async fn mr_02_nodes_of_a_cluster_that_have_other_slots_may_fail() {
    let mut redis =
        RedisCluster::start_with(None, &[["cluster-require-full-coverage", "no"]]).await;
    let owner = redis.owner("{authkit}").await;
    let service = Service::start(&redis.url(), &redis.nodes[owner]).await;

    let other = (owner + 1) % 3;
    service.emulator.reset_calls();
    let under_way = service.refresh(20, 15);
    redis.nodes[other].kill();
    redis.nodes[other + 3].kill();
    assert_all_ok("under way", under_way).await;
    let calls = service.emulator.calls(Endpoint::Authenticate);
    assert!(calls < 40, "{calls} exchanges of 20 sessions by three processes");
    sleep(2 * SECOND).await;
    service.assert_shares("after").await;
    let revoked = service.revoke().await;
    service.assert_revoked(&redis.nodes[owner], &[revoked]).await;
}

#[tokio::test]
async fn mr_02_a_slot_that_moves_to_another_node_is_followed() {
    let redis = RedisCluster::start_with(None, &[]).await;
    let slot = redis.nodes[0].ask("CLUSTER KEYSLOT {authkit}").await;
    let slot = slot.lines().next().unwrap()[1..].to_owned();
    let from = redis.owner("{authkit}").await;
    let to = (from + 1) % 3;
    let service = Service::start(&redis.url(), &redis.nodes[from]).await;
    let before = service.revoke().await;

    let id = async |index: usize| {
        let id = redis.nodes[index].ask("CLUSTER MYID").await;
        id.lines().nth(1).unwrap().to_owned()
    };
    let (from_id, to_id) = (id(from).await, id(to).await);
    redis.nodes[to].tell(&format!("CLUSTER SETSLOT {slot} IMPORTING {from_id}")).await;
    redis.nodes[from].tell(&format!("CLUSTER SETSLOT {slot} MIGRATING {to_id}")).await;
    // While it moves, there are two halves of it: as if Redis were gone.
    assert_all_ok("while it moves", service.refresh(5, 6)).await;
    for key in redis.nodes[from].keys("{authkit}:*").await {
        let port = redis.nodes[to].port();
        redis.nodes[from].tell(&format!("MIGRATE 127.0.0.1 {port} {key} 0 1000")).await;
    }
    for index in [to, from, (from + 2) % 3] {
        redis.nodes[index].tell(&format!("CLUSTER SETSLOT {slot} NODE {to_id}")).await;
    }

    service.until_connected(&redis.nodes[to]).await;
    service.assert_shares("after").await;
    let after = service.revoke().await;
    service.assert_revoked(&redis.nodes[to], &[before, after]).await;
}
