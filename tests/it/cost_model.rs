//! Recomputes the table of costs in `docs/replicas.md` from the measured costs on that page.

use crate::replicas_costs::documented;

/// For how many seconds an exchange leaves bytes in Redis.
const KEPT: f64 = 60.0;
/// How many exchanges WorkOS allows in a second.
const ALLOWED: f64 = 50.0;
/// After so many seals with one password, the library warns: 2^31.
const SEALS: f64 = 2_147_483_648.0;
/// Seconds.
const DAY: f64 = 86_400.0;

#[test]
fn every_row_of_the_cost_model_follows_from_its_first_two_columns() {
    let text = include_str!("../../docs/replicas.md");
    let rows: Vec<Vec<&str>> = text
        .lines()
        .skip_while(|line| !line.starts_with("| active sessions |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert_eq!(rows.len(), 9);
    let commands = documented("Redis commands for a refresh that one replica makes");
    let bytes = documented("what an exchange leaves in Redis, for 60 seconds");
    assert!(text.contains("so 50 exchanges a second"), "what WorkOS allows");
    for row in rows {
        let [sessions, lifetime] = [number(row[0]), number(row[1])];
        let exchanges = sessions / lifetime;
        let expected = [
            shown(exchanges),
            format!("{} %", shown(100.0 * exchanges / ALLOWED)),
            shown(commands * exchanges),
            format!("{} MB", shown(exchanges * KEPT * bytes / 1e6)),
            format!("{} days", shown(SEALS / exchanges / DAY)),
        ];
        assert_eq!(row[2..], expected, "{sessions} sessions, tokens of {lifetime} s");
    }
}

fn number(cell: &str) -> f64 {
    let digits: String = cell.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

/// Writes a value below ten with one decimal, and any other with none and with commas between thousands.
fn shown(value: f64) -> String {
    if value < 10.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}
