//! Refreshes and revocations of WorkOS AuthKit sessions, shared by the replicas of a service on Redis or Valkey.
//!
//! Sealed cookies need no store, so most of `authkit-tower` runs on any number of replicas as it is. Two things are
//! better shared: that a refresh token is exchanged once and not once by each replica, and that a session revoked at
//! WorkOS is refused everywhere, whichever replica was told. [`RedisReplicas`] shares both.
//!
//! ```no_run
//! use authkit_redis::RedisReplicas;
//! use authkit_session::{Authenticator, Config};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let replicas = RedisReplicas::connect(&std::env::var("REDIS_URL")?)?;
//! let authenticator = Authenticator::new(replicas.share(Config::from_env()?))?;
//! # Ok(())
//! # }
//! ```
//!
//! # When Redis is slow or gone
//!
//! Requests go on. A refresh waits for Redis half a second at most, once, and a second while the first connection is being
//! made; then this process refreshes for itself until Redis is back, which WorkOS allows for: it answers the same exchange alike for 30 seconds. Revocations are checked
//! against this process's memory. It hears of new ones when the connection is back, from a list that is kept in Redis
//! for that, and puts those back that Redis has lost, the latest 10,000. One event says that Redis is gone, one that it is back.
//!
//! # What Redis sees
//!
//! | key | type | holds | for |
//! |---|---|---|---|
//! | `<prefix>:exchange:<hash>` | string | who exchanges a refresh token, then what came of it, sealed | 60 s |
//! | `<prefix>:revocations:<service>` | sorted set | revocations, sealed | a day |
//! | `<prefix>:probe:<process>` | string | nothing; shows that Redis takes writes | 5 s |
//!
//! and the channel `<prefix>:revocations:<service>`. Everything sealed is sealed with AES-256-GCM under a key that comes
//! from the cookie password, for its one place. Whoever controls Redis can delay refreshes and withhold revocations,
//! but neither read a token or an id, nor forge a session or a revocation.
//!
//! Each command concerns one key, so a cluster's nodes serve it as one server does, through a proxy that routes.
//!
//! # What it needs
//!
//! Redis 6 or later, or any Valkey: messages and commands share one connection (RESP3). No persistence, no particular
//! eviction policy: whatever it loses costs a refresh, or is put back.

#![forbid(unsafe_code)]

mod builder;
mod connection;
mod error;
mod exchanges;
mod keeper;
mod keys;
mod notices;
mod replicas;
mod revocations;

pub use crate::{builder::RedisReplicasBuilder, error::ConnectError, replicas::RedisReplicas};
