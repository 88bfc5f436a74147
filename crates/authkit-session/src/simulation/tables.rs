//! Writes the tables of `docs/replicas.md` for `cargo xtask simulate`.

use std::{env, fmt::Write as _, fs, time::Duration};

use crate::simulation::{MINUTE, SimulatedFault, SimulatedLimits, Simulation};

/// `AUTHKIT_SIMULATION` names the file for the tables. Without it, the simulation is small.
#[test]
fn the_tables_of_the_documentation_are_written() {
    let file = env::var_os("AUTHKIT_SIMULATION");
    let tables = [rates, faults].map(|table| table(if file.is_some() { 1 } else { 500 }));
    for (table, rows) in tables.iter().zip([RATES.len(), 2 * FAULTS.len()]) {
        assert_eq!(table.lines().count(), 2 + rows, "{table}");
        let columns = |line: &str| line.matches('|').count();
        let header = table.lines().next().map(columns);
        assert!(table.lines().all(|line| Some(columns(line)) == header), "{table}");
    }
    let tables = tables.join("\n");
    println!("{tables}");
    if let Some(file) = file {
        fs::write(file, tables).unwrap();
    }
}

fn rates(share: usize) -> String {
    let columns = [
        "replicas",
        "active sessions",
        "token lifetime",
        "exchanges / s",
        "of WorkOS's 50 / s",
        "most in one second",
        "Redis commands / s",
        "outcomes in Redis",
        "lineages of one process",
        "2^31 seals after",
        "wrongly signed out",
    ];
    let mut table = head(&columns);
    for (replicas, sessions, lifetime) in RATES {
        let sessions = sessions / share;
        let report = Simulation::new(replicas, sessions, Duration::from_secs(lifetime)).run();
        let rate = report.exchanges_per_second();
        assert_eq!(report.signed_out, 0, "{replicas}, {sessions}, {lifetime}: {report:?}");
        writeln!(
            table,
            "| {} | {} | {} s | {} | {} % | {} | {} | {} MB | {} MB | {} days | {} |",
            digits(replicas as f64),
            shown(sessions as f64, 0),
            shown(lifetime as f64, 0),
            digits(rate),
            digits(100.0 * rate / ALLOWED),
            shown(report.most_exchanges_in_a_second as f64, 0),
            digits(report.store_commands_per_second()),
            digits(report.most_outcomes as f64 * OUTCOME / 1e6),
            digits(report.most_lineage_bytes as f64 / 1e6),
            digits(SEALS / rate / 86_400.0),
            report.signed_out,
        )
        .unwrap();
    }
    table
}

fn faults(share: usize) -> String {
    let columns = [
        "what goes wrong",
        "replicas",
        "active sessions",
        "token lifetime",
        "exchanges / s",
        "most in one second",
        "requests told to come again",
        "requests cut off",
        "wrongly signed out",
    ];
    let mut table = head(&columns);
    let sizes = [
        ((3, 10_000, 300), SimulatedLimits::Default),
        ((100, 100_000, 3_600), SimulatedLimits::None),
    ];
    for ((replicas, sessions, lifetime), limits) in sizes {
        let sessions = sessions / share;
        let simulation = Simulation::new(replicas, sessions, Duration::from_secs(lifetime));
        for (name, fault) in FAULTS {
            let report = simulation.with_fault(fault).with_limits(limits).run();
            writeln!(
                table,
                "| {name} | {} | {} | {} s | {} | {} | {} of {} | {} | {} |",
                digits(replicas as f64),
                shown(sessions as f64, 0),
                shown(lifetime as f64, 0),
                digits(report.exchanges_per_second()),
                shown(report.most_exchanges_in_a_second as f64, 0),
                shown(report.unavailable as f64, 0),
                shown(report.requests as f64, 0),
                shown(report.cut_off as f64, 0),
                report.signed_out,
            )
            .unwrap();
        }
    }
    table
}

fn head(columns: &[&str]) -> String {
    format!("| {} |\n|{}\n", columns.join(" | "), "---|".repeat(columns.len()))
}

/// One digit after the point below ten, none above, and none for whole numbers.
fn digits(value: f64) -> String {
    shown(value, usize::from(value < 9.95 && value.fract() != 0.0))
}

/// A number with commas between thousands.
fn shown(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    if decimals > 0 {
        return text;
    }
    let groups: Vec<_> = text.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

/// Replicas, sessions and seconds that a token lives.
const RATES: [(usize, usize, u64); 8] = [
    (3, 10_000, 300),
    (3, 10_000, 3_600),
    (3, 10_000, 86_400),
    (100, 100_000, 300),
    (100, 100_000, 3_600),
    (100, 100_000, 86_400),
    (1_000, 1_000_000, 3_600),
    (1_000, 1_000_000, 86_400),
];
const FAULTS: [(&str, SimulatedFault); 6] = [
    ("nothing", SimulatedFault::None),
    ("WorkOS is down for a minute", SimulatedFault::WorkosDown(MINUTE)),
    ("Redis is gone for a minute", SimulatedFault::StoreDown(MINUTE)),
    ("all replicas are replaced within a minute", SimulatedFault::Replaced(MINUTE)),
    ("all replicas are killed and replaced within a minute", SimulatedFault::Killed(MINUTE)),
    (
        "one refreshing browser in 1,000 goes away before the answer",
        SimulatedFault::ClientsGone(1_000),
    ),
];
/// Exchanges a second that WorkOS allows: 500 writes in 10 seconds.
const ALLOWED: f64 = 50.0;
/// The size of an outcome in Redis, in bytes; `tests/it/replicas_costs.rs` measures it.
const OUTCOME: f64 = 2_664.0;
/// After how many seals with one password the service logs a warning.
const SEALS: f64 = 2_147_483_648.0;
