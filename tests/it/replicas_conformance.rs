//! The store on Redis passes the conformance suites, with one or several servers, and with the documented permissions.

use authkit_redis::RedisReplicas;
use authkit_session::conformance;
use support::{RedisCluster, RedisServer, SentinelRedis};

use crate::replicas_redis::until;

/// The permissions that a Redis user needs, as `docs/replicas.md` has them.
pub(crate) const DOCUMENTED: &str = "~authkit:* &authkit:* -@all +hello +set +get +pttl +publish +subscribe +zadd \
    +zremrangebyscore +zremrangebyrank +zrevrangebyscore +expire";
/// The same for sentinels.
const DOCUMENTED_FOR_SENTINELS: &str = "-@all +hello +sentinel|get-master-addr-by-name";

/// The handles of two processes, connected.
async fn processes(url: &str) -> [RedisReplicas; 2] {
    let processes = [0, 1].map(|_| RedisReplicas::connect(url).unwrap());
    for replicas in &processes {
        until(replicas, "Up").await;
    }
    processes
}

async fn conforms(url: &str, servers: &[RedisServer]) {
    let [here, there] = processes(url).await;
    conformance::shared_refresh_coordinator(&here, &there).await;
    conformance::shared_revocations(&here, &there).await;
    for server in servers {
        let refused = server.ask("ACL LOG").await;
        assert!(refused.starts_with("*0"), "Redis refused no command: {refused}");
    }
}

#[tokio::test]
async fn one_server_conforms() {
    let redis = RedisServer::start().await;
    let url = redis.user(DOCUMENTED).await;
    conforms(&url, &[redis]).await;
}

#[tokio::test]
async fn sentinels_conform() {
    let redis = SentinelRedis::start().await;
    for server in &redis.servers {
        server.user(DOCUMENTED).await;
    }
    for sentinel in &redis.sentinels {
        sentinel.user(DOCUMENTED_FOR_SENTINELS).await;
    }
    let url = redis.url().replace("://", "://app:hunter2@");
    conforms(&(url + "?sentinel_user=app&sentinel_pass=hunter2"), &redis.servers).await;
    for sentinel in &redis.sentinels {
        assert!(sentinel.ask("ACL LOG").await.starts_with("*0"), "a sentinel refused no command");
    }
}

#[tokio::test]
async fn a_cluster_conforms() {
    let redis = RedisCluster::start_with(None, &[]).await;
    for node in &redis.nodes {
        node.user(&DOCUMENTED.replace("authkit:", "{authkit}:")).await;
    }
    let url = redis.url().replace("://", "://app:hunter2@");
    conforms(&url, &redis.nodes).await;
    let owner = redis.owner("{authkit}").await;
    for (index, node) in redis.nodes[..3].iter().enumerate() {
        let keys = node.keys("*").await;
        assert_eq!(
            !keys.is_empty(),
            index == owner,
            "only the owner of the slot has keys: {keys:?}"
        );
    }
}

#[test]
fn the_permissions_that_a_user_needs_are_documented() {
    let documentation = include_str!("../../docs/replicas.md");
    let documented = [DOCUMENTED, DOCUMENTED_FOR_SENTINELS].join(" ");
    for rule in documented.split_ascii_whitespace() {
        assert!(documentation.contains(rule), "{rule} is documented");
    }
    let for_clusters = "~{authkit}:* &{authkit}:*";
    assert!(documentation.contains(for_clusters), "{for_clusters} is documented");
}

#[tokio::test]
async fn redis_that_is_gone_conforms() {
    let mut redis = RedisServer::start().await;
    let [here, there] = processes(&redis.url()).await;
    let never = [
        "redis://127.0.0.1:1",
        "redis+sentinel://127.0.0.1:1,127.0.0.1:2/main",
        "redis+cluster://127.0.0.1:1,127.0.0.1:2",
    ];
    let never = never.map(|url| RedisReplicas::connect(url).unwrap());
    redis.pause();
    for replicas in never.iter().chain([&here]) {
        conformance::unavailable_refresh_coordinator(replicas).await;
        conformance::unavailable_revocations(replicas).await;
    }
    redis.kill();
    conformance::unavailable_refresh_coordinator(&there).await;
    conformance::unavailable_revocations(&there).await;
}
