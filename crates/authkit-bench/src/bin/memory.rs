//! Measures the memory and the hit rate of the cache with 100,000 sessions, and prints them as JSON.

#![forbid(unsafe_code)]

use std::{
    collections::{BTreeMap, HashMap},
    fs, mem,
    sync::{Arc, Weak},
};

use authkit_bench::{Sample, headers};
use authkit_session::{Authenticator, Decision, Policy, SealFormat, VerifiedSession};
use http::HeaderMap;
use serde::Serialize;

const SESSIONS: usize = 100_000;
const REQUESTS: usize = 400_000;
const CACHE: usize = 32 << 20;

#[derive(Serialize)]
struct Report {
    sessions: usize,
    cache: usize,
    /// The resident memory that the cache took, in bytes.
    resident: usize,
    /// How many sessions the cache held at the end.
    held: usize,
    /// The share of requests whose session was in the cache.
    hit_rate: f64,
    /// The share for an LRU cache with room for as many sessions.
    lru_hit_rate: f64,
    /// The share for a cache that holds the sessions with the most requests and knows these from the start.
    foreseen_hit_rate: f64,
}

fn main() {
    let sample = Sample::read();
    let resident = resident_after_all(&sample);
    let requests: Vec<_> = cookies(&sample).map(|cookie| headers(&cookie)).collect();
    let (hits, held) = hits(&sample, &requests);
    let lru_hits = lru_hits(held);
    let report = Report {
        sessions: SESSIONS,
        cache: CACHE,
        resident,
        held,
        hit_rate: hits as f64 / REQUESTS as f64,
        lru_hit_rate: lru_hits as f64 / REQUESTS as f64,
        foreseen_hit_rate: foreseen_hits(held) as f64 / REQUESTS as f64,
    };
    println!("{}", serde_json::to_string_pretty(&report).expect("numbers are JSON"));
}

/// Cookies that are sealed a thousand at a time, so that they take little memory.
fn cookies(sample: &Sample) -> impl Iterator<Item = String> {
    (0..SESSIONS / 1_000).flat_map(|_| sample.cookies(1_000, SealFormat::Ruby))
}

/// The growth of the process after one request of each session.
fn resident_after_all(sample: &Sample) -> usize {
    let off = sample.authenticator(|config| config.with_session_cache(0));
    let ours = sample.authenticator(|config| config.with_session_cache(CACHE));
    for cookie in cookies(sample).take(5_000) {
        session(&off, &headers(&cookie));
    }
    let before = resident();
    for cookie in cookies(sample) {
        session(&ours, &headers(&cookie));
    }
    resident() - before
}

fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).expect("Linux says it so");
    kib.parse::<usize>().expect("it is a number") << 10
}

/// How many requests found their session in the cache, and how many sessions it held at the end.
fn hits(sample: &Sample, requests: &[HeaderMap]) -> (usize, usize) {
    let ours = sample.authenticator(|config| config.with_session_cache(CACHE));
    let mut last: Vec<Weak<VerifiedSession>> = requests.iter().map(|_| Weak::new()).collect();
    let mut hits = 0;
    for at in visits() {
        let session = session(&ours, &requests[at]);
        hits += usize::from(Weak::as_ptr(&last[at]) == Arc::as_ptr(&session));
        last[at] = Arc::downgrade(&session);
    }
    (hits, last.iter().filter(|session| session.strong_count() > 0).count())
}

/// How many requests would have found their session among the `held` that were used last.
fn lru_hits(held: usize) -> usize {
    let mut used = HashMap::new();
    let mut order = BTreeMap::new();
    let mut hits = 0;
    for (now, at) in visits().enumerate() {
        match used.insert(at, now) {
            Some(before) => {
                hits += 1;
                order.remove(&before);
            }
            None if order.len() == held => {
                let (_, oldest) = order.pop_first().expect("it is full");
                used.remove(&oldest);
            }
            None => {}
        }
        order.insert(now, at);
    }
    hits
}

/// How many requests would have found their session among the `held` with the most requests, which have the lowest numbers.
/// The first request of each session finds nothing.
fn foreseen_hits(held: usize) -> usize {
    let mut known = vec![false; held];
    visits().filter(|&at| at < held && mem::replace(&mut known[at], true)).count()
}

/// The session of each request, by Zipf's law: few sessions send many requests. The order is the same in every run.
fn visits() -> impl Iterator<Item = usize> {
    let mut sum = 0.0;
    let sums: Vec<f64> = (1..=SESSIONS)
        .map(|rank| {
            sum += 1.0 / rank as f64;
            sum
        })
        .collect();
    let mut state = 1_u64;
    (0..REQUESTS).map(move |_| {
        // The multiplier of MMIX (Knuth).
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let chosen = (state >> 11) as f64 / (1_u64 << 53) as f64 * sum;
        sums.partition_point(|sum| *sum < chosen).min(SESSIONS - 1)
    })
}

fn session(ours: &Authenticator, request: &HeaderMap) -> Arc<VerifiedSession> {
    match ours.authenticate(request, &Policy::default()) {
        Decision::Admit(admission) => Arc::clone(admission.session()),
        Decision::Wait(_) | Decision::Refuse(_) => panic!("the sample verifies"),
    }
}
