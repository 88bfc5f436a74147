//! What the tests in `tests/it` share.

#![forbid(unsafe_code)]

pub mod authority;
pub mod browser;
pub mod chance;
pub mod chromium;
pub mod condition;
pub mod engines;
pub mod events;
pub mod example;
mod form;
#[cfg(doctest)]
mod guides;
pub mod harness;
mod jar;
pub mod logs;
pub mod nginx;
pub mod panics;
pub mod peers;
pub mod process;
pub mod program;
pub mod real_browser;
pub mod recording;
pub mod redis;
pub mod redis_fleet;
pub mod search;
pub mod secrets;
pub mod served;
pub mod watch;
pub mod wiretap;

pub use crate::{
    authority::{Authority, Certificate},
    browser::{Answer, Browser, DOCUMENT},
    chance::Chance,
    chromium::Chromium,
    condition::until,
    engines::BrowserEngine,
    events::Events,
    example::{example, example_over_tls, example_with},
    harness::{Harness, Neighbour, PASSWORD, Running},
    logs::Logs,
    nginx::Nginx,
    panics::Panics,
    process::Replica,
    program::Program,
    real_browser::RealBrowser,
    recording::Recording,
    redis::{RedisServer, Wire},
    redis_fleet::{RedisCluster, SentinelRedis},
    search::{Encoding, Search},
    secrets::Secrets,
    served::{Port, Served},
    watch::{Place, Suspicion},
    wiretap::Wiretap,
};
