//! Whether the packages build with the oldest dependencies that their manifests allow.
//!
//! Somebody's lock file may have these. Dependencies of tests are left out: they are not ours to hold others to.

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

use crate::project::Project;

pub(super) fn check(sh: &Shell, project: &Project) -> Result<()> {
    let copy = project.target.join("minimal-versions");
    sh.remove_path(&copy)?;
    let folders = project.published.iter().map(|package| format!("crates/{}", package.name));
    let folders: Vec<_> = folders.collect();
    let files = cmd!(
        sh,
        "git ls-files --cached {folders...} Cargo.toml README.md LICENSE-APACHE LICENSE-MIT"
    );
    for file in files.read()?.lines() {
        let text = sh.read_binary_file(file).with_context(|| file.to_owned())?;
        let target = copy.join(file);
        match String::from_utf8(text) {
            Ok(manifest) if file == "Cargo.toml" => sh.write_file(target, alone(&manifest))?,
            Ok(manifest) if file.ends_with("/Cargo.toml") => {
                sh.write_file(target, without_tests(&manifest))?;
            }
            Ok(text) => sh.write_file(target, text)?,
            Err(binary) => sh.write_file(target, binary.into_bytes())?,
        }
    }

    let _folder = sh.push_dir(&copy);
    let oldest = ["-Z", "direct-minimal-versions"];
    cmd!(sh, "cargo update --quiet {oldest...}").env("RUSTC_BOOTSTRAP", "1").run()?;
    let check = cmd!(sh, "cargo check --locked --workspace --all-features");
    Ok(check.env("CARGO_TARGET_DIR", project.target.join("minimal-versions-build")).run()?)
}

/// The workspace's manifest, of a workspace that has the published packages alone.
fn alone(manifest: &str) -> String {
    let lines = manifest.lines().map(|line| match line {
        _ if line.starts_with("members = ") => "members = [\"crates/*\"]",
        _ if line.starts_with("exclude = ") => "",
        line => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A manifest without what only its tests need.
fn without_tests(manifest: &str) -> String {
    let mut is_for_tests = false;
    let lines = manifest.lines().filter(|line| {
        if line.starts_with('[') {
            is_for_tests = *line == "[dev-dependencies]";
        }
        !is_for_tests
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_published_packages_and_what_they_need_is_left() {
        let root =
            "[workspace]\nmembers = [\"crates/*\", \"tests\"]\nexclude = [\"x\"]\nresolver = \"3\"";
        assert_eq!(alone(root), "[workspace]\nmembers = [\"crates/*\"]\n\nresolver = \"3\"");
        let package =
            "[package]\nname = \"a\"\n[dev-dependencies]\nb = \"1\"\n[dependencies]\nc = \"1\"";
        assert_eq!(without_tests(package), "[package]\nname = \"a\"\n[dependencies]\nc = \"1\"");
    }
}
