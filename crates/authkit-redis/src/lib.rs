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
//! # When Redis is slow, gone or refuses something
//!
//! Requests go on. A refresh waits for Redis half a second at most, once, and a second while the first connection is
//! being made; then this process refreshes for itself until Redis is back, which WorkOS allows for: it answers the same
//! exchange alike for 30 seconds. Revocations are checked against this process's memory.
//!
//! Once a second each process asks whether the list of revocations is what it was. It reads what is new, and puts back
//! what Redis has lost (a restart, an eviction, `FLUSHALL`, a promoted replica that was behind), the latest 10,000.
//!
//! An error reply to a command switches off the function that needs it, for a second and then longer, up to a minute:
//! the exchange, or the revocations. The other function and the connection go on. A server that cannot serve now
//! (`READONLY`, `LOADING`, `OOM`, `MISCONF`, `MASTERDOWN` and the like) counts as gone.
//!
//! Each new kind of trouble is logged once, then counted and logged again after a minute, two, four and so on.
//!
//! # What Redis sees
//!
//! | key | type | holds | for |
//! |---|---|---|---|
//! | `<prefix>:exchange:<hash>` | string | who exchanges a refresh token, then the outcome, sealed | 60 s |
//! | `<prefix>:revocations:<service>` | sorted set | revocations, sealed, and a number that tells the list from one that takes its place | a day |
//! | `<prefix>:probe:<process>` | string | nothing; shows that Redis takes writes | 5 s |
//!
//! and the channel `<prefix>:revocations:<service>`. Everything sealed is sealed with AES-256-GCM under a key that comes
//! from the cookie password, for its one place. Whoever controls Redis can delay refreshes and withhold revocations,
//! but can neither read a token or an id, nor forge a session or a revocation. Replies longer than 16 MiB end the
//! connection, and at most 10,000 messages a second are read.
//!
//! # What it needs
//!
//! Redis 6 or later, or Valkey (tested: Redis 7.0, Valkey 8.1), and two connections of each process to the server that
//! serves: one for commands, one that listens to the channel (RESP3). No persistence, no particular eviction policy.
//! These permissions are enough:
//!
//! ```text
//! ~authkit:* &authkit:* -@all +hello +set +get +pttl +publish +subscribe
//! +zadd +zremrangebyscore +zremrangebyrank +zrevrangebyscore +expire
//! ```
//!
//! `+select` too, for another database than 0. Without the channel (`&authkit:*`, `+publish`, `+subscribe`), processes
//! hear of revocations by their list, within about a second.
//!
//! # One server, Sentinel or Cluster
//!
//! | URL | |
//! |---|---|
//! | `redis://[user:password@]host[:port][/database]` | one server |
//! | `redis+sentinel://[user:password@]host[:port],.../service[/database]` | the server that the sentinels name; `?sentinel_user=...&sentinel_pass=...` where they want credentials too |
//! | `redis+cluster://[user:password@]host[:port],...` | a cluster, by some of its nodes |
//! | `redis+unix:///path` | a socket; `?db=...&user=...&pass=...` |
//!
//! `rediss`, `rediss+sentinel` and `rediss+cluster` go through TLS (feature `tls`), to the sentinels too. Each has a
//! `valkey` name as well.
//!
//! In a cluster the prefix stands in braces (`{authkit}:exchange:...`), in the permissions too, which puts all keys into
//! one slot: the process talks to the node that has it, and follows it. A sentinel needs to allow
//! `+hello +sentinel|get-master-addr-by-name`.
//!
//! The connections are kept by a thread of their own, which needs no runtime and ends with the last handle.
//!
//! # What to look at
//!
//! | to | there is |
//! |---|---|
//! | connect, and share | [`RedisReplicas`] |
//! | change the prefix, the credentials or the certificates | [`RedisReplicasBuilder`], [`RedisCredentials`] |
//! | tell errors apart | [`ConnectError`], [`RedisUrlProblem`] |
//!
//! # Features
//!
//! One of the two cryptographies has to be on.
//!
//! | feature | adds |
//! |---|---|
//! | `aws-lc-rs` (default) | cryptography, TLS included, by `aws-lc-rs`; see `authkit-session` |
//! | `ring` | the same by `ring` |
//! | `tls` | `rediss://` URLs, by rustls |

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod address;
mod backoff;
mod bounded;
mod builder;
mod command_group;
mod connection;
mod credentials;
mod dialer;
mod error;
mod exchanges;
mod fault;
mod keeper;
mod keys;
mod list;
mod listener;
mod locator;
mod notices;
mod reminders;
mod replicas;
mod revocations;
#[cfg(feature = "tls")]
mod tls;
mod url;
mod url_problem;

pub use crate::{
    builder::RedisReplicasBuilder, credentials::RedisCredentials, error::ConnectError,
    replicas::RedisReplicas, url_problem::RedisUrlProblem,
};
