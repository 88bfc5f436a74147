//! A Redis server fails, and another one takes over: nobody is signed out, and no ended session is accepted again.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use authkit_emulator::{Emulator, Endpoint, Fault, TestSession};
use http::StatusCode;
use serde_json::{Value, json};
use support::{PASSWORD, RedisCluster, RedisServer, Replica, SentinelRedis, until};
use tokio::{sync::Notify, task::JoinSet, time::sleep};

use crate::replicas::{Answer, WEBHOOK_SECRET, ask, fetch, replica};

/// Between two rounds of requests: a process begins 40 refreshes a second at most.
const PAUSE: Duration = Duration::from_millis(200);

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
        until("all replicas find the server that serves", async || {
            primary.clients().await >= self.replicas.len()
        })
        .await;
    }

    /// A session of a new user, since the budget limits the refreshes of each user.
    fn session(&self) -> TestSession {
        let number = self.users.fetch_add(1, Ordering::Relaxed);
        let email = format!("user{number}@acme.test");
        self.emulator.people().add_user(json!({ "email": email }));
        self.emulator.session(&email)
    }

    /// Sends `requests` requests with each of `sessions` expired sessions, all at once, to all replicas in turn.
    fn refresh(&self, sessions: usize, requests: usize) -> JoinSet<(String, Answer)> {
        let mut storm = JoinSet::new();
        for _ in 0..sessions {
            let session = self.session().expired();
            let (id, cookie) = (session.session_id().to_owned(), session.cookie(PASSWORD));
            for number in 0..requests {
                let url = self.replicas[number % self.replicas.len()].url("/api/me");
                let (id, cookie) = (id.clone(), cookie.clone());
                storm.spawn(async move { (id, fetch(&url, &cookie).await) });
            }
        }
        storm
    }

    /// Asserts that the processes share exchanges: each session is exchanged once, although all have requests of it.
    async fn assert_shares(&self, case: &str) {
        // On a busy machine, Redis or another process's exchange may take longer than a process waits for it. Then the process
        // exchanges the token as well: one try counts.
        until(&format!("{case}: one process exchanges for all"), async || {
            sleep(PAUSE).await;
            self.emulator.reset_calls();
            assert_all_ok(case, self.refresh(3, 6)).await;
            self.emulator.calls(Endpoint::Authenticate) == 3
        })
        .await;
    }

    /// Calls `fail` while requests are under way, and sends more until `until_over` has completed. Asserts that all succeed.
    async fn refresh_meanwhile(&self, fail: impl FnOnce(), until_over: impl Future) {
        self.emulator.reset_calls();
        self.emulator.fault(Fault::late_reply(Duration::from_millis(400)).times(30));
        let under_way = self.refresh(10, 6);
        until("WorkOS is asked", async || self.emulator.calls(Endpoint::Authenticate) > 0).await;
        fail();
        assert_all_ok("under way", under_way).await;
        self.emulator.clear_faults();
        let mut sessions = 10;
        let going_on = async {
            loop {
                sessions += 3;
                assert_all_ok("meanwhile", self.refresh(3, 6)).await;
                sleep(PAUSE).await;
            }
        };
        tokio::select! {
            () = going_on => {}
            _ = until_over => {}
        }
        let calls = self.emulator.calls(Endpoint::Authenticate);
        // Each process exchanges a session once, and again if the first exchange takes long.
        assert!(calls <= 2 * 3 * sessions, "{calls} exchanges of {sessions} sessions");
    }

    /// Revokes a session. Returns its cookie, as soon as the first replica refuses it.
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

    async fn until_refused(&self, replica: usize, cookie: &str) {
        until(&format!("replica {replica} refuses"), async || {
            ask(&self.replicas[replica], cookie).await.status == StatusCode::UNAUTHORIZED
        })
        .await;
    }

    /// Checks that all replicas refuse the sessions that were revoked before and during the outage, once they have
    /// connected again. (`replicas_revoked` tests how soon they learn of a revocation.)
    async fn assert_revoked(&self, primary: &RedisServer, cookies: &[String]) {
        self.until_connected(primary).await;
        for cookie in cookies {
            for replica in 0..3 {
                self.until_refused(replica, cookie).await;
            }
        }
        let another = self.session().cookie(PASSWORD);
        for replica in &self.replicas {
            assert_eq!(ask(replica, &another).await.status, StatusCode::OK, "it was not revoked");
        }
    }
}

/// Asserts that every answer shows the session that its request brought.
async fn assert_all_ok(case: &str, storm: JoinSet<(String, Answer)>) {
    let answers = storm.join_all().await;
    let is_of = |id: &str, answer: &Answer| {
        let shown: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        answer.status == StatusCode::OK && shown["session_id"] == id
    };
    let failed: Vec<_> = answers.iter().filter(|(id, answer)| !is_of(id, answer)).take(3).collect();
    assert!(failed.is_empty(), "{case}: {failed:?}");
}

#[tokio::test]
async fn mr_02_when_the_sentinels_name_another_server_nobody_notices() {
    let mut redis = SentinelRedis::start().await;
    let service = Service::start(&redis.url(), &redis.servers[0]).await;
    service.assert_shares("before").await;
    let before = service.revoke().await;

    let [first, second] = &mut redis.servers;
    let over = until("the other server takes over", async || {
        second.says("INFO replication", "role:master").await
    });
    let failed = Notify::new();
    let fail = || {
        first.kill();
        failed.notify_one();
    };
    let (meanwhile, ()) = tokio::join!(
        async {
            failed.notified().await;
            service.revoke().await
        },
        service.refresh_meanwhile(fail, over),
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
    let over = until("the replica takes over", async || {
        replica.says("INFO replication", "role:master").await
            && replica.says("CLUSTER INFO", "cluster_state:ok").await
    });
    let failed = Notify::new();
    let fail = || {
        first[owner].kill();
        failed.notify_one();
    };
    let (meanwhile, ()) = tokio::join!(
        async {
            failed.notified().await;
            service.revoke().await
        },
        service.refresh_meanwhile(fail, over),
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
    let under_way = service.refresh(10, 6);
    redis.nodes[other].kill();
    redis.nodes[other + 3].kill();
    assert_all_ok("under way", under_way).await;
    let nodes = &redis.nodes;
    until("the cluster has noticed", async || {
        nodes[owner].says("CLUSTER NODES", "master,fail ").await
    })
    .await;
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
    // While the slot moves, neither node serves all of it, and the processes act as if Redis were gone.
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
