//! `cargo xtask bench`: measures the cost of checking a session, here and with alternatives, for `docs/benchmarks.md`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;
use xshell::{Shell, cmd};

use crate::{project::Project, ratios, setup, steps::Steps};

/// Measures, writes the page, and fails where a figure is over 10 % worse than the recorded one.
pub(crate) fn run(sh: &Shell, project: &Project, steps: &mut Steps) -> Result<()> {
    measure(sh, project, steps)?;
    steps.take("comparison", || ratios::check(sh, &target(project).join("results")))
}

/// Measures, writes the page, and records the figures that later runs are compared with.
pub(crate) fn record(sh: &Shell, project: &Project, steps: &mut Steps) -> Result<()> {
    measure(sh, project, steps)?;
    steps.take("record", || ratios::record(sh, &target(project).join("results")))
}

fn measure(sh: &Shell, project: &Project, steps: &mut Steps) -> Result<()> {
    let (manifest, target) = (manifest(project), target(project));
    let apart = ["--locked".as_ref(), "--manifest-path".as_ref(), manifest.as_os_str()];
    sh.set_var("CARGO_TARGET_DIR", &target);
    steps.take("set-up", || setup::install(sh, project))?;
    steps.take("clippy", || {
        Ok(cmd!(sh, "cargo clippy {apart...} --all-targets -- -D warnings").run()?)
    })?;
    steps.take("build", || Ok(cmd!(sh, "cargo build {apart...} --release --bins").run()?))?;

    let program = |name: &str| target.join("release").join(name);
    let note = |name: &str, json: String| {
        Ok(sh.write_file(target.join("results").join(name).with_extension("json"), json)?)
    };
    steps.take("one request", || {
        cmd!(sh, "cargo bench {apart...}").run()?;
        note("machine", machine(sh)?)
    })?;
    for name in ["allocations", "memory", "cores"] {
        let program = program(name);
        steps.take(name, || note(name, cmd!(sh, "{program}").read()?))?;
    }
    steps.take("whole services", || {
        let (load, server) = (program("load"), program("server"));
        note("servers", cmd!(sh, "{load} {server}").read()?)
    })?;
    steps.take("a storm of refreshes", || {
        let (storm, server) = (program("storm"), program("server"));
        // A connection for each session, at both ends.
        let second_core = r#"ulimit -n 16384 && exec taskset -c 1 "$@""#;
        note("storm", cmd!(sh, "sh -c {second_core} sh {storm} {server}").read()?)
    })?;
    steps.take("builds", || {
        let (builds, root, scratch) = (program("builds"), &project.root, target.join("builds"));
        note("builds", cmd!(sh, "{builds} {root} {scratch}").read()?)
    })?;
    steps.take("page", || {
        let (report, docs) = (program("report"), project.root.join("docs"));
        Ok(cmd!(sh, "{report} {target} {docs}").run()?)
    })
}

/// The benchmarks' own workspace, whose dependencies nothing else needs.
pub(crate) fn manifest(project: &Project) -> PathBuf {
    project.root.join("crates/authkit-bench/Cargo.toml")
}

/// What the benchmarks build and measure.
pub(crate) fn target(project: &Project) -> PathBuf {
    project.target.join("bench")
}

/// Whether the lock files of the benchmarks, and of the service whose build is measured, fit what the client crates depend
/// on by now. Looks at the index, builds nothing.
pub(crate) fn check_locks(sh: &Shell, project: &Project) -> Result<()> {
    for manifest in [manifest(project), project.root.join("crates/authkit-bench/hello/Cargo.toml")]
    {
        cmd!(sh, "cargo update --workspace --locked --quiet --manifest-path {manifest}").run()?;
    }
    Ok(())
}

fn machine(sh: &Shell) -> Result<String> {
    let information = sh.read_file(Path::new("/proc/cpuinfo"))?;
    let processors = || information.lines().filter_map(|line| line.strip_prefix("model name"));
    let processor = processors().next().and_then(|line| line.split_once(": "));
    let (_, processor) = processor.context("/proc/cpuinfo names no processor")?;
    let machine = json!({
        "processor": processor,
        "cores": processors().count(),
        "rustc": rustc(sh)?,
        "date": cmd!(sh, "date -u +%Y-%m-%d").read()?,
    });
    Ok(machine.to_string())
}

/// The version that the compiler reports.
pub(crate) fn rustc(sh: &Shell) -> Result<String> {
    Ok(cmd!(sh, "rustc -V").read()?)
}
