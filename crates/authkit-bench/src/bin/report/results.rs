use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result};
use serde::{Deserialize, de::DeserializeOwned};

/// The results of one run.
pub(crate) struct Results {
    pub(crate) machine: Machine,
    /// Nanoseconds by `group/benchmark`.
    times: BTreeMap<String, f64>,
    allocations: BTreeMap<String, [u64; 2]>,
    pub(crate) servers: BTreeMap<String, Server>,
    pub(crate) memory: Memory,
    pub(crate) cores: Cores,
    pub(crate) storm: Storm,
    /// The builds, by name.
    pub(crate) builds: BTreeMap<String, Build>,
}

/// The machine of the run.
#[derive(Deserialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) rustc: String,
    pub(crate) date: String,
}

#[derive(Deserialize)]
pub(crate) struct Server {
    pub(crate) microseconds: f64,
    pub(crate) requests_per_second: f64,
}

#[derive(Deserialize)]
pub(crate) struct Memory {
    pub(crate) sessions: usize,
    pub(crate) cache: usize,
    pub(crate) resident: usize,
    pub(crate) held: usize,
    pub(crate) hit_rate: f64,
    pub(crate) lru_hit_rate: f64,
    pub(crate) foreseen_hit_rate: f64,
}

/// The gain from a second core.
#[derive(Deserialize)]
pub(crate) struct Cores {
    /// 10,000 sessions of one service.
    pub(crate) many: Scaling,
    /// 100 sessions of one service.
    pub(crate) few: Scaling,
    /// 10,000 sessions for each of two services.
    pub(crate) apart: Scaling,
}

/// Requests a second in one thread and in two, and the latter for each of the former.
#[derive(Deserialize)]
pub(crate) struct Scaling {
    pub(crate) one: f64,
    pub(crate) two: f64,
    pub(crate) ratio: f64,
}

/// The latency of other sessions while many sessions expire, in milliseconds.
#[derive(Deserialize)]
pub(crate) struct Storm {
    pub(crate) bare_p99: f64,
    pub(crate) ours_p99: f64,
    pub(crate) ratio: f64,
    pub(crate) refreshed: f64,
}

/// A clean debug build.
#[derive(Deserialize)]
pub(crate) struct Build {
    pub(crate) seconds: f64,
    pub(crate) crates: usize,
    /// How long each package took, the longest first.
    pub(crate) packages: Vec<(String, f64)>,
}

impl Memory {
    /// The bytes of the cache that one session takes.
    pub(crate) fn session_bytes(&self) -> f64 {
        self.cache as f64 / self.held as f64
    }

    /// The growth of the process.
    pub(crate) fn resident_mib(&self) -> f64 {
        self.resident as f64 / f64::from(1 << 20)
    }
}

impl Results {
    /// Reads the output of the programs in `TARGET/results`, and criterion's results in `TARGET/criterion`.
    pub(crate) fn read(target: &Path) -> Result<Self> {
        #[derive(Deserialize)]
        struct Estimates {
            median: Estimate,
        }
        #[derive(Deserialize)]
        struct Estimate {
            point_estimate: f64,
        }

        let mut times = BTreeMap::new();
        for name in BENCHMARKS {
            let estimates = target.join("criterion").join(name).join("new/estimates.json");
            let estimates: Estimates = read(&estimates)?;
            times.insert(name.to_owned(), estimates.median.point_estimate);
        }
        let results = target.join("results");
        Ok(Self {
            machine: read(&results.join("machine.json"))?,
            times,
            allocations: read(&results.join("allocations.json"))?,
            servers: read(&results.join("servers.json"))?,
            memory: read(&results.join("memory.json"))?,
            cores: read(&results.join("cores.json"))?,
            storm: read(&results.join("storm.json"))?,
            builds: read(&results.join("builds.json"))?,
        })
    }

    /// The median time of a benchmark, in nanoseconds.
    pub(crate) fn time(&self, name: &str) -> f64 {
        self.times[name]
    }

    /// The number of allocations, and of their bytes.
    pub(crate) fn allocations(&self, name: &str) -> [u64; 2] {
        self.allocations[name]
    }

    /// The processor time of a request in addition to that of a service without sessions, in microseconds.
    pub(crate) fn extra(&self, kind: &str) -> f64 {
        self.servers[kind].microseconds - self.servers["bare"].microseconds
    }

    /// The ratio of the processor time of a build to that of a service without sessions.
    pub(crate) fn build(&self, kind: &str) -> f64 {
        self.builds[kind].seconds / self.builds["hello"].seconds
    }

    /// The ratio of the throughput of a kind of service to that of one without sessions.
    pub(crate) fn throughput(&self, kind: &str) -> f64 {
        self.servers[kind].requests_per_second / self.servers["bare"].requests_per_second
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let json = fs::read(path).with_context(|| path.display().to_string())?;
    serde_json::from_slice(&json).with_context(|| path.display().to_string())
}

const BENCHMARKS: [&str; 15] = [
    "one/sdk",
    "one/hand-made",
    "one/ours-known",
    "one/ours-cold",
    "one/cryptography",
    "one/jsonwebtoken",
    "of-1000/sdk",
    "of-1000/ours",
    "of-100000/sdk",
    "of-100000/ours",
    "unseen",
    "garbage/16384",
    "garbage/65536",
    "threads/1",
    "threads/2",
];
