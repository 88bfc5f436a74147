//! Measures whole services under `wrk`, one after the other, each on a core of its own. Prints JSON:
//! `load SERVER [SECONDS] [ROUNDS]`.

#![forbid(unsafe_code)]

use std::{collections::BTreeMap, env, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use authkit_bench::Service;
use serde::Serialize;

const KINDS: [&str; 10] = [
    "bare",
    "bare-with-cookie",
    "bare-with-garbage",
    "ours",
    "ours-cold",
    "ours-garbage",
    "tower-sessions",
    "axum-login",
    "private-cookie-jar",
    "sdk",
];

/// The best of all rounds, since other work of the machine only adds time.
#[derive(Serialize)]
struct Best {
    /// The server's processor time for a request, in user and system mode.
    microseconds: f64,
    requests_per_second: f64,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let server = arguments.first().context("load SERVER [SECONDS] [ROUNDS]")?;
    let seconds = arguments.get(1).map_or(Ok(4), |seconds| seconds.parse())?;
    let rounds: u32 = arguments.get(2).map_or(Ok(3), |rounds| rounds.parse())?;

    let mut best: BTreeMap<&str, Best> = BTreeMap::new();
    for round in 1..=rounds {
        for kind in KINDS {
            let Best { microseconds, requests_per_second } = run(server.as_ref(), kind, seconds)?;
            eprintln!("round {round} {kind:>20} {microseconds:6.1} us {requests_per_second:8.0}/s");
            let best = best.entry(kind).or_insert(Best { microseconds, requests_per_second });
            best.microseconds = best.microseconds.min(microseconds);
            best.requests_per_second = best.requests_per_second.max(requests_per_second);
        }
    }
    println!("{}", serde_json::to_string_pretty(&best)?);
    Ok(())
}

fn run(server: &Path, kind: &str, seconds: u32) -> Result<Best> {
    let (program, cookie) = match kind {
        "bare-with-cookie" => ("bare", Some(Service::start(server, "ours", &[])?.cookie()?)),
        "bare-with-garbage" => ("bare", Some(garbage())),
        "ours-garbage" => ("ours", Some(garbage())),
        _ => (kind, None),
    };
    let service = Service::start(server, program, &[])?;
    let cookie = cookie.map_or_else(|| service.cookie(), Ok)?;
    let url = format!("http://127.0.0.1:{}/", service.port());
    let wrk = |seconds: u32| -> Result<String> {
        let output = Command::new("taskset")
            .args(["-c", "1", "wrk", "-t1", "-c32", &format!("-d{seconds}s")])
            .args(["-H", &format!("Cookie: {cookie}"), &url])
            .output()
            .context("wrk")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    };
    wrk(1)?;
    let before = service.processor_time()?;
    let report = wrk(seconds)?;
    let spent = service.processor_time()? - before;

    let refused = report.contains("Non-2xx");
    ensure!(refused == (kind == "ours-garbage"), "{kind} answers otherwise:\n{report}");
    let number = |line: &str| line.split_whitespace().next().and_then(|word| word.parse().ok());
    let requests: f64 = report
        .lines()
        .find(|line| line.contains(" requests in "))
        .and_then(number)
        .context("wrk says how many")?;
    let per_second: f64 = report
        .lines()
        .find_map(|line| line.strip_prefix("Requests/sec:"))
        .and_then(number)
        .context("wrk says how fast")?;
    Ok(Best { microseconds: spent * 1e6 / requests, requests_per_second: per_second })
}

/// A cookie of the largest size that is read, without a session in it.
fn garbage() -> String {
    format!("wos_session={}", "A".repeat(16 << 10))
}
