//! TLS to Redis, with the system's certificates or with those that only this connection trusts and shows.

use std::fs;

use authkit_emulator::Emulator;
use authkit_redis::{ConnectError, RedisReplicas};
use authkit_session::{Claim, RefreshCoordinator};
use http::StatusCode;
use support::{Authority, Events, PASSWORD, RedisCluster, RedisServer, SentinelRedis};

use crate::{
    replicas::{ask, replica},
    replicas_redis::until,
};

/// Asserts that the connection fails, for its certificate.
async fn assert_is_refused(replicas: &RedisReplicas, events: &Events) {
    until(replicas, "Down").await;
    let told = events.take();
    assert!(told.len() == 1 && told[0].to_lowercase().contains("certificate"), "{told:?}");
}

async fn assert_shares(replicas: &RedisReplicas, exchange: &str) {
    until(replicas, "Up").await;
    assert_eq!(replicas.claim(exchange).await, Claim::Alone);
}

#[tokio::test]
async fn tls_is_used_and_the_certificate_is_checked() {
    let server = Authority::new();
    let certificate = server.sign("server", "DNS:localhost");
    let (redis, url) = RedisServer::start_with_tls(&certificate.file, &certificate.key).await;
    let emulator = Emulator::start().await;

    let cookie = emulator.session("alice@acme.test").expired().cookie(PASSWORD);
    let trusting = replica(&emulator, &url, &[("SSL_CERT_FILE", &certificate.authority)]);
    redis.until_connected(1).await;
    assert_eq!(ask(&trusting, &cookie).await.status, StatusCode::OK);
    assert_eq!(redis.keys("authkit:exchange:*").await.len(), 1, "it shares its refreshes");

    let cookie = emulator.session("alice@acme.test").expired().cookie(PASSWORD);
    let wary = replica(&emulator, &url, &[]);
    assert_eq!(ask(&wary, &cookie).await.status, StatusCode::OK);
    assert_eq!(redis.keys("authkit:exchange:*").await.len(), 1, "it trusts no such server");
}

#[tokio::test]
async fn f6_a_private_authority_is_trusted_by_this_connection_alone() {
    let authority = Authority::new();
    let server = authority.sign("server", "DNS:localhost");
    let (redis, url) = RedisServer::start_with_tls(&server.file, &server.key).await;

    let builder = RedisReplicas::builder(&url).with_root_certificates(authority.pem());
    assert_shares(&builder.connect().unwrap(), "trusting").await;
    assert_eq!(redis.keys("authkit:exchange:*").await.len(), 1);

    let events = Events::listen();
    for stranger in [
        RedisReplicas::builder(&url),
        RedisReplicas::builder(&url).with_root_certificates(Authority::new().pem()),
        // The certificate is for another name.
        RedisReplicas::builder(&url.replace("localhost", "127.0.0.1"))
            .with_root_certificates(authority.pem()),
    ] {
        assert_is_refused(&stranger.connect().unwrap(), &events).await;
    }
    assert_eq!(redis.keys("authkit:exchange:*").await.len(), 1);
}

#[tokio::test]
async fn f6_a_client_certificate_is_shown() {
    let authority = Authority::new();
    let server = authority.sign("server", "DNS:localhost");
    let (_redis, url) =
        RedisServer::start_with_mutual_tls(&server.file, &server.key, &server.authority).await;
    let builder = || RedisReplicas::builder(&url).with_root_certificates(authority.pem());
    let read = |file: &String| fs::read_to_string(file).unwrap();

    let client = authority.sign("client", "DNS:localhost");
    let shown = builder().with_client_certificate(read(&client.file), read(&client.key));
    assert_shares(&shown.connect().unwrap(), "shown").await;

    let events = Events::listen();
    assert_is_refused(&builder().connect().unwrap(), &events).await;
    let other = authority.sign("other", "DNS:localhost");
    let mixed = builder().with_client_certificate(read(&client.file), read(&other.key));
    assert_eq!(mixed.connect().err(), Some(ConnectError::ClientCertificate));
}

#[tokio::test]
async fn f6_sentinels_and_what_they_name_are_reached_by_tls_and_their_certificates_are_checked() {
    let authority = Authority::new();
    let certificate = authority.sign("server", "IP:127.0.0.1");
    let redis = SentinelRedis::start_with(Some(&certificate)).await;
    let builder = RedisReplicas::builder(&redis.url()).with_root_certificates(authority.pem());
    assert_shares(&builder.connect().unwrap(), "trusting").await;
    assert_eq!(redis.servers[0].keys("authkit:exchange:*").await.len(), 1);
    let events = Events::listen();
    let wary = RedisReplicas::builder(&redis.url());
    let wary = wary.with_root_certificates(Authority::new().pem()).connect().unwrap();
    assert_is_refused(&wary, &events).await;
}

#[tokio::test]
async fn f6_the_nodes_of_a_cluster_are_reached_by_tls_and_their_certificates_are_checked() {
    let authority = Authority::new();
    let certificate = authority.sign("server", "IP:127.0.0.1");
    let redis = RedisCluster::start_with(Some(&certificate), &[]).await;
    let builder = RedisReplicas::builder(&redis.url()).with_root_certificates(authority.pem());
    assert_shares(&builder.connect().unwrap(), "trusting").await;
    let owner = &redis.nodes[redis.owner("{authkit}").await];
    assert_eq!(owner.keys("{authkit}:exchange:*").await.len(), 1);
    let events = Events::listen();
    let wary = RedisReplicas::builder(&redis.url());
    let wary = wary.with_root_certificates(Authority::new().pem()).connect().unwrap();
    assert_is_refused(&wary, &events).await;
}
