//! The library records the metrics of `docs/metrics.md` and of the dashboard, and they count what happens.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use authkit_emulator::{Endpoint, Fault};
use authkit_tower::{AuthKitLayer, Endpoints, Require, Session};
use axum::{Router, routing::get};
use bytes::Bytes;
use http::{Method, StatusCode};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use serde_json::Value;
use support::Harness;

const METRICS: &str = include_str!("../../docs/metrics.md");
const REASONS: &str = include_str!("../../docs/reasons.md");
const DASHBOARD: &str = include_str!("../../docs/grafana-dashboard.json");
const NAMES: &str = include_str!("../../crates/authkit-session/src/metrics.rs");

/// The metrics as Prometheus reads them.
struct Scrape(String);

impl Scrape {
    /// The value of a series. Its labels must have the order that they have in the text.
    fn value(&self, series: &str) -> f64 {
        let line = self.0.lines().find(|line| line.strip_prefix(series).is_some_and(starts_value));
        let line = line.unwrap_or_else(|| panic!("no {series} in\n{}", self.0));
        line[series.len()..].trim().parse().unwrap()
    }

    /// Every metric with its type.
    fn types(&self) -> BTreeMap<String, String> {
        let lines = self.0.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        lines.map(|line| line.split_once(' ').unwrap()).map(owned).collect()
    }

    /// Every value of each label of each metric.
    fn labels(&self) -> BTreeMap<(String, String), BTreeSet<String>> {
        let mut values: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for line in self.0.lines().filter(|line| !line.starts_with('#')) {
            let Some((name, rest)) = line.split_once('{') else { continue };
            let labels = rest.split_once('}').unwrap().0;
            for label in labels.split(',') {
                let (label, value) = label.split_once('=').unwrap();
                if label != "le" {
                    let key = (metric(name).to_owned(), label.to_owned());
                    values.entry(key).or_default().insert(value.trim_matches('"').to_owned());
                }
            }
        }
        values
    }
}

fn starts_value(rest: &str) -> bool {
    rest.starts_with(' ')
}

fn owned((one, other): (&str, &str)) -> (String, String) {
    (one.to_owned(), other.to_owned())
}

/// The metric of a series. A histogram has several series.
fn metric(series: &str) -> &str {
    let parts = ["_bucket", "_sum", "_count"];
    parts.into_iter().find_map(|part| series.strip_suffix(part)).unwrap_or(series)
}

/// Makes everything happen that is counted, and then reads the metrics.
async fn scrape_after_a_day_at_work() -> Scrape {
    let seconds = &[0.1, 1.0, 5.0];
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), seconds)
        .unwrap()
        .build_recorder();
    let _guard = metrics::set_default_local_recorder(&recorder);

    let issuer = "https://issuer.of.this.test";
    let emulator = |emulator: authkit_emulator::EmulatorBuilder| emulator.issuer(issuer);
    let harness = Harness::with(emulator, |config| config.with_issuers([issuer])).await;
    let layer = AuthKitLayer::new(&harness.authkit).with_bearer().unwrap();
    let app = Router::new()
        .route("/page", get(async |session: Session| session.user_id().to_owned()))
        .route("/books", get("the books").route_layer(Require::role("auditor")))
        .route_layer(layer)
        .merge(Endpoints::new(&harness.authkit));
    let running = harness.serve(app);
    let browser = running.browser();

    // A browser without a session signs in, and opens two pages.
    let page = browser.open(&running.url("/page")).await;
    assert_eq!(page.status, StatusCode::OK);
    browser.navigate(&running.url("/page")).await;
    assert_eq!(browser.navigate(&running.url("/books")).await.status, StatusCode::FORBIDDEN);
    browser
        .send(Method::GET, &running.url("/page"), [("authorization", "Bearer x")], Bytes::new())
        .await;
    // The token expires, and WorkOS answers the second attempt.
    running.advance(Duration::from_secs(600));
    running.emulator.fault(Fault::status(503).on(Endpoint::Authenticate).times(1));
    assert_eq!(browser.navigate(&running.url("/page")).await.status, StatusCode::OK);
    // A revocation names another user, so Alice's second session goes on.
    let other = running.signed_in("alice@acme.test");
    let user = "user_that_nobody_is";
    let now = running.authkit.settings().clock().wall();
    running.authkit.revoke(authkit_tower::Revocation::user(user, now)).await.unwrap();
    other.navigate(&running.url("/page")).await;
    let out = browser.send(Method::POST, &running.url("/logout"), [], Bytes::new()).await;
    assert_eq!(out.status, StatusCode::OK, "{}", out.text());
    assert!(running.authkit.drain(Duration::from_secs(10)).await);
    Scrape(recorder.handle().render())
}

#[tokio::test]
async fn what_happens_is_counted() {
    let scrape = scrape_after_a_day_at_work().await;
    let decisions = |labels: &str| format!("authkit_decisions_total{{{labels}}}");
    let admitted = r#"credential="cookie",decision="admitted",reason="none""#;
    let no_cookie = r#"credential="cookie",decision="challenge",reason="no_cookie""#;
    let made_up = r#"credential="bearer",decision="challenge",reason="bad_signature""#;
    let expected = [
        (decisions(admitted), 5.0),
        (decisions(made_up), 1.0),
        (r#"authkit_session_cache_total{result="hit"}"#.to_owned(), 2.0),
        (r#"authkit_refreshes_total{outcome="refreshed"}"#.to_owned(), 1.0),
        ("authkit_refresh_duration_seconds_count".to_owned(), 1.0),
        (r#"authkit_upstream_calls_total{class="refresh",outcome="failed"}"#.to_owned(), 1.0),
        (r#"authkit_upstream_calls_total{class="refresh",outcome="ok"}"#.to_owned(), 1.0),
        (r#"authkit_upstream_calls_total{class="sign_in",outcome="ok"}"#.to_owned(), 1.0),
        (r#"authkit_upstream_calls_total{class="sign_out",outcome="ok"}"#.to_owned(), 1.0),
        (r#"authkit_upstream_calls_in_flight{class="refresh"}"#.to_owned(), 0.0),
        ("authkit_circuit_open".to_owned(), 0.0),
        (r#"authkit_sessions_total{event="began"}"#.to_owned(), 1.0),
        (r#"authkit_sessions_total{event="signed_out"}"#.to_owned(), 1.0),
        (r#"authkit_revocations_total{subject="user",source="here"}"#.to_owned(), 1.0),
        (r#"authkit_denials_total{kind="forbidden",client="document"}"#.to_owned(), 1.0),
        (r#"authkit_denials_total{kind="unauthenticated",client="document"}"#.to_owned(), 1.0),
        (r#"authkit_sign_ins_total{outcome="signed_in"}"#.to_owned(), 1.0),
    ];
    let counted: Vec<_> =
        expected.iter().map(|(series, _)| (series.clone(), scrape.value(series))).collect();
    assert_eq!(counted, expected);
    assert!(scrape.value(&decisions(no_cookie)) >= 1.0, "the endpoints count their requests too");
    assert!(scrape.value("authkit_key_set_fetched_timestamp_seconds") > 1e9);
    assert!(!scrape.0.contains("user_") && !scrape.0.contains("session_0"), "{}", scrape.0);
}

#[tokio::test]
async fn every_metric_is_documented_as_it_is_recorded() {
    let scrape = scrape_after_a_day_at_work().await;
    let types: BTreeMap<_, _> =
        documented().into_iter().map(|row| owned((&word(&row[0]), &row[1]))).collect();
    assert_eq!(types, scrape.types());

    let mut labels = scrape.labels();
    let names: BTreeMap<String, BTreeSet<String>> =
        documented().into_iter().map(|row| (word(&row[0]), words(&row[2]))).collect();
    for (metric, label) in labels.keys() {
        assert!(names[metric].contains(label), "{metric} has {label}");
    }
    let mut reasons: BTreeSet<String> =
        rows(REASONS, "| reason |").iter().map(|row| word(&row[0])).collect();
    reasons.insert("none".to_owned());
    for row in rows(METRICS, "| metric | label |") {
        let (metric, label) = (word(&row[0]), word(&row[1]));
        let documented = if label == "reason" { reasons.clone() } else { words(&row[2]) };
        assert_eq!(labels.remove(&(metric, label)), Some(documented), "{row:?}");
    }
    assert_eq!(labels, BTreeMap::new(), "labels without a row");

    let constants: BTreeSet<_> = NAMES.lines().filter_map(constant).collect();
    assert_eq!(constants, types.into_keys().collect(), "the names of the module");
}

#[test]
fn the_dashboard_shows_every_metric_and_no_other() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let mut shown = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            let names: BTreeSet<_> = identifiers(expression)
                .filter(|word| word.starts_with("authkit_"))
                .map(metric)
                .collect();
            assert!(!names.is_empty(), "{title}: {expression}");
            let rows: Vec<_> =
                documented().into_iter().filter(|row| names.contains(&*word(&row[0]))).collect();
            assert_eq!(rows.len(), names.len(), "{title}: {names:?} are not all documented");
            let labels: BTreeSet<_> = rows.iter().flat_map(|row| words(&row[2])).collect();
            for label in labels_of(expression) {
                assert!(labels.contains(&label), "{title}: no label {label} in {expression}");
            }
            let is_histogram = rows.iter().any(|row| row[1] == "histogram");
            assert_eq!(expression.contains("_bucket"), is_histogram, "{title}: {expression}");
            shown.extend(rows.into_iter().map(|row| word(&row[0])));
        }
    }
    let all: BTreeSet<_> = documented().into_iter().map(|row| word(&row[0])).collect();
    assert_eq!(shown, all);
}

/// The rows of the table of metrics.
fn documented() -> Vec<Vec<String>> {
    rows(METRICS, "| metric | type |")
}

/// The rows of the table whose head begins with `head`, cell by cell.
fn rows(text: &str, head: &str) -> Vec<Vec<String>> {
    let rows: Vec<Vec<String>> = text
        .lines()
        .skip_while(|line| !line.starts_with(head))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect();
    assert!(!rows.is_empty(), "{head}");
    rows
}

/// The first word of a cell that is written as code.
fn word(cell: &str) -> String {
    words(cell).into_iter().next().unwrap()
}

/// The words of a cell that are written as code.
fn words(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The name of a metric, if the line defines one.
fn constant(line: &str) -> Option<String> {
    let (_, rest) = line.strip_prefix("pub const ")?.split_once('"')?;
    Some(rest.split_once('"')?.0.to_owned())
}

fn identifiers(expression: &str) -> impl Iterator<Item = &str> {
    expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
}

/// The labels that an expression names, except `job` and `le`, which Prometheus adds.
fn labels_of(expression: &str) -> BTreeSet<String> {
    let between = |open: &'static str, close: char| {
        expression.split(open).skip(1).map(move |part| part.split_once(close).unwrap().0)
    };
    let grouped = between("by (", ')').flat_map(|labels| labels.split(", "));
    let selected = between("{", '}').flat_map(|labels| labels.split(','));
    let selected = selected.map(|label| label.split(['=', '!']).next().unwrap());
    let own = ["job", "le"];
    grouped.chain(selected).filter(|label| !own.contains(label)).map(str::to_owned).collect()
}
