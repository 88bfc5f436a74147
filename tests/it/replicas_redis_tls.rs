//! TLS to Redis, with certificates that only this connection trusts and shows.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use authkit_redis::{ConnectError, RedisReplicas};
use authkit_session::{Claim, RefreshCoordinator};
use support::{Events, RedisServer};

use crate::replicas_redis::until;

/// A private authority with a folder for what it signs; dropping it removes both.
struct Authority(PathBuf);

impl Authority {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("authkit-redis-ca-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        let authority = Self(folder);
        let (certificate, key) = (authority.file("ca.pem"), authority.file("ca.key"));
        let made = ["-x509", "-keyout", &key, "-out", &certificate, "-subj", "/CN=Private CA"];
        authority.openssl(&[&["req", "-nodes", "-days", "2"], &KEY[..], &made[..]].concat());
        authority
    }

    /// Signs a certificate, and names the file and that of its key.
    fn sign(&self, name: &str) -> [String; 2] {
        let [certificate, key] = ["pem", "key"].map(|end| self.file(&format!("{name}.{end}")));
        let (ca, ca_key) = (self.file("ca.pem"), self.file("ca.key"));
        let signed =
            ["-x509", "-CA", &ca, "-CAkey", &ca_key, "-keyout", &key, "-out", &certificate];
        let named = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
        let end = ["-addext", "basicConstraints=critical,CA:FALSE"];
        let request = ["req", "-nodes", "-days", "2"];
        self.openssl(&[&request[..], &KEY[..], &signed[..], &named[..], &end[..]].concat());
        [certificate, key]
    }

    fn pem(&self) -> Vec<u8> {
        fs::read(self.file("ca.pem")).unwrap()
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn openssl(&self, arguments: &[&str]) {
        let done = Command::new("openssl").args(arguments).stderr(Stdio::null()).status();
        assert!(done.unwrap().success(), "openssl {arguments:?}");
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const KEY: [&str; 4] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];

async fn assert_shares(replicas: &RedisReplicas, exchange: &str) {
    until(replicas, "Up").await;
    assert_eq!(replicas.claim(exchange).await, Claim::Alone);
}

#[tokio::test]
async fn f6_a_private_authority_is_trusted_by_this_connection_alone() {
    let authority = Authority::new();
    let [certificate, key] = authority.sign("server");
    let (redis, url) = RedisServer::start_with_tls(&certificate, &key).await;

    let builder = RedisReplicas::builder(&url).with_root_certificates(authority.pem());
    assert_shares(&builder.connect().unwrap(), "trusting").await;
    assert_eq!(redis.keys("authkit:exchange:*").await.len(), 1);

    let events = Events::listen();
    for stranger in [
        RedisReplicas::builder(&url),
        RedisReplicas::builder(&url).with_root_certificates(Authority::new().pem()),
        // The name in the certificate is another one.
        RedisReplicas::builder(&url.replace("localhost", "127.0.0.1"))
            .with_root_certificates(authority.pem()),
    ] {
        until(&stranger.connect().unwrap(), "Down").await;
        let told = events.take();
        assert!(told.len() == 1 && told[0].contains("certificate"), "{told:?}");
    }
    assert_eq!(redis.keys("authkit:exchange:*").await.len(), 1);
}

#[tokio::test]
async fn f6_a_client_certificate_is_shown() {
    let authority = Authority::new();
    let [certificate, key] = authority.sign("server");
    let (_redis, url) =
        RedisServer::start_with_mutual_tls(&certificate, &key, &authority.file("ca.pem")).await;
    let builder = || RedisReplicas::builder(&url).with_root_certificates(authority.pem());
    let read = |file: &String| fs::read_to_string(file).unwrap();

    let [certificate, key] = authority.sign("client");
    let shown = builder().with_client_certificate(read(&certificate), read(&key));
    assert_shares(&shown.connect().unwrap(), "shown").await;

    until(&builder().connect().unwrap(), "Down").await;
    let [_, other_key] = authority.sign("other");
    let mixed = builder().with_client_certificate(read(&certificate), read(&other_key));
    assert_eq!(mixed.connect().err(), Some(ConnectError::ClientCertificate));
}
