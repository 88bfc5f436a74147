use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result};
use serde::{Deserialize, de::DeserializeOwned};

/// Everything that one run measured.
pub(crate) struct Results {
    pub(crate) machine: Machine,
    /// Nanoseconds by `group/benchmark`.
    times: BTreeMap<String, f64>,
    allocations: BTreeMap<String, [u64; 2]>,
    pub(crate) servers: BTreeMap<String, Server>,
    pub(crate) memory: Memory,
    pub(crate) cores: Cores,
    pub(crate) storm: Storm,
    /// By what is built.
    pub(crate) builds: BTreeMap<String, Build>,
}

/// What it ran on.
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

/// What a second core brings.
#[derive(Deserialize)]
pub(crate) struct Cores {
    /// Requests a second in two threads, times those in one.
    pub(crate) ratio: f64,
}

/// What others feel while sessions expire, in milliseconds.
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
    /// How many bytes of the cache a session takes.
    pub(crate) fn session_bytes(&self) -> f64 {
        self.cache as f64 / self.held as f64
    }

    /// By how much the process has grown.
    pub(crate) fn resident_mib(&self) -> f64 {
        self.resident as f64 / f64::from(1 << 20)
    }
}

impl Results {
    /// Reads what the programs printed into `TARGET/results`, and what criterion left in `TARGET/criterion`.
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

    /// How many allocations, and of how many bytes.
    pub(crate) fn allocations(&self, name: &str) -> [u64; 2] {
        self.allocations[name]
    }

    /// Processor time a request beyond what a service without sessions takes, in microseconds.
    pub(crate) fn extra(&self, kind: &str) -> f64 {
        self.servers[kind].microseconds - self.servers["bare"].microseconds
    }

    /// Processor time of a build, times that of a service without sessions.
    pub(crate) fn build(&self, kind: &str) -> f64 {
        self.builds[kind].seconds / self.builds["hello"].seconds
    }

    /// Throughput of a kind of service as a share of one without sessions.
    pub(crate) fn throughput(&self, kind: &str) -> f64 {
        self.servers[kind].requests_per_second / self.servers["bare"].requests_per_second
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let json = fs::read(path).with_context(|| path.display().to_string())?;
    serde_json::from_slice(&json).with_context(|| path.display().to_string())
}

const BENCHMARKS: [&str; 14] = [
    "one/sdk",
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
