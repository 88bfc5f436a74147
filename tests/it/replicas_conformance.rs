//! Redis does what the traits ask of a store.

use authkit_redis::RedisReplicas;
use authkit_session::conformance;
use support::RedisServer;

use crate::replicas_redis::until;

/// The handles of two processes, connected.
async fn processes(redis: &RedisServer) -> [RedisReplicas; 2] {
    let processes = [0, 1].map(|_| RedisReplicas::connect(&redis.url()).unwrap());
    for replicas in &processes {
        until(replicas, "Up").await;
    }
    processes
}

#[tokio::test]
async fn redis_conforms_as_a_refresh_coordinator() {
    let redis = RedisServer::start().await;
    let [here, there] = processes(&redis).await;
    conformance::shared_refresh_coordinator(&here, &there).await;
}

#[tokio::test]
async fn redis_conforms_as_a_carrier_of_revocations() {
    let redis = RedisServer::start().await;
    let [here, there] = processes(&redis).await;
    conformance::shared_revocations(&here, &there).await;
}

#[tokio::test]
async fn redis_that_is_gone_conforms() {
    let mut redis = RedisServer::start().await;
    let [here, there] = processes(&redis).await;
    let never = RedisReplicas::connect("redis://127.0.0.1:1").unwrap();
    redis.pause();
    for replicas in [&here, &never] {
        conformance::unavailable_refresh_coordinator(replicas).await;
        conformance::unavailable_revocations(replicas).await;
    }
    redis.kill();
    conformance::unavailable_refresh_coordinator(&there).await;
    conformance::unavailable_revocations(&there).await;
}
