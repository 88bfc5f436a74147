//! The figures with an aim, which the page shows and with which later runs are compared.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use crate::results::Results;

/// One figure of a run.
pub(crate) struct Figure {
    /// The name in the record of a run.
    name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) measured: f64,
    pub(crate) wanted: Aim,
}

/// The aim of a figure.
#[derive(Clone, Copy)]
pub(crate) enum Aim {
    AtLeast(f64),
    AtMost(f64),
    /// A time, which differs between machines: the page shows it, and the record leaves it out.
    NanosecondsBelow(f64),
}

/// A figure in the record of a run.
#[derive(Serialize)]
pub(crate) struct Recorded {
    measured: f64,
    better: Better,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Better {
    Higher,
    Lower,
}

impl Figure {
    /// All figures of a run that have an aim.
    pub(crate) fn of(results: &Results) -> Vec<Self> {
        let sdk = results.time("one/sdk");
        let cold = results.time("one/ours-cold");
        let [allocations, _] = results.allocations("ours-known");
        let throughput = |kind, base| results.throughput(kind) / results.throughput(base);
        let figure = |name, label, measured, wanted| Self { name, label, measured, wanted };
        vec![
            figure(
                "known",
                "known cookie, times faster than the SDK",
                sdk / results.time("one/ours-known"),
                Aim::AtLeast(150.0),
            ),
            figure(
                "known-of-1000",
                "the same over 1,000 sessions",
                results.time("of-1000/sdk") / results.time("of-1000/ours"),
                Aim::AtLeast(80.0),
            ),
            figure(
                "hand-made",
                "known cookie, times a hand-made cache",
                results.time("one/ours-known") / results.time("one/hand-made"),
                Aim::AtMost(2.0),
            ),
            figure(
                "known-allocations",
                "allocations of a known cookie",
                allocations as f64,
                Aim::AtMost(0.0),
            ),
            figure(
                "cold",
                "cache off, times the cryptography",
                cold / results.time("one/cryptography"),
                Aim::AtMost(1.25),
            ),
            figure(
                "throughput",
                "throughput, times that without sessions for the same requests",
                throughput("ours", "bare-with-cookie"),
                Aim::AtLeast(0.97),
            ),
            figure(
                "throughput-without-cookie",
                "the same, times that without sessions and cookies",
                results.throughput("ours"),
                Aim::AtLeast(0.9),
            ),
            figure(
                "storm",
                "p99 of others while 5,000 sessions expire, times that without sessions for the same requests",
                results.storm.ratio,
                Aim::AtMost(1.5),
            ),
            figure(
                "build-with-ring",
                "processor time of a build with `ring`, times that without sessions",
                results.build("ring"),
                Aim::AtMost(2.1),
            ),
            figure(
                "build-with-aws-lc-rs",
                "the same with `aws-lc-rs`",
                results.build("aws-lc-rs"),
                Aim::AtMost(3.4),
            ),
            figure(
                "extra",
                "extra processor time, times tower-sessions'",
                results.extra("ours") / results.extra("tower-sessions"),
                Aim::AtMost(0.35),
            ),
            figure(
                "cores",
                "requests in two threads, times those in one: 10,000 sessions, of which some are refreshed",
                results.cores.many.ratio,
                Aim::AtLeast(1.9),
            ),
            figure(
                "memory",
                "MiB for a cache of 32 MiB",
                results.memory.resident_mib(),
                Aim::AtMost(40.0),
            ),
            figure(
                "session-bytes",
                "bytes that a session takes of the cache",
                results.memory.session_bytes(),
                Aim::AtMost(3_500.0),
            ),
            figure(
                "hits",
                "share of the requests of 100,000 sessions that are known in 32 MiB",
                results.memory.hit_rate,
                Aim::AtLeast(0.8),
            ),
            figure(
                "garbage",
                "16 KiB of garbage, times a good cookie with the cache off",
                results.time("garbage/16384") / cold,
                Aim::AtMost(2.0),
            ),
            figure(
                "too-large",
                "nanoseconds for more than 16 KiB",
                results.time("garbage/65536"),
                Aim::NanosecondsBelow(1_000.0),
            ),
            figure(
                "throughput-of-garbage",
                "throughput with garbage alone, times that without sessions for the same requests",
                throughput("ours-garbage", "bare-with-garbage"),
                Aim::AtLeast(0.8),
            ),
        ]
    }

    /// The figures that other machines get too, by name.
    pub(crate) fn record(figures: &[Self]) -> BTreeMap<&'static str, Recorded> {
        let recorded = |figure: &Self| {
            let measured = figure.measured;
            let better = match figure.wanted {
                Aim::AtLeast(_) => Better::Higher,
                Aim::AtMost(_) => Better::Lower,
                Aim::NanosecondsBelow(_) => return None,
            };
            Some((figure.name, Recorded { measured, better }))
        };
        figures.iter().filter_map(recorded).collect()
    }

    pub(crate) fn is_reached(&self) -> bool {
        match self.wanted {
            Aim::AtLeast(bound) => self.measured >= bound,
            Aim::AtMost(bound) => self.measured <= bound,
            Aim::NanosecondsBelow(bound) => self.measured < bound,
        }
    }
}

impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(bound) => write!(f, "at least {bound}"),
            Self::AtMost(bound) => write!(f, "at most {bound}"),
            Self::NanosecondsBelow(bound) => write!(f, "less than {bound}"),
        }
    }
}
