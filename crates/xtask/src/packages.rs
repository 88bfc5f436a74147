//! `cargo xtask packages`: checks that the published packages build from their archives alone, with the oldest compiler,
//! the oldest dependencies and every set of features that they support.

mod front_page;
mod minimal_versions;

use std::{collections::BTreeSet, fs, path::PathBuf};

use anyhow::{Context, Result, ensure};
use xshell::{Shell, cmd};

use crate::{
    project::{Package, Project},
    setup,
    steps::Steps,
};

pub(crate) fn run(sh: &Shell, project: &Project, steps: &mut Steps) -> Result<()> {
    steps.take("packages: front pages", || front_pages(project))?;
    steps.take("packages: each built from its package alone", || package(sh, project))?;
    steps.take("packages: documentation as docs.rs builds it", || docs(sh, project))?;
    steps.take("packages: every set of features", || feature_sets(sh, project))?;
    steps.take("packages: the oldest compiler", || oldest_compiler(sh, project))?;
    steps.take("packages: the oldest dependencies", || minimal_versions::check(sh, project))?;
    steps.take("packages: licences and sources of dependencies", || dependencies(sh, project))?;
    steps.take("packages: changes since the last release", || api_changes(sh, project))
}

/// Checks that each manifest and front page has what crates.io and docs.rs show.
pub(crate) fn front_pages(project: &Project) -> Result<()> {
    let mut problems = Vec::new();
    for package in &project.published {
        problems.extend(front_page::problems(package, |path| {
            let manifest = PathBuf::from(package.manifest["manifest_path"].as_str()?);
            fs::read_to_string(manifest.with_file_name(path)).ok()
        }));
    }
    ensure!(problems.is_empty(), "{}", problems.join("\n"));
    Ok(())
}

/// Packs the packages, unpacks them and builds the result, in which packages depend on one another's archives and not on
/// this folder.
fn package(sh: &Shell, project: &Project) -> Result<()> {
    let only = project.published_only();
    let target = project.target.join("packages");
    // Uncommitted changes may be packed here; `cargo publish` refuses them.
    let package = cmd!(sh, "cargo package --locked --allow-dirty --all-features {only...}");
    Ok(package.env("CARGO_TARGET_DIR", target).run()?)
}

/// Builds the documentation like docs.rs, which marks items with the features that they need. Stable compilers do not.
fn docs(sh: &Shell, project: &Project) -> Result<()> {
    let only = project.published_only();
    let target = project.target.join("docs-rs");
    cmd!(sh, "cargo doc --locked --no-deps --all-features {only...}")
        .env("CARGO_TARGET_DIR", &target)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTDOCFLAGS", "--cfg docsrs -D warnings")
        .run()?;
    let page = sh.read_file(target.join("doc/authkit_tower/struct.Webhooks.html"))?;
    let is_marked = page.contains("Available on <strong>crate feature <code>webhooks</code>");
    ensure!(is_marked, "the documentation does not say which feature `Webhooks` needs");
    Ok(())
}

/// Checks every set of features that contains a cryptography, since features are additive.
fn feature_sets(sh: &Shell, project: &Project) -> Result<()> {
    for package in &project.published {
        let sets = subsets(&package.features).into_iter();
        let sets = sets.map(|set| with_cryptography(&package.features, &set));
        check_features(sh, package, sets.collect())?;
    }
    Ok(())
}

/// Checks a package with each of these sets of features.
pub(crate) fn check_features(sh: &Shell, package: &Package, sets: BTreeSet<String>) -> Result<()> {
    let name = &package.name;
    for set in sets {
        let only = ["--locked", "--package", name, "--no-default-features", "--features", &set];
        cmd!(sh, "cargo clippy {only...} -- -D warnings").run()?;
    }
    Ok(())
}

/// The set, and the default cryptography if the package offers a choice and the set makes none.
pub(crate) fn with_cryptography(features: &[String], set: &str) -> String {
    let is_cryptography = |feature: &str| CRYPTOGRAPHY.contains(&feature);
    let is_offered = features.iter().any(|feature| is_cryptography(feature));
    if !is_offered || set.split(',').any(is_cryptography) {
        return set.to_owned();
    }
    format!("{},{set}", CRYPTOGRAPHY[0]).trim_end_matches(',').to_owned()
}

/// Every subset of the features, in the form of `--features`.
fn subsets(features: &[String]) -> Vec<String> {
    features.iter().fold(vec![String::new()], |sets, feature| {
        let with = sets.iter().map(|set| match set.as_str() {
            "" => feature.clone(),
            set => format!("{set},{feature}"),
        });
        let with: Vec<_> = with.collect();
        sets.into_iter().chain(with).collect()
    })
}

fn oldest_compiler(sh: &Shell, project: &Project) -> Result<()> {
    let (rust, only) = (&project.rust_version, project.published_only());
    setup::install_rust(sh, rust)?;
    let check = cmd!(sh, "rustup run {rust} cargo check --locked --all-features {only...}");
    Ok(check.env("CARGO_TARGET_DIR", project.target.join("oldest-compiler")).run()?)
}

/// Checks the dependencies against `deny.toml`. Advisories are checked when releases are made, since their database is not
/// part of a registry.
fn dependencies(sh: &Shell, project: &Project) -> Result<()> {
    let deny = setup::install_cargo_deny(sh, project)?;
    let checks = ["bans", "licenses", "sources"];
    Ok(cmd!(sh, "{deny} --all-features --locked check {checks...}").run()?)
}

/// Checks that the version number reflects the changes of the API since the last release.
fn api_changes(sh: &Shell, project: &Project) -> Result<()> {
    let tags = cmd!(sh, "git tag --list v* --merged HEAD --sort -version:refname").read()?;
    let Some(tag) = tags.lines().next() else {
        eprintln!("nothing was released yet: there is no tag `v...`");
        return Ok(());
    };
    let program = setup::install_semver_checks(sh, project)?;
    let libraries = project.published.iter().filter(|package| package.has_library());
    for package in libraries {
        let name = &package.name;
        cmd!(sh, "{program} semver-checks --all-features --package {name} --baseline-rev {tag}")
            .env("CARGO_TARGET_DIR", project.target.join("semver-checks"))
            .run()
            .with_context(|| format!("{name} since {tag}"))?;
    }
    Ok(())
}

/// The default first.
const CRYPTOGRAPHY: [&str; 2] = ["aws-lc-rs", "ring"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_of_features_is_there_once() {
        let features = ["a", "b", "c"].map(String::from);
        assert_eq!(subsets(&features), ["", "a", "b", "a,b", "c", "a,c", "b,c", "a,b,c"]);
        assert_eq!(subsets(&[]), [""]);
    }

    #[test]
    fn a_set_of_features_has_a_cryptography_where_there_is_one_to_choose() {
        let features = ["aws-lc-rs", "dev", "ring"].map(String::from);
        let cases = [
            ("", "aws-lc-rs"),
            ("dev", "aws-lc-rs,dev"),
            ("dev,ring", "dev,ring"),
            ("aws-lc-rs,ring", "aws-lc-rs,ring"),
        ];
        for (set, expected) in cases {
            assert_eq!(with_cryptography(&features, set), expected);
        }
        assert_eq!(with_cryptography(&["dev".to_owned()], "dev"), "dev");
    }

    #[test]
    fn every_package_is_fit_to_be_shown() -> Result<()> {
        let sh = Shell::new()?;
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        sh.change_dir(root.ancestors().nth(2).context("crates/xtask")?);
        front_pages(&Project::read(&sh)?)
    }
}
