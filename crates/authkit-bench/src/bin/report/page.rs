use std::fmt::Write;

use crate::{
    figures::Figure,
    results::{Results, Scaling},
    texts::{AIMS, BUILDS, CORES, HEAD, MEMORY, PACKAGES, REASONS, REQUESTS, SERVICES, STORM},
};

/// The page. All its numbers are from this run.
pub(crate) fn write(results: &Results, figures: &[Figure]) -> String {
    let mut page = String::from(HEAD);
    machine(&mut page, results);
    requests(&mut page, results);
    services(&mut page, results);
    cores(&mut page, results);
    storm(&mut page, results);
    memory(&mut page, results);
    builds(&mut page, results);
    aims(&mut page, figures);
    page
}

fn machine(page: &mut String, results: &Results) {
    let it = &results.machine;
    line(page, format!("{}, {} cores, {}.", it.processor, it.cores, it.rustc));
    line(page, format!("Run on {} by `cargo xtask bench`, which wrote this page.\n", it.date));
    line(
        page,
        "![Authenticating one request, and what it adds to a whole service](benchmarks.svg)\n"
            .into(),
    );
}

fn requests(page: &mut String, results: &Results) {
    page.push_str(REQUESTS);
    let sdk = results.time("one/sdk");
    let rows = [
        ("official SDK (`workos` 3.5.0)", "one/sdk", Some("sdk")),
        ("a hand-made cache", "one/hand-made", None),
        ("ours, known cookie", "one/ours-known", Some("ours-known")),
        ("ours, cache off", "one/ours-cold", Some("ours-cold")),
        ("ours, cookie not seen before", "unseen", Some("unseen")),
        ("AES-GCM and RSA alone", "one/cryptography", Some("cryptography")),
        ("the token alone (`jsonwebtoken`)", "one/jsonwebtoken", Some("jsonwebtoken")),
        ("official SDK, 1,000 sessions", "of-1000/sdk", None),
        ("ours, 1,000 sessions", "of-1000/ours", None),
        ("official SDK, 100,000 sessions", "of-100000/sdk", None),
        ("ours, 100,000 sessions in 32 MiB", "of-100000/ours", None),
        ("ours, 16 KiB of garbage", "garbage/16384", None),
        ("ours, 64 KiB of garbage", "garbage/65536", None),
        ("ours, two threads with one cookie", "threads/2", None),
    ];
    for (label, name, allocations) in rows {
        let time = results.time(name);
        let allocations = allocations.map_or_else(String::new, |name| {
            let [count, bytes] = results.allocations(name);
            format!("{count} ({bytes} bytes)")
        });
        let faster = match sdk / time {
            faster if faster < 10.0 => format!("{faster:.2}"),
            faster => format!("{faster:.0}"),
        };
        line(page, format!("| {label} | {} | {faster} | {allocations} |", nanoseconds(time)));
    }
}

fn services(page: &mut String, results: &Results) {
    page.push_str(SERVICES);
    let rows = [
        ("no sessions", "bare"),
        ("no sessions, our cookie sent", "bare-with-cookie"),
        ("no sessions, 16 KiB of garbage sent", "bare-with-garbage"),
        ("ours, known cookie", "ours"),
        ("ours, cache off", "ours-cold"),
        ("ours, nothing but 16 KiB of garbage", "ours-garbage"),
        ("tower-sessions 0.15, store in memory", "tower-sessions"),
        ("axum-login 0.18, store in memory", "axum-login"),
        ("axum-extra's `PrivateCookieJar`", "private-cookie-jar"),
        ("official SDK, called in the handler", "sdk"),
    ];
    for (label, kind) in rows {
        let server = &results.servers[kind];
        line(
            page,
            format!(
                "| {label} | {:.1} us | {:.1} us | {:.0} | {:.2} |",
                server.microseconds,
                results.extra(kind),
                server.requests_per_second,
                results.throughput(kind),
            ),
        );
    }
}

fn storm(page: &mut String, results: &Results) {
    let it = &results.storm;
    page.push_str(STORM);
    line(
        page,
        format!(
            "99 in 100 of the others' requests take {:.2} ms at most without sessions, and {:.2} ms with ours: {:.2} times as long, the median of the rounds. Of the expired sessions {:.0} are refreshed meanwhile.",
            it.bare_p99, it.ours_p99, it.ratio, it.refreshed,
        ),
    );
}

fn cores(page: &mut String, results: &Results) {
    let it = &results.cores;
    page.push_str(CORES);
    let rows = [
        ("10,000 sessions", &it.many),
        ("100 sessions", &it.few),
        ("10,000 sessions a thread, each in a service of its own", &it.apart),
    ];
    for (label, Scaling { one, two, ratio }) in rows {
        let [one, two] = [one, two].map(|a_second| thousands(*a_second as usize));
        line(page, format!("| {label} | {one} | {two} | {ratio:.2} |"));
    }
}

fn builds(page: &mut String, results: &Results) {
    page.push_str(BUILDS);
    let rows = [
        ("axum alone", "hello"),
        ("the same with `reqwest` over TLS by `ring`, as whoever calls WorkOS needs", "https"),
        ("the same with `authkit-tower`, `ring`", "ring"),
        ("the same with `authkit-tower`, `aws-lc-rs`", "aws-lc-rs"),
        ("`cargo run -p axum-app`", "axum-app"),
    ];
    for (label, kind) in rows {
        let build = &results.builds[kind];
        let (times, crates) = (results.build(kind), build.crates);
        line(page, format!("| {label} | {:.0} s | {times:.2} | {crates} |", build.seconds));
    }
    page.push_str(PACKAGES);
    let longest = |kind: &str| {
        let longest = results.builds[kind].packages.iter().take(12);
        let texts = longest.map(|(package, seconds)| format!("{package} {seconds:.1} s"));
        texts.collect::<Vec<_>>().join(", ")
    };
    for kind in ["hello", "https", "ring", "aws-lc-rs"] {
        line(page, format!("- `{kind}`: {}.", longest(kind)));
    }
}

fn memory(page: &mut String, results: &Results) {
    let it = &results.memory;
    page.push_str(MEMORY);
    line(
        page,
        format!(
            "{} sessions through a cache given {} MiB: {} are remembered in the end, and the process has grown by {:.1} MiB.",
            thousands(it.sessions),
            it.cache >> 20,
            thousands(it.held),
            it.resident_mib(),
        ),
    );
    line(
        page,
        format!(
            "Where few users send many requests (Zipf's law, exponent 1), {:.1} % of the requests bring a known session; the same number of sessions kept by the order of their last use would have made it {:.1} %, and those that send most, known from the start, {:.1} %.",
            100.0 * it.hit_rate,
            100.0 * it.lru_hit_rate,
            100.0 * it.foreseen_hit_rate,
        ),
    );
}

fn aims(page: &mut String, figures: &[Figure]) {
    page.push_str(AIMS);
    for figure in figures {
        let Figure { label, measured, wanted, .. } = figure;
        let reached = if figure.is_reached() { "yes" } else { "no" };
        line(page, format!("| {label} | {measured:.2} | {wanted} | {reached} |"));
    }
    page.push_str(REASONS);
}

fn line(page: &mut String, text: String) {
    writeln!(page, "{text}").expect("a string takes it");
}

pub(crate) fn nanoseconds(time: f64) -> String {
    if time >= 1_000.0 { format!("{:.1} us", time / 1_000.0) } else { format!("{time:.0} ns") }
}

fn thousands(count: usize) -> String {
    match count {
        0..1_000 => count.to_string(),
        _ => format!("{},{:03}", thousands(count / 1_000), count % 1_000),
    }
}
